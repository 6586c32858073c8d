/**
 * The memory into which blobs are read on their way out, used again and again. One reader by itself gets large pieces,
 * since each costs a trip to the thread pool; several share the processor's cache, which smaller ones leave warm; with
 * many (stalled clients hold theirs) they become smaller still, so that 200 of them cost less than 24 MiB.
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

type Tier = { size: number; from: number; most: number; out: number; free: Uint8Array<ArrayBuffer>[] }

const KIB = 1024
const MIB = 1024 * KIB
/** `from`: for no less than so many bytes. Two pieces, one read while the other one is sent, beat a single larger one. */
const TIERS = [
  { size: 16 * KIB, from: 0, most: Infinity },
  { size: 64 * KIB, from: 16 * KIB + 1, most: 32 },
  { size: 512 * KIB, from: 64 * KIB + 1, most: 24 },
  { size: 2 * MIB, from: 4 * MIB, most: 2 },
] as const
/** Pieces of 512 KiB: with as many out there is more than one reader. */
const SEVERAL = 2
/** With as many out there is no room for reading ahead. */
const MANY = 16
/** Free buffers kept of the unbounded tier. */
const KEPT = 64

export function createReadBuffers(): ReadBuffers {
  const tiers: Tier[] = TIERS.map((tier) => ({ ...tier, out: 0, free: [] }))

  const [smallest, , usual, largest] = tiers as [Tier, Tier, Tier, Tier]
  const isFree = (tier: Tier): boolean => tier.out < tier.most && (tier !== largest || usual.out < SEVERAL)
  const pick = (wanted: number): Tier =>
    tiers.findLast((tier) => wanted >= tier.from && isFree(tier)) ?? smallest
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
    plenty: () => usual.out < MANY,
  }
}
