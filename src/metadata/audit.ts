/**
 * The record of who did what: rows that are written in batches, read in pages, and deleted when they are old. They are
 * not in the journal: what is lost with a database since its last snapshot is lost.
 */
import { setImmediate as othersFirst } from 'node:timers/promises'
import type { Db, Params, Row, Statement } from './database.ts'

export type AuditRow = {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly act: string
  readonly outcome: 'done' | 'refused' | 'failed'
  readonly principalId: string
  readonly principalName: string
  readonly target: string
  readonly detail: Readonly<Record<string, unknown>> | undefined
  readonly address: string
  readonly client: string
  readonly requestId: string
  /** The same, so many times from `at` on: refusals within a minute, ordinary sign-ins within an hour. */
  readonly times: number
}
export type NewAuditRow = Omit<AuditRow, 'id'>

const INSERT: Statement = {
  name: 'insert-audit',
  sql: `INSERT INTO audit (at, act, outcome, principal_id, principal_name, target, detail, address, client, request_id, times)
        SELECT j.value ->> 'at', j.value ->> 'act', j.value ->> 'outcome', j.value ->> 'principalId',
          j.value ->> 'principalName', j.value ->> 'target', j.value ->> 'detail', j.value ->> 'address',
          j.value ->> 'client', j.value ->> 'requestId', j.value ->> 'times'
        FROM json_each(:rows) j WHERE true
        RETURNING id`,
  rows: true,
}
const COUNT_MORE: Statement = {
  name: 'count-audit-again',
  sql: `UPDATE audit SET times = times + (j.value ->> 'more') FROM json_each(:again) j WHERE audit.id = j.value ->> 'id'`,
}
const COLUMNS = `id, at, act, outcome, principal_id, principal_name, target, detail, address, client, request_id, times`
const FILTER = `at >= :since AND at < :until
        AND (:acts = '' OR instr(:acts, ' ' || act || ' ') > 0) AND (:outcome = '' OR outcome = :outcome)
        AND substr(target, 1, length(:target)) = :target`
const NEWEST: Statement = {
  name: 'newest-audit',
  sql: `SELECT ${COLUMNS} FROM audit WHERE id < :before AND id >= :floor AND ${FILTER} ORDER BY id DESC LIMIT :limit`,
  rows: true,
}
const NEWEST_OF: Statement = {
  name: 'newest-audit-of',
  sql: `SELECT ${COLUMNS} FROM audit WHERE principal_name = :principal AND id < :before AND id >= :floor AND ${FILTER}
        ORDER BY id DESC LIMIT :limit`,
  rows: true,
}
const OLDEST: Statement = {
  name: 'oldest-audit',
  sql: `SELECT ${COLUMNS} FROM audit WHERE id > :after AND id <= :ceiling AND ${FILTER}
        AND (:principal = '' OR principal_name = :principal) ORDER BY id LIMIT :limit`,
  rows: true,
}
const ENDS: Statement = {
  name: 'audit-ends',
  sql: 'SELECT (SELECT min(id) FROM audit) AS first, (SELECT max(id) FROM audit) AS last',
  rows: true,
}
/** Rows of one time are written together, or nearly: the first of these is not far behind the first one of all. */
const FIRST_SINCE: Statement = {
  name: 'first-audit-since',
  sql: 'SELECT id FROM audit WHERE at >= :since ORDER BY at, id LIMIT 1000',
  rows: true,
}
const EXPIRE: Statement = {
  name: 'expire-audit',
  sql: `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < :before ORDER BY at, id LIMIT :limit)`,
}
const EXPIRE_BEYOND: Statement = {
  name: 'expire-audit-beyond',
  sql: `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id <= :last ORDER BY id LIMIT :limit)`,
}

/** Ids that one statement looks at, at most: some ten milliseconds, wherever what is looked for stands. */
const WINDOW = 20_000
/** Of one name, only their own rows are looked at. */
const WINDOW_OF_ONE = 1_000_000
const EXPIRED_AT_ONCE = 1000

/**
 * @param again rows that are there already, and how many times more it happened
 * @returns the ids of the new rows, in their order
 * @throws DatabaseFullError, DatabaseBusyError, DatabaseLostError
 */
export async function insertAudit(
  db: Pick<Db, 'write'>,
  rows: readonly NewAuditRow[],
  again: readonly { id: number; more: number }[] = [],
): Promise<number[]> {
  const written = rows.map((row) => ({
    ...row,
    detail: row.detail === undefined ? null : JSON.stringify(row.detail),
  }))
  const outcome = await db.write({
    steps: [{ statement: INSERT }, ...(again.length > 0 ? [{ statement: COUNT_MORE }] : [])],
    params: { rows: JSON.stringify(written), again: JSON.stringify(again) },
    touches: [],
    background: true,
  })
  // Ids rise in the order of writing; RETURNING promises no order.
  const ids = outcome.done ? (outcome.rows[0] ?? []) : []
  return ids.map((row) => row['id'] as number).sort((one, other) => one - other)
}

export type AuditFilter = {
  /** A name, whole. */
  principal?: string | undefined
  /** How the target begins. */
  target?: string | undefined
  acts?: readonly string[] | undefined
  outcome?: AuditRow['outcome'] | undefined
  /** Milliseconds since 1970: from then on. */
  since?: number | undefined
  /** Before then. */
  until?: number | undefined
}

