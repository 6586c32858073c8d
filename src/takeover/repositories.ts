/**
 * The names of the repositories in a folder of Distribution, in byte order and a folder at a time. Distribution lists
 * by component ("a/b" before "a-b"); the listing of Berth is in byte order ("a-b" before "a/b").
 */
import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { isRepositoryName, MAX_NAME_LENGTH, type RepositoryName } from '../oci/reference.ts'
import type { Finding, FindingKind, FoundName } from './found.ts'
import { LAYERS, MANIFESTS, REPOSITORIES_PATH, repositoryPath, UPLOADS } from './layout.ts'
import { codeOf, isAbsent, isSymbolicLoop, refusalText } from './file-errors.ts'

export type Report = (finding: Finding) => void

/** What stands in a folder below `repositories`. */
type Listing = {
  hasManifests: boolean
  hasLayers: boolean
  hasUploads: boolean
  /** Folders that are components of names, in no order. */
  children: readonly string[]
}

type Walk = { root: string; after: string; report: Report | undefined }

const NOTHING: Listing = { hasManifests: false, hasLayers: false, hasUploads: false, children: [] }

/**
 * All repositories whose name is greater than `after`. Only folders that can hold such a name are read, when they are
 * come to: the first names cost next to nothing. Names that the file system makes while it is walked may be missed.
 *
 * @param report is told what is no repository but stands there; may be told again by the next walk
 */
export async function* walkRepositories(
  dataFolder: string,
  after = '',
  report?: Report,
): AsyncGenerator<FoundName> {
  const walk: Walk = { root: join(dataFolder, REPOSITORIES_PATH), after, report }
  yield* walkFolder(walk, '', await list(walk, ''))
}

/**
 * Byte order: "a" comes first, then "a-b" and "a.b", then what is in folder "a" ("a/b"), then "a0". So each component
 * is come to twice, as a name and with a slash.
 *
 * @param prefix empty, or ends with a slash
 */
async function* walkFolder(walk: Walk, prefix: string, { children }: Listing): AsyncGenerator<FoundName> {
  const listed = new Map<string, Listing>()
  for (const key of children.flatMap((child) => [child, `${child}/`]).sort()) {
    const isFolder = key.endsWith('/')
    const name = prefix + (isFolder ? key.slice(0, -1) : key)
    if (isFolder ? isDone(prefix + key, walk.after) : name <= walk.after) continue
    if (!isRepositoryName(name)) {
      if (!isFolder) await reportInvalid(walk, name)
      continue
    }
    const listing = listed.get(name) ?? (await list(walk, name))
    if (isFolder) {
      listed.delete(name)
      if (listing.children.length > 0) yield* walkFolder(walk, prefix + key, listing)
      continue
    }
    listed.set(name, listing)
    if (isRepository(listing)) yield { name, published: listing.hasManifests }
  }
}

/** Whether all names that begin with `prefix` are up to `after`. */
function isDone(prefix: string, after: string): boolean {
  return prefix < after && !after.startsWith(prefix)
}

function isRepository({ hasManifests, hasLayers, hasUploads }: Listing): boolean {
  return hasManifests || hasLayers || hasUploads
}

async function list(walk: Walk, name: string): Promise<Listing> {
  let entries: Dirent[]
  try {
    entries = await readdir(join(walk.root, name), { withFileTypes: true })
  } catch (error) {
    if (!isAbsent(error)) tell(walk, name, 'not-readable', `the folder ${refusalText(error)}`)
    return NOTHING
  }
  const folders = new Set<string>()
  for (const entry of entries) {
    if (entry.isDirectory() || (await leadsToFolder(walk, name, entry))) folders.add(entry.name)
    else tellUnknown(walk, name, entry.name)
  }
  const listing = {
    hasManifests: folders.delete(MANIFESTS),
    hasLayers: folders.delete(LAYERS),
    hasUploads: folders.delete(UPLOADS),
  }
  for (const folder of folders) {
    if (!folder.startsWith('_')) continue
    folders.delete(folder)
    tellUnknown(walk, name, folder)
  }
  return { ...listing, children: [...folders] }
}

/** Distribution follows symbolic links to folders; one that leads to a folder it stands in has no end. */
async function leadsToFolder(walk: Walk, name: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return false
  const folder = join(walk.root, name)
  const path = join(folder, entry.name)
  try {
    if (!(await stat(path)).isDirectory()) return false
    const [from, to] = await Promise.all([realpath(folder), realpath(path)])
    if (from !== to && !from.startsWith(to + sep)) return true
    tell(walk, join(name, entry.name), 'unknown-file', 'a symbolic link that leads back to where it stands')
  } catch (error) {
    if (isSymbolicLoop(error))
      tell(walk, join(name, entry.name), 'unknown-file', 'symbolic links in a circle')
    else if (!isAbsent(error)) tell(walk, join(name, entry.name), 'not-readable', refusalText(error))
  }
  return false
}

/** Repositories that no client can name, and folders that hold none. */
async function reportInvalid(walk: Walk, top: string): Promise<void> {
  if (walk.report === undefined) return
  let found = false
  const open = [top]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const listing = await list(walk, name)
    if (isRepository(listing)) {
      found = true
      tell(walk, name, 'invalid-name', whyInvalid(name))
    }
    open.push(...listing.children.map((child) => `${name}/${child}`))
  }
  if (!found) tellUnknown(walk, top.split('/').slice(0, -1).join('/'), top.split('/').at(-1) as string)
}

function whyInvalid(name: string): string {
  const what =
    name.length > MAX_NAME_LENGTH
      ? `the name has more than ${MAX_NAME_LENGTH} characters`
      : 'a name is lower-case letters and digits, joined by ".", "_", "__" or "-", in parts separated by "/"'
  return `no client can name this repository: ${what}. Stop the registry and rename its folder below ${REPOSITORIES_PATH}`
}

function tellUnknown(walk: Walk, folder: string, entry: string): void {
  const path = folder === '' ? entry : `${folder}/${entry}`
  tell(walk, folder, 'unknown-file', `${REPOSITORIES_PATH}/${path}: not written by Distribution; left alone`)
}

function tell({ report }: Walk, repository: string, kind: FindingKind, detail: string): void {
  report?.({ repository, kind, detail })
}

/**
 * Whether there is a repository of exactly this name: three looks, whatever the size of the folder.
 * @throws if the system refuses to say (EACCES, EIO …): then nobody knows
 */
export async function findRepositoryFolder(
  dataFolder: string,
  name: RepositoryName,
): Promise<FoundName | undefined> {
  const folder = join(dataFolder, repositoryPath(name))
  const [manifests, layers, uploads] = await Promise.all(
    [MANIFESTS, LAYERS, UPLOADS].map((part) => isFolder(join(folder, part))),
  )
  if (!manifests && !layers && !uploads) return undefined
  return (await isExactCase(folder, name)) ? { name, published: manifests === true } : undefined
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (isAbsent(error) || isSymbolicLoop(error) || codeOf(error) === 'ENAMETOOLONG') return false
    throw error
  }
}

/** Where the file system takes "App" for "app", the folder's own spelling counts: it is what the walk finds. */
async function isExactCase(folder: string, name: RepositoryName): Promise<boolean> {
  const tail = (await realpath(folder)).replaceAll(sep, '/').slice(-name.length)
  if (tail === name || tail.toLowerCase() !== name) return true
  // It may still be the name of a symbolic link.
  const parts = name.split('/')
  const root = folder.slice(0, -name.length)
  for (const [index, part] of parts.entries()) {
    if (!(await readdir(join(root, ...parts.slice(0, index)))).includes(part)) return false
  }
  return true
}
