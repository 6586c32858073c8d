/**
 * Once a week: files that no row knows. What was never whole, and second copies of what is served, go; what may be the
 * only copy of something is told and left, and so is everything where the database knows few of the files.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import type { Problem, UnknownFile } from './check/problem.ts'
import { removalRefused, removeUnknown } from './check/remove-unknown.ts'
import { noFiles, unknownObjects } from './check/unknown-files.ts'

const MOST_REMOVALS = 10_000
/** Of the blobs on the disk so many may be unknown: beyond it, it is the database that is wrong. */
const MOST_UNKNOWN = 0.1
const NAMED_IN_LOG = 10
const PAUSE_MS = 250

const GO: ReadonlySet<Problem['kind']> = new Set(['unfinished-file', 'second-copy'])

export type FoundFiles = { removed: number; left: number; bytes: number }

/** @param pauseMs between two looks at some hundred files */
export async function findUnknownFiles(
  { db, store, log, now }: { db: Db; store: BlobStore; log: Logger; now: () => number },
  signal: AbortSignal,
  pauseMs = PAUSE_MS,
): Promise<FoundFiles> {
  const counts = noFiles()
  const going: UnknownFile[] = []
  const named: string[] = []
  const found: FoundFiles = { removed: 0, left: 0, bytes: 0 }
  const pause = () => sleep(pauseMs, undefined, { signal, ref: false })
  for await (const problem of unknownObjects({ db, store, now }, counts, signal, pause)) {
    if (!('file' in problem)) continue
    if (GO.has(problem.kind) && going.length < MOST_REMOVALS) going.push(problem.file)
    else {
      found.left++
      if (named.length < NAMED_IN_LOG)
        named.push(`${problem.file.object.id} ${problem.file.object.digest ?? ''}`)
    }
  }
  if (found.left > 0)
    log.warn('files of blobs that no row knows; "berth check" lists them and can remove them', {
      files: found.left,
      some: named,
    })
  const why = await removalRefused(db, counts, now(), MOST_UNKNOWN)
  if (why !== undefined) {
    if (going.length + found.left > 0) log.error(`files that no row knows are left alone: ${why}`)
    return { ...found, left: found.left + going.length }
  }
  const parts = { db, store, now, linkCount: async () => 1, keepsOnlyCopies: true }
  const removed = await removeUnknown(parts, going, signal)
  if (removed.files > 0)
    log.info('removed what pushes that were cut off left behind', {
      files: removed.files,
      bytes: removed.bytes,
    })
  if (removed.errors.length > 0)
    log.error('files that no row knows could not be removed', { errors: removed.errors })
  const left = found.left + going.length - removed.files
  return { removed: removed.files, left, bytes: removed.bytes }
}
