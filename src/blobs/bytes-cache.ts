/** Small blobs kept in memory, bounded by their bytes; the least recently used go first. */
export type BytesCache = {
  get(key: string): Uint8Array | undefined
  put(key: string, bytes: Uint8Array): void
  drop(key: string): void
}

/** What an entry costs beside its bytes, roughly: without it a million empty blobs would cost nothing. */
const ENTRY = 256

/** @param limit bytes */
export function createBytesCache(limit: number): BytesCache {
  const entries = new Map<string, Uint8Array>()
  let used = 0
  const drop = (key: string): void => {
    const bytes = entries.get(key)
    if (bytes === undefined) return
    entries.delete(key)
    used -= bytes.byteLength + ENTRY
  }
  return {
    get(key) {
      const bytes = entries.get(key)
      if (bytes === undefined) return undefined
      entries.delete(key)
      entries.set(key, bytes)
      return bytes
    },
    put(key, bytes) {
      drop(key)
      if (bytes.byteLength + ENTRY > limit) return
      entries.set(key, bytes)
      used += bytes.byteLength + ENTRY
      for (const oldest of entries.keys()) {
        if (used <= limit) return
        drop(oldest)
      }
    },
    drop,
  }
}
