/** `berth backup`: copies of a registry's data, beside a registry that runs. */
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { backUpToTar } from '../backup/back-up-tar.ts'
import { type BackUpOptions, type BackUpProgress, backUpToFolder } from '../backup/back-up.ts'
import { BackupError, type BackupRecord, listBackups } from '../backup/layout.ts'
import { pruneBackups } from '../backup/prune.ts'
import { type Verified, verifyFolder, verifyTar } from '../backup/verify.ts'
import { syncPath } from '../lib/sync-file.ts'
import { readVersion } from '../version.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import { tellingFailures, untilInterrupted } from './backup-failures.ts'
import type { Command, Io } from './command.ts'
import { createProgress, type Progress } from './progress.ts'
import { bytesText, durationText } from './quantities.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth backup DEST [-c FILE] [--verify] [--json]
       berth backup list DEST [--json]
       berth backup verify DEST
       berth backup prune DEST --keep N [--dry-run]

Copies all images, tags, their history and what can be undone, as of one moment, while the registry runs or when it is
stopped. Every blob is compared with its digest as it is copied. Unfinished uploads and the configuration file are not
part of a backup.

DEST is a folder on another disk: each backup adds what the folder does not have yet, and the rows of its moment; a
backup that is killed leaves the earlier ones as they were. Or DEST is a file that ends in .tar, or "-" for a tar
stream on standard output, each complete in itself.

  list                what backups there are
  verify              reads everything again and compares it with its digests; DEST may be a .tar file, or "-"
  prune               removes all but the newest N, and the blobs that only they had

  --verify            verifies after the backup
  --keep N            how many stay
  --dry-run           only says what would be removed
  --json              the result as JSON
