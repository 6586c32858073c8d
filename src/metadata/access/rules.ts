/** Rules for repositories that the database holds; those of the configuration file are not here. */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, Row, Statement, Step } from '../database.ts'
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

/** All rules as the database had them at one moment, and of which version of the rules that was. */
export type RulesOfMoment = {
  readonly version: number
  readonly rules: readonly Pick<RuleRow, 'pattern' | 'allow'>[]
}

export async function readAllRules(db: Pick<Db, 'read'>): Promise<RulesOfMoment> {
  const rows = await db.read(ALL, {})
  const [first] = rows
  if (first === undefined) throw new Error('the database has lost the row of its access version')
  return {
    version: first['rules'] as number,
    rules: rows
      .filter((row) => row['pattern'] !== null)
      .map((row) => ({ pattern: row['pattern'] as string, allow: allowOf(row) })),
  }
}

/** Makes the rule for this pattern, or puts this one in its place. */
export async function setRule(
  db: Db,
  { pattern, allow }: Pick<RuleRow, 'pattern' | 'allow'>,
  actor: Actor,
): Promise<'created' | 'changed'> {
  const text = JSON.stringify(allow)
  const params = { ...actorParams(actor), pattern, allow: text }
  const told = { allow: text, changed_at: actor.now, changed_by: actor.principalName }
  for (;;) {
    const before = await findRule(db, pattern)
    if (before === undefined) {
      const made = await writeNew(
        db,
        'access_rules',
        (id) => ({
          steps: [{ statement: CREATE, expect: 1 }, ...RAISE_RULES],
          params,
          touches: [ACCESS_SCOPE],
          journal: [journalRow('access_rules', { id, pattern, ...told }, actor)],
        }),
        async () => ((await findRule(db, pattern)) === undefined ? undefined : 'there'),
      )
      if ('id' in made) return 'created'
    } else {
      const { id } = before
      const outcome = await db.write({
        steps: [{ statement: CHANGE, expect: 1 }, ...RAISE_RULES],
        params: { ...params, id },
        touches: [ACCESS_SCOPE],
        journal: [journalSet('access_rules', { id }, told, actor)],
      })
      if (outcome.done) return 'changed'
    }
    // Another process was faster: looked at again.
  }
}

/** @returns the rule that was removed; undefined: there is none */
export async function removeRule(db: Db, pattern: string, actor: Actor): Promise<RuleRow | undefined> {
  const row = await findRule(db, pattern)
  if (row === undefined) return undefined
  const outcome = await db.write({
    steps: [{ statement: REMOVE, expect: 1 }, ...RAISE_RULES],
    params: { pattern, id: row.id },
    touches: [ACCESS_SCOPE],
    journal: [journalGone('access_rules', { id: row.id }, actor)],
    frees: true,
  })
  return outcome.done ? row : undefined
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
