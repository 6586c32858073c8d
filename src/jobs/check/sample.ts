/** Whether the files are there at all: a disk that is not mounted must not make every blob a damaged one. */
import { randomBytes } from 'node:crypto'
import type { BlobStore } from '../../blobs/blob-store.ts'
import { blobFrom, storedObjectOf } from '../../metadata/check-blobs.ts'
import type { Db } from '../../metadata/database.ts'

const PROBES = 64
const ENOUGH = 8

type Sample = { looked: number; missing: number }

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

/** More than half of what was looked for is not there. */
export const areMostlyGone = ({ looked, missing }: Sample): boolean =>
  looked >= ENOUGH && missing * 2 > looked
