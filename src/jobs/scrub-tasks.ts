/** When the scrub runs, and the walk for files that no row knows: by one process at a time. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { runJobIfDue } from '../metadata/jobs.ts'
import { findUnknownFiles } from './find-unknown-files.ts'
import type { Task } from './schedule.ts'
import { isScrubDue, lookAtDamaged, scrub, type ScrubRules } from './scrub.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WEEK = 7 * DAY
const SLICE_MS = 45 * SECOND
/** Longer than one blob of a hundred GiB takes; another process goes on after that if the one at work was killed. */
const CLAIM_MS = 6 * HOUR

type ScrubParts = { db: Db; store: BlobStore; log: Logger; now: () => number; processId: string }

export function createScrubTasks(parts: ScrubParts, rules: ScrubRules): Task[] {
  const { db, now, processId } = parts
  const alone = async (kind: string, everyMs: number, work: () => Promise<unknown>): Promise<void> => {
    const job = { kind, everyMs, claimMs: CLAIM_MS, processId, now }
    await runJobIfDue(db, job, async () => void (await work()))
  }
  return [
    {
      name: 'scrub',
      everyMs: MINUTE,
      // Looked at first, so that a registry with nothing to do writes nothing.
      run: async (signal) => {
        if (await isScrubDue(parts, rules.ageMs))
          await alone('scrub', SLICE_MS, () => scrub(parts, rules, SLICE_MS, signal))
      },
    },
    {
      name: 'look-at-damaged',
      everyMs: HOUR,
      run: (signal) => alone('look-at-damaged', DAY, () => lookAtDamaged(parts, rules, signal)),
    },
    {
      name: 'find-unknown-files',
      everyMs: HOUR,
      run: (signal) => alone('find-unknown-files', WEEK, () => findUnknownFiles(parts, signal)),
    },
  ]
}
