/** Scopes of robots and personal tokens as people write them: `team/**:pull,push`. */
import { type RuleAction, RULE_ACTIONS } from './permission.ts'
import type { Scope } from './principal.ts'
import { isProblem, parsePattern, USER } from './rules/pattern.ts'

/** More than anybody needs, and few enough to be looked through at a request. */
export const MOST_SCOPES = 100

type Wrong = { readonly problem: string }

/** @returns what is wrong and what to do, as a sentence about it would go on after the text in quotes */
export function parseScope(text: string): Scope | Wrong {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return { problem: 'does not say what is allowed: write it as team/**:pull,push' }
  return checkScope({ repositories: text.slice(0, colon), actions: text.slice(colon + 1).split(',') })
}

/** With each action once, and checked: pattern and actions may be anything before. */
export function checkScope({
  repositories,
  actions,
}: {
  repositories: string
  actions: readonly string[]
}): Scope | Wrong {
  const pattern = parsePattern(repositories)
  if (isProblem(pattern)) return { problem: `names no repositories: the pattern ${pattern.problem}` }
  if (actions.every((action) => action === ''))
    return { problem: `allows nothing: say some of ${RULE_ACTIONS.join(', ')}` }
  const unknown = actions.find((action) => !RULE_ACTIONS.includes(action as RuleAction))
  if (unknown !== undefined)
    return { problem: `has ${JSON.stringify(unknown.slice(0, 60))}: actions are ${RULE_ACTIONS.join(', ')}` }
  return { repositories, actions: RULE_ACTIONS.filter((action) => actions.includes(action)) }
}

/** `{user}` stands for the name of a person: in what a robot may, it would stand for nobody. */
export function meansUser({ repositories }: Scope): boolean {
  const pattern = parsePattern(repositories)
  return !isProblem(pattern) && pattern.components.includes(USER)
}

export function scopeText({
  repositories,
  actions,
}: {
  repositories: string
  actions: readonly string[]
}): string {
  return `${repositories}:${actions.join(',')}`
}
