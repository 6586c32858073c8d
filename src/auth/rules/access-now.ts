/** The rules of one moment, and what follows from them. */
import type { AccessNow } from '../access.ts'
import type { Principal } from '../principal.ts'
import { holdsEverywhere } from './administer.ts'
import { compileEntries, type Entries, rightsIn } from './entries.ts'
import { explain } from './explain.ts'
import { personOf, rightsInScopes, rightsInToken, scopesAdminister } from './limits.ts'
import { isProblem, type Pattern, parsePattern } from './pattern.ts'
import { ADMIN, ALL, allows, PUSH, type Rights } from './rights.ts'
import type { Defaults, Rule } from './rule.ts'
import { createNode, findMostSpecific, insertPattern, type Node } from './tree.ts'

export type CompiledRule = {
  /** Undefined: the defaults. */
  readonly rule: Rule | undefined
  readonly entries: Entries
}
/** A rule with its pattern, ready to be put among others. */
export type ReadyRule = { readonly pattern: Pattern; readonly compiled: CompiledRule }

/** `rights`: but for the limits of its token. */
type Decided = { readonly rights: Rights; readonly withToken: Rights }

/** Decisions that are kept for one principal. */
const MOST_KEPT = 256

export type CompiledRules = {
  readonly root: Node<CompiledRule>
  /** Decides where no pattern matches. */
  readonly otherwise: CompiledRule
  readonly defaults: Defaults
}

/** @throws Error: the rule is wrong; whoever takes rules in has checked them */
export function makeReady(rule: Rule): ReadyRule {
  const pattern = parsePattern(rule.pattern)
  if (isProblem(pattern)) throw new Error(`the pattern ${JSON.stringify(rule.pattern)} ${pattern.problem}`)
  return { pattern, compiled: { rule, entries: compileEntries(rule.allow) } }
}

type RulesAnd<R> = { rules: readonly R[]; defaults: Defaults }

/**
 * @param rules where two have one pattern, the first one holds
 * @throws Error: as {@link makeReady}
 */
export function compileRules({ rules, defaults }: RulesAnd<Rule>): CompiledRules {
  return assembleRules({ rules: rules.map(makeReady), defaults })
}

/** @param rules where two have one pattern, the first one holds */
export function assembleRules({ rules, defaults }: RulesAnd<ReadyRule>): CompiledRules {
  const root = createNode<CompiledRule>()
  for (const { pattern, compiled } of rules) insertPattern(root, pattern, compiled)
  return { root, otherwise: { rule: undefined, entries: compileEntries(defaults.allow) }, defaults }
}

/** What follows from rules; keeps what it worked out for as long as it is used. */
export function createAccessNow({ root, otherwise, defaults }: CompiledRules): AccessNow {
  /** What follows for a principal, by repository: it asks for the same again and again. */
  const kept = new WeakMap<Principal, Map<string, Decided>>()

  const decidingFor = (principal: Principal, repository: string): CompiledRule =>
    findMostSpecific(root, repository, personOf(principal)) ?? otherwise

  function decided(principal: Principal, repository: string): Decided {
    let own = kept.get(principal)
    const known = own?.get(repository)
    if (known !== undefined) return known
    const rights = workOut(principal, repository)
    const { token } = principal
    const made = { rights, withToken: token ? rights & rightsInToken(token, repository) : rights }
    if (own === undefined) kept.set(principal, (own = new Map()))
    else if (own.size >= MOST_KEPT) own.clear()
    own.set(repository, made)
    return made
  }

  function workOut(principal: Principal, repository: string): Rights {
    if (principal.kind === 'open') return ALL
    const rights = principal.isAdmin
      ? ALL
      : rightsIn(decidingFor(principal, repository).entries, principal) |
        rightsInScopes(principal.grants, principal, repository)
    const { ceiling } = principal
    return ceiling === undefined ? rights : rights & rightsInScopes(ceiling, principal, repository)
  }

  const rightsWithToken = (principal: Principal, repository: string): Rights =>
    decided(principal, repository).withToken

  return {
    may: (principal, action, repository) => allows(rightsWithToken(principal, repository), action),
    mayMoveTags: (principal, repository) => (rightsWithToken(principal, repository) & PUSH) !== 0,
    couldWithAnotherToken: (principal, action, repository) =>
      allows(decided(principal, repository).rights, action),
    mayAdminister: (principal, pattern) => mayAdminister({ root, otherwise }, principal, pattern),
    explain: (principal, action, repository) =>
      explain({
        principal,
        action,
        repository,
        rule: decidingFor(principal, repository).rule,
        defaults,
        rights: rightsWithToken(principal, repository),
      }),
  }
}

function mayAdminister(
  { root, otherwise }: Pick<CompiledRules, 'root' | 'otherwise'>,
  principal: Principal,
  text: string,
): boolean {
  const pattern = parsePattern(text)
  // A token is for what it was asked for, which is never this.
  if (isProblem(pattern) || principal.token !== undefined || principal.kind === 'open') return false
  const { ceiling, grants, isAdmin } = principal
  if (ceiling !== undefined && !scopesAdminister(ceiling, principal, pattern)) return false
  if (isAdmin || scopesAdminister(grants, principal, pattern)) return true
  const holds = (decided: CompiledRule = otherwise) => (rightsIn(decided.entries, principal) & ADMIN) !== 0
  return holdsEverywhere({ root, pattern, user: personOf(principal), holds })
}
