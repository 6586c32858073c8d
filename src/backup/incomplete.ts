/** Which images lack something, as people name them. */
import { affectedByBlob } from '../metadata/check-affected.ts'
import type { Db } from '../metadata/database.ts'
import type { Digest } from '../oci/digest.ts'

const MOST_NAMES = 1000
const MOST_BLOBS = 1000

/** `repository:tag`, or `repository@digest` where there is no tag; some of them, in order. */
export async function incompleteImages(db: Db, blobs: readonly { digest: Digest }[]): Promise<string[]> {
  const names = new Set<string>()
  for (const { digest } of blobs.slice(0, MOST_BLOBS)) {
    for (const { repository, tag, manifest } of await affectedByBlob(db, digest)) {
      if (manifest === undefined) continue
      names.add(tag === undefined ? `${repository}@${manifest}` : `${repository}:${tag}`)
    }
    if (names.size >= MOST_NAMES) break
  }
  return [...names].sort().slice(0, MOST_NAMES)
}
