/** T7: what no row names any more is removed from the store, by its own name. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { claimGarbage, forgetObjects } from '../metadata/garbage.ts'

const BATCH = 100

/** @returns how many objects are gone */
export async function removeGarbage(
  { db, store, log, now }: { db: Db; store: BlobStore; log: Logger; now: () => number },
  signal: AbortSignal,
): Promise<number> {
  let gone = 0
  while (!signal.aborted) {
    const claimed = await claimGarbage(db, now(), BATCH)
    if (claimed.length === 0) break
    const results = await store.remove(claimed)
    const removed = new Set(results.filter((result) => result.removed).map(({ id }) => id))
    for (const { id, error } of results) {
      if (error !== undefined)
        log.warn('an object could not be removed; it is tried again', { object: id, error })
    }
    await forgetObjects(
      db,
      claimed.filter(({ id }) => removed.has(id)),
    )
    gone += removed.size
    if (claimed.length < BATCH || removed.size === 0) break
  }
  return gone
}
