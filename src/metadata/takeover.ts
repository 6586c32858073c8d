/**
 * The takeover of a folder that CNCF Distribution wrote: one row, from the first start on that folder on. Any process
 * imports what requests name; one of them at a time walks through the rest. The mark (`completed_at`) says that all of
 * it is here: before it nothing is collected (`collect.ts`) and no file that was taken over is removed (`garbage.ts`).
 */
import type { Db, Statement } from './database.ts'

type TakeoverRow = {
  begunAt: number
  /** The walk has done all repositories up to this name. */
  walkedTo: string
  /** When Berth itself last wrote link files. */
  writtenAt: number | undefined
  completedAt: number | undefined
}

/** Whoever walks says so at least this often. */
export const WALK_CLAIM_MS = 30_000

const FIND: Statement = {
  name: 'find-takeover',
  sql: 'SELECT begun_at, walked_to, written_at, completed_at FROM takeover WHERE id = 1',
  rows: true,
}
/** Where Berth has data already, the folder is not taken over by itself. */
const BEGIN: Statement = {
  name: 'begin-takeover',
  sql: `INSERT INTO takeover (id, begun_at) SELECT 1, :now WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE id > 0)
        ON CONFLICT (id) DO NOTHING`,
}
const CLAIM: Statement = {
  name: 'claim-walk',
  sql: `UPDATE takeover SET walker = :processId, walker_until = :until
        WHERE id = 1 AND completed_at IS NULL AND (walker IS NULL OR walker = :processId OR walker_until < :now
          OR NOT EXISTS (SELECT 1 FROM processes p WHERE p.id = walker))`,
}
const SAVE: Statement = {
  name: 'save-walk',
  sql: `UPDATE takeover SET walked_to = :walkedTo, walker_until = :until
        WHERE id = 1 AND completed_at IS NULL AND walker = :processId`,
}
const RELEASE: Statement = {
  name: 'release-walk',
  sql: 'UPDATE takeover SET walker = NULL, walker_until = NULL WHERE id = 1 AND walker = :processId',
}
const COMPLETE: Statement = {
  name: 'complete-takeover',
  sql: `UPDATE takeover SET completed_at = :now, walker = NULL, walker_until = NULL
        WHERE id = 1 AND completed_at IS NULL AND walker = :processId`,
}
/** Where nothing was taken over, nothing is to be: what stands there now was written by Berth. */
const WRITTEN: Statement = {
  name: 'takeover-written',
  sql: `INSERT INTO takeover (id, begun_at, written_at, completed_at)
        SELECT 1, :now, :now, :now WHERE (SELECT max(id) FROM repositories) IS NOT NULL
        ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at`,
}
const TAKEN_OVER: Statement = {
  name: 'some-file-taken-over',
  sql: `SELECT 1 AS there FROM objects WHERE path > '' LIMIT 1`,
  rows: true,
}
const LIST_FINDINGS: Statement = {
  name: 'list-findings',
  sql: 'SELECT id, repository, kind, detail, at FROM takeover_findings WHERE id > :after ORDER BY id LIMIT :limit',
  rows: true,
}

/** @returns undefined: no folder of Distribution was ever taken over here */
export async function findTakeover(db: Db): Promise<TakeoverRow | undefined> {
  const [row] = await db.read(FIND, {})
  if (row === undefined) return undefined
  return {
    begunAt: row['begun_at'] as number,
    walkedTo: row['walked_to'] as string,
    writtenAt: (row['written_at'] as number | null) ?? undefined,
    completedAt: (row['completed_at'] as number | null) ?? undefined,
  }
}

/** @returns the row; undefined: there are data of Berth already, and nothing was begun */
export async function beginTakeover(db: Db, now: number): Promise<TakeoverRow | undefined> {
  await db.write({
    steps: [{ statement: BEGIN }],
    params: { now },
    touches: [],
    journal: [{ do: 'begin-takeover' }],
  })
  return findTakeover(db)
}

/** @returns false: another process walks, or the takeover is complete */
export async function claimWalk(db: Db, processId: string, now: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: CLAIM, expect: 1 }],
    params: { processId, now, until: now + WALK_CLAIM_MS },
    touches: [],
  })
  return outcome.done
}

/** How far the walk has come; also renews the claim. @returns false: it is another's now */
export async function saveWalk(db: Db, processId: string, walkedTo: string, now: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: SAVE, expect: 1 }],
    params: { processId, walkedTo, until: now + WALK_CLAIM_MS },
    touches: [],
  })
  return outcome.done
}

export async function releaseWalk(db: Db, processId: string): Promise<void> {
  await db.write({ steps: [{ statement: RELEASE }], params: { processId }, touches: [] })
}

/** Sets the mark. @returns false: the walk is another's now */
export async function completeTakeover(db: Db, processId: string, now: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: COMPLETE, expect: 1 }],
    params: { processId, now },
    touches: ['*'],
    journal: [{ do: 'takeover-complete' }],
  })
  return outcome.done
}

/** Whether some blob is a file that Distribution wrote. */
export async function hasTakenOverFiles(db: Db): Promise<boolean> {
  return (await db.read(TAKEN_OVER, {})).length > 0
}

/** Berth itself has written link files (an export): what changed up to now was no Distribution. */
export async function recordLinksWritten(db: Db, now: number): Promise<void> {
  await db.write({ steps: [{ statement: WRITTEN }], params: { now }, touches: [] })
}

type StoredFinding = { id: number; repository: string; kind: string; detail: string; at: number }

/** In the order in which they were written, after the one with this id. */
export async function listFindings(db: Db, after: number, limit: number): Promise<StoredFinding[]> {
  const rows = await db.read(LIST_FINDINGS, { after, limit })
  return rows.map((row) => ({
    id: row['id'] as number,
    repository: row['repository'] as string,
    kind: row['kind'] as string,
    detail: row['detail'] as string,
    at: row['at'] as number,
  }))
}
