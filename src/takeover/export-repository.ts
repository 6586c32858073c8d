/**
 * One repository as CNCF Distribution keeps it. What a file names is durable before the file is written: blobs before
 * their links, manifests' bytes before revisions, revisions before tags. So whatever ends this in the middle leaves a
 * folder that Distribution serves, only with less in it.
 *
 * A digest of any algorithm lies under its own name, sha512 too: Distribution itself stores a sha512 blob under its
 * sha256, where its garbage collection does not find it named by any manifest, and removes it.
 */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { StoredObject } from '../blobs/blob-store.ts'
import type { Db } from '../metadata/database.ts'
import {
  type LinkRow,
  type ListedRepository,
  manifestBytes,
  type ManifestRow,
  pageOfLinks,
  pageOfManifests,
  pageOfMoves,
  pageOfTags,
  type TagRow,
} from '../metadata/repository-contents.ts'
import type { Digest } from '../oci/digest.ts'
import { asDistributionReads } from './as-distribution-reads.ts'
import { concurrently } from '../lib/concurrently.ts'
import type { ExportTree } from './export-tree.ts'
import {
  blobPath,
  currentLinkPath,
  indexLinkPath,
  LAYERS,
  layerLinkPath,
  MANIFESTS,
  repositoryPath,
  revisionLinkPath,
} from './layout.ts'

export const PAGE = 500
const AT_ONCE = 8

export type RemarkKind =
  | 'damaged-blob' // its bytes are known to be wrong
  | 'blob-without-file'
  | 'manifest-left-out' // Distribution cannot read it
  | 'tag-left-out' // it points to such a manifest
  | 'other-type' // served with another media type than Berth serves it with
  | 'referrers' // Distribution has no referrers API
  | 'written-later' // Distribution wrote it after the takeover: Berth does not know it, and left it as it is
  | 'in-the-way' // a link from before the takeover that Distribution answers with 500, and that ends its collection
  | 'trash'
  | 'uploads'
  | 'never-taken-over'

export type Remark = { repository: string; kind: RemarkKind; detail: string }

export type ExportCounts = {
  repositories: number
  /** Blobs, manifests and tags that Distribution then has. */
  blobs: number
  manifests: number
  tags: number
  /** Tags that list referrers, made for Distribution. */
  fallbackTags: number
  /** Of the blobs: those that got a second name, and those that had to be copied. */
  linked: number
  copied: number
  copiedBytes: number
  /** Files of links, tags and manifests that were not there as they are now. */
  written: number
  /** Link files of what Berth has no longer. */
  removedTags: number
  removedManifests: number
  removedLinks: number
}

export type RepositoryExport = {
  reader: Pick<Db, 'read'>
  tree: ExportTree
  repository: ListedRepository
  /** What was written to the tree up to here was taken over; then, up to `knownUntil`, only exports wrote. */
  takenAsOf: number
  /** What was written to the tree later than this, a Distribution wrote. Milliseconds, as `takenAsOf`. */
  knownUntil: number
  fileOf: (object: StoredObject & { digest: Digest }) => string
  /** Nothing removes what lies at a path of the tree from then on. Absent: nothing does anyway. */
  keep?: ((path: string) => Promise<void>) | undefined
  /** Tags are made by which clients find referrers. */
  fallbackTags: boolean
  counts: ExportCounts
  remark: (remark: Remark) => void
  /** Called between files: throws where the work is to end. */
  check: () => void
}

/** What Berth has of a repository and Distribution does not get. */
export type LeftOut = {
  /** It could not read them. */
  manifests: Set<Digest>
  /** It has other bytes in their places. */
  blobs: Set<Digest>
}

export const NOTHING: LeftOut = { manifests: new Set(), blobs: new Set() }

