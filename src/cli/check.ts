/** `berth check`: what is stored against what the database says of it; and repair. */
import { existsSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { beginProgress, type CheckParts, checkData } from '../jobs/check/check-data.ts'
import { mostlyGone } from '../jobs/check/mostly-gone.ts'
import type { Problem, UnknownFile } from '../jobs/check/problem.ts'
import { MOST_REMOVALS, removableFile } from '../jobs/check/remove-unknown.ts'
import { createRepairer, type Repairer } from '../jobs/check/repair.ts'
import { createFolderSource } from '../jobs/sources/folder.ts'
import { SourceError } from '../jobs/sources/source.ts'
import { DATABASE_FILE, OWN_FOLDER } from '../metadata/data-folder.ts'
import { findRepository } from '../metadata/repositories.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { rulesOf } from '../server-rules.ts'
import type { OpenedData } from '../storage.ts'
import { walkBlobFiles } from '../takeover/blob-files.ts'
import { createDigestSet } from '../takeover/digest-set.ts'
import { BLOBS_PATH } from '../takeover/layout.ts'
import { type CheckRequest, help, readCheckArguments } from './check-arguments.ts'
import { progressText } from './check-progress.ts'
import { linkCountIn, removeAfterAsking } from './check-removal.ts'
import { type CheckReport, createCheckReport } from './check-report.ts'
import type { Command, Io } from './command.ts'
import { operator } from './operator.ts'
import { createProgress } from './progress.ts'
import { refuse } from './refusal.ts'
import { withData } from './with-data.ts'

/** Problems that are repaired together: a folder is searched once for all of them. */
const REPAIRED_AT_ONCE = 100

export const command: Command = {
  name: 'check',
  summary: 'compare what is stored with what the database says; repair it',
  help,
  async run(args, io) {
    const request = readCheckArguments(args, io, Date.now())
    if (request === undefined) return 2
    yieldToOthers()
    return withData(io, request.config, async (data, signal) => {
      try {
        return await check(request, data, io, signal)
      } catch (error) {
        if (!(error instanceof SourceError)) throw error
        io.stderr.write(`berth check: ${error.message}\n`)
        return 1
      } finally {
        for (const source of request.sources) await source.close()
      }
    })
  },
}

/** Linux takes a process's niceness for its place among those who wait for the disk, too. */
function yieldToOthers(): void {
  try {
    setPriority(19)
  } catch {
    // Where that is not allowed, it runs as any other.
  }
}

async function check(request: CheckRequest, data: OpenedData, io: Io, signal: AbortSignal): Promise<number> {
  const began = Date.now()
  const why = await refused(request, data, signal)
  if (why !== undefined) return refuse(io, 'check', why)
  const repositoryId = await repositoryIdOf(request, data)
  if (request.repository !== undefined && repositoryId === undefined)
    return refuse(io, 'check', `there is no repository ${request.repository}`)

  const parts = partsOf(data)
  const report = createCheckReport(data.metadata.db, io, request.json)
  const progress = beginProgress()
  const line = createProgress(io)
  const timer = setInterval(() => line.update(progressText(progress, began)), 200)
  const unknown: UnknownFile[] = []
  try {
    const options = { ...request, since: request.since ?? began, repositoryId }
    await walk(checkData(parts, options, progress, signal), request, data, report, unknown, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    clearInterval(timer)
    line.end()
  }
  const removed = signal.aborted
    ? undefined
    : await removeAfterAsking({
        request,
        parts,
        dataFolder: data.dataFolder,
        files: progress.files,
        unknown,
        io,
        signal,
      })
  report.end(progress, { interrupted: signal.aborted, ...(removed && { removed }) })
  if (signal.aborted) {
    const goOn = request.rehash
      ? `; to go on: berth check --rehash --since ${new Date(began).toISOString()}`
      : ''
    io.stderr.write(`berth check: interrupted${goOn}\n`)
    return 1
  }
  return report.unsolved() - (removed?.own ?? 0) > 0 ? 1 : 0
}

/** Why it is not to begin. */
async function refused(
  request: CheckRequest,
  { config, metadata, store }: OpenedData,
  signal: AbortSignal,
): Promise<string | undefined> {
  const changes = request.repair || request.removeUnknown
  if (changes && config.storage.maintenance.readonly.enabled)
    return 'the registry is read-only (storage.maintenance.readonly): nothing is repaired or removed in it'
  for (const source of request.sources) await source.prepare(new Set(), signal)
  if (!request.repair || request.yes || request.sources.length > 0) return undefined
  const sample = await mostlyGone({ db: metadata.db, store })
  if (sample === undefined) return undefined
  return (
    `of ${sample.looked} blobs that were looked for, the files of ${sample.missing} are missing: is the disk mounted, ` +
    'and storage.filesystem.rootdirectory right? --repair --yes marks them all as damaged; --from fetches them'
  )
}

async function repositoryIdOf(
  { repository }: CheckRequest,
  { metadata }: OpenedData,
): Promise<number | undefined> {
  if (repository === undefined) return undefined
  return (await findRepository(metadata.db, repository as RepositoryName))?.id
}

function partsOf({ config, metadata, store, dataFolder }: OpenedData): CheckParts {
  const distribution = {
    list: () => walkBlobFiles(dataFolder),
    linkCount: linkCountIn(dataFolder),
    manifests: createDigestSet(),
  }
  return {
    db: metadata.db,
    store,
    now: Date.now,
    databasePath: config.metadata.path ?? join(dataFolder, OWN_FOLDER, DATABASE_FILE),
    rules: rulesOf(config),
    ...(existsSync(join(dataFolder, BLOBS_PATH)) && { distribution }),
  }
}

async function walk(
  problems: AsyncIterable<Problem>,
  request: CheckRequest,
  data: OpenedData,
  report: CheckReport,
  unknown: UnknownFile[],
  signal: AbortSignal,
): Promise<void> {
  const repairer = request.repair ? repairerOf(request, data) : undefined
  let waiting: Problem[] = []
  const flush = async (): Promise<void> => {
    const outcomes = signal.aborted ? undefined : await repairer?.repair(waiting, signal)
    for (const [index, problem] of waiting.entries()) await report.problem(problem, outcomes?.[index])
    waiting = []
  }
  try {
    for await (const problem of problems) {
      const file = removableFile(problem)
      if (file !== undefined && request.removeUnknown && unknown.length < MOST_REMOVALS) unknown.push(file)
      waiting.push(problem)
      if (repairer === undefined || waiting.length >= REPAIRED_AT_ONCE) await flush()
    }
  } finally {
    // What was found is told, also where it was cut off before it was repaired.
    try {
      await flush()
    } finally {
      await repairer?.close()
    }
  }
}

function repairerOf({ sources }: CheckRequest, { metadata, store, dataFolder }: OpenedData): Repairer {
  const { db, processId, boot } = metadata
  const own = createFolderSource(dataFolder, 'another file of this data folder')
  const actor = operator('berth check --repair', 'restore')
  return createRepairer({ db, store, processId, boot, now: Date.now, actor, sources, own })
}
