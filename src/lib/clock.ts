/** The only source of time, so that a test can move it. */
export type Clock = {
  /** Milliseconds since 1970, UTC: what rows hold. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }
