/** `berth rebuild`: a metadata database that is lost or damaged is made again. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { databaseState } from '../backup/rebuild-base.ts'
import { rebuild, type RebuildReport } from '../backup/rebuild.ts'
import { DATABASE_FILE } from '../metadata/data-folder.ts'
import { hasContent, RESTORING_FILE } from '../metadata/lost-database.ts'
import { runningProcesses } from '../metadata/sqlite/presence.ts'
import type { OpenedFiles } from '../storage.ts'
import { importAll } from '../takeover/import-all.ts'
import { inspectFolder } from '../takeover/inspect.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import { tellingFailures } from './backup-failures.ts'
import type { Command, Io } from './command.ts'
import { createProgress } from './progress.ts'
import { bytesText } from './quantities.ts'
import { withFiles } from './with-data.ts'

const help = `Usage: berth rebuild [-c FILE] [--dry-run] [--force] [--json]

Makes the metadata database of a registry again: from the newest snapshot in berth/snapshots that can be used, and the
journal of changes since (berth/journal); where there is no snapshot, from the journal alone, and from what CNCF
Distribution left. Rows are compared with the files of blobs; no blob is read. Every Berth on the folder must have
ended. The file that was in its place is kept under another name.

Lists what cannot be known any more: changes that the journal does not have, blobs whose file is gone, files that no
repository names. All of that is also written to berth/rebuilt-<time>.json.

  --dry-run           says all that, and changes nothing
  --force             also where the database can be read: it is put aside
  --json              the report as JSON
${CONFIG_HELP}
Ends with 0 where nothing is missing, with 1 where something is, or where nothing could be done.
`

const SHOWN = 20

export const command: Command = {
  name: 'rebuild',
  summary: 'make a lost metadata database again',
  help,
  async run(args, io) {
    const options = {
      ...CONFIG_OPTION,
      'dry-run': { type: 'boolean' },
      force: { type: 'boolean' },
      json: { type: 'boolean' },
    } as const
    const parsed = parseArguments('rebuild', args, options, 0, io)
    if (parsed === undefined) return 2
    const { values } = parsed
    const work = () =>
      withFiles(io, values.config, async (files, signal) => {
        const refusal = refusalOf(files, values.force === true)
        if (refusal !== undefined) {
          io.stderr.write(`berth rebuild: ${refusal}\n`)
          return 1
        }
        const isDryRun = values['dry-run'] === true
        const report = await run(files, isDryRun, signal, io)
        return tell(report, { files, isDryRun, isJson: values.json === true }, io)
      })
    return tellingFailures('rebuild', io, work)
  },
}

function refusalOf({ folder, databasePath }: OpenedFiles, isForced: boolean): string | undefined {
  const usual = join(folder, DATABASE_FILE)
  if (databasePath !== usual && !hasContent(databasePath) && hasContent(usual)) {
    return `metadata.path says ${databasePath}, where there is none, and the data folder has a database: ${usual}. Move that one there (and ${usual}-wal, where it is), or take metadata.path out of the configuration`
  }
  if (!hasContent(databasePath) && existsSync(join(folder, RESTORING_FILE))) {
    return `"berth restore" into ${folder} did not end: run it again, it goes on where it was`
  }
  if (runningProcesses(`${databasePath}-processes`).length > 0) {
    return `a Berth is running on ${folder}: end it first (a registry, or another command)`
  }
  const state = databaseState(databasePath)
  switch (state.kind) {
    case 'missing':
    case 'damaged':
      return undefined
    case 'foreign':
      return `${databasePath} is not Berth's: another program's file has its name. Move it away, or correct metadata.path`
    case 'newer':
      if (isForced) return undefined
      return `${databasePath} was written by a newer Berth (schema ${state.schema}): start that one, or say --force to put it aside and go back`
    case 'whole':
      if (isForced) return undefined
      return `${databasePath} is whole: there is nothing to rebuild. With --force it is put aside and made again all the same`
  }
}

async function run(
  files: OpenedFiles,
  isDryRun: boolean,
  signal: AbortSignal,
  io: Io,
): Promise<RebuildReport> {
  const progress = createProgress(io)
  const { dataFolder } = files
  const inspected = inspectFolder(dataFolder)
  try {
    return await rebuild({
      ...(inspected.kind === 'found' && {
        takeOver: (db) =>
          importAll(db, {
            dataFolder,
            now: Date.now,
            progress: (repositories) =>
              progress.update(`${repositories} repositories of CNCF Distribution read`),
            signal,
          }),
      }),
      folder: files.folder,
      databasePath: files.databasePath,
      store: files.store,
      now: Date.now(),
      isDryRun,
      progress: (text) => progress.update(text),
      signal,
    })
  } finally {
    progress.end()
  }
}

type Telling = { files: OpenedFiles; isDryRun: boolean; isJson: boolean }

function tell(report: RebuildReport, { files, isDryRun, isJson }: Telling, { stdout }: Io): number {
  const isComplete = isNothingMissing(report)
  const json = `${JSON.stringify({ ...report, complete: isComplete }, undefined, 2)}\n`
  if (!isDryRun) {
    const stamp = new Date().toISOString().replace(/[:.]/g, '-')
    writeFileSync(join(files.folder, `rebuilt-${stamp}.json`), json, { mode: 0o600 })
  }
  stdout.write(isJson ? json : linesOf(report, isDryRun).join('\n') + '\n')
  return isComplete ? 0 : 1
}

function isNothingMissing({ journal, objects }: RebuildReport): boolean {
  return (
    !journal.isLate &&
    journal.gaps.every(({ kind }) => kind === 'cut') &&
    journal.refused.count + objects.lost.count === 0
  )
}

function linesOf(report: RebuildReport, isDryRun: boolean): string[] {
  const { base, journal, objects, rows, unusable } = report
  return [
    ...unusable.map(({ path, why }) => `not used: ${path}: ${why}`),
    base === undefined
      ? 'no snapshot that can be used: made from the journal alone'
      : `from the snapshot ${base.path}`,
    `${journal.applied} changes made again${journal.last === undefined ? '' : `, the last one of ${new Date(journal.last).toISOString()}`}`,
    ...(journal.isLate
      ? ['the journal does not begin where the snapshot ends: changes between them are missing']
      : []),
    ...journal.gaps.map(gapText),
    ...listed(
      journal.refused,
      'changes could not be made again',
      (line) => `${line.do} ${line.repository ?? ''}: ${line.why}`,
    ),
    `${rows.repositories} repositories, ${rows.tags} tags, ${rows.manifests} manifests, ${rows.blobs} blobs (${bytesText(rows.bytes)})`,
    ...listed(
      objects.lost,
      'blobs are lost: their files are gone or of another size. Push them again',
      (blob) => blob.digest,
    ),
    ...listed(
      objects.loose,
      'files that no repository names are kept for 30 days; a push of their digest uses them',
      (object) => `${object.digest} ${bytesText(object.size)}`,
    ),
    `not known any more: pulls counted since the snapshot, and uploads under way, which clients begin anew${report.uploads > 0 ? ` (${report.uploads} at the snapshot)` : ''}`,
    ...(report.putAside === undefined
      ? []
      : [`the old database is now ${report.putAside}; remove it when all is well`]),
    ...(report.snapshot?.startsWith('!') === true
      ? [`no snapshot of the new database: ${report.snapshot.slice(1)}`]
      : []),
    isDryRun ? 'nothing was changed (--dry-run)' : 'done: start the registry',
  ]
}

function gapText({ file, line, kind }: RebuildReport['journal']['gaps'][number]): string {
  const what = {
    cut: 'ends within a line, as its process was killed: that change may be missing',
    unreadable: 'cannot be read: a change is missing',
    dropped: 'says that changes before it could not be written (a full disk)',
  }[kind]
  return `journal: ${file}, line ${line} ${what}`
}

function listed<T>(list: { count: number; first: T[] }, what: string, text: (item: T) => string): string[] {
  if (list.count === 0) return []
  const more = list.count > SHOWN ? [`  … and ${list.count - SHOWN} more`] : []
  return [`${list.count} ${what}`, ...list.first.slice(0, SHOWN).map((item) => `  ${text(item)}`), ...more]
}
