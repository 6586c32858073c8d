/**
 * A directory as a source of identities. Passwords are tried by signing in to it; groups, and that somebody is there,
 * hold for `cache` milliseconds, also for those who come with a token.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createBoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { SettingError } from '../../lib/setting-error.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Account, IdentitySource } from '../identity.ts'
import { passwordProblem } from '../passwords/hasher.ts'
import type { Address } from './connect.ts'
import {
  findGroups,
  findPerson,
  signInToSearch,
  Unclear,
  type DirectoryOptions,
  type Person,
} from './directory.ts'
import { fillFilter } from './filter.ts'
import { withSession, type Session } from './session.ts'
import { createTurns } from './turns.ts'

export type LdapOptions = Address &
  DirectoryOptions & {
    /** Milliseconds for one question, all that belongs to it. */
    timeout: number
    /** Milliseconds. */
    cache: number
  }

type Parts = { options: LdapOptions; log: Logger; clock: Clock }

const PREFIX = 'ldap:'
const MOST_KEPT = 10_000
const CONNECTIONS = 4
const LONGEST_QUEUE = 128

/** @throws Error: what is configured cannot be used; the message names the setting. That it is away does not matter yet. */
export async function createLdapSource({ options, log, clock }: Parts): Promise<IdentitySource> {
  await checkOptions(options, log)
  const directory = createDirectory({ options, log })
  const kept = createKept(clock, options.cache)

  const find = async (name: string): Promise<Account | undefined> => {
    const account = await directory.find(name)
    kept.keep(name, account)
    return account
  }
  return {
    name: 'ldap',
    async verify({ name, password }) {
      // An empty one would be taken as a sign-in of nobody in particular, which goes well. Nobody is looked up: what all
      // names get in the same time tells nothing.
      if (passwordProblem(password) !== undefined) return 'wrong'
      const answer = await directory.verify(name, password)
      if (typeof answer === 'object') kept.keep(name, answer)
      return answer
    },
    find(id) {
      if (!id.startsWith(PREFIX)) return undefined
      const name = id.slice(PREFIX.length)
      const known = kept.find(name)
      return known === undefined ? kept.once(name, () => find(name)) : known.account
    },
  }
}

