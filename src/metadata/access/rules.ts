/** Rules for repositories that the database holds; those of the configuration file are not here. */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, Params, Row, Statement, Step } from '../database.ts'
import { journalGone, journalRow, journalSet } from './journal.ts'
import { IS_NEW_ID, writeNew } from './new-row.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

/** Who → actions; whoever writes it has checked both, and the pattern. */
export type StoredAllow = Readonly<Record<string, readonly string[]>>

export type RuleRow = {
  readonly id: number
  readonly pattern: string
  readonly allow: StoredAllow
  /** Milliseconds since 1970. */
  readonly changedAt: number
  readonly changedBy: string
}

const COLUMNS = 'id, pattern, allow, changed_at, changed_by'
const LIST: Statement = {
  name: 'list-access-rules',
  sql: `SELECT ${COLUMNS} FROM access_rules WHERE pattern > :after ORDER BY pattern LIMIT :limit`,
  rows: true,
}
const FIND: Statement = {
  name: 'find-access-rule',
  sql: `SELECT ${COLUMNS} FROM access_rules WHERE pattern = :pattern`,
  rows: true,
}
const ALL: Statement = {
  name: 'all-access-rules',
  sql: `SELECT a.rules, r.pattern, r.allow FROM access a LEFT JOIN access_rules r WHERE a.id = 1`,
  rows: true,
}
const CREATE: Statement = {
  name: 'create-access-rule',
  sql: `INSERT INTO access_rules (id, pattern, allow, changed_at, changed_by)
        SELECT :id, :pattern, :allow, :now, :principalName
        WHERE NOT EXISTS (SELECT 1 FROM access_rules r WHERE r.pattern = :pattern) AND ${IS_NEW_ID}`,
}
const CHANGE: Statement = {
  name: 'change-access-rule',
  sql: `UPDATE access_rules SET allow = :allow, changed_at = :now, changed_by = :principalName
        WHERE pattern = :pattern AND id = :id`,
}
/** As it was read: what an id, a time and all of a rule say together. */
const AS_IT_WAS: Statement = {
  name: 'access-rule-as-it-was',
  sql: `SELECT 1 FROM access_rules
        WHERE pattern = :pattern AND id = :id AND allow = :wasAllow AND changed_at = :wasChangedAt`,
  rows: true,
}
const REMOVE: Statement = {
  name: 'remove-access-rule',
  sql: 'DELETE FROM access_rules WHERE pattern = :pattern AND id = :id',
}
const RAISE: Statement = {
  name: 'raise-rules-version',
  sql: 'UPDATE access SET rules = rules + 1 WHERE id = 1',
}
const RAISE_RULES: readonly Step[] = [{ statement: RAISE, expect: 1 }, RAISE_ACCESS_VERSION]

/** In order of patterns. @param after a pattern; '' begins */
export async function listRules(db: Pick<Db, 'read'>, after: string, limit: number): Promise<RuleRow[]> {
  return (await db.read(LIST, { after, limit })).map(ruleOf)
}

export async function findRule(db: Pick<Db, 'read'>, pattern: string): Promise<RuleRow | undefined> {
  const [row] = await db.read(FIND, { pattern })
  return row && ruleOf(row)
}

/**
 * All rules as the database had them at one moment, and of which version of the rules that was. What they allow is read
 * from its text where it is asked for: most of them are known already by whoever reads all.
 */
export type RulesOfMoment = {
  readonly version: number
  readonly rules: readonly (Pick<RuleRow, 'pattern' | 'allow'> & { readonly allowText: string })[]
}

export async function readAllRules(db: Pick<Db, 'read'>): Promise<RulesOfMoment> {
  const rows = await db.read(ALL, {})
  const [first] = rows
  if (first === undefined) throw new Error('the database has lost the row of its access version')
  return {
    version: first['rules'] as number,
    rules: rows
      .filter((row) => row['pattern'] !== null)
      .map((row) => ({
        pattern: row['pattern'] as string,
        allowText: row['allow'] as string,
        get allow() {
          return allowOf(row)
        },
      })),
  }
}