export type AuditPage = {
  rows: AuditRow[]
  /** Where the next page begins; undefined: that was all. */
  next: number | undefined
}

function paramsOf({ principal, target, acts, outcome, since, until }: AuditFilter): Params {
  return {
    principal: principal ?? '',
    target: target ?? '',
    acts: acts === undefined || acts.length === 0 ? '' : ` ${acts.join(' ')} `,
    outcome: outcome ?? '',
    since: since ?? 0,
    until: until ?? Number.MAX_SAFE_INTEGER,
  }
}

/** First and last id of what can be meant. @returns undefined: there is nothing */
async function endsOf(db: Pick<Db, 'read'>, { since }: AuditFilter) {
  const [row] = await db.read(ENDS, {})
  const { first, last } = row ?? {}
  if (typeof first !== 'number' || typeof last !== 'number') return undefined
  if (since === undefined) return { first, last }
  const found = await db.read(FIRST_SINCE, { since })
  if (found.length === 0) return undefined
  return { first: Math.min(...found.map(({ id }) => id as number)), last }
}

/**
 * Newest first. One call looks at a bounded number of rows for each that it gives, so a page can be short, or empty,
 * although there is a `next`.
 * @param before of a page before: its `next`
 * @param looks windows of rows that are looked at in one call, at most
 */
export async function listAudit(
  db: Pick<Db, 'read'>,
  filter: AuditFilter,
  { limit, before, looks = 10 }: { limit: number; before?: number | undefined; looks?: number },
): Promise<AuditPage> {
  const ends = await endsOf(db, filter)
  const rows: AuditRow[] = []
  if (ends === undefined) return { rows, next: undefined }
  const isOfOne = filter.principal !== undefined && filter.principal !== ''
  const params = paramsOf(filter)
  let at = Math.min(before ?? Infinity, ends.last + 1)
  for (let look = 0; look < looks && rows.length < limit && at > ends.first; look++) {
    // A look holds up the whole process for some milliseconds: requests go between two of them.
    if (look > 0) await othersFirst()
    const floor = Math.max(ends.first, at - (isOfOne ? WINDOW_OF_ONE : WINDOW))
    const asked = limit - rows.length
    const found = await db.read(isOfOne ? NEWEST_OF : NEWEST, { ...params, before: at, floor, limit: asked })
    rows.push(...found.map(rowOf))
    at = found.length === asked ? (rows.at(-1) as AuditRow).id : floor
  }
  return { rows, next: at > ends.first ? at : undefined }
}

/** The id of the newest row; 0: there is none. */
export async function lastAuditId(db: Pick<Db, 'read'>): Promise<number> {
  return (await endsOf(db, {}))?.last ?? 0
}

/** Oldest first, in pages: all that there is when it is asked, behind `after`. */
export async function* eachAudit(
  db: Pick<Db, 'read'>,
  filter: AuditFilter,
  { after = 0, limit }: { after?: number; limit: number },
): AsyncGenerator<AuditRow[], void> {
  const ends = await endsOf(db, filter)
  if (ends === undefined) return
  let at = Math.max(after, ends.first - 1)
  while (at < ends.last) {
    const ceiling = Math.min(ends.last, at + WINDOW)
    const found = await db.read(OLDEST, { ...paramsOf(filter), after: at, ceiling, limit })
    const rows = found.map(rowOf)
    at = rows.length === limit ? (rows.at(-1) as AuditRow).id : ceiling
    if (rows.length > 0) yield rows
  }
}

/**
 * Deletes what is older than `before`, and the oldest of what is more than `most`, as numbers of rows tell it, which
 * count what was deleted between them too. In small transactions, so that nobody waits.
 * @returns how many are gone
 */
export async function expireAudit(
  db: Db,
  { before, most }: { before: number; most: number },
  signal: AbortSignal,
): Promise<number> {
  const last = (await lastAuditId(db)) - most
  let count = 0
  for (const [statement, params] of [
    [EXPIRE, { before }],
    [EXPIRE_BEYOND, { last }],
  ] as const) {
    let deleted = EXPIRED_AT_ONCE
    while (deleted === EXPIRED_AT_ONCE && !signal.aborted) {
      const outcome = await db.write({
        steps: [{ statement }],
        params: { ...params, limit: EXPIRED_AT_ONCE },
        touches: [],
        frees: true,
        background: true,
      })
      deleted = outcome.done ? (outcome.changes[0] ?? 0) : 0
      count += deleted
    }
  }
  return count
}

function rowOf(row: Row): AuditRow {
  return {
    id: row['id'] as number,
    at: row['at'] as number,
    act: row['act'] as string,
    outcome: row['outcome'] as AuditRow['outcome'],
    principalId: row['principal_id'] as string,
    principalName: row['principal_name'] as string,
    target: row['target'] as string,
    detail: detailOf(row['detail'] as string | null),
    address: row['address'] as string,
    client: row['client'] as string,
    requestId: row['request_id'] as string,
    times: row['times'] as number,
  }
}

function detailOf(text: string | null): AuditRow['detail'] {
  return text === null ? undefined : (JSON.parse(text) as Record<string, unknown>)
}
