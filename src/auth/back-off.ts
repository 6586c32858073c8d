/** Who fails has to wait, twice as long each time: a bounded table of how often whom. */

export type BackOffOptions = {
  /** Milliseconds; may jump. */
  now: () => number
  /** The first wait, in milliseconds; it doubles with each failure. */
  firstWaitMs: number
  /** Failures that are forgiven in an hour. */
  forgivenPerHour: number
  /** How long a failure is remembered at all. Milliseconds. */
  forgetMs: number
  /** Keys that are remembered at a time. */
  most: number
}

/** From which failure on, and how long at most. */
export type Patience = { free: number; longestWaitMs: number }

type Entry = { failures: number; failedAt: number; forgivenAt: number; probedUntil: number }

/** While one that had waited is being looked at, the others go on waiting. Milliseconds. */
const PROBE_MS = 5000
const HOUR_MS = 3_600_000
/** Entries that are compared when one of them has to go. */
const COMPARED = 8

/**
 * When it is full, the one with the fewest failures of some goes, so that whoever wants one with many to be forgotten
 * has to fail as often with all others.
 */
export function createBackOff({ now, firstWaitMs, forgivenPerHour, forgetMs, most }: BackOffOptions) {
  const entries = new Map<string, Entry>()
  let hand = entries.entries()

  function settle(entry: Entry, at: number): void {
    // The clock was put back: what seems to come from the future was just now.
    entry.failedAt = Math.min(entry.failedAt, at)
    entry.forgivenAt = Math.min(entry.forgivenAt, at)
    const forgiven = ((at - entry.forgivenAt) / HOUR_MS) * forgivenPerHour
    entry.failures = Math.max(0, entry.failures - forgiven)
    entry.forgivenAt = at
  }

  function isOver(entry: Entry, at: number): boolean {
    return entry.failures <= 0 || at - entry.failedAt > forgetMs
  }

  function find(key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    const at = now()
    settle(entry, at)
    if (!isOver(entry, at)) return entry
    entries.delete(key)
    return undefined
  }

  function makeRoom(): void {
    const at = now()
    let least: { key: string; failures: number } | undefined
    for (let count = 0; count < COMPARED; count++) {
      let next = hand.next()
      if (next.done === true) {
        hand = entries.entries()
        next = hand.next()
      }
      if (next.done === true) return
      const [key, entry] = next.value
      settle(entry, at)
      const failures = isOver(entry, at) ? -1 : entry.failures
      if (least === undefined || failures < least.failures) least = { key, failures }
    }
    if (least !== undefined) entries.delete(least.key)
  }

  return {
    /** Milliseconds that are still to be waited; 0: none. */
    waitOf(key: string, { free, longestWaitMs }: Patience): number {
      const entry = find(key)
      if (entry === undefined || entry.failures < free) return 0
      const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(40, Math.floor(entry.failures - free)))
      const at = now()
      const probe = Math.min(entry.probedUntil, at + PROBE_MS)
      return Math.max(0, entry.failedAt + wait - at, probe - at)
    },
    /** One that does not have to wait (any more) is being looked at. */
    begin(key: string, { free }: Patience): void {
      const entry = entries.get(key)
      if (entry !== undefined && entry.failures >= free) entry.probedUntil = now() + PROBE_MS
    },
    failuresOf: (key: string): number => find(key)?.failures ?? 0,
    /** @param weight how much it counts */
    failed(key: string, weight = 1): void {
      const at = now()
      const entry = find(key)
      if (entry !== undefined) {
        entry.failures += weight
        entry.failedAt = at
        entry.probedUntil = 0
        return
      }
      if (entries.size >= most) makeRoom()
      entries.set(key, { failures: weight, failedAt: at, forgivenAt: at, probedUntil: 0 })
    },
    forgive(key: string): void {
      entries.delete(key)
    },
    get size(): number {
      return entries.size
    },
  }
}
