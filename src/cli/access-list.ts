/** `berth access list`: all rules, in the order in which they are asked. */
import { comparePatterns, isProblem, type Pattern, parsePattern } from '../auth/rules/pattern.ts'
import { accessInFile, isAccessOn, type Rules, rulesOfDatabase, withRules } from './access-data.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { createTable, fit } from './table.ts'
import { writeAll } from './output.ts'

type Listed = {
  /** Undefined: where no other matches. */
  pattern: string | undefined
  allow: Readonly<Record<string, readonly string[]>>
  source: string
  /** The file has a rule for the same pattern, which holds. */
  isShadowed: boolean
  changedAt?: number
  changedBy?: string
}

export async function listOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('access list', args, { ...CONFIG_OPTION, json: { type: 'boolean' } }, 0, io)
  if (parsed === undefined) return 2
  return withRules(io, parsed.values.config, async (rules) => {
    const listed = await allRules(rules)
    await writeAll(io, parsed.values.json === true ? jsonOf(listed) : tableOf(listed))
    const administrators = [...accessInFile(rules.loaded).administrators]
    if (parsed.values.json !== true && administrators.length > 0)
      io.stdout.write(`By the configuration, these may do everything: ${fit(administrators.join(', '))}\n`)
    if (!isAccessOn(rules.loaded))
      io.stderr.write(
        'Note: this configuration has no access section (or it is not enabled), so rules do not count in it.\n',
      )
    return 0
  })
}

async function allRules(rules: Rules): Promise<Listed[]> {
  const file = accessInFile(rules.loaded)
  const inFile = new Set(file.rules.map(({ pattern }) => pattern))
  const all: Listed[] = [
    ...file.rules.map((rule) => ({ ...rule, isShadowed: false })),
    ...(await rulesOfDatabase(rules)).map(({ pattern, allow, changedAt, changedBy }) => ({
      ...{ pattern, allow, changedAt, changedBy, source: 'database' },
      isShadowed: inFile.has(pattern),
    })),
  ]
  const { allow, source } = file.defaults
  return [...all.toSorted(bySpecificity), { pattern: undefined, allow, source, isShadowed: false }]
}

function bySpecificity(a: Listed, b: Listed): number {
  const [left, right] = [patternOf(a), patternOf(b)]
  // What is no pattern stops everything, so it comes first.
  if (left === undefined || right === undefined)
    return Number(left !== undefined) - Number(right !== undefined)
  return comparePatterns(left, right) || Number(a.isShadowed) - Number(b.isShadowed)
}

function patternOf({ pattern }: Listed): Pattern | undefined {
  const parsed = parsePattern(pattern ?? '')
  return isProblem(parsed) ? undefined : parsed
}

function jsonOf(listed: readonly Listed[]): string {
  const lines = listed.map(({ pattern, allow, source, isShadowed, changedAt, changedBy }) =>
    JSON.stringify({
      pattern: pattern ?? null,
      allow,
      source,
      ...(isShadowed && { shadowed: true }),
      ...(changedAt !== undefined && { changedAt: new Date(changedAt).toISOString(), changedBy }),
    }),
  )
  return `[\n${lines.join(',\n')}\n]\n`
}

function tableOf(listed: readonly Listed[]): string {
  const rows = listed.flatMap(({ pattern, allow, source, isShadowed }) => {
    const entries = Object.entries(allow)
    const where = isShadowed ? `${source}, but the file has this pattern` : source
    const name = pattern === undefined ? '(no rule matches)' : fit(pattern)
    if (entries.length === 0) return [[name, 'nobody', '', where]]
    return entries.map(([who, actions], index) => [
      index === 0 ? name : '',
      fit(who),
      actions.length === 0 ? 'nothing' : actions.join(', '),
      index === 0 ? where : '',
    ])
  })
  return createTable(['PATTERN', 'WHO', 'MAY', 'FROM']).lines(rows)
}
