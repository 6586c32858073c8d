/** One connection to a directory for one question, ended with it: nothing of somebody stays for the next. */
import type { createConnection } from 'node:net'
import type { Entry } from 'ldapts'
import { createCheckedStream } from './checked-stream.ts'
import { connectDirectory, type Address } from './connect.ts'

export type Session = {
  /**
   * @throws Error for all but right and wrong passwords, also for one that is empty: RFC 4513, section 5.1.2, says that a
   * directory takes such a bind as that of nobody in particular, and answers that it went well
   */
  bind(dn: string, password: string): Promise<'right' | 'wrong'>
  /** As nobody in particular. */
  unbind(): Promise<void>
  /** At most so many entries below a base, with these attributes. References to other directories are not followed. */
  search(base: string, filter: string, attributes: readonly string[], most: number): Promise<Entry[]>
}

/** invalidCredentials, and what directories say of accounts that are locked, expired or have no password. */
const WRONG: readonly number[] = [19, 32, 48, 49, 50, 53]

/** @throws Error: what is in the way, at the latest when the signal says so */
export async function withSession<T>(
  address: Address,
  signal: AbortSignal,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>()
  late.promise.catch(() => undefined)
  const giveUp = (): void => late.reject(signal.reason as Error)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([late.promise, converse(address, signal, use)])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

async function converse<T>(
  address: Address,
  signal: AbortSignal,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const { Client } = await import('ldapts')
  const socket = await connectDirectory(address, signal)
  const stream = createCheckedStream(socket)
  let isTaken = false
  const client = new Client({
    // Where to is settled: the client is given the connection, once. It would make a lost one again, as nobody.
    url: 'ldap://directory',
    createConnection: (() => {
      if (isTaken) throw new Error('the directory closed the connection')
      isTaken = true
      return stream
    }) as unknown as typeof createConnection,
  })
  try {
    return await use(createSession(client))
  } catch (error) {
    // What is wrong with the connection says more than that a request did not end.
    throw stream.errored ?? error
  } finally {
    if (!stream.destroyed) await client.unbind().catch(() => undefined)
    stream.destroy()
  }
}

type Client = InstanceType<(typeof import('ldapts'))['Client']>

function createSession(client: Client): Session {
  return {
    async bind(dn, password) {
      if (dn === '' || password === '') throw new Error('a bind without a name or a password is refused here')
      try {
        await client.bind(dn, password)
        return 'right'
      } catch (error) {
        if (WRONG.includes((error as { code: number }).code)) return 'wrong'
        throw error
      }
    },
    unbind: () => client.bind('', ''),
    async search(base, filter, attributes, most) {
      const options = { scope: 'sub', derefAliases: 'never', sizeLimit: most, filter } as const
      const { searchEntries } = await client.search(base, { ...options, attributes: [...attributes] })
      return searchEntries.slice(0, most)
    },
  }
}
