/** What holds where no rule matches, in words: said at the start. */
import type { RuleAction } from '../permission.ts'
import { actionsOf, type Rights, rightsOfActions } from './rights.ts'
import type { Defaults } from './rule.ts'

export function describeDefaults({ allow }: Pick<Defaults, 'allow'>): string {
  const everybody = rightsOfActions(allow.anonymous)
  // What everybody may, those may too.
  const signedIn = rightsOfActions(allow['signed-in']) & ~everybody
  const parts = [
    ...(everybody === 0 ? [] : [`everybody may ${words(everybody)}`]),
    ...(signedIn === 0 ? [] : [`who signed in may ${everybody === 0 ? '' : 'also '}${words(signedIn)}`]),
  ]
  if (parts.length === 0) return 'where no rule matches, nobody may do anything'
  return `where no rule matches, ${parts.join(', and ')}${everybody === 0 ? ', and nobody else anything' : ''}`
}

function words(rights: Rights): string {
  const actions: RuleAction[] = actionsOf(rights)
  if (actions.includes('admin')) return 'do everything'
  const last = actions.at(-1)
  return actions.length < 2 ? String(last) : `${actions.slice(0, -1).join(', ')} and ${String(last)}`
}
