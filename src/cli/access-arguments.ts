/** What commands on users, groups, robots and tokens share of their arguments. */
import { meansUser, MOST_SCOPES, parseScope } from '../auth/scope-text.ts'
import type { Scope } from '../auth/principal.ts'
import type { OpenedData } from '../storage.ts'
import type { Io } from './command.ts'

/** Said in the help of commands that take it. */
export const EXPIRES_HELP = `      --expires WHEN   30m, 12h, 90d or 52w from now, a day such as 2027-01-31 (its beginning, UTC), or never
`
export const MAY_HELP = `      --may SCOPE      PATTERN:ACTIONS, as 'team/**:pull,push' (in quotes, for the shell); can be said several times.
                       A pattern has components: a name, * for any one, ** at the end for all the rest.
                       Actions are pull, push, create (a push that moves no tag), delete, admin
`

const UNITS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}
const LONGEST = 100 * 366 * 86_400_000

/** @returns when, null for never; a string says what is wrong */
export function readExpiry(text: string, now: number): number | null | string {
  if (text === 'never') return null
  const [, digits, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  const at =
    digits !== undefined && unit !== undefined
      ? now + Number(digits) * (UNITS[unit] ?? 0)
      : /^\d{4}-\d\d-\d\d$/.test(text)
        ? Date.parse(`${text}T00:00:00Z`)
        : Number.NaN
  if (Number.isNaN(at))
    return `--expires takes 90d, 12h, a day such as 2027-01-31, or never, not ${JSON.stringify(text)}`
  if (at <= now) return `--expires ${text} is over already`
  return at > now + LONGEST ? `--expires ${text} is too far away: say never` : at
}

/** @returns a string says what is wrong */
export function readScopes(texts: readonly string[], holder: 'robot' | 'person'): Scope[] | string {
  if (texts.length > MOST_SCOPES) return `--may can be said ${MOST_SCOPES} times at most`
  const scopes: Scope[] = []
  for (const text of texts) {
    const scope = parseScope(text)
    if ('problem' in scope) return `--may ${JSON.stringify(text)} ${scope.problem}`
    if (holder === 'robot' && meansUser(scope))
      return `--may ${JSON.stringify(text)} would never match: {user} is the name of a person, and a robot is none`
    scopes.push(scope)
  }
  return scopes
}

/** Text of a person's, in a list: one line. @returns a string says what is wrong */
export function whyNoText(option: string, text: string): string | undefined {
  if (Array.from(text).length > 200) return `${option} takes at most 200 characters`
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f]/.test(text) ? `${option} takes one line of text` : undefined
}

/** What is changed here counts only where there is access control: said, since nothing else would show it. */
export function noteWithoutAccess(io: Io, { config }: OpenedData): void {
  if (config.access !== undefined && config.access.enabled) return
  io.stderr.write(
    'Note: this configuration has no access section, so users, robots and tokens of the database do not count in it.\n',
  )
}
