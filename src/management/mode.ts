/** How the registry is run, as far as the API must know. */
import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/accounts.ts'
import type { Audit } from '../auth/audit.ts'
import type { CertificateOf } from '../auth/gate.ts'
import type { Identities } from '../auth/identities.ts'
import type { Membership } from '../auth/membership.ts'
import type { PasswordHasher } from '../auth/passwords/hasher.ts'
import type { FileAccess } from '../auth/rules/rule.ts'
import type { Db } from '../metadata/database.ts'
import type { Need } from './contract-route.ts'

export type Mode =
  /** Anyone may do everything. */
  | 'open'
  /** An external token server decides. */
  | 'issuer'
  /** Who signed in may do everything. */
  | 'accounts'
  /** Rules decide. */
  | 'access'

/** Where people sign in here: modes `accounts` and `access`. */
export type SignInPart = {
  readonly db: Db
  readonly identities: Pick<Identities, 'signIn'>
  readonly accounts: Pick<Accounts, 'find'>
  /** Who the client certificate of a connection is of. */
  readonly certificateOf?: CertificateOf | undefined
  readonly access: Access
  readonly audit: Audit
  readonly now: () => number
}

/** Accounts, robots and rules of Berth's own: mode `access`. */
export type AccessPart = {
  readonly hasher: Pick<PasswordHasher, 'hash'>
  readonly membership: Pick<Membership, 'groupsOf'>
  /** What the configuration file says now: the same object for as long as it says the same. */
  readonly file: () => FileAccess
}

/** What a mode lacks, and what to configure. */
const WHAT_TO_DO: Readonly<Record<Mode, string>> = {
  open:
    'this registry is open to everyone and has no accounts: configure access (rules, users, robots), or auth.htpasswd, ' +
    'and start it again',
  issuer: 'accounts and rules are kept by the token server that auth.token names: change them there',
  accounts: 'this registry has no rules and no accounts of its own: configure access, and start it again',
  access: 'this is not there',
}

export function notConfigured(mode: Mode): string {
  return WHAT_TO_DO[mode]
}

const OFFERS: Readonly<Record<Mode, ReadonlySet<Need>>> = {
  open: new Set<Need>(['nothing']),
  issuer: new Set<Need>(['nothing']),
  accounts: new Set<Need>(['nothing', 'accounts']),
  access: new Set<Need>(['nothing', 'accounts', 'access']),
}

export function offers(mode: Mode, need: Need): boolean {
  return OFFERS[mode].has(need)
}
