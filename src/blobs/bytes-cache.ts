/** Small blobs kept in memory, bounded by their bytes. */
import { createRecentMap } from '../lib/recent-map.ts'

export type BytesCache = {
  get(key: string): Uint8Array | undefined
  put(key: string, bytes: Uint8Array): void
  drop(key: string): void
}

/** What an entry costs beside its bytes, roughly: without it a million empty blobs would cost nothing. */
const ENTRY = 256
const GROUP = ''

/** @param limit bytes */
export function createBytesCache(limit: number): BytesCache {
  const entries = createRecentMap<Uint8Array>(limit)
  return {
    get: (key) => entries.get(GROUP, key),
    put: (key, bytes) => entries.set(GROUP, key, bytes, bytes.byteLength + ENTRY),
    drop: (key) => entries.delete(GROUP, key),
  }
}
