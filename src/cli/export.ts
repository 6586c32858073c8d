/** `berth export distribution`: the folder as CNCF Distribution reads it. */
import { join } from 'node:path'
import { DATABASE_FILE, OWN_FOLDER } from '../metadata/data-folder.ts'
import { countOtherProcesses } from '../metadata/processes.ts'
import { openMoments } from '../metadata/sqlite/moment.ts'
import type { OpenedData } from '../storage.ts'
import { exportDistribution, ExportRefusedError, type ExportReport } from '../takeover/export.ts'
import type { ExportCounts, Remark, RemarkKind } from '../takeover/export-repository.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { createProgress } from './progress.ts'
import { bytesText } from './quantities.ts'
import { withData } from './with-data.ts'

export const command: Command = {
  name: 'export',
  summary: 'write what CNCF Distribution needs to serve the same content',
  help: `Usage: berth export distribution [OPTIONS]

Writes what CNCF Distribution (registry:2, registry:3) needs so that it serves the same content from the same folder:
link files, manifests, and second names (hard links) of blobs. Nothing of Berth's own is changed, and both can go on
from there. Link files of what was deleted in Berth are removed, so that it does not come back; bytes are not.

Stop Berth, run this, start Distribution. While Berth runs the export works too, and a second run, once Berth is stopped,
takes seconds.

Options:
${CONFIG_HELP}      --to FOLDER       write a complete copy there instead, for moving away: hard links where FOLDER is on the
                      same filesystem, copies elsewhere
      --dry-run         say what would be done, and change nothing
      --fallback-tags   also write the tags (sha256-…) by which clients find signatures and attestations where a registry
                      has no referrers API, as Distribution
      --json            the report as JSON

What Distribution cannot hold stays in Berth and is listed. The exit code is 1 where something is damaged, or where a
Distribution wrote to the folder after Berth took it over.
`,
  run,
}

