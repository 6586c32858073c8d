/** Rows among themselves: counts, and what takes up room though nothing needs it. */
import { countedRepositories, countsAgree } from '../../metadata/check-counts.ts'
import { overdue, type Overdue, unnamedObjects, withoutCandidate } from '../../metadata/check-leftovers.ts'
import type { Db } from '../../metadata/database.ts'
import type { Problem } from './problem.ts'

/** A collector that runs has long seen what was due before that; a push in one request ends within a day. */
const LONG_DUE_MS = 2 * 86_400_000
/** Kept in memory until the candidates are read, all of them, once. */
const COMPARED_AT_ONCE = 10_000

export async function* checkCounts(
  db: Db,
  repositoryId: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  for await (const counted of countedRepositories(db, repositoryId)) {
    signal.throwIfAborted()
    if (!countsAgree(counted)) yield { kind: 'counts-differ', counted }
  }
}

/** Objects that nothing names; one statement sees object, blob and upload at one moment. */
export async function* checkObjects(db: Db, now: number, signal: AbortSignal): AsyncGenerator<Problem> {
  for await (const object of unnamedObjects(db, now - LONG_DUE_MS)) {
    signal.throwIfAborted()
    yield { kind: object.state === 'live' ? 'unnamed-object' : 'abandoned-upload', object }
  }
}

/** What nothing needs, and no candidate stands for. */
export async function* checkCollector(db: Db, now: number, signal: AbortSignal): AsyncGenerator<Problem> {
  const before = now - LONG_DUE_MS
  let found: Overdue[] = []
  for await (const one of overdue(db, before)) {
    signal.throwIfAborted()
    found.push(one)
    if (found.length < COMPARED_AT_ONCE) continue
    yield* problemsOf(await withoutCandidate(db, found, before))
    found = []
  }
  if (found.length > 0) yield* problemsOf(await withoutCandidate(db, found, before))
}

const problemsOf = (left: readonly Overdue[]): Problem[] =>
  left.map((one) => ({ kind: 'not-collected', overdue: one }))
