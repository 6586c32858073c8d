/** A source whose bytes are all in memory: one piece. */
import type { ByteSource } from './blob-store.ts'

export function createBytesSource(bytes: Uint8Array): ByteSource {
  let done = bytes.byteLength === 0
  return {
    length: bytes.byteLength,
    whole: bytes,
    read: async () => {
      if (done) return undefined
      done = true
      return { bytes, release: () => undefined }
    },
    close: () => {
      done = true
    },
  }
}
