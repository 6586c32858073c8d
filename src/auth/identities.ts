/**
 * Name and password → account. Secrets of robots and persons, and tokens of programs, are told by their form and decide
 * alone; then the first source that knows the name decides. What is right was hashed once and is kept for a while; what
 * is wrong costs as much time as what nobody knows.
 */
import { RegistryError } from '../oci/error.ts'
import type { Audit } from './audit.ts'
import type { GuessGuard } from './guess-guard.ts'
import type { Account, Attempt, IdentitySource } from './identity.ts'
import type { PasswordHasher } from './passwords/hasher.ts'
import type { VerifiedCredentials } from './verified-credentials.ts'

/** Whose request it is that somebody signs in with. */
export type Asking = { readonly address: string; readonly client: string; readonly requestId: string }

export type Identities = {
  /** Who has this name and password, where that was found a moment ago and is known to hold still: without waiting. */
  recall(credentials: { name: string; password: string }): Account | undefined
  /**
   * @throws RegistryError UNAUTHORIZED: nobody has this name and password. TOOMANYREQUESTS: too many wrong ones before,
   * or too many that wait. UNAVAILABLE: who would know cannot be asked
   */
  signIn(credentials: { name: string; password: string }, asking: Asking): Promise<Account>
}

export type IdentitiesOptions = {
  /** Each decides alone about what has its form: secrets, tokens of workloads. */
  byForm: readonly IdentitySource[]
  /** Asked one after the other, by the name. */
  byName: readonly IdentitySource[]
  verified: VerifiedCredentials
  guesses: GuessGuard
  hasher: Pick<PasswordHasher, 'verifyNobody'>
  audit: Audit
}

export function createIdentities(options: IdentitiesOptions): Identities {
  const { byForm, verified } = options
  return {
    recall(credentials) {
      const found = verified.recall(credentials)
      if (!(found instanceof Promise)) return found
      // Whoever waits for it asks again.
      found.catch(() => undefined)
      return undefined
    },
    async signIn({ name, password }, asking) {
      const attempt: Attempt = { name, password, address: asking.address }
      for (const source of byForm) {
        const found = await source.verify(attempt)
        if (found === 'unknown') continue
        if (found !== 'wrong') {
          record(options, 'done', attempt, asking, found)
          return found
        }
        record(options, 'refused', attempt, asking)
        throw wrong()
      }
      const found = await verified.verify(attempt, () => askByName(options, attempt, asking))
      if (typeof found === 'string') throw wrong()
      return found
    },
  }
}

/** Under the eyes of who counts guesses. */
async function askByName(
  options: IdentitiesOptions,
  attempt: Attempt,
  asking: Asking,
): Promise<Account | 'wrong'> {
  const { guesses } = options
  guesses.check(attempt.name, attempt.address)
  const found = await findByName(options, attempt).catch((error: unknown) => {
    guesses.gaveUp(attempt.name, attempt.address)
    throw error
  })
  if (found === 'wrong') guesses.failed(attempt.name, attempt.address)
  else guesses.succeeded(attempt.name, attempt.address)
  record(options, found === 'wrong' ? 'refused' : 'done', attempt, asking, found)
  return found
}

/** The first source that knows the name; where none does, it takes as long as if one did. */
async function findByName(
  { byName, hasher }: IdentitiesOptions,
  attempt: Attempt,
): Promise<Account | 'wrong'> {
  const asNobody = (): Promise<void> => hasher.verifyNobody(attempt.password, attempt.name)
  let nobody: Promise<void> | undefined
  for (const source of byName) {
    if (source.name === 'ldap') {
      // A directory does its own hashing; whether it knows the name must not be told by the time all the same.
      nobody = asNobody()
      nobody.catch(() => undefined)
    }
    const found = await source.verify(attempt)
    if (found === 'unknown') continue
    await nobody
    return found
  }
  await (nobody ?? asNobody())
  return 'wrong'
}

function record(
  { audit }: IdentitiesOptions,
  outcome: 'done' | 'refused',
  { name }: Attempt,
  asking: Asking,
  found: Account | 'wrong' = 'wrong',
): void {
  const principal = found === 'wrong' ? { id: 'unknown', name } : found.principal
  audit.record({
    act: 'sign-in',
    outcome,
    principal: { id: principal.id, name: principal.name },
    target: `${found !== 'wrong' && found.principal.kind === 'robot' ? 'robot' : 'user'}:${principal.name}`,
    ...asking,
  })
}

function wrong(): RegistryError {
  return new RegistryError(
    'UNAUTHORIZED',
    'the name or the password is wrong, or the account is disabled; sign in again, as with "docker login"',
  )
}
