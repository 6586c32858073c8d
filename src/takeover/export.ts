/**
 * The way back: the data folder, or another one, as CNCF Distribution reads it. Beside a registry that runs each
 * repository is of one moment; when it is stopped, another run writes what changed since. Nothing of Berth's own is
 * changed, so Berth can start on the folder again.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Db } from '../metadata/database.ts'
import { disownGarbage } from '../metadata/garbage.ts'
import { findRepository } from '../metadata/repositories.ts'
import { holdRemovals } from '../metadata/removal-holds.ts'
import { countTrashAndUploads, lastRepository, pageOfRepositories } from '../metadata/repository-contents.ts'
import type { ListedRepository } from '../metadata/repository-contents.ts'
import type { Moments } from '../metadata/sqlite/moment.ts'
import { findTakeover, listFindings, recordLinksWritten } from '../metadata/takeover.ts'
import { writeFallbackTags } from './export-fallback-tags.ts'
import { type Added, removeUnknownLinks } from './export-removals.ts'
import {
  type ExportCounts,
  NOTHING,
  PAGE,
  type Remark,
  type RepositoryExport,
  writeRepository,
} from './export-repository.ts'
import { type ExportTree, openExportTree } from './export-tree.ts'
import { DISTRIBUTION_ROOT } from './found.ts'
import { walkRepositories } from './repositories.ts'

/** It cannot be done as it was asked for; the message says what to do. Nothing was changed. */
export class ExportRefusedError extends Error {
  override readonly name = 'ExportRefusedError'
}

export type ExportOptions = {
  db: Db
  moments: Moments
  store: Pick<BlobStore, 'fileOf'>
  dataFolder: string
  /** Another folder than the data folder: a complete copy, by hard links where that can be. */
  to?: string | undefined
  isDryRun: boolean
  fallbackTags: boolean
  signal: AbortSignal
  remark: (remark: Remark) => void
  /** @param share of the work that is done, 0 to 1 */
  progress: (counts: ExportCounts, share: number) => void
  now?: () => number
}

export type ExportReport = ExportCounts & {
  /** What Distribution's `rootdirectory` is to be. */
  folder: string
  /** It was told to stop: what was written so far is whole, and another run goes on. */
  isCut: boolean
}

/** Tells a folder that an export made from one that somebody else filled. */
const MARKER = 'berth-export.json'
const HOLD_MS = 120_000
const RENEW_MS = 30_000
const NOTHING_ADDED: Added = { tags: new Set(), manifests: new Set() }
/** Times of files lag behind the clock by a tick: what was written here must not look later than the mark. */
const SETTLE_MS = 100

/**
 * @throws ExportRefusedError
 * @throws what the system says of a file; what was written is whole
 */
export async function exportDistribution(options: ExportOptions): Promise<ExportReport> {
  const { db, dataFolder, to, isDryRun, signal, now = Date.now } = options
  const folder = to === undefined ? dataFolder : targetFolder(dataFolder, to, isDryRun)
  const knownUntil = await writtenUpTo(options, to === undefined ? undefined : folder)
  // No file goes while it gets its second name.
  const hold = isDryRun
    ? undefined
    : await holdRemovals(db, { reason: `export to ${folder}`, ms: HOLD_MS, renewEveryMs: RENEW_MS, now })
  const counts = noCounts()
  let isForeign = false
  try {
    const tree = await openExportTree({ root: folder, isDryRun })
    const work: Work = {
      ...options,
      tree,
      knownUntil,
      counts,
      check: () => {
        signal.throwIfAborted()
        if (hold?.isInForce() === false) throw stoodStill()
      },
      remark: (remark) => {
        if (remark.kind === 'written-later') isForeign = true
        options.remark(remark)
      },
    }
    const isCut = await exportAll(work).then(
      () => false,
      (error: unknown) => {
        if (signal.aborted) return true
        throw error
      },
    )
    await tree.flush()
    if (!isCut && hold?.isInForce() === false) throw stoodStill()
    // What a Distribution wrote meanwhile, or where nobody has looked, stays in doubt: then none of it is ever removed.
    if (!isDryRun && !isCut && !isForeign) {
      await sleep(SETTLE_MS)
      await markWritten(db, to === undefined ? undefined : folder, now())
    }
    return { ...counts, folder, isCut }
  } finally {
    await hold?.release()
  }
}

type Work = ExportOptions & {
  tree: ExportTree
  knownUntil: number
  counts: ExportCounts
  check: () => void
}

async function exportAll(work: Work): Promise<void> {
  const last = await lastRepository(work.db)
  for (let after = 0; ;) {
    const page = await pageOfRepositories(work.db, after, PAGE)
    for (const repository of page) {
      await exportOne(work, repository)
      work.progress(work.counts, Math.min(1, repository.id / last))
    }
    if (page.length < PAGE) break
    after = page.at(-1)?.id ?? Infinity
  }
  if (work.to === undefined) await sayUnknown(work)
  await sayWhatIsLeft(work)
}

const REMOVAL_LOOK_MS = 100

/** A file that was taken over, and given up since, may have its name from what the tree needs now. */
function keeping({ db, to, isDryRun, check, now = Date.now }: Work): RepositoryExport['keep'] {
  if (to !== undefined || isDryRun) return undefined
  return async (path) => {
    // Whoever is at it began before the hold: done in a moment, or given back when its claim ends.
    while (!(await disownGarbage(db, path, now()))) {
      check()
      await sleep(REMOVAL_LOOK_MS)
    }
  }
}

