/** What the rules say now: those of the configuration and those of the database, as one. */
import type { RepositoryName } from '../oci/reference.ts'
import type { RepositoryAction, RuleAction } from './permission.ts'
import type { Principal } from './principal.ts'

/** Why somebody may do something, or not. */
export type Explanation = {
  allowed: boolean
  /** The pattern that decided; undefined: none matched and the defaults did, or no rule was needed. */
  pattern: string | undefined
  /**
   * Where that rule stands: `config.yml:12`, `database`, `default`. `administrators`: it is one. `scopes`: its own, of
   * a robot, give it.
   */
  source: string
  /** For people: one sentence. */
  why: string
}

/** The rules of one moment. What was worked out with one of these can be kept beside it: it never changes. */
export type AccessNow = {
  /** With everything that limits the principal itself: its token, its ceiling. `push`: also who may only create. */
  may(principal: Principal, action: RepositoryAction, repository: RepositoryName): boolean
  mayMoveTags(principal: Principal, repository: RepositoryName): boolean
  /**
   * As {@link may}, but for the limits of its token: whether another token of the same account could be allowed.
   */
  couldWithAnotherToken(principal: Principal, action: RepositoryAction, repository: RepositoryName): boolean
  /** Whether everything that a pattern matches is in this principal's hands: it may give rights there to others. */
  mayAdminister(principal: Principal, pattern: string): boolean
  explain(principal: Principal, action: RuleAction, repository: RepositoryName): Explanation
}

export type Access = {
  /**
   * The same object for as long as nothing changed: neither rules nor anything else that the access version counts, so
   * that what was made of accounts can be kept beside it, too. Without waiting where that is known.
   */
  current(): AccessNow | Promise<AccessNow>
}
