/** So many bytes a second, and no more: what runs in the background leaves the disk to others. */
import { setTimeout as sleep } from 'node:timers/promises'

export type ReadRate = {
  /** Waits until so many bytes more are within the rate. @throws when the signal is aborted */
  spend(bytes: number): Promise<void>
}

/** How much may be read at once after a pause. Milliseconds of the rate. */
const BURST_MS = 250

/** @param bytesPerSecond undefined: as fast as it goes */
export function createReadRate(
  bytesPerSecond: number | undefined,
  signal: AbortSignal,
  now: () => number = () => performance.now(),
): ReadRate {
  /** When what was spent so far is paid for. */
  let paid = -Infinity
  return {
    async spend(bytes) {
      signal.throwIfAborted()
      if (bytesPerSecond === undefined) return
      const current = now()
      paid = Math.max(paid, current - BURST_MS) + (bytes / bytesPerSecond) * 1000
      if (paid > current) await sleep(paid - current, undefined, { signal })
    },
  }
}
