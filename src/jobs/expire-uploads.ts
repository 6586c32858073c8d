/** Uploads that nobody went on with end by themselves; their bytes become garbage. Repositories that only they made go too. */
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { forgetUnusedRepositories } from '../metadata/repositories.ts'
import { listStaleUploads, removeUpload } from '../metadata/uploads.ts'

const BATCH = 200

/**
 * @param ageMs untouched for this long
 * @returns how many ended (or, in a dry run, would end)
 */
export async function expireUploads(
  { db, log, now }: { db: Db; log: Logger; now: () => number },
  options: { ageMs: number; dryRun: boolean },
  signal: AbortSignal,
): Promise<number> {
  let ended = 0
  while (!signal.aborted) {
    const at = now()
    const stale = await listStaleUploads(db, at - options.ageMs, at, BATCH)
    if (options.dryRun) {
      for (const { id } of stale) log.info('upload would be purged (dry run)', { upload: id })
      return stale.length
    }
    let removed = 0
    for (const { id, version } of stale) if (await removeUpload(db, id, version, at)) removed++
    ended += removed
    // Nothing removed: somebody else is at the same ones.
    if (stale.length < BATCH || removed === 0) break
  }
  await forgetUnusedRepositories(db, now() - options.ageMs, 1000)
  if (ended > 0) log.info('unfinished uploads purged', { uploads: ended })
  return ended
}
