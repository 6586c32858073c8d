/** T7: what no row names any more is removed from the store, by its own name. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { claimGarbage, forgetObjects } from '../metadata/garbage.ts'
import { noPace, type Pace } from './pace.ts'

const BATCH = 100

type RemovalOptions = {
  pace?: Pace
  /** Called after each batch. */
  onRemoved?: (files: number, bytes: number) => void
}

/** @returns how many objects are gone */
export async function removeGarbage(
  { db, store, log, now }: { db: Db; store: BlobStore; log: Logger; now: () => number },
  signal: AbortSignal,
  { pace = noPace, onRemoved }: RemovalOptions = {},
): Promise<number> {
  let gone = 0
  while (!signal.aborted) {
    const began = performance.now()
    const claimed = await claimGarbage(db, now(), BATCH)
    if (claimed.length === 0) break
    const results = await store.remove(claimed)
    const removed = new Set(results.filter((result) => result.removed).map(({ id }) => id))
    for (const { id, error } of results) {
      if (error !== undefined)
        log.warn('an object could not be removed; it is tried again', { object: id, error })
    }
    const away = claimed.filter(({ id }) => removed.has(id))
    await forgetObjects(db, away)
    gone += removed.size
    onRemoved?.(
      away.length,
      away.reduce((sum, { size }) => sum + size, 0),
    )
    if (claimed.length < BATCH || removed.size === 0) break
    await pace.rest(0, performance.now() - began, signal)
  }
  return gone
}
