/**
 * Rows in memory, exactly as fresh as the database. `PRAGMA data_version` says whether any other connection has
 * committed; the sum of the *other* processes' counters then says whether it was another process (everything is
 * dropped) or our own writer, which names what it touched. The version is sampled before a row is read, and reading
 * and keeping happen in one turn of the event loop, so nothing older than the last answer is ever kept.
 */
import type { DatabaseSync } from 'node:sqlite'

const BUCKETS = 4096

type Entry = { value: object; bucket: number; generation: number; weight: number }

export type ReadCache = {
  /** To be called before each look-up or read. */
  sample(): void
  get(scope: string, key: string): object | undefined
  set(scope: string, key: string, value: object, weight: number): void
  /** Drops what is kept of a repository; `'*'`: everything. */
  touch(scope: string): void
}

export function createReadCache(db: DatabaseSync, processId: string, maxBytes: number): ReadCache {
  const version = db.prepare('PRAGMA data_version')
  const others = db.prepare('SELECT coalesce(sum(seq), 0) AS sum, count(*) AS n FROM processes WHERE id <> ?')
  const entries = new Map<string, Entry>()
  // Scopes share counters by hash: a collision only drops more than needed, and the memory is fixed.
  const generations = new Uint32Array(BUCKETS)
  let bytes = 0
  let seenVersion = -1
  let seenOthers = ''

  function clear(): void {
    entries.clear()
    bytes = 0
  }

  function drop(name: string, entry: Entry): void {
    entries.delete(name)
    bytes -= entry.weight
  }

  return {
    sample() {
      const current = (version.get() as { data_version: number }).data_version
      if (current === seenVersion) return
      seenVersion = current
      const { sum, n } = others.get(processId) as { sum: number; n: number }
      const signature = `${sum}/${n}`
      if (signature === seenOthers) return
      seenOthers = signature
      clear()
    },
    get(scope, key) {
      const name = `${scope}\n${key}`
      const entry = entries.get(name)
      if (entry === undefined) return undefined
      if (generations[entry.bucket] !== entry.generation) {
        drop(name, entry)
        return undefined
      }
      // Least recently used first: a Map keeps insertion order.
      entries.delete(name)
      entries.set(name, entry)
      return entry.value
    },
    set(scope, key, value, weight) {
      const name = `${scope}\n${key}`
      const old = entries.get(name)
      if (old !== undefined) drop(name, old)
      const cost = weight + name.length * 2 + 128
      if (cost > maxBytes / 8) return
      const bucket = bucketOf(scope)
      entries.set(name, { value, bucket, generation: generations[bucket] as number, weight: cost })
      bytes += cost
      for (const [oldest, entry] of entries) {
        if (bytes <= maxBytes) break
        drop(oldest, entry)
      }
    },
    touch(scope) {
      if (scope === '*') return clear()
      const bucket = bucketOf(scope)
      generations[bucket] = ((generations[bucket] as number) + 1) >>> 0
    },
  }
}

function bucketOf(scope: string): number {
  let hash = 2166136261
  for (let i = 0; i < scope.length; i++) hash = Math.imul(hash ^ scope.charCodeAt(i), 16777619)
  return (hash >>> 0) % BUCKETS
}
