/** Removes files that no row knows, one by one, each looked up once more right before. */
import type { BlobStore } from '../../blobs/blob-store.ts'
import { findCheckedBlob } from '../../metadata/check-blobs.ts'
import type { Db } from '../../metadata/database.ts'
import { buryUnknown, condemnUnknown } from '../../metadata/garbage.ts'
import { holdsInForce } from '../../metadata/removal-holds.ts'
import { findTakeover } from '../../metadata/takeover.ts'
import { examineBlob } from './examine-blob.ts'
import { createReadRate } from '../read-rate.ts'
import type { Problem, UnknownFile } from './problem.ts'
import { type FileCounts, isStillUnknown, looksLost } from './unknown-files.ts'

/** Kept in memory to be shown before they are removed; the rest is found again by the next run. */
export const MOST_REMOVALS = 100_000

const REMOVABLE = new Set<Problem['kind']>([
  'unfinished-file',
  'second-copy',
  'unknown-blob',
  'left-by-distribution',
])

export function removableFile(problem: Problem): UnknownFile | undefined {
  return REMOVABLE.has(problem.kind) && 'file' in problem ? problem.file : undefined
}

/**
 * Why nothing may be removed now, if so.
 * @param share of the blobs on the disk that may be unknown
 */
export async function removalRefused(
  db: Db,
  counts: FileCounts,
  now: number,
  share: number,
): Promise<string | undefined> {
  const lost = looksLost(counts, share)
  if (lost !== undefined) return lost
  const [hold] = await holdsInForce(db, now)
  if (hold !== undefined) return `${hold.reason} is reading the files: try again when it is done`
  const takeover = await findTakeover(db)
  if (takeover !== undefined && takeover.completedAt === undefined)
    return 'the takeover of what CNCF Distribution wrote is not complete yet: try again when it is'
  if (takeover === undefined && counts.leftByDistribution > 0)
    return 'there is a folder docker/registry/v2 that was not taken over by this registry: it is left alone'
  return undefined
}

/** `own`: of those, how many were Berth's own. */
export type Removed = { files: number; own: number; bytes: number; errors: string[] }

type RemovalParts = {
  db: Db
  store: BlobStore
  now: () => number
  /** How many names a file has: what an export made by links since then is left alone. */
  linkCount(path: string): Promise<number>
  /** Bytes that nobody has any more stay too: nobody was asked. */
  keepsOnlyCopies?: boolean
}

export async function removeUnknown(
  parts: RemovalParts,
  files: Iterable<UnknownFile>,
  signal: AbortSignal,
): Promise<Removed> {
  const { db, store, now, linkCount } = parts
  const removed: Removed = { files: 0, own: 0, bytes: 0, errors: [] }
  for (const file of files) {
    signal.throwIfAborted()
    // A backup or an export may have begun since.
    if ((await holdsInForce(db, now())).length > 0) break
    const { path } = file.object
    if (path !== undefined && (await linkCount(path)) !== 1) continue
    if (!(await isStillUnknown(db, file))) continue
    const why = await whyKept(parts, file, signal)
    if (why !== undefined) {
      tell(removed, file, why)
      continue
    }
    if (path === undefined && !(await condemnUnknown(db, file.object.id, file.size, now()))) continue
    const [result] = await store.remove([file.object])
    if (result?.removed === true) {
      if (path === undefined) await buryUnknown(db, file.object.id, now())
      removed.files++
      if (path === undefined) removed.own++
      removed.bytes += file.size
    } else tell(removed, file, String(result?.error))
  }
  return removed
}

function tell({ errors }: Removed, { object }: UnknownFile, why: string): void {
  if (errors.length < 10) errors.push(`${object.path ?? object.id}: ${why}`)
}

/** A row is taken at its word by nobody here: what is served is read again before another copy of it goes. */
async function whyKept(
  { db, store, keepsOnlyCopies = false }: RemovalParts,
  { object: { digest } }: UnknownFile,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (digest === undefined) return undefined
  const blob = await findCheckedBlob(db, digest)
  const seen =
    blob === undefined
      ? undefined
      : await examineBlob({ db, store, rate: createReadRate(undefined, signal) }, blob, true)
  if (seen === undefined || seen.kind === 'gone')
    return keepsOnlyCopies ? 'nobody has its bytes any more' : undefined
  if (seen.kind === 'whole' && seen.blob.damagedAt === undefined) return undefined
  return `the file from which ${digest} is served is damaged, and this may be its only copy: "berth check --repair" takes it`
}
