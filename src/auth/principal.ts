/** Who asks. */
import type { RuleAction } from './permission.ts'

/** What is allowed in the repositories that a pattern matches (`access/pattern.ts` has the language). */
export type Scope = { readonly repositories: string; readonly actions: readonly RuleAction[] }

/**
 * What a token of the token service was asked for: nothing else is done with it. Repository name → actions, each one
 * exactly as it was granted.
 */
export type TokenGrant = {
  readonly repositories: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * Repository name → its row when the token was made, where it was there: one of that name that was made since is
   * another one.
   */
  readonly rows?: ReadonlyMap<string, number>
  /** `registry:catalog:*` */
  readonly catalog: boolean
}

export type Principal = {
  /**
   * Stable identity that rows hold: `anonymous`, `open`, `user:7`, `robot:3`, `htpasswd:alice`, `ldap:alice`,
   * `certificate:alice`, `workload:github:repo:org/app`, `issuer:alice`. Where the name is the identity, it stands in it.
   */
  readonly id: string
  /** The name as people read it; kept beside the id in rows. What `user:NAME` and `{user}` of a rule mean. */
  readonly name: string
  /**
   * `open`: everyone, in a registry without access control. `user`: a person, wherever the account is kept. `robot`:
   * one of Berth's own. `workload`: a program that another issuer vouches for.
   */
  readonly kind: 'open' | 'anonymous' | 'user' | 'robot' | 'workload'
  readonly groups: readonly string[]
  /** Of a workload: the claim rules that its token met, by name. */
  readonly claims: readonly string[]
  /** May do everything. */
  readonly isAdmin: boolean
  /** What it may by itself, beside what rules allow: the scopes of a robot. */
  readonly grants: readonly Scope[]
  /** At most this, whatever rules allow: the scopes of a personal token. Absent: no such limit. */
  readonly ceiling?: readonly Scope[]
  /** It came with a token that was asked for some things only. */
  readonly token?: TokenGrant
}

const nothing = { groups: [], claims: [], isAdmin: false, grants: [] } as const

/** Everyone, in a registry that runs without access control. */
export const openPrincipal: Principal = { id: 'open', name: 'anonymous', kind: 'open', ...nothing }

/** Who did not sign in. */
export const anonymousPrincipal: Principal = {
  id: 'anonymous',
  name: 'anonymous',
  kind: 'anonymous',
  ...nothing,
}
