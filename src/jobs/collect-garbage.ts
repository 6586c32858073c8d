/**
 * T6 run through: candidates whose time has come, many beside each other so that they share commits, until none is
 * due. Any number of processes may do this at once; a candidate that another one has taken is found gone.
 */
import type { Logger } from '../lib/logger.ts'
import { type Candidate, dueCandidates, reviewCandidate } from '../metadata/collect.ts'
import type { Db } from '../metadata/database.ts'

const BATCH = 256

export type Collected = { manifests: number; links: number; blobs: number; bytes: number }

export async function collectGarbage(
  { db, log, now }: { db: Db; log: Logger; now: () => number },
  options: { keepMs: number },
  signal: AbortSignal,
): Promise<Collected> {
  const collected: Collected = { manifests: 0, links: 0, blobs: 0, bytes: 0 }
  while (!signal.aborted) {
    const at = now()
    const due = await dueCandidates(db, at, BATCH)
    if (due.length === 0) break
    const reviews = await Promise.all(
      due.map((candidate) => reviewCandidate(db, candidate, at, options.keepMs)),
    )
    for (const [index, review] of reviews.entries()) {
      if (review.kind === 'removed') count(collected, due[index] as Candidate, review.bytes)
    }
  }
  if (collected.manifests + collected.links + collected.blobs > 0)
    log.info('collected what nothing names', collected)
  return collected
}

function count(collected: Collected, { kind }: Candidate, bytes: number): void {
  if (kind === 'manifest') collected.manifests++
  else if (kind === 'link') collected.links++
  else {
    collected.blobs++
    collected.bytes += bytes
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
