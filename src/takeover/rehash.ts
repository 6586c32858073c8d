/** Whether the bytes of a file have its digest. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { algorithmOf, createDigestHash, type Digest } from '../oci/digest.ts'
import { refusalText } from './file-errors.ts'

/** One buffer is enough: one file at a time. */
export const HASH_BUFFER_BYTES = 1024 * 1024

/**
 * @param digests all that the bytes must have: the sha256, and where the blob was pushed by it the sha512
 * @returns undefined: they do; else what is wrong, after the file's name
 */
export async function findDamage(
  dataFolder: string,
  path: string,
  digests: readonly Digest[],
  buffer: Uint8Array,
  onBytes: (bytes: number) => void,
): Promise<string | undefined> {
  const hashes = digests.map((digest) => ({ digest, hash: createDigestHash(algorithmOf(digest)) }))
  try {
    await using file = await open(join(dataFolder, path))
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, null)
      if (bytesRead === 0) break
      for (const { hash } of hashes) hash.update(buffer.subarray(0, bytesRead))
      onBytes(bytesRead)
    }
  } catch (error) {
    return refusalText(error)
  }
  const isWrong = hashes.some(({ digest, hash }) => digest.slice(7) !== hash.digest('hex'))
  return isWrong ? 'has bytes of another digest: it is damaged' : undefined
}