${CONFIG_HELP}
Ends with 0 where all is well, with 1 where something is missing or damaged; that is listed. "berth restore" reads a
backup.
`

const SHOWN = 20
const OPTIONS = {
  ...CONFIG_OPTION,
  verify: { type: 'boolean' },
  keep: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

type Values = { config?: string; verify?: boolean; keep?: string; 'dry-run'?: boolean; json?: boolean }

export const command: Command = {
  name: 'backup',
  summary: 'copy all data to a folder or a tar, or look after copies',
  help,
  async run(args, io) {
    const parsed = parseArguments('backup', args, OPTIONS, 2, io)
    if (parsed === undefined) return 2
    const values = parsed.values as Values
    const [first, second] = parsed.positionals
    const verb = first !== undefined && Object.hasOwn(VERBS, first) ? VERBS[first] : undefined
    const destination = verb === undefined ? first : second
    if (destination === undefined || (verb === undefined && second !== undefined)) {
      const what = destination === undefined ? 'where to?' : `what is ${JSON.stringify(second)}?`
      io.stderr.write(`berth backup: ${what} See "berth backup --help".\n`)
      return 2
    }
    return tellingFailures('backup', io, () => (verb ?? backUp)(destination, values, io))
  },
}

type Verb = (destination: string, values: Values, io: Io) => Promise<number>

const VERBS: Readonly<Record<string, Verb>> = { list, verify, prune }

const isTar = (destination: string): boolean => destination === '-' || destination.endsWith('.tar')

async function backUp(destination: string, values: Values, io: Io): Promise<number> {
  if (destination !== '-' && isTar(destination) && existsSync(destination))
    throw new BackupError(`${destination} is there already: remove it, or name another file`)
  const code = await withData(io, values.config, async (data, signal) => {
    const progress = createProgress(io)
    try {
      const options: BackUpOptions = {
        ...data,
        version: readVersion(),
        now: Date.now,
        progress: progressOf(progress),
        signal,
      }
      const record = await (isTar(destination)
        ? toTar(destination, options, io)
        : backUpToFolder(destination, options))
      progress.end()
      // Standard output may be the archive.
      const out = destination === '-' ? io.stderr : io.stdout
      out.write(
        values.json === true ? `${JSON.stringify(record, undefined, 2)}\n` : textOf(record, destination),
      )
      return record.missing.count > 0 ? 1 : 0
    } finally {
      progress.end()
    }
  })
  if (values.verify !== true || code === 2 || destination === '-') return code
  return Math.max(
    code,
    await verify(destination, {}, { ...io, stdout: values.json === true ? io.stderr : io.stdout }),
  )
}

async function toTar(destination: string, options: BackUpOptions, { stdout }: Io): Promise<BackupRecord> {
  if (destination === '-') return backUpToTar(stdout as Writable, options)
  const part = `${destination}.part`
  const file = createWriteStream(part, { mode: 0o600, flush: true })
  try {
    const record = await backUpToTar(file, options)
    file.end()
    await finished(file)
    renameSync(part, destination)
    syncPath(dirname(resolve(destination)))
    return record
  } catch (error) {
    file.destroy()
    rmSync(part, { force: true })
    throw error
  }
}

function progressOf(progress: Progress): BackUpProgress {
  const began = performance.now()
  return {
    say: (text) => progress.update(text),
    copied(done, all) {
      const seconds = Math.max((performance.now() - began) / 1000, 0.001)
      const rate = done.bytes / seconds
      const left = rate > 0 ? `, ${durationText(Math.max(0, all.bytes - done.bytes) / rate)} left` : ''
      progress.update(
        `${bytesText(done.bytes)} of ${bytesText(all.bytes)}, ${done.blobs} of ${all.blobs} blobs, ${bytesText(rate)}/s${left}`,
      )
    },
  }
}

function textOf(record: BackupRecord, destination: string): string {
  const { rows, copied, missing, incomplete } = record
  const lines = [
    `backup of ${record.at} in ${destination}: ${rows.repositories} repositories, ${rows.tags} tags, ${rows.blobs} blobs (${bytesText(rows.bytes)}); copied ${copied.blobs} blobs (${bytesText(copied.bytes)})`,
  ]
  if (missing.count > 0) {
    lines.push(
      `${missing.count} blobs could not be copied: the registry does not have their bytes any more. "berth check" tells more`,
      ...cut(missing.first, missing.count, ({ digest, why }) => `${digest} ${why}`),
      ...affected(incomplete),
    )
  }
  return `${lines.join('\n')}\n`
}

function affected(incomplete: readonly string[]): string[] {
  if (incomplete.length === 0) return ['no image needs them']
  return ['images that are not complete:', ...cut(incomplete, incomplete.length, (name) => name)]
}

function cut<T>(items: readonly T[], count: number, text: (item: T) => string): string[] {
  const more = count > SHOWN ? [`  … and ${count - SHOWN} more`] : []
  return [...items.slice(0, SHOWN).map((item) => `  ${text(item)}`), ...more]
}

async function list(destination: string, values: Values, { stdout }: Io): Promise<number> {
  const backups = listBackups(destination)
  if (values.json === true) {
    stdout.write(`${JSON.stringify(backups, undefined, 2)}\n`)
    return 0
  }
  if (backups.length === 0) stdout.write('no backups\n')
  for (const { at, rows, copied, missing } of backups) {
    const state = missing.count === 0 ? '' : `, ${missing.count} blobs missing`
    stdout.write(
      `${at}  ${rows.repositories} repositories, ${rows.tags} tags, ${bytesText(rows.bytes)} (added ${bytesText(copied.bytes)})${state}\n`,
    )
  }
  return 0
}

async function verify(destination: string, _values: Values, io: Io): Promise<number> {
  const progress = createProgress(io)
  const watch = {
    progress: ({ blobs, bytes }: { blobs: number; bytes: number }) =>
      progress.update(`${blobs} blobs, ${bytesText(bytes)} compared`),
  }
  const verified = await untilInterrupted(async (signal) => {
    if (destination === '-') return verifyTar(Readable.from(process.stdin), { ...watch, signal })
    const isFile = statSync(destination, { throwIfNoEntry: false })?.isFile() === true
    return isFile
      ? verifyTar(createReadStream(destination), { ...watch, signal })
      : verifyFolder(destination, { ...watch, signal })
  }).finally(() => progress.end())
  io.stdout.write(verifiedText(verified))
  return verified.bad.count + verified.damaged.length > 0 ? 1 : 0
}

function verifiedText({ backups, blobs, bytes, damaged, bad, incomplete }: Verified): string {
  const lines = damaged.map(
    (id) => `the backup ${id} is damaged and cannot be restored: its metadata are not what they were`,
  )
  if (bad.count > 0) {
    lines.push(
      `${bad.count} blobs are gone or damaged; the next backup copies them again, where the registry has them`,
      ...cut(bad.first, bad.count, ({ digest, why }) => `${digest} ${why}`),
      ...affected(incomplete),
    )
  }
  lines.push(
    `${backups} backups, ${blobs} blobs (${bytesText(bytes)}): ${lines.length === 0 ? 'all as it was' : 'not all is well'}`,
  )
  return `${lines.join('\n')}\n`
}

async function prune(destination: string, values: Values, { stdout, stderr }: Io): Promise<number> {
  const keep = /^[1-9]\d{0,5}$/.test(values.keep ?? '') ? Number(values.keep) : undefined
  if (keep === undefined) {
    stderr.write('berth backup prune: --keep N says how many stay, 1 or more. See "berth backup --help".\n')
    return 2
  }
  const isDryRun = values['dry-run'] === true
  const { removed, kept, blobs, bytes } = pruneBackups(destination, keep, isDryRun)
  const [would, verb] = isDryRun ? ['would be ', 'stay'] : ['', 'stay']
  stdout.write(
    `${removed.length} backups and ${blobs} blobs (${bytesText(bytes)}) ${would}removed, ${kept.length} backups ${verb}\n`,
  )
  return 0
}
