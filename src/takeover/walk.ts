/**
 * The walk through a folder that is taken over: one process at a time, from the name that the row has kept, a page of
 * names at a time. Then it looks once more, at everything: what is new or has changed since it was read (a Distribution
 * that still runs, a copy that goes on) is imported, and the mark waits until a look finds nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseBusyError, DatabaseFullError, DatabaseLostError } from '../metadata/database.ts'
import { recordFindings } from '../metadata/import-rows.ts'
import { findImported } from '../metadata/imported.ts'
import {
  claimWalk,
  completeTakeover,
  findTakeover,
  releaseWalk,
  saveWalk,
  WALK_CLAIM_MS,
} from '../metadata/takeover.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { concurrently } from '../lib/concurrently.ts'
import type { Finding, FoundName } from './found.ts'
import type { ReadSince } from './folder-messages.ts'
import { type FolderReader, UnreadableError } from './folder-reader.ts'
import type { Importing } from './importing.ts'
import type { TakeoverParts } from './takeover.ts'
import { createWalkReport, type WalkReport } from './walk-report.ts'

export type Walk = { stop(): Promise<void> }

/** Names at a time: what a crash reads again. */
const PAGE = 100
const COUNT_PAGE = 1000
/** Repositories at a time: their transactions share commits. */
const AT_ONCE = 8
const LOOK_AGAIN_MS = 60_000
/** How often a process that does not walk looks whether it should, or whether all is done. */
const POLL_MS = 2000
const AFTER_FAILURE_MS = 30_000

type Means = { reader: FolderReader; importing: Importing; completed(): void }

export function startWalk(parts: TakeoverParts, means: Means): Walk {
  const controller = new AbortController()
  const done = walkUntilComplete(parts, means, controller.signal).catch((error: unknown) => {
    if (!controller.signal.aborted)
      parts.log.error('the takeover stopped; it goes on at the next start', { error })
  })
  return {
    async stop() {
      controller.abort()
      await means.importing.close()
      await done
    },
  }
}

async function walkUntilComplete(parts: TakeoverParts, means: Means, signal: AbortSignal): Promise<void> {
  const { db, processId, log, now } = parts
  const report = createWalkReport({ log })
  const pause = (ms: number): Promise<unknown> =>
    sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
  while (!signal.aborted) {
    const row = await findTakeover(db)
    if (row === undefined || row.completedAt !== undefined) return means.completed()
    if (!(await claimWalk(db, processId, now()))) {
      await pause(POLL_MS)
      continue
    }
    const claim = keepClaim(parts, row.walkedTo)
    try {
      if (await walkAll(parts, means, report, claim, signal)) return means.completed()
      await pause(parts.lookAgainMs ?? LOOK_AGAIN_MS)
    } catch (error) {
      if (signal.aborted) return
      if (!isPassing(error)) throw error
      log.warn('the takeover waits: the folder or the database cannot be used now', { error })
      await pause(AFTER_FAILURE_MS)
    } finally {
      await claim.end()
    }
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof UnreadableError ||
    error instanceof DatabaseFullError ||
    error instanceof DatabaseBusyError ||
    error instanceof DatabaseLostError
  )
}

type Claim = { walkedTo: string; end(): Promise<void> }

/** Says every few seconds that this process is at it. */
function keepClaim({ db, processId, now }: TakeoverParts, walkedTo: string): Claim {
  const claim: Claim = {
    walkedTo,
    async end() {
      clearInterval(timer)
      await releaseWalk(db, processId).catch(() => undefined)
    },
  }
  const timer = setInterval(() => {
    saveWalk(db, processId, claim.walkedTo, now()).catch(() => undefined)
  }, WALK_CLAIM_MS / 4)
  timer.unref()
  return claim
}

/** @returns whether the mark stands */
async function walkAll(
  parts: TakeoverParts,
  means: Means,
  report: WalkReport,
  claim: Claim,
  signal: AbortSignal,
): Promise<boolean> {
  const { db, processId, log, now, snapshot } = parts
  await countAll(means.reader, report, claim.walkedTo, signal)
  for await (const page of pages(means.reader, claim.walkedTo, PAGE, signal)) {
    await importPage(means.importing, page.names, report, signal)
    claim.walkedTo = page.names.at(-1)?.name ?? claim.walkedTo
    if (signal.aborted || !(await saveWalk(db, processId, claim.walkedTo, now()))) return false
  }
  const look = await lookAgain(parts, means, report, signal)
  if (signal.aborted || !look.isSettled) return false
  await recordFindings(db, '', look.beside, now())
  if (!(await completeTakeover(db, processId, now()))) return false
  await report.complete(db)
  await snapshot?.().catch((error: unknown) => log.warn('the snapshot after the takeover failed', { error }))
  return true
}

type NamesPage = { names: readonly FoundName[]; beside: readonly Finding[] }

async function* pages(
  reader: FolderReader,
  after: string,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<NamesPage> {
  for (let last = after; !signal.aborted;) {
    const page = await reader.list(last, size, false)
    yield page
    if (page.names.length < size) return
    last = page.names.at(-1)?.name ?? last
  }
}

async function countAll(
  reader: FolderReader,
  report: WalkReport,
  walkedTo: string,
  signal: AbortSignal,
): Promise<void> {
  const total = { all: 0, walked: 0 }
  for await (const { names } of pages(reader, '', COUNT_PAGE, signal)) {
    total.all += names.length
    total.walked += names.filter(({ name }) => name <= walkedTo).length
  }
  report.begin(total.all, total.walked)
}

async function importPage(
  importing: Importing,
  names: readonly FoundName[],
  report: WalkReport,
  signal: AbortSignal,
): Promise<void> {
  await concurrently(names, AT_ONCE, async ({ name }) => {
    if (!signal.aborted) await importOne(importing, name, report)
  })
}

/** @returns whether it is here now */
async function importOne(
  importing: Importing,
  name: RepositoryName,
  report: WalkReport,
  again = false,
): Promise<boolean> {
  try {
    const outcome = await importing.import(name, false, again)
    report.repository(name, outcome.kind === 'imported' ? outcome.counts : undefined)
    return true
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    report.failed(name, error.message)
    return false
  }
}

/** Whatever is new, or changed since it was read, is imported. Settled: there was nothing, and all could be read. */
async function lookAgain(
  { db }: TakeoverParts,
  { reader, importing }: Means,
  report: WalkReport,
  signal: AbortSignal,
): Promise<{ isSettled: boolean; beside: readonly Finding[] }> {
  const seen = { fresh: [] as string[], changed: [] as string[], unread: 0 }
  const beside: Finding[] = []
  for await (const page of pages(reader, '', PAGE, signal)) {
    beside.push(...page.beside)
    const since: ReadSince[] = []
    for (const { name } of page.names) {
      const imported = await findImported(db, name)
      if (imported?.isDeleted === false) since.push({ name, asOf: imported.asOf })
      if (imported !== undefined || signal.aborted) continue
      if (await importOne(importing, name, report)) seen.fresh.push(name)
      else seen.unread++
    }
    const changed = await reader.newer(since, true)
    seen.changed.push(...changed)
    await concurrently(changed, AT_ONCE, async (name) => {
      if (!signal.aborted && !(await importOne(importing, name, report, true))) seen.unread++
    })
  }
  const refused = beside.filter(({ kind }) => kind === 'not-readable')
  report.looked(seen.fresh, seen.changed, refused)
  return {
    isSettled: seen.fresh.length + seen.changed.length + seen.unread + refused.length === 0,
    beside,
  }
}
