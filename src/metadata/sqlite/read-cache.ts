/**
 * Rows in memory, exactly as fresh as the database.
 *
 * `PRAGMA data_version` says whether any other connection has committed. The count of all commits less our own share
 * then says whether it was another process (everything is dropped) or our own writer thread, which names what it
 * touched. That number only grows: each commit raises the count, and only our own raise our share. The version is
 * sampled before a row is read, and reading and keeping happen in one turn of the event loop, so a row that is older
 * than the sample is never kept. While a write of our own is under way its scopes are read from the database, since
 * others may see it before its answer comes back here.
 *
 * One sample serves what is asked without waiting in between: whoever asks was there before it was taken. Where the
 * commits can be watched, SQLite is asked only after one, and after each of our own, so that a watch that misses any is
 * found out.
 */
import type { DatabaseSync } from 'node:sqlite'
import { createRecentMap } from '../../lib/recent-map.ts'
import type { CommitWatch } from './commit-watch.ts'

const BUCKETS = 4096
/** Bytes that an entry costs beside its value and its keys, about; its scope may be its alone. */
const ENTRY = 400

type Entry = { readonly value: object; readonly bucket: number; readonly generation: number }

type ReadCache = {
  /** To be called before each look-up or read. */
  sample(): void
  get(scope: string, key: string): object | undefined
  set(scope: string, key: string, value: object, weight: number): void
  /** See `Db.changes`. */
  changes(): number
  /** A write of these repositories begins (`'*'`: of all); call what it returns when its answer is there. */
  touching(scopes: readonly string[]): () => void
}

type Options = {
  processId: string
  /** Of rows, about. */
  maxBytes: number
  watch?: CommitWatch | undefined
}

export function createReadCache(db: DatabaseSync, { processId, maxBytes, watch }: Options): ReadCache {
  const version = db.prepare('PRAGMA data_version')
  const counts = db.prepare(
    `SELECT seq AS total, seq - coalesce((SELECT p.seq FROM processes p WHERE p.id = ?), 0) AS others FROM commits`,
  )
  const entries = createRecentMap<Entry>(maxBytes)
  // Scopes share counters by hash: a collision only drops more than needed, and the memory is fixed.
  const generations = new Uint32Array(BUCKETS)
  const writing = new Uint32Array(BUCKETS)
  let writingAll = 0
  let underWay = 0
  let changed = 0
  let seenVersion = -1
  let seen = { total: -1, others: -1 }
  // Holds until the first wait: whoever asks again before that was there before the sample.
  let isSampled = false
  const endSample = (): void => {
    isSampled = false
  }
  let hasCommitted = true

  function clear(): void {
    changed += 1
    entries.clear()
  }

  function touch(scope: string, count: 1 | -1): void {
    changed += 1
    underWay += count
    if (scope === '*') {
      writingAll += count
      return clear()
    }
    const bucket = bucketOf(scope)
    writing[bucket] = (writing[bucket] as number) + count
    generations[bucket] = ((generations[bucket] as number) + 1) >>> 0
  }

  return {
    sample() {
      if (isSampled) return
      isSampled = true
      queueMicrotask(endSample)
      const watched = watch === undefined ? 'unknown' : watch.look()
      if (watched === 'same' && !hasCommitted) return
      hasCommitted = false
      const current = (version.get() as { data_version: number }).data_version
      if (current === seenVersion) return
      seenVersion = current
      if (watched === 'same' && watch?.look() === 'same') watch.distrust()
      const now = counts.get(processId) as { total: number; others: number }
      // A commit that nobody counted was another program's.
      if (now.others !== seen.others || now.total === seen.total) clear()
      seen = now
    },
    get(scope, key) {
      const entry = entries.get(scope, key)
      return entry !== undefined && generations[entry.bucket] === entry.generation ? entry.value : undefined
    },
    set(scope, key, value, weight) {
      const bucket = bucketOf(scope)
      // Its commit may be seen by others already, or only after this row was read.
      if (writingAll > 0 || writing[bucket] !== 0) return
      const cost = weight + (scope.length + key.length) * 2 + ENTRY
      if (cost > maxBytes / 8) return
      entries.set(scope, key, { value, bucket, generation: generations[bucket] as number }, cost)
    },
    changes: () => (underWay > 0 ? NaN : changed),
    touching(scopes) {
      for (const scope of scopes) touch(scope, 1)
      return () => {
        hasCommitted = true
        for (const scope of scopes) touch(scope, -1)
      }
    },
  }
}

function bucketOf(scope: string): number {
  let hash = 2166136261
  for (let i = 0; i < scope.length; i++) hash = Math.imul(hash ^ scope.charCodeAt(i), 16777619)
  return (hash >>> 0) % BUCKETS
}