/** Makes the rule for this pattern, or puts this one in its place. */
export async function setRule(
  db: Db,
  rule: Pick<RuleRow, 'pattern' | 'allow'>,
  actor: Actor,
): Promise<'created' | 'changed'> {
  for (;;) {
    const before = await findRule(db, rule.pattern)
    if (before === undefined) {
      if (await createRule(db, rule, actor)) return 'created'
    } else if (await changeRule(db, before, rule.allow, actor)) return 'changed'
    // Another process was faster: looked at again.
  }
}

/** @returns false: there is one for this pattern */
export async function createRule(
  db: Db,
  { pattern, allow }: Pick<RuleRow, 'pattern' | 'allow'>,
  actor: Actor,
): Promise<boolean> {
  const told = toldOf(allow, actor)
  const made = await writeNew(
    db,
    'access_rules',
    (id) => ({
      steps: [{ statement: CREATE, expect: 1 }, ...RAISE_RULES],
      params: { ...actorParams(actor), pattern, allow: told.allow },
      touches: [ACCESS_SCOPE],
      journal: [journalRow('access_rules', { id, pattern, ...told }, actor)],
    }),
    async () => ((await findRule(db, pattern)) === undefined ? undefined : 'there'),
  )
  return 'id' in made
}

/** @returns false: it is not as it was read, or not there */
export async function changeRule(
  db: Db,
  before: RuleRow,
  allow: StoredAllow,
  actor: Actor,
): Promise<boolean> {
  const told = toldOf(allow, actor)
  const outcome = await db.write({
    steps: [{ statement: AS_IT_WAS, expect: 1 }, { statement: CHANGE, expect: 1 }, ...RAISE_RULES],
    params: { ...actorParams(actor), ...beforeParams(before), allow: told.allow },
    touches: [ACCESS_SCOPE],
    journal: [journalSet('access_rules', { id: before.id }, told, actor)],
  })
  return outcome.done
}

const toldOf = (allow: StoredAllow, actor: Actor) => ({
  allow: JSON.stringify(allow),
  changed_at: actor.now,
  changed_by: actor.principalName,
})

const beforeParams = ({ id, pattern, allow, changedAt }: RuleRow): Params => ({
  id,
  pattern,
  wasAllow: JSON.stringify(allow),
  wasChangedAt: changedAt,
})

/** @returns the rule that was removed; undefined: there is none */
export async function removeRule(db: Db, pattern: string, actor: Actor): Promise<RuleRow | undefined> {
  const row = await findRule(db, pattern)
  return row && (await removeRows(db, [], row, actor)) ? row : undefined
}

/** @returns false: it is not as it was read, or not there */
export function removeRuleAsRead(db: Db, before: RuleRow, actor: Actor): Promise<boolean> {
  return removeRows(db, [{ statement: AS_IT_WAS, expect: 1 }], before, actor)
}

async function removeRows(db: Db, conditions: readonly Step[], row: RuleRow, actor: Actor): Promise<boolean> {
  const outcome = await db.write({
    steps: [...conditions, { statement: REMOVE, expect: 1 }, ...RAISE_RULES],
    params: beforeParams(row),
    touches: [ACCESS_SCOPE],
    journal: [journalGone('access_rules', { id: row.id }, actor)],
    frees: true,
  })
  return outcome.done
}

function ruleOf(row: Row): RuleRow {
  return {
    id: row['id'] as number,
    pattern: row['pattern'] as string,
    allow: allowOf(row),
    changedAt: row['changed_at'] as number,
    changedBy: row['changed_by'] as string,
  }
}

function allowOf(row: Row): StoredAllow {
  return JSON.parse(row['allow'] as string) as StoredAllow
}
