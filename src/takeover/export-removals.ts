/**
 * Link files of what Berth has no longer, so that CNCF Distribution does not serve again what was deleted. Only links
 * go, never bytes, and only those that Berth knew: written before its takeover ended or by itself, and of a kind that
 * it takes over. What it never took (schema 1, bytes that are gone) stays as it was, and so does what a Distribution
 * wrote afterwards; that is told.
 */
import type { Dir } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import type { Db } from '../metadata/database.ts'
import { linkedAmong, manifestsAmong, tagsAmong } from '../metadata/contents-among.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { isTag, type Tag } from '../oci/reference.ts'
import { asDistributionReads, MAX_MANIFEST_BYTES } from './as-distribution-reads.ts'
import { statOf } from './export-files.ts'
import { type LeftOut, PAGE, type RepositoryExport } from './export-repository.ts'
import {
  blobPath,
  currentLinkPath,
  LAYERS,
  layerLinkPath,
  LINK,
  LONGEST_LINK,
  MANIFESTS,
  parseLinkText,
  repositoryPath,
  revisionLinkPath,
  tagPath,
} from './layout.ts'
import { isAbsent } from './file-errors.ts'
import { readStoredManifest } from './stored-manifest.ts'

/** What is in the tree for Distribution only. */
export type Added = { tags: ReadonlySet<string>; manifests: ReadonlySet<Digest> }

/**
 * @param leftOut a tag must not lead to what it was before it came to a manifest that Distribution cannot hold; where it
 * has that manifest all the same, it wrote it itself. Nor must a link lead to wrong bytes.
 */
export async function removeUnknownLinks(
  work: RepositoryExport,
  leftOut: LeftOut,
  added: Added,
): Promise<void> {
  await removeTags(work, leftOut.manifests, added.tags)
  await work.tree.flush()
  await removeDigests(work, `${MANIFESTS}/revisions`, async (digests) => {
    const kept = work.repository.deleted ? NONE : await manifestsAmong(...args(work), digests)
    for (const digest of digests) {
      if (kept.has(digest) || added.manifests.has(digest)) continue
      const path = revisionLinkPath(work.repository.name, digest)
      const bytes = await manifestAt(work, path, digest)
      if (!(await mayGo(work, path, `manifest ${digest}`, bytes !== undefined && isManifest(bytes)))) {
        const isRead = bytes === undefined || 'type' in asDistributionReads(bytes)
        await sayIfInTheWay(work, path, isRead)
        continue
      }
      await work.tree.remove(path.slice(0, -LINK.length - 1))
      work.counts.removedManifests++
    }
  })
  await removeDigests(work, LAYERS, async (digests) => {
    const kept = work.repository.deleted ? NONE : await linkedAmong(...args(work), digests)
    for (const digest of digests) {
      if (kept.has(digest) && !leftOut.blobs.has(digest)) continue
      const path = layerLinkPath(work.repository.name, digest)
      if (!(await mayGo(work, path, `blob ${digest}`, await wasBlob(work, path, digest)))) {
        await sayIfInTheWay(work, path, true)
        continue
      }
      await work.tree.remove(path.slice(0, -LINK.length - 1))
      work.counts.removedLinks++
    }
  })
  if (work.repository.deleted) await removeEmptyFolders(work)
  await work.tree.flush()
}

/** Distribution lists what has a folder of manifests. */
async function removeEmptyFolders({ tree, repository }: RepositoryExport): Promise<void> {
  const manifests = `${repositoryPath(repository.name)}/${MANIFESTS}`
  const inside = ['tags', 'revisions/sha256', 'revisions/sha512', 'revisions', '']
  for (const folder of inside) await tree.removeIfEmpty(join(manifests, folder))
}

const NONE: ReadonlySet<Digest> = new Set()
const args = ({ reader, repository }: RepositoryExport): [Pick<Db, 'read'>, number] => [reader, repository.id]

async function removeTags(
  work: RepositoryExport,
  leftOut: ReadonlySet<Digest>,
  added: ReadonlySet<string>,
): Promise<void> {
  const { repository, tree, counts } = work
  const folder = `${repositoryPath(repository.name)}/${MANIFESTS}/tags`
  await pagesOf(join(tree.root, folder), isTag, async (names) => {
    const found = await tagsAmong(work.reader, repository.id, names)
    for (const [name, { digest, known }] of found) {
      if (added.has(name)) continue
      const path = tagPath(repository.name, name as Tag)
      const current = currentLinkPath(repository.name, name as Tag)
      if (digest !== undefined && !repository.deleted) {
        if (!leftOut.has(digest) || (await linkedTo(tree.root, current)) === digest) continue
      }
      if (!(await mayGo(work, current, `tag ${name}`, known || (await isOurs(work, current))))) continue
      await tree.remove(path)
      counts.removedTags++
    }
  })
}

