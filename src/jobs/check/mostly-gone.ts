/** Asked before anything is marked as damaged because its file is missing. */
import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Db } from '../../metadata/database.ts'
import { areMostlyGone, type Sample, sampleFiles } from '../../registry/sample-files.ts'

/** @returns what was looked for, where most of it is not there: a disk that is not mounted */
export async function mostlyGone(parts: { db: Db; store: BlobStore }): Promise<Sample | undefined> {
  const sample = await sampleFiles(parts)
  return areMostlyGone(sample) ? sample : undefined
}
