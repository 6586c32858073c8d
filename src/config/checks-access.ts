/** Checks of `access`: of single values, and of rules with each other. */
import { isProblem, parsePattern } from '../auth/rules/pattern.ts'
import { parseWho } from '../auth/rules/who.ts'
import { type Mistake, mistakeAt } from './mistakes.ts'
import type { Config } from './schema.ts'
import { Misfit } from './shape.ts'
import { DEFAULT_ORIGIN, describeOrigin, type Origin } from './tree.ts'

export function checkWho(text: string): void {
  const who = parseWho(text)
  if ('problem' in who) throw new Misfit(who.problem)
}

export function checkAdministrator(text: string): string {
  const who = parseWho(text)
  if ('problem' in who) throw new Misfit(who.problem)
  if (who.kind === 'user' || who.kind === 'group') return text
  throw new Misfit('must be user:NAME or group:NAME')
}

const UNFIT = /\p{Cc}|^\s|\s$/u

export function checkGroupName(name: string): void {
  if (name === '' || UNFIT.test(name))
    throw new Misfit('must be the name of a group, without blanks at its ends')
  if (name.startsWith('group:')) throw new Misfit(`must be the name alone: write ${name.slice(6, 106)}`)
}

export function checkMember(text: string): string {
  const [, kind, name = ''] = /^(?:([a-z-]+):)?(.*)$/s.exec(text) ?? []
  if (UNFIT.test(text) || name === '') throw new Misfit('must be the name of a user, or robot:NAME')
  if (kind !== undefined && kind !== 'user' && kind !== 'robot')
    throw new Misfit('must be the name of a user, or robot:NAME; groups have no groups in them')
  return text
}

type Given = { config: Config; origins: ReadonlyMap<string, Origin> }

/** What is wrong in `access` although each value is right. */
export function checkAccess({ config: { access, auth }, origins }: Given): Mistake[] {
  if (access === undefined) return []
  const say = (path: string, message: string): Mistake => mistakeAt(origins.get(path), path, message)
  const mistakes = checkRules(access.rules, origins, say)
  if (access.enabled && auth.token !== undefined) {
    const message =
      'cannot stand beside auth.token: there the other server decides who may do what, and its tokens say so. Take one ' +
      'of the two away'
    mistakes.push(say('access', message))
  }
  return mistakes
}

type Rules = NonNullable<Config['access']>['rules']

function checkRules(
  rules: Rules,
  origins: ReadonlyMap<string, Origin>,
  say: (path: string, message: string) => Mistake,
): Mistake[] {
  const mistakes: Mistake[] = []
  const seen = new Map<string, string>()
  for (const [index, { repositories }] of rules.entries()) {
    const path = `access.rules[${index}]`
    if (repositories.length === 0)
      mistakes.push(mistakeAt(origins.get(path), `${path}.repositories`, 'must name a pattern at least'))
    if ((origins.get(`${path}.allow`) ?? DEFAULT_ORIGIN).from === 'default') {
      const message = 'must say who may do what; {} is for nobody'
      mistakes.push(mistakeAt(origins.get(path), `${path}.allow`, message))
    }
    for (const [position, text] of repositories.entries()) {
      const place = `${path}.repositories[${position}]`
      const pattern = parsePattern(text)
      const before = seen.get(text)
      if (isProblem(pattern)) mistakes.push(say(place, `the pattern ${short(text)} ${pattern.problem}`))
      else if (before === undefined) seen.set(text, place)
      else
        mistakes.push(
          say(place, `${text} stands in ${at(before, origins)} already: make one rule of the two`),
        )
    }
  }
  return mistakes
}

function at(path: string, origins: ReadonlyMap<string, Origin>): string {
  const rule = path.slice(0, path.indexOf(']') + 1)
  return `${rule} (${describeOrigin(origins.get(path) ?? DEFAULT_ORIGIN)})`
}

function short(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

/** What can be right, and most likely is not what was meant. */
export function warnOfAccess({ config: { access, auth }, origins }: Given): string[] {
  if (access === undefined || !access.enabled) return []
  const warnings: string[] = []
  const warn = (path: string, message: string) =>
    warnings.push(`${describeOrigin(origins.get(path) ?? DEFAULT_ORIGIN)}: ${path}: ${message}`)
  const claims = new Set(auth.workloads.flatMap((issuer) => issuer.claims.map(({ name }) => name)))
  const defaults = { anonymous: access.anonymous, 'signed-in': access['signed-in'] }
  for (const who of pushesOnly(defaults)) warn(`access.${who}`, PUSH_ONLY)
  for (const [index, { repositories, allow }] of access.rules.entries()) {
    const path = `access.rules[${index}]`
    for (const who of pushesOnly(allow)) warn(`${path}.allow.${who.slice(0, 100)}`, PUSH_ONLY)
    for (const who of Object.keys(allow).filter((one) => one.startsWith('claim:')))
      if (!claims.has(who.slice('claim:'.length)))
        warn(
          `${path}.allow.${who.slice(0, 100)}`,
          'means nobody: no claim rule of auth.workloads has this name',
        )
    const strangers = Object.keys(allow).filter((who) => /^(?:anonymous$|robot:|claim:)/.test(who))
    const ofUser = repositories.findIndex((text) => text.split('/').includes('{user}'))
    for (const who of ofUser < 0 ? [] : strangers)
      if (allow[who]?.length !== 0)
        warn(
          `${path}.allow.${who.slice(0, 100)}`,
          `means nobody else in ${repositories[ofUser]}: {user} is the name of the person who asks, so these repositories ` +
            'have this rule for that person only',
        )
  }
  return warnings
}

const PUSH_ONLY =
  'gives push without pull, and docker and most others look before they push: give pull beside it'

type Actions = Rules[number]['allow'][string]

/** Entries that let somebody push who may not pull, by the same rule. */
function pushesOnly(allow: Readonly<Record<string, Actions>>): string[] {
  const pulls = (actions: Actions = []) => actions.includes('pull') || actions.includes('admin')
  const pushes = (actions: Actions) => actions.includes('push') || actions.includes('create')
  if (pulls(allow['anonymous'])) return []
  return Object.entries(allow)
    .filter(([who, actions]) => {
      if (!pushes(actions) || pulls(actions)) return false
      return !(who.startsWith('user:') && pulls(allow['signed-in']))
    })
    .map(([who]) => who)
}
