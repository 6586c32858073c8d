/**
 * The memory into which blobs are read on their way out, used again and again. One reader by itself gets large pieces,
 * since each costs a trip to the thread pool; a few get half of that, and several share the processor's cache, which
 * smaller ones leave warm; with many they become smaller still, so that 200 readers cost less than 32 MiB. What a stalled
 * client holds stops counting after a second, once over: others are served as before, and all of it stays below 60 MiB.
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

type Tier = {
  size: number
  from: number
  most: number
  /** When each was taken, the oldest first. */
  out: Map<Uint8Array<ArrayBuffer>, number>
  /** Held by stalled clients beside those; as many again at most. */
  stalled: Set<Uint8Array<ArrayBuffer>>
  free: Uint8Array<ArrayBuffer>[]
}

const KIB = 1024
const MIB = 1024 * KIB
/** `from`: for no less than so many bytes. Two pieces, one read while the other one is sent, beat a single larger one. */
const TIERS = [
  { size: 16 * KIB, from: 0, most: Infinity },
  { size: 64 * KIB, from: 16 * KIB + 1, most: 32 },
  { size: 512 * KIB, from: 64 * KIB + 1, most: 24 },
  { size: 1 * MIB, from: 2 * MIB, most: 8 },
  { size: 2 * MIB, from: 4 * MIB, most: 2 },
] as const
/** Pieces of 512 KiB and 1 MiB: with as many out there is more than one reader, and there are more than a few. */
const SEVERAL = 2
const MORE_THAN_A_FEW = 8
/** With as many out there is no room for reading ahead. */
const MANY = 16
/** Milliseconds after which a buffer is held by a client that does not read. */
const STALLED_MS = 1000
/** Free buffers kept of the unbounded tier. */
const KEPT = 64

export function createReadBuffers(): ReadBuffers {
  const tiers: Tier[] = TIERS.map((tier) => ({
    ...tier,
    out: new Map(),
    stalled: new Set(),
    free: [],
  }))

  const [smallest, , usual, large, largest] = tiers as [Tier, Tier, Tier, Tier, Tier]
  const piecesOut = (): number => usual.out.size + large.out.size
  const isAllowed = (tier: Tier): boolean => {
    if (tier === largest) return piecesOut() < SEVERAL
    return tier !== large || piecesOut() < MORE_THAN_A_FEW
  }
  const isFree = (tier: Tier): boolean =>
    isAllowed(tier) && (tier.out.size < tier.most || setStalledAside(tier))
  const pick = (wanted: number): Tier =>
    tiers.findLast((tier) => wanted >= tier.from && isFree(tier)) ?? smallest
  return {
    take(wanted) {
      const tier = pick(wanted)
      // Slow: a buffer of its own, not a slice of Node's shared pool.
      const bytes = tier.free.pop() ?? Buffer.allocUnsafeSlow(tier.size)
      tier.out.set(bytes, performance.now())
      let leased = true
      const end = (keep: boolean): void => {
        if (!leased) return
        leased = false
        if (!tier.out.delete(bytes)) tier.stalled.delete(bytes)
        if (keep && tier.free.length < Math.min(tier.most, KEPT)) tier.free.push(bytes)
      }
      return { bytes, giveBack: () => end(true), abandon: () => end(false) }
    },
    plenty: () => piecesOut() < MANY,
  }
}

/** Makes room for one, if the oldest is held by a stalled client. */
function setStalledAside({ out, stalled, most }: Tier): boolean {
  const [oldest] = out
  if (oldest === undefined || stalled.size >= most) return false
  const [bytes, takenAt] = oldest
  if (performance.now() - takenAt < STALLED_MS) return false
  out.delete(bytes)
  stalled.add(bytes)
  return true
}
