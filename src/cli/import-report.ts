/** The report on a folder of Distribution, as people read it. */
import type { FolderReport } from '../takeover/check-folder.ts'
import { hasLosses } from '../takeover/check-folder.ts'
import { FINDING_KINDS } from '../takeover/finding-kinds.ts'
import type { Finding, FindingKind } from '../takeover/found.ts'
import { bytesText, durationText, numberText } from './quantities.ts'

export function folderReportText(report: FolderReport, now = Date.now()): string {
  if (report.refused !== undefined) return `${report.dataFolder} cannot be taken over.\n\n${report.refused}\n`
  const sections = [
    summary(report, now),
    findings(report, true, 'Cannot be taken over as it is:'),
    damaged(report),
    findings(report, false, 'Taken over, and worth knowing:'),
    report.notes.map((note) => `Note: ${note}.`).join('\n'),
    users(report),
    whatHappens(report),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function summary(report: FolderReport, now: number): string {
  const { repositories, unpublished, tags, manifests, blobs, uploads, unnamed, rehashed, newestChange } =
    report
  const bare =
    unpublished === 0
      ? ''
      : `, ${number(unpublished)} of them without a manifest (Distribution 3 does not list these)`
  const rows: [string, string][] = [
    ['repositories', `${number(repositories)}${bare}`],
    ['tags', number(tags)],
    ['manifests', `${number(manifests.count)}, ${bytesText(manifests.bytes)}`],
    ['blobs', `${number(blobs.count)}, ${bytesText(blobs.bytes)}`],
    ['unfinished uploads', `${number(uploads.count)}, ${bytesText(uploads.bytes)}`],
    ['files that nothing names', `${number(unnamed.count)}, ${bytesText(unnamed.bytes)}`],
    [
      'newest change',
      newestChange === undefined ? 'never' : `${durationText(Math.max(0, now - newestChange) / 1000)} ago`,
    ],
  ]
  if (rehashed !== undefined) {
    const { count, bytes } = rehashed
    rows.push([
      'hashed',
      `${number(count)} files, ${bytesText(bytes)}, ${number(rehashed.damaged.length)} damaged`,
    ])
  }
  const width = Math.max(...rows.map(([name]) => name.length))
  return [report.dataFolder, '', ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join(
    '\n',
  )
}

function findings(report: FolderReport, isLost: boolean, heading: string): string {
  const kinds = (Object.keys(FINDING_KINDS) as FindingKind[]).filter(
    (kind) => FINDING_KINDS[kind].isLost === isLost,
  )
  const lines = kinds.flatMap((kind) => {
    const found = report.findings[kind]
    if (found === undefined) return []
    const { count, examples } = found
    const more =
      count > examples.length ? [`    … and ${number(count - examples.length)} more (--all tells them)`] : []
    return ['', `  ${FINDING_KINDS[kind].title}: ${number(count)}`, ...examples.map(line), ...more]
  })
  return lines.length === 0 ? '' : [heading, ...lines.slice(1)].join('\n')
}

function line({ repository, detail }: Finding): string {
  return `    ${repository === '' ? '' : `${repository}: `}${detail}`
}

function damaged({ rehashed }: FolderReport): string {
  if (rehashed === undefined || rehashed.damaged.length === 0) return ''
  const lines = rehashed.damaged.map(({ path, why }) => `    ${path} ${why}`)
  return ['Damaged files; what names them has to be pushed again:', ...lines].join('\n')
}

function users({ users: found, isTakenOver }: FolderReport): string {
  if (found.length === 0) return ''
  const lines = found.map(({ pid, command, how }) => `    ${pid} ${how}: ${command}`)
  const advice = isTakenOver
    ? 'If one of these is Distribution, stop it: two registries on one folder do not know of each other.'
    : 'Whatever writes there has to be stopped before "berth serve" is started on it.'
  return ['Processes that use the folder:', ...lines, advice].join('\n')
}

function whatHappens(report: FolderReport): string {
  if (report.isTakenOver) {
    return 'Berth has been started on this folder before, and serves what it has in its own database (in berth/): this report is only of the files of Distribution.'
  }
  if (report.repositories === 0)
    return 'There are no repositories: "berth serve" would start an empty registry here.'
  const serves =
    `At "berth serve" on this folder ${counted(report.tags, 'tag')} and ${counted(report.manifests.count, 'manifest')} are served at once, ` +
    'while they are entered into its database in the background. No blob is copied, moved or rewritten; until all is entered nothing is removed.'
  const rest =
    report.unnamed.count === 0 ? '' : ' Files that nothing names stay until you remove them by command.'
  const lost = hasLosses(report)
    ? ' What stands above under "Cannot be taken over" and "Damaged" will be missing; it stays on the disk.'
    : ''
  return `${serves}${rest}${lost}`
}

function counted(value: number, what: string): string {
  return `${number(value)} ${what}${value === 1 ? '' : 's'}`
}

function number(value: number): string {
  return numberText(value)
}
