/** Tar archives in memory, always the same bytes for the same entries: sorted, owner 0, one time. */
import { packTar, unpackTar, type TarEntry } from 'modern-tar'

/** What lies at a path of an image. Paths have no slash at either end. */
export type Entry =
  | { kind: 'file'; mode: number; bytes: Uint8Array }
  | { kind: 'folder'; mode: number }
  | { kind: 'link'; target: string }

/** Path → what lies there. */
export type Entries = Map<string, Entry>

/** The time of every file: 2026-01-01. A time that moved would be a new digest for the same content. */
export const TIME = new Date(1_767_225_600_000)

/** Folders that are on the way to an entry and are not there themselves are made, with mode 755. */
export async function tarOf(entries: Entries): Promise<Uint8Array> {
  const all: Entries = new Map(entries)
  for (const path of entries.keys()) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const above = path.slice(0, at)
      if (!all.has(above)) all.set(above, { kind: 'folder', mode: 0o755 })
    }
  }
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1))
  return packTar(sorted.map(([path, entry]) => tarEntry(path, entry)))
}

function tarEntry(path: string, entry: Entry): TarEntry {
  const header = { mtime: TIME, uid: 0, gid: 0, uname: '', gname: '', size: 0 }
  switch (entry.kind) {
    case 'folder':
      return { header: { ...header, name: `${path}/`, type: 'directory', mode: entry.mode } }
    case 'link':
      return { header: { ...header, name: path, type: 'symlink', mode: 0o777, linkname: entry.target } }
    case 'file': {
      const { bytes, mode } = entry
      return { header: { ...header, name: path, type: 'file', mode, size: bytes.length }, body: bytes }
    }
  }
}

/**
 * Reads an archive. A hard link becomes a file of its own.
 * @param wanted which paths are kept; what they stand for is read only for those
 * @throws Error: damaged, a hard link to what is not there, or an entry that no image of ours has (a device)
 */
export async function entriesOf(
  archive: Uint8Array,
  wanted: (path: string) => boolean = () => true,
): Promise<Entries> {
  const entries: Entries = new Map()
  for (const { header, data } of await unpackTar(archive, { strict: true })) {
    const path = plainPath(header.name)
    const mode = (header.mode ?? 0o644) & 0o7777
    if (path === '' || !wanted(path)) continue
    const linkname = header.linkname ?? ''
    if (header.type === 'directory') entries.set(path, { kind: 'folder', mode })
    else if (header.type === 'symlink') entries.set(path, { kind: 'link', target: linkname })
    else if (header.type === 'link') entries.set(path, linked(entries, path, plainPath(linkname)))
    else if (header.type === undefined || header.type === 'file')
      entries.set(path, { kind: 'file', mode, bytes: data ?? new Uint8Array() })
    else throw new Error(`the archive has a ${header.type} at ${path}`)
  }
  return entries
}

function linked(entries: Entries, path: string, target: string): Entry {
  const entry = entries.get(target)
  if (entry === undefined) throw new Error(`${path} is a link to ${target}, which is not in the archive`)
  return entry
}

/** `./usr/lib/` → `usr/lib`. */
function plainPath(name: string): string {
  return name
    .replace(/^(?:\.?\/)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '')
}

export function textFile(text: string, mode = 0o644): Entry {
  return { kind: 'file', mode, bytes: Buffer.from(text) }
}
