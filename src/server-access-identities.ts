/** Part of the composition: who is known, and how they sign in. Loaded only where access control is configured. */
import { type Accounts, createAccounts } from './auth/accounts.ts'
import type { Audit } from './auth/audit.ts'
import type { CertificateOf } from './auth/gate.ts'
import { createGuessGuard, type GuessFigures } from './auth/guess-guard.ts'
import { createIdentities, type Identities } from './auth/identities.ts'
import type { Account, IdentitySource } from './auth/identity.ts'
import { createMembership, type Membership } from './auth/membership.ts'
import { createPasswordHasher } from './auth/passwords/create-hasher.ts'
import type { PasswordHasher } from './auth/passwords/hasher.ts'
import type { FileAccess } from './auth/rules/rule.ts'
import { createSecretsSource, type SecretsSource } from './auth/secrets-source.ts'
import { createTakenNames } from './auth/taken-names.ts'
import { createUsersSource } from './auth/users-source.ts'
import { createRefreshTokens, type RefreshTokens } from './auth/tokens/refresh.ts'
import { createVerifiedCredentials } from './auth/verified-credentials.ts'
import { type Completed, createCompleted, withMembership } from './auth/with-membership.ts'
import type { Config } from './config/schema.ts'
import type { Clock } from './lib/clock.ts'
import type { Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import { createUseRecorder, type UseRecorder } from './metadata/access/uses.ts'
import type { Db } from './metadata/database.ts'

export type IdentityParts = {
  identities: Identities
  accounts: Accounts
  membership: Membership
  hasher: PasswordHasher
  refresh: RefreshTokens
  guesses: { readonly figures: GuessFigures }
  certificateOf: CertificateOf | undefined
  /** The places where names are known, in the order in which they are asked. */
  sources: readonly string[]
}

type Options = {
  config: Config
  /** What the configuration says of access now; undefined: nothing. */
  fileAccess: () => FileAccess | undefined
  db: Db
  audit: Audit
  clock: Clock
  log: Logger
  say: (text: string) => void
  closers: Closers
}

const FLUSH_MS = 60_000

export async function openIdentities(options: Options): Promise<IdentityParts> {
  const { config, fileAccess, db, audit, clock, log, closers } = options
  const hasUsers = fileAccess() !== undefined
  const hasher = createPasswordHasher({ log, hasUsers })
  closers.push(() => hasher.close())
  const membership = createMembership({ db, fileAccess })
  const completed = createCompleted(membership)
  const uses = createUseRecorder(db, () => clock.now())
  closers.push(flushUses(uses, log))

  const secrets = createSecretsSource({
    db,
    findAccount: (id) => accounts.find(id, undefined),
    membership,
    uses,
    now: () => clock.now(),
  })
  const users = createUsersSource({ db, hasher, membership, uses })
  const elsewhere = await openOthers(options, hasher, completed)
  const byName = [...(hasUsers ? [users] : []), ...elsewhere.byName]
  const byForm = [...(hasUsers ? [secrets] : []), ...elsewhere.byForm]
  const accounts = createAccounts({
    sources: [...byForm, ...byName, ...elsewhere.vouching],
    // Without rules there are no robots and no limits of tokens, so that what was given for these counts no more.
    findBySecret: (id) => (hasUsers ? findBySecret(id, secrets, refresh) : refresh.findById(id)),
    completed,
    isTaken: hasUsers ? createTakenNames(db) : undefined,
  })
  const refresh = createRefreshTokens({ db, accounts, audit, clock })
  const guesses = createGuessGuard({ clock })
  const identities = createIdentities({
    byForm,
    byName,
    verified: createVerifiedCredentials({
      clock,
      find: (id) => accounts.find(id, undefined),
      ages: { ldap: config.auth.ldap?.cache ?? 0 },
    }),
    guesses,
    hasher,
    audit,
  })
  const sources = [...byName, ...byForm, ...elsewhere.vouching].map(({ name }) => name)
  return {
    identities,
    accounts,
    membership,
    hasher,
    refresh,
    certificateOf: elsewhere.certificateOf,
    guesses,
    sources,
  }
}

function findBySecret(
  id: number,
  secrets: SecretsSource,
  refresh: RefreshTokens,
): Account | undefined | Promise<Account | undefined> {
  const found = secrets.findBySecret(id)
  if (found instanceof Promise) return found.then((account) => account ?? refresh.findById(id))
  return found ?? refresh.findById(id)
}

function flushUses(uses: UseRecorder, log: Logger): () => Promise<void> {
  const flush = (): Promise<void> =>
    uses.flush().catch((error: unknown) => log.warn('when accounts were last used was lost', { error }))
  const timer = setInterval(() => void flush(), FLUSH_MS).unref()
  return () => {
    clearInterval(timer)
    return flush()
  }
}

type Others = {
  byName: IdentitySource[]
  byForm: IdentitySource[]
  /** Known only by what they bring with each request. */
  vouching: IdentitySource[]
  certificateOf: CertificateOf | undefined
}

/** @throws Error: what is configured and cannot be used */
async function openOthers(
  { config: { auth }, clock, log, say }: Options,
  hasher: PasswordHasher,
  completed: Completed,
): Promise<Others> {
  const others: Others = { byName: [], byForm: [], vouching: [], certificateOf: undefined }
  if (auth.htpasswd !== undefined) {
    const { createHtpasswdSource } = await import('./auth/htpasswd.ts')
    const { path } = auth.htpasswd
    others.byName.push(
      await createHtpasswdSource({ path, hasher, log, clock, onCreated: (first) => say(shownOnce(first)) }),
    )
  }
  if (auth.ldap !== undefined) {
    const { createLdapSource } = await import('./auth/ldap/source.ts')
    others.byName.push(await createLdapSource({ options: auth.ldap, log, clock }))
  }
  if (auth.workloads.length > 0) {
    const { openWorkloads } = await import('./auth/workloads/source.ts')
    others.byForm.push(await openWorkloads({ issuers: auth.workloads, clock, log }))
  }
  if (auth.certificates !== undefined) {
    const { createCertificates } = await import('./auth/certificates.ts')
    const { accountOf, source } = createCertificates({ settings: auth.certificates, clock })
    others.vouching.push(source)
    others.certificateOf = (request) => {
      const account = accountOf(request)
      return account && completed(account)
    }
  }
  return {
    ...others,
    byName: others.byName.map((source) => withMembership(source, completed)),
    byForm: others.byForm.map((source) => withMembership(source, completed)),
  }
}

function shownOnce({ path, name, password }: { path: string; name: string; password: string }): string {
  return `
berth: ${path} was missing, so it was made, with one user:

    name      ${name}
    password  ${password}

This is shown once and kept nowhere else but as a hash.

`
}
