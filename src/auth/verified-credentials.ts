/**
 * Names and passwords that were found right a moment ago: a burst of CI jobs costs one slow comparison, not thousands.
 * What is kept counts only while the account is as it was: each time it is looked at again, by `find`.
 */
import { hash, randomBytes } from 'node:crypto'
import { createBoundedMap } from '../lib/bounded-map.ts'
import type { Clock } from '../lib/clock.ts'
import type { Account, Attempt, IdentitySource } from './identity.ts'

export type Answer = Account | 'unknown' | 'wrong'

export type VerifiedCredentials = {
  /**
   * The account, if name and password were found right before and that still holds; undefined: they must be verified.
   * Without waiting where the account is known in memory.
   * @throws RegistryError UNAVAILABLE: the account cannot be looked at now
   */
  recall(attempt: Credentials): Account | undefined | Promise<Account | undefined>
  /**
   * As {@link recall}, and if that knows nothing: what `ask` says. Equal attempts at the same time ask once; wrong ones
   * are asked again each time, as slowly as the first. What `ask` throws comes to all who wait for it.
   */
  verify(attempt: Attempt, ask: (attempt: Attempt) => Promise<Answer>): Promise<Answer>
  /** Forgets all. */
  clear(): void
}

type Credentials = Pick<Attempt, 'name' | 'password'>
type Kept = { id: string; stamp: string; until: number }

type Options = {
  clock: Clock
  /** The account with this id as it is now, from the source that its id begins with. */
  find: IdentitySource['find']
  /** Milliseconds that a password counts as verified. */
  age?: number
  /** The same for some: what an id begins with (`ldap`) → milliseconds. */
  ages?: Readonly<Record<string, number>>
  /** How many are kept. */
  most?: number
}

export function createVerifiedCredentials({
  clock,
  find,
  age = 600_000,
  ages = {},
  most = 10_000,
}: Options): VerifiedCredentials {
  // Nothing that could be compared with anything outlives the process.
  const secret = randomBytes(32).toString('base64')
  const kept = createBoundedMap<Kept>({ most })
  const underWay = new Map<string, Promise<Answer>>()

  const keyOf = ({ name, password }: Credentials): string =>
    hash('sha256', `${secret}${name.length}:${name}${password}`, 'base64')

  const keep = (key: string, { principal: { id }, stamp, expiresAt = Infinity }: Account): void => {
    const until = Math.min(clock.now() + (ages[id.slice(0, id.indexOf(':'))] ?? age), expiresAt)
    if (until > clock.now()) kept.set(key, { id, stamp, until })
    else kept.delete(key)
  }
  /** Whether what was right a moment ago is so still: the account as it is now. */
  const hold = (key: string, was: Kept, now: Account | undefined): Account | undefined => {
    const isSame = now?.stamp === was.stamp && (now.expiresAt ?? Infinity) > clock.now()
    if (kept.get(key) === was) {
      // Put back as the newest.
      if (isSame) kept.set(key, was)
      else kept.delete(key)
    }
    return isSame ? now : undefined
  }
  const recall = (key: string): Account | undefined | Promise<Account | undefined> => {
    const was = kept.get(key)
    if (was === undefined) return undefined
    if (was.until <= clock.now()) {
      kept.delete(key)
      return undefined
    }
    const now = find(was.id)
    return now instanceof Promise ? now.then((found) => hold(key, was, found)) : hold(key, was, now)
  }
  const askOnce = (key: string, attempt: Attempt, ask: (attempt: Attempt) => Promise<Answer>) => {
    const before = underWay.get(key)
    if (before !== undefined) return before
    const asking = ask(attempt).finally(() => underWay.delete(key))
    underWay.set(key, asking)
    return asking
  }
  return {
    recall: (attempt) => recall(keyOf(attempt)),
    async verify(attempt, ask) {
      const key = keyOf(attempt)
      const known = await recall(key)
      if (known !== undefined) return known
      const answer = await askOnce(key, attempt, ask)
      // A secret can be revoked while its account stays as it is, and costs next to nothing to verify.
      if (typeof answer === 'string' || answer.secretId !== undefined) return answer
      // The password may have been changed while it was compared, or before we joined somebody who had begun to ask.
      const now = await find(answer.principal.id)
      if (now?.stamp !== answer.stamp) return 'wrong'
      keep(key, answer)
      return answer
    },
    clear: () => kept.clear(),
  }
}