export async function writeRepository(work: RepositoryExport): Promise<LeftOut> {
  const { tree, repository } = work
  const leftOut: LeftOut = { manifests: new Set(), blobs: new Set() }
  await tree.ensureFolder(`${repositoryPath(repository.name)}/${LAYERS}`)
  await eachPage(
    (after: LinkRow | undefined) => pageOfLinks(work.reader, repository.id, after?.digest, PAGE),
    (page) => writeLinks(work, page, leftOut.blobs),
  )
  if (!repository.published) return leftOut
  // Distribution lists what has the first one, and answers with tags where there is the second.
  await tree.ensureFolder(`${repositoryPath(repository.name)}/${MANIFESTS}/revisions`)
  await tree.ensureFolder(`${repositoryPath(repository.name)}/${MANIFESTS}/tags`)
  let withSubject = 0
  await eachPage(
    (after: ManifestRow | undefined) => pageOfManifests(work.reader, repository.id, after?.digest, PAGE),
    async (page) => {
      withSubject += page.filter(({ subject }) => subject !== undefined).length
      await writeManifests(work, page, leftOut.manifests)
    },
  )
  if (withSubject > 0 && !work.fallbackTags) sayReferrers(work, withSubject)
  await eachPage(
    (after: TagRow | undefined) => pageOfTags(work.reader, repository.id, after?.name ?? '', PAGE),
    (page) => writeTags(work, page, leftOut.manifests),
  )
  return leftOut
}

/** Between pages others have a turn: signals, and the renewal of the hold. */
export async function eachPage<T>(
  load: (after: T | undefined) => Promise<T[]>,
  work: (page: T[]) => Promise<void>,
): Promise<void> {
  for (let after: T | undefined; ;) {
    const page = await load(after)
    if (page.length > 0) await work(page)
    await othersTurn()
    if (page.length < PAGE) return
    after = page.at(-1)
  }
}

async function writeLinks(
  work: RepositoryExport,
  page: readonly LinkRow[],
  leftOut: Set<Digest>,
): Promise<void> {
  const { tree, repository, counts } = work
  const placed: LinkRow[] = []
  await concurrently(page, AT_ONCE, async (link) => {
    work.check()
    if (await placeBlob(work, link, leftOut)) placed.push(link)
  })
  await tree.flush()
  await concurrently(placed, AT_ONCE, async ({ digest, linkedAt }) => {
    work.check()
    const path = layerLinkPath(repository.name, digest)
    if ((await tree.writeLink(path, digest, linkedAt)) !== 'there') counts.written++
  })
  await tree.flush()
  counts.blobs += placed.length
}

/** @returns false: there are no bytes for it, and it was said */
async function placeBlob(
  { tree, repository, counts, fileOf, remark, keep }: RepositoryExport,
  { digest, object, size, damaged }: LinkRow,
  leftOut: Set<Digest>,
): Promise<boolean> {
  if (object.path !== blobPath(digest)) await keep?.(blobPath(digest))
  const source = damaged ? undefined : fileOf(object)
  const placed = await tree.placeBlob(blobPath(digest), digest, source, size)
  if (placed === 'absent' || placed === 'wrong') {
    if (placed === 'wrong') leftOut.add(digest)
    const why = damaged
      ? 'its bytes are damaged, and Berth does not serve it either'
      : `its file is gone, or not ${size} bytes long`
    const kind = damaged ? 'damaged-blob' : 'blob-without-file'
    remark({ repository: repository.name, kind, detail: `${digest}: ${why}; "berth check" tells more` })
    return false
  }
  if (placed === 'linked') counts.linked++
  if (placed === 'copied') {
    counts.copied++
    counts.copiedBytes += size
  }
  return true
}

