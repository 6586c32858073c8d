/** What waits to be looked at by the collector, and what keeps it from going on. */
import type { CandidateKind } from './collect.ts'
import type { Db, Statement } from './database.ts'

/** Candidates of one kind, and of one of the {@link spans} of time. */
export type Waiting = { kind: CandidateKind; dueBefore: number; count: number }

/** Counted, not read: in proportion to what waits. */
const COUNT: Statement = {
  name: 'count-waiting',
  sql: `SELECT count(*) FILTER (WHERE kind = 'manifest') AS manifest, count(*) FILTER (WHERE kind = 'link') AS link,
          count(*) FILTER (WHERE kind = 'blob') AS blob FROM candidates WHERE due_at > :from AND due_at <= :to`,
  rows: true,
}
const GARBAGE: Statement = {
  name: 'garbage-waiting',
  sql: `SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM objects
        WHERE state = 'garbage' AND delete_after <= :by`,
  rows: true,
}
const NEWEST_BEAT: Statement = {
  name: 'newest-heartbeat',
  sql: 'SELECT max(heartbeat) AS at FROM processes',
  rows: true,
}
const COUNT_BLOBS: Statement = {
  name: 'count-all-blobs',
  sql: 'SELECT count(*) AS blobs FROM blobs',
  rows: true,
}

/**
 * How many candidates are due in each span of time.
 * @param spans ends of the spans, in order; the first begins with time
 */
export async function countWaiting(db: Db, spans: readonly number[]): Promise<Waiting[]> {
  const waiting: Waiting[] = []
  for (const [index, to] of spans.entries()) {
    const [row] = await db.read(COUNT, { from: spans[index - 1] ?? -1, to })
    for (const kind of ['manifest', 'link', 'blob'] as const)
      waiting.push({ kind, dueBefore: to, count: row?.[kind] as number })
  }
  return waiting
}

/** Files that no row needs and that are to be removed by this time; ids that are only remembered have a later one. */
export async function countGarbage(db: Db, by: number): Promise<{ files: number; bytes: number }> {
  const [row] = await db.read(GARBAGE, { by })
  return { files: row?.['files'] as number, bytes: row?.['bytes'] as number }
}

/** When a process on these data was last heard of, by the clock that it had then. */
export async function newestHeartbeat(db: Db): Promise<number> {
  return ((await db.read(NEWEST_BEAT, {}))[0]?.['at'] as number | null) ?? 0
}

/** All there are: walks through the index of blobs. */
export async function countBlobs(db: Db): Promise<number> {
  return (await db.read(COUNT_BLOBS, {}))[0]?.['blobs'] as number
}
