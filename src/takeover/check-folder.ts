/** What a takeover of a folder will find, told beforehand: reads everything and writes nothing. */
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { OWN_FOLDER } from '../metadata/data-folder.ts'
import type { Digest } from '../oci/digest.ts'
import { walkBlobFiles } from './blob-files.ts'
import { createDigestSet, type DigestSet } from './digest-set.ts'
import { FINDING_KINDS } from './finding-kinds.ts'
import type { Finding, FindingKind, FoundBatch, FoundBlob, FoundName } from './found.ts'
import { inspectFolder } from './inspect.ts'
import { readRepository } from './read-repository.ts'
import { findDamage, HASH_BUFFER_BYTES } from './rehash.ts'
import { walkRepositories } from './repositories.ts'
import { findFolderUsers, type FolderUser } from './who-uses.ts'

type Total = { count: number; bytes: number }

export type FolderReport = {
  dataFolder: string
  /** Why none of it can be taken over; then nothing else was read. */
  refused?: string
  notes: readonly string[]
  /** Berth has been started on it before. */
  isTakenOver: boolean
  repositories: number
  /** Without a manifest: not listed by Distribution 3. */
  unpublished: number
  tags: number
  manifests: Total
  /** Distinct files. */
  blobs: Total
  uploads: Total
  /** Blob files that no repository links. */
  unnamed: Total
  /** By kind; `examples` are the first few, or all. */
  findings: Partial<Record<FindingKind, { count: number; examples: readonly Finding[] }>>
  /** Files that were hashed. */
  rehashed?: Total & { damaged: readonly { path: string; why: string }[] }
  /** When something was last written there. Milliseconds; absent: there is nothing. */
  newestChange?: number
  users: readonly FolderUser[]
}

export type CheckProgress =
  | { step: 'listing'; repositories: number }
  | { step: 'reading'; done: number; all: number }
  | { step: 'files'; done: number; bytes: number }

export type CheckOptions = {
  dataFolder: string
  /** Also reads and hashes every blob file. */
  rehash: boolean
  /** Findings of each kind that are kept. */
  examples: number
  onProgress: (progress: CheckProgress) => void
}

type Checking = CheckOptions & {
  report: FolderReport
  named: DigestSet
  /** Counted as blobs. */
  counted: DigestSet
  /** sha256 → the sha512 by which the same bytes were pushed. */
  long: Map<Digest, Digest>
}

export async function checkFolder(options: CheckOptions): Promise<FolderReport> {
  const { dataFolder } = options
  const inspected = inspectFolder(dataFolder)
  const report = emptyReport(dataFolder)
  if (inspected.kind === 'refused') return { ...report, refused: inspected.why }
  if (inspected.kind === 'found') report.notes = inspected.notes
  const checking: Checking = {
    ...options,
    report,
    named: createDigestSet(),
    counted: createDigestSet(),
    long: new Map(),
  }
  const names = await listAll(checking)
  for (const [index, name] of names.entries()) {
    options.onProgress({ step: 'reading', done: index, all: names.length })
    readOne(checking, name)
    // A signal is heard only between two of these.
    if (index % 16 === 0) await new Promise(setImmediate)
  }
  await lookAtFiles(checking)
  report.users = findFolderUsers(realpathSync(dataFolder))
  return report
}

function emptyReport(dataFolder: string): FolderReport {
  const none = (): Total => ({ count: 0, bytes: 0 })
  return {
    dataFolder,
    notes: [],
    isTakenOver: existsSync(join(dataFolder, OWN_FOLDER)),
    repositories: 0,
    unpublished: 0,
    tags: 0,
    manifests: none(),
    blobs: none(),
    uploads: none(),
    unnamed: none(),
    findings: {},
    users: [],
  }
}

async function listAll(checking: Checking): Promise<FoundName[]> {
  const names: FoundName[] = []
  const report = (finding: Finding): void => keep(checking, finding)
  for await (const name of walkRepositories(checking.dataFolder, '', report)) {
    names.push(name)
    checking.onProgress({ step: 'listing', repositories: names.length })
  }
  return names
}

function readOne(checking: Checking, { name, published }: FoundName): void {
  const { report } = checking
  report.repositories++
  if (!published) report.unpublished++
  for (const batch of readRepository(checking.dataFolder, name)) countBatch(checking, batch)
}

function countBatch(checking: Checking, { blobs, manifests, tags, findings }: FoundBatch): void {
  const { report, named } = checking
  for (const blob of blobs) countBlob(checking, blob)
  for (const { digest, bytes, pushedAt } of manifests) {
    named.add(digest)
    report.manifests.count++
    report.manifests.bytes += bytes.byteLength
    see(report, pushedAt)
  }
  report.tags += tags.length
  for (const { movedAt } of tags) see(report, movedAt)
  for (const finding of findings) keep(checking, finding)
}

function countBlob({ report, named, counted, long }: Checking, blob: FoundBlob): void {
  named.add(blob.stored)
  see(report, blob.linkedAt)
  if (blob.digest !== blob.stored) long.set(blob.stored, blob.digest)
  if (!counted.add(blob.stored)) return
  report.blobs.count++
  report.blobs.bytes += blob.size
}

function keep({ report, named, examples }: Checking, finding: Finding): void {
  const { kind, bytes = 0, digest } = finding
  if (digest !== undefined) named.add(digest)
  if (kind === 'unfinished-upload') {
    report.uploads.count++
    report.uploads.bytes += bytes
  }
  const known = (report.findings[kind] ??= { count: 0, examples: [] })
  known.count++
  if (known.examples.length < examples) (known.examples as Finding[]).push(finding)
}

function see(report: FolderReport, at: number): void {
  report.newestChange = Math.max(report.newestChange ?? at, at)
}

async function lookAtFiles(checking: Checking): Promise<void> {
  const { dataFolder, report, named, long, rehash, onProgress } = checking
  const seen: Total = { count: 0, bytes: 0 }
  const damaged: { path: string; why: string }[] = []
  const buffer = rehash ? new Uint8Array(HASH_BUFFER_BYTES) : undefined
  const tick = (bytes: number): void => {
    seen.bytes += bytes
    onProgress({ step: 'files', done: seen.count, bytes: seen.bytes })
  }
  for await (const { digest, path, size, modifiedAt } of walkBlobFiles(dataFolder, '', (finding) =>
    keep(checking, finding),
  )) {
    see(report, modifiedAt)
    if (!named.has(digest)) {
      report.unnamed.count++
      report.unnamed.bytes += size
    }
    if (buffer !== undefined) {
      const also = long.get(digest)
      const digests = also === undefined ? [digest] : [digest, also]
      const why = await findDamage(dataFolder, path, digests, buffer, tick)
      if (why !== undefined) damaged.push({ path, why })
    }
    seen.count++
    tick(0)
  }
  if (rehash) report.rehashed = { ...seen, damaged }
}

/** Whether something that Distribution has will not be there. */
export function hasLosses({ refused, findings, rehashed }: FolderReport): boolean {
  const kinds = Object.keys(findings) as FindingKind[]
  return (
    refused !== undefined ||
    kinds.some((kind) => FINDING_KINDS[kind].isLost) ||
    (rehashed !== undefined && rehashed.damaged.length > 0)
  )
}
