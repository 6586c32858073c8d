/** `berth restore`: a registry's data from a backup, in an empty folder. */
import { createReadStream, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { BackupError } from '../backup/layout.ts'
import { requireEmpty, restore, type BackupSource, type RestoreReport } from '../backup/restore.ts'
import { chooseBackup, folderSource, tarSource } from '../backup/sources.ts'
import { verifyRestored } from '../backup/verify-restored.ts'
import { type OpenedFiles, openFilesAt } from '../storage.ts'
import { parseArguments } from './arguments.ts'
import { tellingFailures } from './backup-failures.ts'
import type { Command, Io } from './command.ts'
import { createProgress } from './progress.ts'
import { bytesText, durationText } from './quantities.ts'
import { warningsTo, withOpened } from './with-data.ts'

const help = `Usage: berth restore SOURCE --to FOLDER [--at DATE] [--verify]

Makes the data folder of a registry again from a backup. SOURCE is a folder that "berth backup" wrote to, a .tar file,
or "-" for a tar stream on standard input. Every blob is compared with its digest as it is written. FOLDER is empty or
not there yet; it becomes storage.filesystem.rootdirectory. A restore that was killed goes on where it was when it is
run again. The configuration file and unfinished uploads are not part of a backup.

  --to FOLDER         where to
  --at DATE           the newest backup of that time or earlier: 2026-01-31, or 2026-01-31T03:00:00Z
  --verify            reads everything again afterwards

Ends with 0 where everything is there, with 1 where something is missing; that is listed, and the rest can be served.
`

const SHOWN = 20
const DAY_MS = 86_400_000

export const command: Command = {
  name: 'restore',
  summary: 'make a data folder again from a backup',
  help,
  async run(args, io) {
    const options = { to: { type: 'string' }, at: { type: 'string' }, verify: { type: 'boolean' } } as const
    const parsed = parseArguments('restore', args, options, 1, io)
    if (parsed === undefined) return 2
    const [source] = parsed.positionals
    const { to, verify } = parsed.values
    const at = parsed.values.at === undefined ? undefined : timeOf(parsed.values.at)
    const wrong = mistake(source, to, at)
    if (wrong !== undefined || source === undefined || to === undefined) {
      io.stderr.write(`berth restore: ${wrong}. See "berth restore --help".\n`)
      return 2
    }
    return tellingFailures('restore', io, async () => {
      requireEmpty(resolve(to))
      const from = sourceOf(source, at)
      return withOpened(
        io,
        () => openFilesAt(resolve(to), warningsTo(io)),
        (files, signal) => run(from, files, { to, isVerified: verify === true, signal, io }),
      )
    })
  },
}

function mistake(
  source: string | undefined,
  to: string | undefined,
  at: number | undefined,
): string | undefined {
  if (source === undefined) return 'from where?'
  if (to === undefined) return 'where to? --to FOLDER says so'
  return Number.isNaN(at) ? '--at takes a date, as 2026-01-31 or 2026-01-31T03:00:00Z' : undefined
}

/** A day counts to its end. */
function timeOf(text: string): number {
  const time = Date.parse(text)
  return /^\d{4}-\d\d-\d\d$/.test(text) ? time + DAY_MS - 1 : time
}

function sourceOf(source: string, at: number | undefined): BackupSource {
  if (source !== '-') {
    const stats = statSync(source)
    if (stats.isDirectory()) return folderSource(source, chooseBackup(source, at))
  }
  if (at !== undefined) throw new BackupError('--at chooses from a folder of backups; a tar has only one')
  return tarSource(source === '-' ? Readable.from(process.stdin) : createReadStream(source))
}

type Run = { to: string; isVerified: boolean; signal: AbortSignal; io: Io }

async function run(
  source: BackupSource,
  files: OpenedFiles,
  { to, isVerified, signal, io }: Run,
): Promise<number> {
  const progress = createProgress(io)
  const began = performance.now()
  try {
    const report = await restore(source, {
      ...files,
      now: Date.now(),
      progress(done, all) {
        const rate = done.bytes / Math.max((performance.now() - began) / 1000, 0.001)
        const left = rate > 0 ? `, ${durationText(Math.max(0, all.bytes - done.bytes) / rate)} left` : ''
        progress.update(`${bytesText(done.bytes)} of ${bytesText(all.bytes)}, ${bytesText(rate)}/s${left}`)
      },
      signal,
    })
    const wrong = isVerified
      ? await verifyRestored(files, { progress: (text) => progress.update(text), signal })
      : []
    progress.end()
    io.stdout.write(textOf(report, to, wrong))
    return report.missing.count + wrong.length > 0 ? 1 : 0
  } finally {
    progress.end()
  }
}

function textOf(report: RestoreReport, to: string, wrong: readonly string[]): string {
  const { rows, missing, incomplete, written } = report
  const lines = [
    `restored the backup ${report.id} to ${to}: ${rows.repositories} repositories, ${rows.tags} tags, ${rows.manifests} manifests, ${rows.blobs - missing.count} blobs; wrote ${bytesText(written.bytes)}`,
  ]
  if (missing.count > 0) {
    lines.push(
      `${missing.count} blobs are missing: the backup does not have them, or not with the right bytes. Push them again`,
      ...missing.first.slice(0, SHOWN).map(({ digest }) => `  ${digest}`),
      ...(incomplete.length > 0 ? ['images that are not complete:'] : []),
      ...incomplete.slice(0, SHOWN).map((name) => `  ${name}`),
    )
  }
  if (wrong.length > 0)
    lines.push(`${wrong.length} blobs were written wrongly: is the disk broken?`, ...wrong.slice(0, SHOWN))
  if (!report.hasSnapshot)
    lines.push('there was no room for a first snapshot of the metadata: keep the backup')
  lines.push(
    `next: set storage.filesystem.rootdirectory to ${to}, take metadata.path out of the configuration, and start the registry`,
  )
  return `${lines.join('\n')}\n`
}
