/** Why somebody may do something, or not, for people. */
import type { Explanation } from '../access.ts'
import { type RuleAction } from '../permission.ts'
import type { Principal } from '../principal.ts'
import { entriesFor } from './entries.ts'
import { rightsInScopes, rightsInToken } from './limits.ts'
import { actionsOf, CREATE, holds, NOTHING, type Rights, rightsOfActions } from './rights.ts'
import type { Defaults, Rule } from './rule.ts'

export type Question = {
  readonly principal: Principal
  readonly action: RuleAction
  readonly repository: string
  /** The one that decides; undefined: the defaults do. */
  readonly rule: Rule | undefined
  readonly defaults: Defaults
  /** With all that limits the principal. */
  readonly rights: Rights
}

export function explain(question: Question): Explanation {
  const { principal, action, rule, defaults, rights } = question
  const allowed = holds(rights, action)
  if (principal.kind === 'open')
    return { allowed, pattern: undefined, source: 'default', why: 'the registry is open to everyone' }
  const beside = besideRules(question)
  if (allowed && beside !== undefined)
    return { allowed, pattern: undefined, source: beside.source, why: beside.why }
  const limit = allowed ? undefined : limitOf(question)
  const onlyCreates = action === 'push' && !allowed && (rights & CREATE) !== 0
  return {
    allowed,
    pattern: rule?.pattern,
    source: rule?.source ?? defaults.source,
    why: [
      giverOf(question),
      ...(limit === undefined ? [] : [limit]),
      ...(onlyCreates ? ['new tags may be pushed, but none that is there may be moved'] : []),
    ].join('; '),
  }
}

/** What gives it whatever the rules say. */
function besideRules({
  principal,
  action,
  repository,
}: Question): { source: 'administrators' | 'scopes'; why: string } | undefined {
  const { name, isAdmin, grants } = principal
  if (isAdmin) return { source: 'administrators', why: `${name} is an administrator` }
  const granted = rightsInScopes(grants, principal, repository)
  if (!holds(granted, action)) return undefined
  return { source: 'scopes', why: `its own scopes give it ${list(actionsOf(granted))} there` }
}

function giverOf(question: Question): string {
  const { principal, repository, rule, defaults } = question
  const { name, grants } = principal
  const beside = besideRules(question)
  if (beside !== undefined) return beside.why
  const granted = rightsInScopes(grants, principal, repository)
  const entries = entriesFor(rule?.allow ?? defaults.allow, principal).filter(
    ([, actions]) => actions.length > 0,
  )
  const what = entries.map(([who, actions]) => `${list(actions)} to ${who}`).join(' and ')
  const own =
    granted === NOTHING ? '' : `; beside that its own scopes give it ${list(actionsOf(granted))} there`
  const whom = principal.kind === 'anonymous' ? 'who did not sign in' : name
  if (rule === undefined)
    return `no rule matches ${repository}, and the defaults give ${what || `nothing to ${whom}`}${own}`
  return `the rule for ${rule.pattern} decides, and it gives ${what || `nothing to ${whom}`}${own}`
}

/** What takes away what would be given. */
function limitOf({ principal, action, repository }: Question): string | undefined {
  const { ceiling, token } = principal
  const needed = rightsOfActions([action])
  const lacks = (rights: Rights) => (rights & needed) !== needed
  if (ceiling !== undefined && lacks(rightsInScopes(ceiling, principal, repository)))
    return `its personal token is not for ${action} there`
  if (token !== undefined && lacks(rightsInToken(token, repository)))
    return `its token was not asked for ${action} there`
  return undefined
}

function list(words: readonly string[]): string {
  return words.length === 0 ? 'nothing' : words.join(', ')
}
