/** The whole check, in order: the database, blobs, manifests, tags, counts, what takes up room, unknown files. */
import type { BlobStore } from '../../blobs/blob-store.ts'
import { countBlobs } from '../../metadata/check-blobs.ts'
import type { Db } from '../../metadata/database.ts'
import type { Digest } from '../../oci/digest.ts'
import { checkIntegrity } from '../../metadata/sqlite/integrity.ts'
import { findTakeover } from '../../metadata/takeover.ts'
import { checkBlobs } from './check-blobs.ts'
import { checkManifests, checkTags, type SparseRules } from './check-manifests.ts'
import { checkCollector, checkCounts, checkObjects } from './check-rows.ts'
import { createReadRate } from '../read-rate.ts'
import type { Problem } from './problem.ts'
import {
  type DistributionFiles,
  type FileCounts,
  noFiles,
  unknownBlobFiles,
  unknownObjects,
} from './unknown-files.ts'

export type CheckParts = {
  db: Db
  store: BlobStore
  now: () => number
  /** The database's file. */
  databasePath: string
  rules: SparseRules
  /** Absent: there is no folder of Distribution. */
  distribution?: DistributionFiles | undefined
}

export type CheckOptions = {
  rehash: boolean
  /** With rehash: what was verified since then is not hashed again. Milliseconds since 1970. */
  since: number
  repositoryId?: number | undefined
  bytesPerSecond?: number | undefined
}

/** How far a check is; changed in place while it runs. */
export type CheckProgress = {
  stage: 'database' | 'blobs' | 'manifests' | 'rows' | 'files'
  blobs: number
  totalBlobs: number
  hashedBlobs: number
  hashedBytes: number
  bytes: number
  totalBytes: number
  manifests: number
  files: FileCounts
}

/** Nothing has been looked at. */
export function beginProgress(): CheckProgress {
  return {
    stage: 'database',
    blobs: 0,
    totalBlobs: 0,
    hashedBlobs: 0,
    hashedBytes: 0,
    bytes: 0,
    totalBytes: 0,
    manifests: 0,
    files: noFiles(),
  }
}

/** Changes nothing but what it has found out about whole blobs: when they were verified, how their files are marked. */
export async function* checkData(
  parts: CheckParts,
  options: CheckOptions,
  progress: CheckProgress,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  try {
    yield* stages(parts, options, progress, signal)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    yield { kind: 'database', detail: `the check ended here: ${(error as Error).message}` }
  }
}

/** SQLITE_CORRUPT, SQLITE_NOTADB. */
function isCorrupt(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  return errcode !== undefined && [11, 26].includes(errcode & 0xff)
}

async function* stages(
  parts: CheckParts,
  options: CheckOptions,
  progress: CheckProgress,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  const { db, rules, now } = parts
  const { repositoryId } = options
  if (repositoryId === undefined) {
    for (const detail of await checkIntegrity(parts.databasePath, options.rehash, signal))
      yield { kind: 'database', detail }
    const total = await countBlobs(db)
    progress.totalBlobs = total.blobs
    progress.totalBytes = total.bytes
  }
  progress.stage = 'blobs'
  yield* blobs(parts, options, progress, signal)
  progress.stage = 'manifests'
  const onDone = ({ digest }: { digest: Digest }): void => {
    progress.manifests++
    parts.distribution?.manifests.add(digest)
  }
  yield* checkManifests(db, rules, { repositoryId, onDone }, signal)
  progress.stage = 'rows'
  yield* checkTags(db, repositoryId, signal)
  yield* checkCounts(db, repositoryId, signal)
  if (repositoryId !== undefined) return
  yield* checkObjects(db, now(), signal)
  yield* checkCollector(db, now(), signal)
  progress.stage = 'files'
  yield* unknownObjects(parts, progress.files, signal)
  // Before a takeover is complete, no row knows what it has not come to yet.
  if (parts.distribution === undefined || (await findTakeover(db))?.completedAt === undefined) return
  yield* unknownBlobFiles(parts, parts.distribution, progress.files, signal)
}

function blobs(
  { db, store, now }: CheckParts,
  { rehash, since, repositoryId, bytesPerSecond }: CheckOptions,
  progress: CheckProgress,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  return checkBlobs(
    { db, store, now, rate: createReadRate(bytesPerSecond, signal) },
    {
      ...(rehash && { notVerifiedSince: since }),
      repositoryId,
      onDone({ size, isHashed }) {
        progress.blobs++
        progress.bytes += size
        if (!isHashed) return
        progress.hashedBlobs++
        progress.hashedBytes += size
      },
    },
    signal,
  )
}
