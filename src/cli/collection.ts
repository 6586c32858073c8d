/** What the commands that collect do: ask whether they may, plan, run, and remove the files, with progress. */
import { collectGarbage, type Collected } from '../jobs/collect-garbage.ts'
import { makePlan, type PlanRun, runPlan } from '../jobs/collection-plan.ts'
import { createPace, type Pace } from '../jobs/pace.ts'
import { removeGarbage } from '../jobs/remove-garbage.ts'
import type { CollectionPlan } from '../metadata/collection-plans.ts'
import { holdsInForce } from '../metadata/removal-holds.ts'
import { findTakeover } from '../metadata/takeover.ts'
import { newestHeartbeat } from '../metadata/waiting.ts'
import type { OpenedData } from '../storage.ts'
import { progressText } from './collection-text.ts'
import type { Io } from './command.ts'
import { createProgress } from './progress.ts'
import { numberText } from './quantities.ts'
import { momentText } from './times.ts'

export type Collection = {
  io: Io
  data: OpenedData
  signal: AbortSignal
  now: () => number
  keepMs: number
  pace: Pace
  /** Nothing is written about how far it is. */
  quiet: boolean
}

export type Freed = { files: number; bytes: number }

export function collectionOf(
  io: Io,
  data: OpenedData,
  signal: AbortSignal,
  { rate, quiet }: { rate?: number; quiet: boolean },
): Collection {
  const { gc, trash } = data.config
  const pace = createPace(rate ?? gc.rate)
  return { io, data, signal, now: Date.now, keepMs: trash.keep, pace, quiet }
}

/** Clocks of one machine do not part by more. */
const CLOCK_TOLERANCE_MS = 60_000

/** @returns why nothing may be collected now, and what to do; undefined: it may */
export async function whyNotNow({ data, now }: Collection): Promise<string | undefined> {
  const { db } = data.metadata
  const takeover = await findTakeover(db)
  if (takeover !== undefined && takeover.completedAt === undefined) {
    return (
      'the folder of CNCF Distribution is still being taken over, and nothing is removed before all of it is known. ' +
      'The running registry does that in the background and says in its log how far it is; where none runs, start one ' +
      'with "berth serve"'
    )
  }
  const heartbeat = await newestHeartbeat(db)
  if (heartbeat > now() + CLOCK_TOLERANCE_MS) {
    return (
      `the clock of this machine says ${momentText(now())}, and a registry on these data has seen ${momentText(heartbeat)}: ` +
      'what is promised until a time cannot be judged. Set the clock right'
    )
  }
  return undefined
}

/** Why files stay for now although nothing needs them; undefined: they do not. */
export async function holdText({ data, now }: Collection): Promise<string | undefined> {
  const holds = await holdsInForce(data.metadata.db, now())
  if (holds.length === 0) return undefined
  const reasons = holds.map(({ reason }) => reason).join('; ')
  const until = Math.max(...holds.map((hold) => hold.until))
  return `no file is removed before ${momentText(until)}, since somebody reads them (${reasons}); the registry removes them then`
}

/** @returns undefined: told to stop */
export async function plan(
  { io, data, signal, now, keepMs, pace, quiet }: Collection,
  what: { emptiesTrash: boolean; takesUnused: boolean },
): Promise<CollectionPlan | undefined> {
  const progress = quiet ? undefined : createProgress(io)
  const parts = { db: data.metadata.db, now }
  const options = {
    ...what,
    keepMs,
    pace,
    onProgress: (looked: number) => progress?.update(`looking for what may go: ${numberText(looked)} found`),
  }
  const made = await makePlan(parts, options, signal)
  progress?.end()
  return made
}

export async function run(
  { io, data, signal, now, keepMs, pace, quiet }: Collection,
  made: CollectionPlan,
): Promise<PlanRun> {
  const progress = quiet ? undefined : createProgress(io)
  const began = performance.now()
  const result = await runPlan(
    { db: data.metadata.db, now },
    made,
    {
      keepMs,
      pace,
      onProgress: ({ looked, items, bytes }) =>
        progress?.update(progressText(looked, items, bytes, (performance.now() - began) / 1000)),
    },
    signal,
  )
  progress?.end()
  return result
}

/** Without a plan: all that is due, and what becomes due with it. */
export async function collectNow({
  io,
  data,
  signal,
  now,
  keepMs,
  pace,
  quiet,
}: Collection): Promise<Collected> {
  const progress = quiet ? undefined : createProgress(io)
  const began = performance.now()
  const result = await collectGarbage(
    { db: data.metadata.db, log: data.log, now },
    {
      keepMs,
      pace,
      onProgress: ({ looked, due, bytes }) =>
        progress?.update(progressText(looked, due, bytes, (performance.now() - began) / 1000)),
    },
    signal,
  )
  progress?.end()
  return result
}

/** The files of what was collected, and whatever else no row needs. */
export async function removeFiles({ data, signal, now, pace }: Collection): Promise<Freed> {
  const freed: Freed = { files: 0, bytes: 0 }
  const { metadata, store, log } = data
  await removeGarbage({ db: metadata.db, store, log, now }, signal, {
    pace,
    onRemoved(files, bytes) {
      freed.files += files
      freed.bytes += bytes
    },
  })
  return freed
}
