/** Long work in short pieces. */
import { setImmediate } from 'node:timers/promises'

/**
 * To be awaited between two pieces of a long work: of all works that share it one goes on at a time, and the event loop
 * answers others in between.
 */
export type TakeTurn = () => Promise<unknown>

export function createTurns(): TakeTurn {
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    last = last.then(() => setImmediate())
    return last
  }
}
