/**
 * How much one account, or one address that did not sign in, may ask for. Each has a bucket that fills at a steady rate;
 * what a request takes out may leave it in debt, since some are never refused, and no answer is ever cut off.
 */
import { sourceOf } from '../lib/address.ts'
import type { Clock } from '../lib/clock.ts'
import { RegistryError } from '../oci/error.ts'
import type { Principal } from './principal.ts'

export type RateRules = {
  /** Requests a second. 0: no limit. */
  requests: number
  /** Requests at once. 0: ten seconds' worth. */
  burst: number
  /** Bytes a second that are pulled, in the mean of a minute. 0: no limit. */
  bytes: number
}

export type RateLimits = {
  /**
   * Before a request that can be sent again is looked at.
   * @throws RegistryError TOOMANYREQUESTS with `retryAfter`
   */
  check(principal: Principal | undefined, address: string): void
  /** One request. What has a body that its client cannot send again is counted without a check: others wait for it. */
  count(principal: Principal | undefined, address: string): void
  /** Bytes of a body that is being sent to it. */
  pulled(principal: Principal | undefined, address: string, bytes: number): void
  /** How many requests were refused. */
  readonly figures: { refused: number }
}

const MOST = 20_000
const COMPARED = 8
const BYTES_BURST_SECONDS = 60
const REQUESTS_BURST_SECONDS = 10

export function createRateLimits({
  clock,
  requests,
  burst,
  bytes,
}: RateRules & { clock: Clock }): RateLimits {
  const now = () => clock.now()
  const atOnce = burst === 0 ? requests * REQUESTS_BURST_SECONDS : burst
  const asked = requests === 0 ? undefined : createBuckets(now, requests, atOnce)
  const sent = bytes === 0 ? undefined : createBuckets(now, bytes, bytes * BYTES_BURST_SECONDS)
  const figures = { refused: 0 }

  function refuse(seconds: number, what: string): never {
    figures.refused += 1
    const retryAfter = Math.max(1, Math.ceil(seconds))
    throw new RegistryError('TOOMANYREQUESTS', `too ${what}: try again in ${retryAfter} s`, { retryAfter })
  }

  return {
    figures,
    check(principal, address) {
      const key = keyOf(principal, address)
      // A debt of bytes is paid before more is asked for.
      const owed = sent?.secondsUntil(key, 0) ?? 0
      if (owed > 0) refuse(owed, 'much was pulled in a short time')
      const wait = asked?.secondsUntil(key, 1) ?? 0
      if (wait > 0) refuse(wait, 'many requests')
    },
    count(principal, address) {
      asked?.take(keyOf(principal, address), 1)
    },
    pulled(principal, address, count) {
      sent?.take(keyOf(principal, address), count)
    },
  }
}

/** Whose bucket it is: the account's, or that of the address (an IPv6 address counts as its /64). */
export function keyOf(principal: Principal | undefined, address: string): string {
  const isNobody = principal === undefined || principal.kind === 'anonymous' || principal.kind === 'open'
  return isNobody ? sourceOf(address) : principal.id
}

type Bucket = { level: number; at: number }

/** Bounded: when it is full, the fullest bucket of some goes, which has the least to forget. */
function createBuckets(now: () => number, rate: number, capacity: number) {
  const buckets = new Map<string, Bucket>()
  let hand = buckets.entries()

  function settle(bucket: Bucket, at: number): number {
    // A clock that was put back takes nothing away.
    const seconds = Math.max(0, at - bucket.at) / 1000
    bucket.level = Math.min(capacity, bucket.level + seconds * rate)
    bucket.at = at
    return bucket.level
  }

  function makeRoom(at: number): void {
    let fullest: { key: string; level: number } | undefined
    for (let count = 0; count < COMPARED; count++) {
      let next = hand.next()
      if (next.done === true) {
        hand = buckets.entries()
        next = hand.next()
      }
      if (next.done === true) return
      const [key, bucket] = next.value
      const level = settle(bucket, at)
      if (fullest === undefined || level > fullest.level) fullest = { key, level }
    }
    if (fullest !== undefined) buckets.delete(fullest.key)
  }

  return {
    /** Until it holds so much; of 0: until it is out of debt. */
    secondsUntil(key: string, wanted: number): number {
      const bucket = buckets.get(key)
      return bucket === undefined ? 0 : Math.max(0, wanted - settle(bucket, now())) / rate
    },
    take(key: string, count: number): void {
      const at = now()
      let bucket = buckets.get(key)
      if (bucket === undefined) {
        if (buckets.size >= MOST) makeRoom(at)
        bucket = { level: capacity, at }
        buckets.set(key, bucket)
      }
      // Nobody owes more than a full bucket: one large blob does not shut its client out for an hour.
      bucket.level = Math.max(-capacity, settle(bucket, at) - count)
    },
  }
}
