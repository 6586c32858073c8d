/** Whether the files are there at all: a disk that is not mounted must not make every blob a damaged one. */
import { randomBytes } from 'node:crypto'
import type { BlobStore } from '../blobs/blob-store.ts'
import { blobFrom, storedObjectOf } from '../metadata/check-blobs.ts'
import type { Db } from '../metadata/database.ts'

const PROBES = 64
const ENOUGH = 8
/** So few may all have been lost; these may not. */
const ALL_OF = 3
/** While a disk is away every reader asks. */
const REMEMBERED_MS = 2000

export type Sample = { looked: number; missing: number }

/** Looks for the files of up to 64 blobs, spread over all. */
export async function sampleFiles({ db, store }: { db: Db; store: BlobStore }): Promise<Sample> {
  const seen = new Set<string>()
  let missing = 0
  for (let probe = 0; probe < PROBES; probe++) {
    const blob = await blobFrom(db, Buffer.concat([Buffer.of(1), randomBytes(32)]))
    if (blob === undefined || seen.has(blob.digest)) continue
    seen.add(blob.digest)
    if ((await store.stat(storedObjectOf(blob))) === undefined) missing++
  }
  return { looked: seen.size, missing }
}

/** More than half of what was looked for is not there; of a few blobs, all. */
export const areMostlyGone = ({ looked, missing }: Sample): boolean =>
  looked >= ENOUGH ? missing * 2 > looked : looked >= ALL_OF && missing === looked

/** Asked where one file is missing: are they all? Those who ask at the same time, or soon after such an answer, share it. */
export function createFilesCheck(parts: { db: Db; store: BlobStore }): () => Promise<Sample> {
  let last: { until: number; sample: Promise<Sample> } | undefined
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.sample
    const current = { until: Infinity, sample: sampleFiles(parts) }
    last = current
    current.sample.then(
      (sample) => (current.until = areMostlyGone(sample) ? performance.now() + REMEMBERED_MS : 0),
      () => (current.until = 0),
    )
    return current.sample
  }
}
