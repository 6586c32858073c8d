/** A running hash on the thread of the caller: for what is in memory anyway. */
import { createDigestHash, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import type { RunningHash } from './blob-store.ts'

export function createLocalHash(algorithm: DigestAlgorithm): RunningHash {
  const hash = createDigestHash(algorithm)
  let length = 0
  return {
    algorithm,
    get length() {
      return length
    },
    update(bytes) {
      hash.update(bytes)
      length += bytes.byteLength
    },
    digest: async () => `${algorithm}:${hash.copy().digest('hex')}` as Digest,
    close: () => undefined,
  }
}