async function removeDigests(
  { tree, repository }: RepositoryExport,
  folder: string,
  work: (digests: readonly Digest[]) => Promise<void>,
): Promise<void> {
  for (const algorithm of ['sha256', 'sha512']) {
    const path = join(tree.root, repositoryPath(repository.name), folder, algorithm)
    const isHex = (name: string): boolean => isDigest(`${algorithm}:${name}`)
    await pagesOf(path, isHex, (names) => work(names.map((hex) => `${algorithm}:${hex}` as Digest)))
  }
}

/**
 * Whether a link that Berth does not serve is one that it had.
 * @param wasHere a takeover would have taken it, or did
 */
async function mayGo(
  { tree, repository, knownUntil, remark, check }: RepositoryExport,
  path: string,
  what: string,
  wasHere: boolean,
): Promise<boolean> {
  check()
  const stats = await statOf(join(tree.root, path))
  if (stats === undefined) return false
  if (stats.mtimeMs <= knownUntil) return wasHere
  const detail = `${what}: was written by Distribution after the takeover`
  remark({ repository: repository.name, kind: 'written-later', detail })
  return false
}

/** Left as it was, but whoever goes back should know. */
async function sayIfInTheWay(
  { tree, repository, remark }: RepositoryExport,
  path: string,
  isRead: boolean,
): Promise<void> {
  const stats = await statOf(join(tree.root, path))
  if (stats === undefined || (isRead && (await linkedTo(tree.root, path)) !== undefined)) return
  const why = isRead ? 'holds no digest' : 'leads to a manifest that Distribution cannot read'
  remark({ repository: repository.name, kind: 'in-the-way', detail: `${path} ${why}` })
}

/** Written by an export, and by nothing else: the tags that list referrers for Distribution are in no row. */
async function isOurs({ tree, takenAsOf, knownUntil }: RepositoryExport, path: string): Promise<boolean> {
  const stats = await statOf(join(tree.root, path))
  return stats !== undefined && stats.mtimeMs > takenAsOf && stats.mtimeMs <= knownUntil
}

/** The bytes that a link leads to, if they have the digest; of those that may be a manifest by their size. */
async function manifestAt(
  { tree }: RepositoryExport,
  link: string,
  digest: Digest,
): Promise<Uint8Array | undefined> {
  const stored = await storedAs(tree.root, link, digest)
  if (stored === undefined) return undefined
  const file = join(tree.root, blobPath(stored))
  const stats = await statOf(file)
  if (stats === undefined || stats.size > MAX_MANIFEST_BYTES) return undefined
  const bytes = await fs.readFile(file)
  return digestOf(algorithmOf(digest), bytes) === digest ? bytes : undefined
}

/** A takeover would have taken it. */
const isManifest = (bytes: Uint8Array): boolean => readStoredManifest(bytes).kind === 'manifest'

/** A takeover would have taken it. One whose bytes are gone serves nothing, and stays for those who bring them back. */
async function wasBlob({ tree }: RepositoryExport, link: string, digest: Digest): Promise<boolean> {
  const stored = await storedAs(tree.root, link, digest)
  if (stored === undefined) return false
  const stats = await statOf(join(tree.root, blobPath(stored)))
  return stats !== undefined && (stats.size > 0 || digestOf(algorithmOf(stored), new Uint8Array()) === stored)
}

/** Whose file a link leads to: only that of a sha512 may lead to another digest. */
async function storedAs(root: string, link: string, digest: Digest): Promise<Digest | undefined> {
  const stored = await linkedTo(root, link)
  return stored === digest || algorithmOf(digest) === 'sha512' ? stored : undefined
}

async function linkedTo(root: string, link: string): Promise<Digest | undefined> {
  const stats = await statOf(join(root, link))
  if (stats === undefined || stats.size > LONGEST_LINK) return undefined
  return parseLinkText(await fs.readFile(join(root, link), 'latin1'))
}

/** Names in a folder that are of the right form, in bounded lists; none where there is no folder. */
async function pagesOf(
  folder: string,
  isRight: (name: string) => boolean,
  work: (names: string[]) => Promise<void>,
): Promise<void> {
  let dir: Dir
  try {
    dir = await fs.opendir(folder)
  } catch (error) {
    if (isAbsent(error)) return
    throw error
  }
  let names: string[] = []
  for await (const { name } of dir) {
    if (isRight(name)) names.push(name)
    if (names.length < PAGE) continue
    await work(names)
    names = []
  }
  if (names.length > 0) await work(names)
}
