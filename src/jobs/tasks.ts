/** The background tasks of a registry on one data folder. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { DatabaseFullError } from '../metadata/database.ts'
import { LEASE_MS } from '../metadata/blob-links.ts'
import { runJobIfDue } from '../metadata/jobs.ts'
import type { Metadata } from '../metadata/open-metadata.ts'
import { beat } from '../metadata/processes.ts'
import type { PullRecorder } from '../metadata/pulls.ts'
import { collectGarbage, createClockGuard } from './collect-garbage.ts'
import { type CollectionFigures, figuresOf } from './collection-figures.ts'
import { type AuditRules, expireRecord } from './expire-audit.ts'
import { expireUploads } from './expire-uploads.ts'
import { forgetSecrets } from './forget-secrets.ts'
import { createPace } from './pace.ts'
import { removeGarbage } from './remove-garbage.ts'
import type { Task } from './schedule.ts'
import type { ScrubRules } from './scrub.ts'
import { createScrubTasks } from './scrub-tasks.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

type TaskParts = {
  metadata: Metadata
  store: BlobStore
  pulls: PullRecorder
  clock: Clock
  log: Logger
  /** Content is left alone: nothing expires and nothing is removed. */
  readOnly: boolean
  /** How long what was deleted can be restored. Milliseconds. */
  keepMs: number
  /** How many candidates a second are looked at, at most. */
  collectionRate: number
  /** What metrics say of the collector; written here. */
  figures: CollectionFigures
  /** Absent: switched off. */
  scrub?: ScrubRules
  /** How long the record of who did what is kept. */
  audit: AuditRules
  purging: { enabled: boolean; ageMs: number; intervalMs: number; dryRun: boolean }
}

export function createTasks(parts: TaskParts): Task[] {
  const { metadata, store, pulls, clock, log, purging, readOnly, keepMs, figures } = parts
  const { db, processId, snapshot } = metadata
  const now = () => clock.now()
  /** Done once in a while by whichever process comes first. */
  const shared = (kind: string, everyMs: number, work: () => Promise<void>) =>
    runJobIfDue(db, { kind, everyMs, claimMs: Math.min(everyMs, 10 * MINUTE), processId, now }, work).then(
      () => undefined,
    )

  const pace = createPace(parts.collectionRate)
  const guard = createClockGuard(now, () => performance.now(), LEASE_MS)

  return [
    { name: 'heartbeat', everyMs: 10 * SECOND, run: () => unlessFull(beat(db, processId, now())) },
    { name: 'refill-reserve', everyMs: MINUTE, run: async () => metadata.refillReserve() },
    { name: 'flush-pulls', everyMs: MINUTE, run: () => unlessFull(pulls.flush()) },
    {
      name: 'forget-secrets',
      everyMs: HOUR,
      run: (signal: AbortSignal) =>
        shared('forget-secrets', HOUR, async () => void (await forgetSecrets(db, now(), signal))),
    },
    ...(readOnly
      ? []
      : [
          {
            name: 'remove-garbage',
            everyMs: 10 * SECOND,
            run: async (signal: AbortSignal) => {
              const onRemoved = (files: number, bytes: number) => figures.onRemoved(files, bytes)
              await removeGarbage({ db, store, log, now }, signal, { pace, onRemoved })
            },
          },
          {
            name: 'collect-garbage',
            everyMs: MINUTE,
            run: async (signal: AbortSignal) => {
              if (!guard.isTrusted()) return
              const run = figuresOf(figures)
              await collectGarbage({ db, log, now }, { keepMs, pace, onProgress: run.onProgress }, signal)
              run.onEnd(now())
            },
          },
        ]),
    ...(purging.enabled && !readOnly
      ? [
          {
            name: 'expire-uploads',
            everyMs: Math.min(purging.intervalMs, MINUTE),
            run: (signal: AbortSignal) =>
              shared('expire-uploads', purging.intervalMs, async () => {
                await expireUploads({ db, log, now }, purging, signal)
              }),
          },
        ]
      : []),
    {
      name: 'expire-audit',
      everyMs: 10 * MINUTE,
      run: (signal: AbortSignal) =>
        shared('expire-audit', 10 * MINUTE, () => expireRecord({ db, log, now }, parts.audit, signal)),
    },
    ...(parts.scrub === undefined || readOnly
      ? []
      : createScrubTasks({ db, store, log, now, processId }, parts.scrub)),
    ...(snapshot === undefined
      ? []
      : [
          {
            name: 'snapshot',
            everyMs: 5 * MINUTE,
            run: () =>
              shared('snapshot', DAY, async () => {
                const path = await snapshot()
                log.info('metadata snapshot written', { file: path.split(/[\\/]/).at(-1) })
              }),
          },
        ]),
  ]
}

/** What can wait does, without a line in the log every ten seconds. */
async function unlessFull(write: Promise<void>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!(error instanceof DatabaseFullError)) throw error
  }
}