const OPTIONS = {
  ...CONFIG_OPTION,
  to: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'fallback-tags': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

type Values = { to?: string; 'dry-run'?: boolean; 'fallback-tags'?: boolean; json?: boolean }

async function run(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('export', args, OPTIONS, 1, io)
  if (parsed === undefined) return 2
  if (parsed.positionals[0] !== 'distribution') {
    io.stderr.write('berth export: say what for: "berth export distribution". See "berth export --help".\n')
    return 2
  }
  return withData(io, parsed.values.config, (data, signal) => exportData(io, data, parsed.values, signal))
}

/** A remark that a person is to look at; the others tell how Distribution differs. */
const WRONG: ReadonlySet<RemarkKind> = new Set(['damaged-blob', 'blob-without-file', 'written-later'])
const MOST_REMARKS = 10_000

async function exportData(io: Io, data: OpenedData, values: Values, signal: AbortSignal): Promise<number> {
  const { metadata, store, dataFolder, config } = data
  const isDryRun = values['dry-run'] === true
  await warnOfOthers(io, data)
  const moments = openMoments(config.metadata.path ?? join(dataFolder, OWN_FOLDER, DATABASE_FILE))
  const progress = createProgress(io)
  const remarks = createRemarks()
  try {
    const report = await exportDistribution({
      db: metadata.db,
      moments,
      store,
      dataFolder,
      to: values.to,
      isDryRun,
      fallbackTags: values['fallback-tags'] === true,
      signal,
      remark: remarks.add,
      progress: (counts, share) => progress.update(progressText(counts, share)),
    })
    progress.end()
    if (values.json === true)
      io.stdout.write(`${JSON.stringify(jsonOf(report, remarks, isDryRun), null, 2)}\n`)
    else io.stdout.write(textOf(report, remarks, isDryRun))
    return endOf(io, report, remarks)
  } catch (error) {
    progress.end()
    const told = explain(error)
    if (told === undefined) throw error
    io.stderr.write(`berth export: ${told}\n`)
    return 1
  } finally {
    moments.close()
  }
}

async function warnOfOthers(io: Io, { metadata }: OpenedData): Promise<void> {
  if ((await countOtherProcesses(metadata.db, metadata.processId, Date.now())) === 0) return
  io.stderr.write(
    'berth export: another Berth process is at work on this folder. Stop it before you start Distribution; then run this ' +
      'again: it takes seconds\n',
  )
}

function endOf(io: Io, { isCut }: ExportReport, remarks: Remarks): number {
  if (isCut) {
    io.stderr.write('berth export: interrupted. What was written is whole; run it again to go on\n')
    return 1
  }
  const wrong = [...remarks.byKind].filter(([kind]) => WRONG.has(kind))
  if (wrong.length === 0) return 0
  const told = wrong.map(([kind, { count }]) => `${count} ${kind}`).join(', ')
  io.stderr.write(`berth export: done, but look at this: ${told}\n`)
  return 1
}

type Remarks = {
  byKind: Map<RemarkKind, { count: number; first: Remark[] }>
  add(remark: Remark): void
}

function createRemarks(): Remarks {
  const byKind: Remarks['byKind'] = new Map()
  let kept = 0
  return {
    byKind,
    add(remark) {
      const entry = byKind.get(remark.kind) ?? { count: 0, first: [] }
      entry.count++
      if (kept++ < MOST_REMARKS) entry.first.push(remark)
      byKind.set(remark.kind, entry)
    },
  }
}

function jsonOf(report: ExportReport, { byKind }: Remarks, isDryRun: boolean): object {
  const { isCut, ...counts } = report
  return {
    ...counts,
    dryRun: isDryRun,
    complete: !isCut,
    remarks: Object.fromEntries([...byKind].map(([kind, { count }]) => [kind, count])),
    list: [...byKind.values()].flatMap(({ first }) => first),
  }
}

const HEADINGS: Readonly<Record<RemarkKind, string>> = {
  'damaged-blob': 'Damaged blobs, which Berth does not serve either',
  'blob-without-file': 'Blobs whose file is not there as it should be',
  'manifest-left-out': 'Manifests that Distribution cannot hold; they stay in Berth',
  'tag-left-out': 'Tags that point to such manifests',
  'other-type': 'Manifests that Distribution serves with another media type',
  referrers: 'Referrers',
  'written-later': 'Written by Distribution after Berth took the folder over; left as it is',
  'in-the-way':
    'Older than the takeover and left as they were; Distribution answers 500 for them, and its garbage-collect ends there: ' +
    'remove them where nobody needs them',
  trash: 'The trash',
  uploads: 'Uploads',
  'never-taken-over': 'What Berth never took over, and the copy does not have',
}
const MOST_LINES = 20

function textOf(report: ExportReport, { byKind }: Remarks, isDryRun: boolean): string {
  const lines = summaryOf(report, isDryRun)
  for (const [kind, { count, first }] of byKind) {
    lines.push('', `${HEADINGS[kind]}:`)
    for (const { repository, detail } of first.slice(0, MOST_LINES))
      lines.push(`  ${repository === '' ? '' : `${repository}: `}${detail}`)
    if (count > MOST_LINES) lines.push(`  … and ${count - MOST_LINES} more; --json lists them`)
  }
  return `${lines.join('\n')}\n`
}

function summaryOf(report: ExportReport, isDryRun: boolean): string[] {
  const { repositories, tags, manifests, blobs, linked, copied, copiedBytes, written, folder } = report
  const { removedTags, removedManifests, removedLinks, fallbackTags } = report
  const would = isDryRun ? 'would be ' : ''
  const removed = removedTags + removedManifests + removedLinks
  return [
    `${isDryRun ? 'Distribution would have' : 'Distribution has'} ${repositories} repositories, ${tags} tags, ` +
      `${manifests} manifests and ${blobs} links to blobs in ${folder}`,
    `${would}written: ${written} files; second names for ${linked} blobs` +
      (copied === 0
        ? ''
        : `, copies of ${copied} (${bytesText(copiedBytes)}), as hard links are not possible`),
    ...(fallbackTags === 0 ? [] : [`${would}made for referrers: ${fallbackTags} tags`]),
    ...(removed === 0
      ? []
      : [
          `${would}removed, as Berth has it no longer: links of ${removedTags} tags, ${removedManifests} manifests, ` +
            `${removedLinks} blobs`,
        ]),
  ]
}

function progressText({ repositories, tags, blobs }: ExportCounts, share: number): string {
  return `exporting: ${Math.floor(share * 100)} %, ${repositories} repositories, ${tags} tags, ${blobs} links to blobs`
}

/** What a person can do something about; undefined: a defect of the program. */
function explain(error: unknown): string | undefined {
  if (error instanceof ExportRefusedError) return error.message
  const { code, path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  const where = dest ?? path ?? 'the folder'
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full (${where}). What was written so far is whole: make room and run it again`
    case 'EROFS':
      return `${where} lies on a read-only medium: name a folder that can be written with --to`
    case 'EACCES':
    case 'EPERM':
      return (
        `${where} cannot be written or read by this user (${process.getuid?.() ?? 'unknown'}): run it as the user that ` +
        'owns the folder, or change its owner'
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return `${where} is a file where a folder is wanted: move it out of the way`
    case 'EIO':
      return `${where} cannot be read or written (EIO): the disk or its filesystem is damaged`
    default:
      return undefined
  }
}
