/** How much goes into one request. One for a whole push: what one blob met, the others need not. */

export type ChunkLimit = {
  /** Bytes; undefined: a blob goes in one request. */
  now(): number | undefined
  /**
   * After a request of `bytes` was too large for somebody.
   * @returns the new limit; undefined: it cannot be less
   */
  lower(bytes: number): number | undefined
  /** A registry says what it takes at least (`OCI-Chunk-Min-Length`). */
  atLeast(bytes: number): void
}

const MIB = 1024 * 1024
/** Proxies have limits like 100 MB, 10 MB, 1 MiB. */
const STEPS = [64 * MIB, 16 * MIB, 8 * MIB, 4 * MIB, MIB, MIB / 2, MIB / 8] as const

export function createChunkLimit(first: number | undefined, onLower: (limit: number) => void): ChunkLimit {
  let limit = first
  let least = 1
  const now = (): number | undefined => (limit === undefined ? undefined : Math.max(limit, least))
  return {
    now,
    lower(bytes) {
      // Another blob may have found it out while this one was on its way.
      const known = now()
      if (known !== undefined && known < bytes) return known
      const next = STEPS.find((step) => step < bytes)
      if (next === undefined || next < least) return undefined
      limit = next
      onLower(next)
      return next
    },
    atLeast(bytes) {
      least = Math.max(least, bytes)
    },
  }
}