async function checkOptions(
  { url, ca, starttls, userfilter, groupfilter }: LdapOptions,
  log: Logger,
): Promise<void> {
  if (ca !== undefined) {
    await readFile(ca).catch((error: unknown) => {
      throw new SettingError(`auth.ldap.ca: ${ca} cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
        cause: error,
      })
    })
  }
  const { FilterParser } = await import('ldapts')
  for (const [setting, filter] of Object.entries({ userfilter, groupfilter })) {
    try {
      FilterParser.parseString(fillFilter(filter, { name: 'name', dn: 'cn=name' }))
    } catch (error) {
      throw new SettingError(`auth.ldap.${setting} is no filter (RFC 4515): ${filter}`, { cause: error })
    }
  }
  const { protocol, hostname } = new URL(url)
  if (protocol === 'ldap:' && !starttls && !/^(?:localhost|127\..*|\[::1\])$/.test(hostname))
    log.warn('passwords go to the directory without encryption: use ldaps:// or auth.ldap.starttls', { url })
}

/** Questions to the directory, a few at a time, and what is said when it does not answer. */
function createDirectory({ options, log }: Omit<Parts, 'clock'>) {
  const turns = createTurns({ atOnce: CONNECTIONS, waiting: LONGEST_QUEUE, full: tooMany })
  let problem: string | undefined

  const ask = async <T>(use: (session: Session) => Promise<T>): Promise<T> => {
    const signal = AbortSignal.timeout(options.timeout)
    try {
      const answer = await turns.take(() => withSession(options, signal, use), signal)
      if (problem !== undefined) log.info('the directory answers again', { url: options.url })
      problem = undefined
      return answer
    } catch (error) {
      if (error instanceof Unclear || error instanceof RegistryError) throw error
      const reason = signal.aborted ? `no answer within ${options.timeout} ms` : reasonOf(error)
      if (reason !== problem)
        log.error('the directory cannot be asked: nobody of it can sign in until it can', {
          url: options.url,
          reason,
        })
      problem = reason
      throw away(error)
    }
  }
  const unclear = (name: string, error: unknown): 'wrong' => {
    if (!(error instanceof Unclear)) throw error
    log.error('somebody of the directory is refused', { user: name, reason: error.message })
    return 'wrong'
  }
  const accountIn = async (session: Session, person: Person): Promise<Account> =>
    createAccount(person, await findGroups(session, options, person))

  return {
    find: (name: string): Promise<Account | undefined> =>
      ask(async (session) => {
        await signInToSearch(session, options)
        const person = await findPerson(session, options, name)
        return person?.name === name ? accountIn(session, person) : undefined
      }).catch((error: unknown) => void unclear(name, error)),
    verify: (name: string, password: string): Promise<Account | 'unknown' | 'wrong'> =>
      ask(async (session) => {
        await signInToSearch(session, options)
        const person = await findPerson(session, options, name)
        // For a name that nobody has, as much is asked as for one that somebody has.
        const outcome = await session.bind(person?.dn ?? nobodyIn(options), password)
        if (person === undefined) return 'unknown'
        if (outcome === 'wrong') return 'wrong'
        if (person.name !== name) throw otherwiseWritten(person.name)
        await signInToSearch(session, options, true)
        return accountIn(session, person)
      }).catch((error: unknown) => unclear(name, error)),
  }
}

function createAccount({ name, stamp, person }: Person, groups: readonly string[]): Account {
  const principal = {
    id: `${PREFIX}${name}`,
    name,
    kind: 'user',
    groups,
    claims: [],
    isAdmin: false,
    grants: [],
  } as const
  return { principal, stamp, ...(person !== undefined && { person }) }
}

/** An entry that is not there. */
const nobodyIn = ({ nameattribute, userbase }: LdapOptions): string =>
  `${nameattribute}=${randomBytes(12).toString('hex')},${userbase}`

/** What the directory said, for as long as it holds. */
function createKept(clock: Clock, cache: number) {
  const kept = createBoundedMap<{ account: Account | undefined; at: number }>({ most: MOST_KEPT })
  const asking = new Map<string, Promise<Account | undefined>>()
  return {
    keep(name: string, account: Account | undefined): void {
      if (cache > 0) kept.set(name, { account, at: clock.now() })
    },
    find(name: string): { account: Account | undefined } | undefined {
      const known = kept.get(name)
      const age = clock.now() - (known?.at ?? 0)
      return age >= 0 && age < cache ? known : undefined
    },
    /** Those who ask for the same name at the same time ask once. */
    once(name: string, find: () => Promise<Account | undefined>): Promise<Account | undefined> {
      const before = asking.get(name)
      if (before !== undefined) return before
      const promise = find().finally(() => asking.delete(name))
      asking.set(name, promise)
      return promise
    },
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (typeof code === 'number') return `it answers: ${message}`
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

const away = (cause: unknown): RegistryError =>
  new RegistryError(
    'UNAVAILABLE',
    'the directory with the users of this registry does not answer: try again soon; its operator finds the reason in its log',
    { retryAfter: 5, cause },
  )

const tooMany = (): RegistryError =>
  new RegistryError('TOOMANYREQUESTS', 'too many are signing in: try again in 5 s, or sign in with a token', {
    retryAfter: 5,
  })

/**
 * Names are compared without case by most directories, but not by rules: there must be one way to write each. Only
 * somebody who knows the password is told.
 */
const otherwiseWritten = (name: string): RegistryError =>
  new RegistryError('UNAUTHORIZED', `sign in with the name as the directory writes it: ${name}`)
