/**
 * T6 run through: candidates whose time has come, some beside each other so that they share a commit, until none is
 * due. Any number of processes may do this at once: each claims what it looks at. Between two batches it rests, so that
 * no push waits for more than one of them.
 */
import type { Logger } from '../lib/logger.ts'
import { type Candidate, claimCandidates, countDueCandidates, reviewCandidate } from '../metadata/collect.ts'
import type { Db } from '../metadata/database.ts'
import { noPace, type Pace } from './pace.ts'

/** What one commit looks at: a push that comes then waits for a few milliseconds. */
export const BATCH = 32
const CLAIM = 8 * BATCH
/** Progress of a long run in the log. */
const TELL_EVERY_MS = 10_000

export type Collected = { manifests: number; links: number; blobs: number; bytes: number }
export type CollectionProgress = Collected & {
  /** Candidates looked at, and those that were due at the beginning. */
  looked: number
  due: number
}

type CollectionOptions = {
  /** How long what was deleted can be restored. Milliseconds. */
  keepMs: number
  pace?: Pace
  /** Called after each batch. */
  onProgress?: (progress: CollectionProgress) => void
}

export async function collectGarbage(
  { db, log, now }: { db: Db; log: Logger; now: () => number },
  { keepMs, pace = noPace, onProgress }: CollectionOptions,
  signal: AbortSignal,
): Promise<Collected> {
  const progress: CollectionProgress = { manifests: 0, links: 0, blobs: 0, bytes: 0, looked: 0, due: 0 }
  progress.due = await countDueCandidates(db, now())
  const tell = createTeller(log)
  let claimed: Candidate[] = []
  while (!signal.aborted) {
    const began = performance.now()
    const at = now()
    if (claimed.length === 0) claimed = await claimCandidates(db, at, CLAIM)
    const batch = claimed.splice(0, BATCH)
    if (batch.length === 0) break
    const reviews = await Promise.all(batch.map((candidate) => reviewCandidate(db, candidate, at, keepMs)))
    for (const [index, review] of reviews.entries()) {
      if (review.kind === 'removed') countRemoved(progress, batch[index] as Candidate, review.bytes)
    }
    progress.looked += batch.length
    onProgress?.(progress)
    tell(progress)
    await pace.rest(batch.length, performance.now() - began, signal)
  }
  const { manifests, links, blobs, bytes } = progress
  const collected = { manifests, links, blobs, bytes }
  if (manifests + links + blobs > 0) log.info('collected what nothing names', collected)
  return collected
}

export function countRemoved(collected: Collected, { kind }: Pick<Candidate, 'kind'>, bytes: number): void {
  if (kind === 'manifest') collected.manifests++
  else if (kind === 'link') collected.links++
  else {
    collected.blobs++
    collected.bytes += bytes
  }
}

function createTeller(log: Logger): (progress: CollectionProgress) => void {
  const began = performance.now()
  let last = began
  return ({ looked, due, manifests, blobs, bytes }) => {
    const time = performance.now()
    if (time - last < TELL_EVERY_MS) return
    last = time
    const perSecond = Math.round((looked * 1000) / (time - began))
    // What goes makes more due: never less than nothing is left.
    log.info('collecting', { looked, left: Math.max(0, due - looked), manifests, blobs, bytes, perSecond })
  }
}

/**
 * Leases are times, so collection waits where the clock cannot be trusted: when wall and monotonic time part (a board
 * without a clock that finds the network, an NTP step), for as long as a lease.
 */
export function createClockGuard(
  wall: () => number,
  monotonic: () => number,
  pauseMs: number,
): { isTrusted(): boolean } {
  const TOLERANCE_MS = 60_000
  let offset = wall() - monotonic()
  let pausedUntil = -Infinity
  return {
    isTrusted() {
      const current = wall() - monotonic()
      if (Math.abs(current - offset) > TOLERANCE_MS) {
        offset = current
        pausedUntil = monotonic() + pauseMs
      }
      return monotonic() >= pausedUntil
    },
  }
}
