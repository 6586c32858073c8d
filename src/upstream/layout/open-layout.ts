/** Opens what a person named: the folder of an image layout, a tar of one, or what `docker save` wrote. */
import { realpathSync, statSync, type Stats } from 'node:fs'
import { basename, join, sep } from 'node:path'
import { descriptorOf } from '../../oci/manifest-fields.ts'
import { RegistryError } from '../../oci/error.ts'
import { openDockerArchive } from './docker-archive.ts'
import { type Layout, type LayoutEntry, LayoutError, type Stored } from './layout.ts'
import { readSmall } from './read-stored.ts'
import { readTarMembers } from './tar-members.ts'

/** index.json and manifest.json are lists; what is larger is none. */
const LARGEST_LIST = 16 * 1024 * 1024
const NAMES = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'] as const

/** A file below the layout's root by its name there. */
export type FindFile = (name: string) => Stored | undefined

/** @throws LayoutError */
export async function openLayout(path: string): Promise<Layout> {
  let stats: Stats | undefined
  try {
    stats = statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw new LayoutError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  if (stats === undefined) throw new LayoutError(`${path}: there is no such file or folder`)
  const isFolder = stats.isDirectory()
  if (!isFolder && !stats.isFile())
    throw new LayoutError(`${path} is neither a folder nor a file: save the image into a file first`)
  const find = isFolder ? filesBelow(path) : membersOf(path)
  // What newer engines save is both: a layout says more, and keeps the layers as they were.
  if (find('oci-layout') !== undefined || (isFolder && find('index.json') !== undefined))
    return openOci(path, find)
  const list = find('manifest.json')
  if (list !== undefined) {
    const inside = isFolder ? onlyBelow(path, find) : find
    return openDockerArchive(path, inside, parseJson(readSmall(list, LARGEST_LIST), list))
  }
  throw new LayoutError(
    `${path} is no image layout (${isFolder ? 'the folder' : 'the tar'} has no file "oci-layout"), and not what "docker save" writes`,
  )
}

function filesBelow(folder: string): FindFile {
  return (name) => {
    const path = join(folder, name)
    let stats: Stats | undefined
    try {
      stats = statSync(path, { throwIfNoEntry: false })
    } catch (error) {
      throw new LayoutError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
    }
    return stats?.isFile() === true ? { path, at: 0, size: stats.size, shown: path } : undefined
  }
}

/**
 * Where a layout names files by their paths, and by no digest, none outside of it is meant: pushing it would give away
 * what whoever made the layout may not read.
 */
function onlyBelow(folder: string, find: FindFile): FindFile {
  const root = `${realpathSync(folder)}${sep}`
  return (name) => {
    const found = find(name)
    return found !== undefined && realpathSync(found.path).startsWith(root) ? found : undefined
  }
}

function membersOf(path: string): FindFile {
  const members = readTarMembers(path)
  return (name) => {
    const member = members.get(name)
    return member && { path, ...member, shown: `${name} in ${basename(path)}` }
  }
}

function openOci(path: string, find: FindFile): Layout {
  const index = find('index.json')
  if (index === undefined) throw new LayoutError(`${path} has no index.json: it is no whole image layout`)
  const document = parseJson(readSmall(index, LARGEST_LIST), index)
  const { manifests } = (document ?? {}) as { manifests?: unknown }
  if (!Array.isArray(manifests)) throw new LayoutError(`${index.shown} has no list of manifests`)
  return {
    shown: path,
    entries: manifests.map((one, position) => entryOf(one, `${index.shown}: manifests[${position}]`)),
    made: new Map(),
    find: (digest) => find(`blobs/${digest.replace(':', '/')}`),
  }
}

function entryOf(value: unknown, at: string): LayoutEntry {
  try {
    const descriptor = descriptorOf(value, at)
    const names = NAMES.map((name) => descriptor.annotations?.[name]).filter((name) => name !== undefined)
    return { descriptor, names: [...new Set(names)] }
  } catch (error) {
    if (error instanceof RegistryError) throw new LayoutError(error.message)
    throw error
  }
}

function parseJson(bytes: Buffer, { shown }: Stored): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new LayoutError(`${shown} is not JSON`)
  }
}

/**
 * What a person named may have a name of the layout's after it: `dist/image:1.0`, `image.tar:localhost:5000/app:1`.
 * The first part that is there is the layout, so that paths with colons can be named too.
 */
export function splitLayout(text: string): { path: string; name?: string; digest?: string } {
  if (exists(text)) return { path: text }
  for (let at = text.search(/[:@]/); at >= 0;) {
    const path = text.slice(0, at)
    const rest = text.slice(at + 1)
    if (path !== '' && rest !== '' && exists(path))
      return text[at] === '@' ? { path, digest: rest } : { path, name: rest }
    const next = rest.search(/[:@]/)
    at = next < 0 ? -1 : at + 1 + next
  }
  return { path: text }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}
