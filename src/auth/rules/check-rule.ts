/** Whether what somebody wrote is a rule: for what the database is given. */
import { RULE_ACTIONS, type RuleAction } from '../permission.ts'
import { isProblem, parsePattern } from './pattern.ts'
import type { Allow, Rule } from './rule.ts'
import { parseWho } from './who.ts'

const MOST_ENTRIES = 1000

/** @returns all that is wrong, each as a sentence without its end */
export function checkRule(
  pattern: string,
  given: Readonly<Record<string, readonly string[]>>,
): { rule: Pick<Rule, 'pattern' | 'allow'> } | { problems: string[] } {
  const problems: string[] = []
  const parsed = parsePattern(pattern)
  if (isProblem(parsed))
    problems.push(`the pattern ${JSON.stringify(pattern.slice(0, 60))} ${parsed.problem}`)
  const entries = Object.entries(given)
  if (entries.length > MOST_ENTRIES) problems.push(`a rule has at most ${MOST_ENTRIES} entries: make a group`)
  const allow = entries.slice(0, MOST_ENTRIES).map(([who, actions]) => {
    const whom = parseWho(who)
    if ('problem' in whom) problems.push(`${JSON.stringify(who.slice(0, 60))} ${whom.problem}`)
    for (const action of actions.filter((one) => !isAction(one)))
      problems.push(
        `${JSON.stringify(action.slice(0, 60))} is no action: there are ${RULE_ACTIONS.join(', ')}`,
      )
    return [who, [...new Set(actions.filter(isAction))]] as const
  })
  return problems.length > 0 ? { problems } : { rule: { pattern, allow: Object.fromEntries(allow) as Allow } }
}

function isAction(text: string): text is RuleAction {
  return RULE_ACTIONS.some((action) => action === text)
}
