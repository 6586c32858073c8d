/** Reads restored blobs again, past the caches of the program. */
import type { BlobStore } from '../blobs/blob-store.ts'
import { openFrozen } from '../metadata/sqlite/frozen.ts'
import { blobRows } from './blob-rows.ts'
import { concurrently } from '../lib/concurrently.ts'
import { hashing, openWhole } from './copy-blobs.ts'

/** @returns digests whose bytes are not theirs */
export async function verifyRestored(
  { databasePath, store }: { databasePath: string; store: BlobStore },
  { progress, signal }: { progress(text: string): void; signal: AbortSignal },
): Promise<string[]> {
  const frozen = openFrozen(databasePath)
  const wrong: string[] = []
  let compared = 0
  try {
    await concurrently(blobRows(frozen.connection), 4, async ({ digest, size, object, isDamaged }) => {
      signal.throwIfAborted()
      if (isDamaged) return
      const source = await openWhole(store, object, size)
      const isRight = source !== undefined && (await hashing(digest, source, async () => undefined))
      source?.close()
      if (!isRight) wrong.push(digest)
      progress(`${++compared} blobs compared again`)
    })
    return wrong
  } finally {
    frozen.close()
  }
}
