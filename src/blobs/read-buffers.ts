/**
 * The memory into which blobs are read on their way out, used again and again. Few readers get large pieces; with
 * many (stalled clients hold theirs) pieces become smaller, so that 200 of them cost less than 20 MiB.
 */
export type Lease = {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Nobody looks at the bytes any more. */
  giveBack(): void
  /** Somebody may still look at the bytes: they are left to the garbage collector. */
  abandon(): void
}

export type ReadBuffers = {
  take(wanted: number): Lease
  /** Whether there is enough for reading what nobody asked for yet. */
  plenty(): boolean
}

type Tier = { size: number; most: number; out: number; free: Uint8Array<ArrayBuffer>[] }

const TIERS = [
  { size: 16 * 1024, most: Infinity },
  { size: 64 * 1024, most: 32 },
  { size: 512 * 1024, most: 24 },
] as const
/** Free buffers kept of the unbounded tier. */
const KEPT = 64

export function createReadBuffers(): ReadBuffers {
  const tiers: Tier[] = TIERS.map((tier) => ({ ...tier, out: 0, free: [] }))
  const largest = tiers.length - 1

  const pick = (wanted: number): Tier => {
    const enough = tiers.findIndex((tier) => tier.size >= wanted)
    for (let index = enough < 0 ? largest : enough; index > 0; index -= 1) {
      const tier = tiers[index]
      if (tier !== undefined && tier.out < tier.most) return tier
    }
    return tiers[0] as Tier
  }
  return {
    take(wanted) {
      const tier = pick(wanted)
      tier.out += 1
      // Slow: a buffer of its own, not a slice of Node's shared pool.
      const bytes = tier.free.pop() ?? Buffer.allocUnsafeSlow(tier.size)
      let leased = true
      const end = (keep: boolean): void => {
        if (!leased) return
        leased = false
        tier.out -= 1
        if (keep && tier.free.length < Math.min(tier.most, KEPT)) tier.free.push(bytes)
      }
      return { bytes, giveBack: () => end(true), abandon: () => end(false) }
    },
    plenty: () => (tiers[largest]?.out ?? 0) < 16,
  }
}
