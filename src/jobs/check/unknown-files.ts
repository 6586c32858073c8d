/**
 * Files that no row knows. A push in one request writes its file before its row, for at most a day: so a file is only
 * told when it has not been written to for seven. Files that CNCF Distribution left are known by their path.
 */
import { createHash } from 'node:crypto'
import type { BlobStore, ObjectId } from '../../blobs/blob-store.ts'
import { findCheckedBlob } from '../../metadata/check-blobs.ts'
import { knownObjects, knownPaths } from '../../metadata/check-leftovers.ts'
import type { Db } from '../../metadata/database.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Problem, UnknownFile } from './problem.ts'

/** Untouched for so long. */
const UNKNOWN_AGE_MS = 7 * 86_400_000
const BATCH = 500

/** A file below Distribution's `blobs/`. */
export type BlobFile = {
  digest: Digest
  /** Below the data folder, with slashes. */
  path: string
  size: number
  /** When its bytes last changed. Microseconds since 1970. */
  stamp: number
}

/** What a walk saw: too many unknown ones mean a database that is lost, or another one's. */
export type FileCounts = {
  known: number
  /** Whole blobs of Berth's own that no row knows, however old. */
  unknown: number
  /** Of Distribution's files. */
  knownPaths: number
  /** Of Distribution's: manifests, which Berth serves from rows, and an export for Distribution needs again. */
  manifestFiles: number
  leftByDistribution: number
  /** Files that other names share: an export for Distribution made them, and they take up no room of their own. */
  exported: number
}

export const noFiles = (): FileCounts => ({
  known: 0,
  unknown: 0,
  knownPaths: 0,
  manifestFiles: 0,
  leftByDistribution: 0,
  exported: 0,
})

/** @param pause is waited for after each batch of files */
export async function* unknownObjects(
  { db, store, now }: { db: Db; store: BlobStore; now: () => number },
  counts: FileCounts,
  signal: AbortSignal,
  pause: () => Promise<void> = async () => undefined,
): AsyncGenerator<Problem> {
  for await (const files of inBatches(store.list())) {
    signal.throwIfAborted()
    const known = await knownObjects(
      db,
      files.map(({ object }) => object.id),
    )
    counts.known += files.filter(({ object }) => known.has(object.id)).length
    for (const { object, size, modifiedAt, finished } of files) {
      if (known.has(object.id)) continue
      if (finished) counts.unknown++
      if (modifiedAt > now() - UNKNOWN_AGE_MS) continue
      yield await problemOf(db, { object, size, modifiedAt })
    }
    await pause()
  }
}

async function problemOf(db: Db, file: UnknownFile): Promise<Problem> {
  const { digest } = file.object
  if (digest === undefined) return { kind: 'unfinished-file', file }
  return { kind: (await isServed(db, digest)) ? 'second-copy' : 'unknown-blob', file }
}

/** Whether the same bytes are served from another file. */
async function isServed(db: Db, digest: Digest): Promise<boolean> {
  const blob = await findCheckedBlob(db, digest)
  return blob !== undefined && blob.state === 'live' && blob.damagedAt === undefined
}

/** What a check needs to know of Distribution's folder. */
export type DistributionFiles = {
  /** The files below `blobs/`. */
  list(): AsyncIterable<BlobFile>
  /** How many names a file has; 0: it is not there. */
  linkCount(path: string): Promise<number>
  /** The digests of all manifests. It may say that one is there which is not: that only keeps a file. */
  manifests: { add(digest: Digest): unknown; has(digest: Digest): boolean }
}

export async function* unknownBlobFiles(
  { db, now }: { db: Db; now: () => number },
  { list, linkCount, manifests }: DistributionFiles,
  counts: FileCounts,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  for await (const batch of inBatches(list())) {
    signal.throwIfAborted()
    const known = await knownPaths(
      db,
      batch.map(({ path }) => path),
    )
    for (const { digest, path, size, stamp } of batch) {
      if (known.has(path)) counts.knownPaths++
      else if (manifests.has(digest)) counts.manifestFiles++
      else if ((await linkCount(path)) > 1) counts.exported++
      else {
        counts.leftByDistribution++
        const modifiedAt = Math.floor(stamp / 1000)
        if (modifiedAt > now() - UNKNOWN_AGE_MS) continue
        const object = { id: idOfPath(path), digest, path }
        yield { kind: 'left-by-distribution', file: { object, size, modifiedAt } }
      }
    }
  }
}

/** The store drops what it keeps of an object by its id: any id that no row has will do. */
function idOfPath(path: string): ObjectId {
  return createHash('sha256').update(path).digest('hex').slice(0, 32) as ObjectId
}

/** Whether a file is still one that no row knows: asked right before it is removed. */
export async function isStillUnknown(db: Db, { object }: UnknownFile): Promise<boolean> {
  if (object.path !== undefined) return !(await knownPaths(db, [object.path])).has(object.path)
  return !(await knownObjects(db, [object.id])).has(object.id)
}

/**
 * Why nothing is to be removed, if so: a database that knows few of the files was lost, or belongs to others.
 * @param share of files that may be unknown: 0 to 1
 */
export function looksLost({ known, unknown }: FileCounts, share: number): string | undefined {
  if (unknown === 0 || unknown <= known * share) return undefined
  return (
    `of ${known + unknown} stored blobs the database knows only ${known}: it may have been lost, or be another registry's. ` +
    'Nothing is removed. Is metadata.path right? "berth rebuild" makes a lost database again'
  )
}

async function* inBatches<T>(files: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const file of files) {
    batch.push(file)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