async function exportOne(work: Work, repository: ListedRepository): Promise<void> {
  const { store, moments, now = Date.now } = work
  const { fileOf } = store
  if (fileOf === undefined) throw new ExportRefusedError('this store keeps no files that could be exported')
  const takenAsOf = work.to === undefined ? (repository.importedAsOf ?? 0) : 0
  await moments.at(async (reader) => {
    const one = {
      ...work,
      reader,
      repository,
      fileOf,
      takenAsOf,
      knownUntil: Math.max(work.knownUntil, takenAsOf),
      keep: keeping(work),
    }
    const leftOut = repository.deleted ? NOTHING : await writeRepository(one)
    const hasOwnTags = work.fallbackTags && !repository.deleted
    const added = hasOwnTags ? await writeFallbackTags(one, leftOut.manifests, now()) : NOTHING_ADDED
    await removeUnknownLinks(one, leftOut, added)
    if (!repository.deleted && repository.published) work.counts.repositories++
  })
}

/** Repositories of which Berth has no row: nothing of them is touched. */
async function sayUnknown({ db, dataFolder, remark, check }: Work): Promise<void> {
  for await (const { name, published } of walkRepositories(dataFolder)) {
    check()
    if (!published || (await findRepository(db, name)) !== undefined) continue
    const detail = 'a repository that Berth does not know'
    remark({ repository: name, kind: 'written-later', detail })
  }
}

async function sayWhatIsLeft({ db, remark, to }: Work): Promise<void> {
  const { deleted, uploads } = await countTrashAndUploads(db)
  const say = (kind: Remark['kind'], detail: string): void => remark({ repository: '', kind, detail })
  if (deleted > 0)
    say('trash', `${deleted} deleted manifests that "berth trash restore" could bring back stay with Berth`)
  if (uploads > 0) say('uploads', `${uploads} unfinished uploads stay with Berth: their clients begin again`)
  if (to === undefined) return
  for (let after = 0; ;) {
    const page = await listFindings(db, after, PAGE)
    for (const { repository, kind, detail } of page)
      remark({ repository, kind: 'never-taken-over', detail: `${kind}: ${detail}` })
    if (page.length < PAGE) return
    after = page.at(-1)?.id ?? Infinity
  }
}

/** @throws ExportRefusedError */
function targetFolder(dataFolder: string, to: string, isDryRun: boolean): string {
  const folder = resolve(to)
  if (isDryRun && !existsSync(folder)) return folder
  mkdirSync(folder, { recursive: true })
  const [real, data] = [realpathSync(folder), realpathSync(dataFolder)]
  if (real === data) throw new ExportRefusedError(`${to} is the data folder itself: leave --to out`)
  if (real.startsWith(data + sep) || data.startsWith(real + sep))
    throw new ExportRefusedError(`${to} lies in the data folder, or around it: name a folder beside it`)
  const [tree, marker] = [join(folder, DISTRIBUTION_ROOT), join(folder, MARKER)]
  if (existsSync(marker)) return folder
  if (existsSync(tree) && readdirSync(tree).length > 0) {
    throw new ExportRefusedError(
      `${to} has content of a registry already, which no export of Berth made: name an empty folder`,
    )
  }
  if (!isDryRun) writeMarker(folder, 0)
  return folder
}

/** Up to when what stands in the tree was written by Berth, or taken over by it. @throws ExportRefusedError */
async function writtenUpTo(
  { db, dataFolder, isDryRun, now = Date.now }: ExportOptions,
  target: string | undefined,
): Promise<number> {
  const takeover = await findTakeover(db)
  if (takeover !== undefined && takeover.completedAt === undefined) {
    throw new ExportRefusedError(
      'the takeover of this folder is not complete, so that not all of it is known yet: let "berth serve" run until it ' +
        'says that it is, and try again. Until then CNCF Distribution can still be started on the folder as it is',
    )
  }
  if (target === undefined && takeover === undefined) {
    refuseForeign(dataFolder)
    // From now on what stands there is Berth's own, also if this is cut off.
    if (!isDryRun) await recordLinksWritten(db, now())
  }
  if (target === undefined) return takeover?.writtenAt ?? 0
  const marker = join(target, MARKER)
  if (!existsSync(marker)) return 0
  const { writtenAt } = JSON.parse(readFileSync(marker, 'utf8')) as { writtenAt?: unknown }
  return typeof writtenAt === 'number' ? writtenAt : 0
}

function refuseForeign(dataFolder: string): void {
  const tree = join(dataFolder, DISTRIBUTION_ROOT)
  if (!existsSync(tree) || readdirSync(tree).length === 0) return
  throw new ExportRefusedError(
    `${tree} has content of CNCF Distribution that Berth did not take over: the two would be mixed up. ` +
      'Name another folder with --to',
  )
}

async function markWritten(db: Db, target: string | undefined, now: number): Promise<void> {
  if (target === undefined) await recordLinksWritten(db, now)
  else writeMarker(target, now)
}

function writeMarker(folder: string, writtenAt: number): void {
  writeFileSync(join(folder, MARKER), `${JSON.stringify({ by: 'berth export', writtenAt })}\n`)
}

function stoodStill(): Error {
  return new Error('the export stood still for too long, and files may have been removed: run it again')
}

function noCounts(): ExportCounts {
  return {
    repositories: 0,
    blobs: 0,
    manifests: 0,
    tags: 0,
    fallbackTags: 0,
    linked: 0,
    copied: 0,
    copiedBytes: 0,
    written: 0,
    removedTags: 0,
    removedManifests: 0,
    removedLinks: 0,
  }
}
