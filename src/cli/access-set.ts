/** `berth access set` and `berth access remove`. */
import { checkRule } from '../auth/rules/check-rule.ts'
import { findRobotByName } from '../metadata/access/robots.ts'
import { findRule, removeRule, setRule } from '../metadata/access/rules.ts'
import type { Db } from '../metadata/database.ts'
import { isAccessOn, ruleOfFile, withRules } from './access-data.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse } from './refusal.ts'
import { fit } from './table.ts'

export async function setOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('access set', args, CONFIG_OPTION, 1001, io)
  if (parsed === undefined) return 2
  const [pattern, ...entries] = parsed.positionals
  if (pattern === undefined) return refuseUse(io, 'access set', 'say for which pattern')
  if (entries.length === 0)
    return refuseUse(io, 'access set', 'say who may do what: WHO=ACTIONS; anonymous= is for nobody')
  const given = readEntries(entries)
  if (typeof given === 'string') return refuseUse(io, 'access set', given)
  const checked = checkRule(pattern, given)
  if ('problems' in checked) return refuseUse(io, 'access set', checked.problems.join('; '))
  const { rule } = checked
  return withRules(io, parsed.values.config, async ({ loaded, data }) => {
    const inFile = ruleOfFile(loaded, pattern)
    if (inFile !== undefined)
      return refuse(
        io,
        'access set',
        `the rule for ${pattern} stands in ${inFile.source}, and the file's rules hold: change it there`,
      )
    const actor = operator('berth access set', 'command')
    const outcome = await setRule(data.metadata.db, rule, actor)
    await recordAudit({ io, data }, actor, 'rule', pattern, { allow: entries.join(' ') })
    io.stdout.write(`The rule for ${pattern} is ${outcome === 'created' ? 'made' : 'another one'} now.\n`)
    noteOff(io, isAccessOn(loaded))
    noteAnonymous(io, loaded.config.access?.anonymous ?? [], Object.keys(given))
    await noteRobots(io, data.metadata.db, Object.keys(given))
    return 0
  })
}

/** The most specific rule decides alone: what everybody may elsewhere ends there. */
function noteAnonymous(io: Io, elsewhere: readonly (string | undefined)[], entries: readonly string[]): void {
  if (elsewhere.length === 0 || entries.includes('anonymous')) return
  const actions = elsewhere.join(',')
  io.stderr.write(
    `Note: what everybody may (access.anonymous: ${actions}) does not hold there: a rule decides alone. To keep it, say ` +
      `anonymous=${actions} too; anonymous= says that it is meant so.\n`,
  )
}

/** A rule for a person of a robot's name is easily written, and gives the robot nothing. */
async function noteRobots(io: Io, db: Db, entries: readonly string[]): Promise<void> {
  for (const entry of entries.filter((who) => who.startsWith('user:'))) {
    const name = entry.slice('user:'.length)
    if ((await findRobotByName(db, name)) !== undefined)
      io.stderr.write(
        `Note: ${fit(name)} is a robot, and ${fit(entry)} means a person: write robot:${fit(name)}.\n`,
      )
  }
}

/** @returns a string says what is wrong */
function readEntries(entries: readonly string[]): Record<string, string[]> | string {
  const given = new Map<string, string[]>()
  for (const entry of entries) {
    const equals = entry.lastIndexOf('=')
    if (equals < 0) return `${JSON.stringify(entry)} says not what they may: write ${entry}=pull`
    const who = entry.slice(0, equals)
    if (given.has(who)) return `${JSON.stringify(who)} stands twice`
    given.set(
      who,
      entry
        .slice(equals + 1)
        .split(/[,\s]+/)
        .filter((action) => action !== ''),
    )
  }
  return Object.fromEntries(given)
}

export async function removeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('access remove', args, CONFIG_OPTION, 1, io)
  if (parsed === undefined) return 2
  const [pattern] = parsed.positionals
  if (pattern === undefined) return refuseUse(io, 'access remove', 'say for which pattern')
  return withRules(io, parsed.values.config, async ({ loaded, data }) => {
    const { db } = data.metadata
    const actor = operator('berth access remove', 'command')
    const removed = await removeRule(db, pattern, actor)
    if (removed !== undefined) await recordAudit({ io, data }, actor, 'rule', pattern, { removed: true })
    const inFile = ruleOfFile(loaded, pattern)
    if (removed !== undefined) {
      const still = inFile === undefined ? '' : ` The one of ${inFile.source} holds, as before.`
      io.stdout.write(`The rule for ${pattern} is removed.${still}\n`)
      noteOff(io, isAccessOn(loaded))
      return 0
    }
    if (inFile !== undefined)
      return refuse(
        io,
        'access remove',
        `the rule for ${pattern} stands in ${inFile.source}: take it away there`,
      )
    const isThere = (await findRule(db, pattern)) !== undefined
    const why = isThere
      ? 'somebody else is changing it just now: say this again'
      : `there is no rule for ${JSON.stringify(pattern)}: "berth access list" shows those that there are`
    return refuse(io, 'access remove', why)
  })
}

function noteOff(io: Io, isOn: boolean): void {
  if (isOn) return
  io.stderr.write(
    'Note: this configuration has no access section (or it is not enabled), so rules do not count in it.\n',
  )
}
