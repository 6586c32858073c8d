/** Every blob row against its file, many at a time, in memory that does not grow with their number. */
import type { BlobStore } from '../../blobs/blob-store.ts'
import { restampObject } from '../../metadata/blob-links.ts'
import {
  blobsByVerification,
  blobsInOrder,
  type CheckedBlob,
  damagedBlobs,
  recordVerified,
} from '../../metadata/check-blobs.ts'
import type { Db } from '../../metadata/database.ts'
import { type Examined, examineBlob } from './examine-blob.ts'
import type { ReadRate } from '../read-rate.ts'
import type { Problem } from './problem.ts'

/** Looking at a file is one trip to the thread pool; hashing keeps a core busy. */
const LOOKS_AT_ONCE = 16
const HASHES_AT_ONCE = 3

type CheckBlobsOptions = {
  /** Blobs whose bytes were compared with their digest since then are not hashed again. Absent: nothing is hashed. */
  notVerifiedSince?: number
  /** Only those of one repository. */
  repositoryId?: number | undefined
  /** Told of each blob as it is done. */
  onDone(blob: { size: number; isHashed: boolean }): void
}

export async function* checkBlobs(
  parts: { db: Db; store: BlobStore; rate: ReadRate; now: () => number },
  { notVerifiedSince, repositoryId, onDone }: CheckBlobsOptions,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  const { db } = parts
  const rehash = notVerifiedSince !== undefined
  const pages =
    rehash && repositoryId === undefined ? rehashed(db, notVerifiedSince) : blobsInOrder(db, repositoryId)
  const mustHash = ({ verifiedAt }: CheckedBlob): boolean =>
    rehash && (verifiedAt === undefined || verifiedAt < notVerifiedSince)
  for await (const page of pages) {
    const verified: CheckedBlob[] = []
    try {
      for (const blobs of inGroups(page, rehash ? HASHES_AT_ONCE : LOOKS_AT_ONCE)) {
        signal.throwIfAborted()
        const found = await settled(blobs.map((blob) => examineBlob(parts, blob, mustHash(blob))))
        for (const [index, examined] of found.entries()) {
          onDone({
            size: blobs[index]?.size ?? 0,
            isHashed: examined.kind === 'whole' && examined.isHashed,
          })
          if (isVerified(examined)) verified.push(examined.blob)
          await rememberStamp(db, examined)
          const problem = problemOf(examined)
          if (problem !== undefined) yield problem
        }
      }
    } finally {
      // Also when it is cut off: what was hashed need not be hashed again.
      await recordVerified(db, verified, parts.now())
    }
  }
}

/** What is damaged is told however lately it was looked at. */
async function* rehashed(db: Db, notVerifiedSince: number): AsyncGenerator<CheckedBlob[]> {
  yield* damagedBlobs(db)
  for await (const page of blobsByVerification(db, notVerifiedSince))
    yield page.filter(({ damagedAt }) => damagedAt === undefined)
}

function isVerified(examined: Examined): examined is Extract<Examined, { kind: 'whole' }> {
  return examined.kind === 'whole' && examined.isHashed && examined.blob.damagedAt === undefined
}

async function rememberStamp(db: Db, examined: Examined): Promise<void> {
  if (examined.kind !== 'whole' || examined.stamp === undefined) return
  await restampObject(db, examined.blob.object, examined.stamp)
}

export function problemOf(examined: Examined): Problem | undefined {
  if (examined.kind === 'gone') return undefined
  if (examined.kind !== 'whole') return examined
  return examined.blob.damagedAt === undefined ? undefined : { kind: 'recovered', blob: examined.blob }
}

function* inGroups<T>(list: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size)
}

/** All of them have ended when this does, also where one throws. */
async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}
