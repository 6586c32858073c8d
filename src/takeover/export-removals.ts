/**
 * Link files of what Berth has no longer, so that CNCF Distribution does not serve again what was deleted. Only links
 * go, never bytes, and only those that Berth knew: written before its takeover ended or by itself, and of a kind that
 * it takes over. What it never took (schema 1, bytes that are gone) stays as it was, and so does what a Distribution
 * wrote afterwards; that is told.
 */
import type { Dir, Stats } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import type { Db } from '../metadata/database.ts'
import { linkedAmong, manifestsAmong, tagsAmong } from '../metadata/repository-contents.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { isTag, type Tag } from '../oci/reference.ts'
import { MAX_MANIFEST_BYTES } from './as-distribution-reads.ts'
import { PAGE, type RepositoryExport } from './export-repository.ts'
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

/** @param leftOut manifests that Berth has and Distribution cannot hold: what it held under their names goes too */
export async function removeUnknownLinks(
  work: RepositoryExport,
  leftOut: ReadonlySet<Digest>,
): Promise<void> {
  await removeTags(work, leftOut)
  await work.tree.flush()
  await removeDigests(work, `${MANIFESTS}/revisions`, async (digests) => {
    const kept = work.repository.deleted ? new Set() : await manifestsAmong(...args(work), digests)
    for (const digest of digests) {
      if (kept.has(digest) && !leftOut.has(digest)) continue
      const path = revisionLinkPath(work.repository.name, digest)
      if (!(await mayGo(work, path, `manifest ${digest}`, () => wasManifest(work, path, digest)))) continue
      await work.tree.remove(path.slice(0, -LINK.length - 1))
      work.counts.removedManifests++
    }
  })
  await removeDigests(work, LAYERS, async (digests) => {
    const kept = work.repository.deleted ? new Set() : await linkedAmong(...args(work), digests)
    for (const digest of digests) {
      if (kept.has(digest)) continue
      const path = layerLinkPath(work.repository.name, digest)
      if (!(await mayGo(work, path, `blob ${digest}`, () => wasBlob(work, path, digest)))) continue
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

const args = ({ reader, repository }: RepositoryExport): [Pick<Db, 'read'>, number] => [reader, repository.id]

async function removeTags(work: RepositoryExport, leftOut: ReadonlySet<Digest>): Promise<void> {
  const { repository, tree, counts } = work
  const folder = `${repositoryPath(repository.name)}/${MANIFESTS}/tags`
  await pagesOf(join(tree.root, folder), isTag, async (names) => {
    const found = await tagsAmong(work.reader, repository.id, names)
    for (const [name, { digest, known }] of found) {
      const isServed = digest !== undefined && !leftOut.has(digest) && !repository.deleted
      if (isServed) continue
      const path = tagPath(repository.name, name as Tag)
      const current = currentLinkPath(repository.name, name as Tag)
      if (!(await mayGo(work, current, `tag ${name}`, async () => known || (await isOurs(work, current)))))
        continue
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

/** Whether a link that Berth has no row for is one that it had. */
async function mayGo(
  { tree, repository, knownUntil, remark, check }: RepositoryExport,
  path: string,
  what: string,
  wasHere: () => Promise<boolean>,
): Promise<boolean> {
  check()
  const stats = await statOf(join(tree.root, path))
  if (stats === undefined || !(await wasHere())) return false
  if (stats.mtimeMs <= knownUntil) return true
  const detail = `${what}: was written by Distribution after the takeover`
  remark({ repository: repository.name, kind: 'written-later', detail })
  return false
}

/** Written by an export, and by nothing else: the tags that list referrers for Distribution are in no row. */
async function isOurs({ tree, takenAsOf, knownUntil }: RepositoryExport, path: string): Promise<boolean> {
  const stats = await statOf(join(tree.root, path))
  return stats !== undefined && stats.mtimeMs > takenAsOf && stats.mtimeMs <= knownUntil
}

/** A takeover would have taken it: the link says what its place says, and the bytes are a manifest of that digest. */
async function wasManifest({ tree }: RepositoryExport, link: string, digest: Digest): Promise<boolean> {
  if ((await linkedTo(tree.root, link)) !== digest) return false
  const file = join(tree.root, blobPath(digest))
  const stats = await statOf(file)
  if (stats === undefined || stats.size > MAX_MANIFEST_BYTES) return false
  const bytes = await fs.readFile(file)
  if (digestOf(algorithmOf(digest), bytes) !== digest) return false
  try {
    return parseManifest(undefined, bytes, Infinity).references.length >= 0
  } catch {
    return false
  }
}

/** A takeover would have taken it. One whose bytes are gone serves nothing, and stays for those who bring them back. */
async function wasBlob({ tree }: RepositoryExport, link: string, digest: Digest): Promise<boolean> {
  const stored = await linkedTo(tree.root, link)
  if (stored === undefined || (stored !== digest && algorithmOf(digest) === 'sha256')) return false
  const stats = await statOf(join(tree.root, blobPath(stored)))
  return stats !== undefined && (stats.size > 0 || digestOf(algorithmOf(stored), new Uint8Array()) === stored)
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

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await fs.stat(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}