async function writeManifests(
  work: RepositoryExport,
  page: readonly ManifestRow[],
  leftOut: Set<Digest>,
): Promise<void> {
  const { tree, repository, counts } = work
  const held: ManifestRow[] = []
  await concurrently(page, AT_ONCE, async (manifest) => {
    work.check()
    if (await writeBytes(work, manifest)) held.push(manifest)
    else leftOut.add(manifest.digest)
  })
  await tree.flush()
  await concurrently(held, AT_ONCE, async ({ digest, pushedAt }) => {
    work.check()
    const path = revisionLinkPath(repository.name, digest)
    if ((await tree.writeLink(path, digest, pushedAt)) !== 'there') counts.written++
  })
  await tree.flush()
  counts.manifests += held.length
}

/** @returns false: Distribution could not read it, and it was said */
async function writeBytes(
  { reader, tree, repository, counts, remark, keep }: RepositoryExport,
  { digest, mediaType }: ManifestRow,
): Promise<boolean> {
  const bytes = await manifestBytes(reader, repository.id, digest)
  if (bytes === undefined) return false
  const read = asDistributionReads(bytes)
  if ('refused' in read) {
    const detail = `${digest} (${mediaType}): ${read.refused}`
    remark({ repository: repository.name, kind: 'manifest-left-out', detail })
    return false
  }
  if (read.type !== mediaType) {
    const detail = `${digest}: pushed as ${mediaType} without saying so itself; Distribution serves it as ${read.type}`
    remark({ repository: repository.name, kind: 'other-type', detail })
  }
  await keep?.(blobPath(digest))
  if (await tree.writeBytes(blobPath(digest), bytes)) counts.written++
  return true
}

function sayReferrers({ repository, remark }: RepositoryExport, count: number): void {
  remark({
    repository: repository.name,
    kind: 'referrers',
    detail:
      `${count} of its manifests have a subject (signatures, attestations): Distribution serves them by digest, but does ` +
      'not list them; --fallback-tags writes the tags that clients ask for instead',
  })
}

async function writeTags(
  work: RepositoryExport,
  page: readonly TagRow[],
  leftOut: ReadonlySet<Digest>,
): Promise<void> {
  const { tree, repository, counts, remark } = work
  const held = page.filter(({ digest }) => !leftOut.has(digest))
  for (const { name, digest } of page) {
    if (!leftOut.has(digest)) continue
    const detail = `${name}: Distribution cannot hold the manifest it points to, ${digest}`
    remark({ repository: repository.name, kind: 'tag-left-out', detail })
  }
  await concurrently(held, AT_ONCE, async (tag) => {
    work.check()
    await writeHistory(work, tag)
  })
  // Also the other way round a tag without its history would be whole; Distribution writes them in this order.
  await tree.flush()
  await concurrently(held, AT_ONCE, async ({ name, digest, movedAt }) => {
    work.check()
    const path = currentLinkPath(repository.name, name)
    const told = await tree.writeLink(path, digest, movedAt, {
      keepsTime: true,
      unlessLaterThan: Math.max(work.knownUntil, movedAt),
    })
    if (told === 'written') counts.written++
    if (told !== 'later') return
    const detail = `tag ${name}: was moved by Distribution; Berth has it at ${digest}`
    remark({ repository: repository.name, kind: 'written-later', detail })
  })
  await tree.flush()
  counts.tags += held.length
}

/** Every digest that the tag had, each as of its last time: a takeover reads the order from the files' times. */
async function writeHistory(
  { reader, tree, repository, counts }: RepositoryExport,
  { name, digest, movedAt }: TagRow,
): Promise<void> {
  const write = async (one: Digest, at: number): Promise<void> => {
    const told = await tree.writeLink(indexLinkPath(repository.name, name, one), one, at, { keepsTime: true })
    if (told === 'written') counts.written++
  }
  type Move = Awaited<ReturnType<typeof pageOfMoves>>[number]
  await eachPage(
    (after: Move | undefined) => pageOfMoves(reader, repository.id, name, after?.seq ?? 0, PAGE),
    async (moves) => {
      for (const move of moves) if (move.digest !== digest) await write(move.digest, move.at)
    },
  )
  await write(digest, movedAt)
}
