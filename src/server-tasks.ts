/** Part of the composition: the work in the background. */
import type { BlobStore } from './blobs/blob-store.ts'
import type { Config } from './config/schema.ts'
import type { CollectionFigures } from './jobs/collection-figures.ts'
import type { Schedule } from './jobs/schedule.ts'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import type { Metadata } from './metadata/open-metadata.ts'
import type { PullRecorder } from './metadata/pulls.ts'
import { scrubOf } from './server-rules.ts'

/** Its code is a tenth of all that is loaded, and none of it is due in the first seconds: first answers come first. */
const LOAD_AFTER_MS = 1000

export type TasksOptions = {
  config: Config
  metadata: Metadata
  store: BlobStore
  pulls: PullRecorder
  figures: CollectionFigures
  clock: Clock
  log: Logger
}

/** @returns to be called at the end: waits for what is running, and writes the last pull counts */
export function startTasks(options: TasksOptions): () => Promise<void> {
  const { pulls, log } = options
  let loading: Promise<Schedule | undefined> | undefined
  const timer = setTimeout(() => {
    loading = schedule(options).catch((error: unknown) => {
      log.error('the work in the background could not be started; start the registry again', { error })
      return undefined
    })
  }, LOAD_AFTER_MS)
  timer.unref()
  return async () => {
    clearTimeout(timer)
    await (await loading)?.stop()
    await pulls.flush().catch((error: unknown) => log.warn('the last pull counts were lost', { error }))
  }
}

async function schedule({
  config,
  metadata,
  store,
  pulls,
  figures,
  clock,
  log,
}: TasksOptions): Promise<Schedule> {
  const [{ startSchedule }, { createTasks }] = await Promise.all([
    import('./jobs/schedule.ts'),
    import('./jobs/tasks.ts'),
  ])
  const { maintenance } = config.storage
  const { enabled, age, interval, dryrun } = maintenance.uploadpurging
  const tasks = createTasks({
    metadata,
    store,
    pulls,
    clock,
    log,
    purging: { enabled, ageMs: age, intervalMs: interval, dryRun: dryrun },
    readOnly: maintenance.readonly.enabled,
    keepMs: config.trash.keep,
    ...scrubOf(config),
    collectionRate: config.gc.rate,
    audit: { keepMs: config.audit.keep, most: config.audit.maxentries },
    figures,
  })
  return startSchedule(tasks, log)
}
