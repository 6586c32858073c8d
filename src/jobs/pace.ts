/**
 * How fast background work goes: never more than a rate, and never more than a third to a half of the time, so that requests get
 * between, whatever the disk.
 */
import { setTimeout as sleep } from 'node:timers/promises'

export type Pace = {
  /** Waits after a piece of work. Returns early, without an error, when told to stop. */
  rest(count: number, tookMs: number, signal: AbortSignal): Promise<void>
}

/** For each second of work so many of rest, up to as many as are long for a request; then as much as the work took. */
const REST = 2
const LONG_MS = 20

/** @param perSecond what counts, at most; 0: as fast as it goes, but for the rests */
export function createPace(perSecond: number): Pace {
  return {
    async rest(count, tookMs, signal) {
      const dueMs = perSecond > 0 ? (count * 1000) / perSecond : 0
      const restMs = Math.max(tookMs, Math.min(tookMs * REST, LONG_MS), dueMs - tookMs)
      await sleep(restMs, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    },
  }
}

/** Goes on at once: for tests, and where nobody else is there. */
export const noPace: Pace = { rest: async () => undefined }
