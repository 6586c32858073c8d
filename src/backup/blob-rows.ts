/** Blobs of a frozen database, in order of digest: all, or those of one folder of a backup. */
import type { DatabaseSync } from 'node:sqlite'
import type { ObjectId, StoredObject } from '../blobs/blob-store.ts'
import { objectFromBytes } from '../metadata/blob-links.ts'
import { type Digest, digestFromBytes } from '../oci/digest.ts'

export type BackedUpBlob = { digest: Digest; size: number; object: StoredObject; isDamaged: boolean }

const PAGE = 1000
const ALGORITHM_BYTES = { sha256: 1, sha512: 2 } as const

export function* blobRows(db: DatabaseSync): Generator<BackedUpBlob> {
  const page = db.prepare(
    `SELECT b.digest, b.size, b.object_id, b.damaged_at, o.path FROM blobs b JOIN objects o ON o.id = b.object_id
     WHERE b.digest > ? ORDER BY b.digest LIMIT ${PAGE}`,
  )
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = page.all(after) as {
      digest: Uint8Array
      size: number
      object_id: Uint8Array
      damaged_at: number | null
      path: string | null
    }[]
    for (const row of rows) {
      const digest = digestFromBytes(row.digest)
      const id: ObjectId = objectFromBytes(row.object_id)
      const object = { id, digest, ...(row.path !== null && { path: row.path }) }
      yield { digest, size: row.size, object, isDamaged: row.damaged_at !== null }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.digest
  }
}

/** Digest → size, of the digests whose hash begins with these two digits. */
export function shardSizes(
  db: DatabaseSync,
  algorithm: 'sha256' | 'sha512',
  shard: string,
): Map<Digest, number> {
  const first = Buffer.from([ALGORITHM_BYTES[algorithm], Number.parseInt(shard, 16)])
  // No hash is as long as this, so none of the folder comes after it.
  const last = Buffer.concat([first, Buffer.alloc(65, 0xff)])
  const rows = db
    .prepare('SELECT digest, size FROM blobs WHERE digest >= ? AND digest <= ?')
    .all(first, last) as { digest: Uint8Array; size: number }[]
  return new Map(rows.map(({ digest, size }) => [digestFromBytes(digest), size]))
}
