/**
 * The folder that CNCF Distribution reads, written as it writes it: a new file has another name until it is whole and
 * durable, folders 0777 and files 0666 less the umask, and what root makes belongs to the folder's owner. What is there
 * as it should be is not touched; as that is nearly all of it in a second run, it is looked at by calls that do not leave
 * this thread. {@link ExportTree.flush} makes names durable, many at a time.
 */
import { createHash, randomUUID } from 'node:crypto'
import { constants, createReadStream, readFileSync, type Stats, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { algorithmOf, type Digest } from '../oci/digest.ts'
import { concurrently } from './concurrently.ts'
import { DISTRIBUTION_ROOT } from './found.ts'
import { linkText } from './layout.ts'
import { readLinkFile } from './read-link.ts'

export type Placed = 'there' | 'linked' | 'copied'

export type ExportTree = {
  /** Where the tree is; paths given to the others are below it, with slashes. */
  root: string
  ensureFolder(path: string): Promise<void>
  /** @param at the file's time, where it is written. Milliseconds */
  writeLink(
    path: string,
    digest: Digest,
    at: number,
    how?: LinkOptions,
  ): Promise<'there' | 'written' | 'later'>
  /** The bytes of a manifest. @returns whether they were written */
  writeBytes(path: string, bytes: Uint8Array): Promise<boolean>
  /**
   * A blob's file, as a second name of `source` where the filesystem can do that.
   * @param source undefined: its bytes are not to be trusted
   * @returns absent, wrong: `source` is not there or not `size` long, and what has its place in the tree neither
   */
  placeBlob(
    path: string,
    digest: Digest,
    source: string | undefined,
    size: number,
  ): Promise<Placed | 'absent' | 'wrong'>
  /** Takes a link file, or the folder of a tag, away. */
  remove(path: string): Promise<void>
  removeIfEmpty(path: string): Promise<void>
  /** Makes all names written since the last call survive a power cut. */
  flush(): Promise<void>
}

export type LinkOptions = {
  /** One that is there gets the time `at` as well. */
  keepsTime?: boolean
  /** One that says something else is left as it is where it was written after this time. */
  unlessLaterThan?: number
}

export type TreeOptions = {
  root: string
  /** Says what would be written and changes nothing. */
  isDryRun: boolean
}

const CONCURRENT_SYNCS = 8
const NO_HARD_LINKS: ReadonlySet<string> = new Set([
  'EXDEV',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
])
/** Filesystems keep times no finer than this, FAT 2 s; the order of a tag's moves survives it. */
const SAME_TIME_MS = 2000

export async function openExportTree({ root, isDryRun }: TreeOptions): Promise<ExportTree> {
  const owner = isDryRun ? undefined : await prepare(root)
  const dirty = new Set<string>()
  const known = new Set<string>()
  const full = (path: string): string => join(root, path)

  async function ensure(folder: string): Promise<void> {
    if (isDryRun || known.has(folder)) return
    if (known.size > 10_000) known.clear()
    const first = await fs.mkdir(folder, { recursive: true, mode: 0o777 })
    known.add(folder)
    if (first === undefined) return
    for (let made = folder; made.length >= first.length; made = dirname(made)) {
      dirty.add(made)
      if (owner !== undefined) await fs.chown(made, owner.uid, owner.gid)
    }
    dirty.add(dirname(first))
  }

  /** @param make writes the file under a name of its own; it says whether that is a second name of an older file */
  async function put(
    file: string,
    make: (temporary: string) => Promise<'new' | 'shared'>,
    at?: number,
  ): Promise<void> {
    if (isDryRun) return
    await ensure(dirname(file))
    const temporary = `${file}.${randomUUID()}.tmp`
    try {
      const made = await make(temporary)
      if (owner !== undefined && made === 'new') await fs.chown(temporary, owner.uid, owner.gid)
      if (at !== undefined) await fs.utimes(temporary, at / 1000, at / 1000)
      await fs.rename(temporary, file)
    } catch (error) {
      await fs.rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
    dirty.add(dirname(file))
  }

  let canLink = true
  async function linkOrCopy(file: string, source: string): Promise<Placed> {
    let placed: Placed = 'linked'
    const { mtimeMs, mode, uid } = await fs.stat(source)
    // What only its owner may read is of no use to another user under a second name.
    const isReadable = owner === undefined || owner.uid === uid || (mode & 0o004) !== 0
    await put(file, async (temporary) => {
      if (canLink && isReadable) {
        if (await linked(source, temporary)) return 'shared'
        canLink = false
      }
      placed = 'copied'
      await fs.copyFile(source, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
      await fs.utimes(temporary, mtimeMs / 1000, mtimeMs / 1000)
      await syncPath(temporary)
      return 'new'
    })
    return placed
  }

  return {
    root,
    ensureFolder: (path) => ensure(full(path)),
    async writeLink(path, digest, at, { keepsTime = false, unlessLaterThan = Infinity } = {}) {
      const file = full(path)
      const text = linkText(digest)
      const found = readLinkFile(file)
      if (found.kind === 'link' && found.text === text) {
        const isOff = keepsTime && Math.abs(found.at - at) >= SAME_TIME_MS
        if (isOff && !isDryRun) await fs.utimes(file, at / 1000, at / 1000)
        return 'there'
      }
      if (found.kind !== 'absent' && ((await statOf(file))?.mtimeMs ?? 0) > unlessLaterThan) return 'later'
      await put(file, (temporary) => writeSynced(temporary, Buffer.from(text)), at)
      return 'written'
    },
    async writeBytes(path, bytes) {
      const file = full(path)
      const size = statSync(file, { throwIfNoEntry: false })?.size
      if (size === bytes.byteLength && readFileSync(file).equals(bytes)) return false
      await put(file, (temporary) => writeSynced(temporary, bytes))
      return true
    },
    async placeBlob(path, digest, source, size) {
      const file = full(path)
      const there = await statOf(file)
      const origin = source === undefined ? undefined : await statOf(source)
      if (source === undefined || origin?.isFile() !== true || origin.size !== size) {
        if (there?.isFile() !== true) return 'absent'
        return (await hasDigest(file, digest)) ? 'there' : 'wrong'
      }
      if (there !== undefined && (await isSame(there, origin, file, digest))) return 'there'
      return linkOrCopy(file, source)
    },
    async remove(path) {
      if (isDryRun) return
      await fs.rm(full(path), { recursive: true, force: true })
      dirty.add(dirname(full(path)))
    },
    async removeIfEmpty(path) {
      if (isDryRun) return
      await fs.rmdir(full(path)).catch((error: NodeJS.ErrnoException) => {
        if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(error.code ?? '')) throw error
      })
      known.delete(full(path))
      dirty.add(dirname(full(path)))
    },
    async flush() {
      const folders = [...dirty]
      dirty.clear()
      await concurrently(folders, CONCURRENT_SYNCS, (folder) => syncPath(folder, 'ENOENT'))
    },
  }
}

/** Finds out before anything is changed whether it can be. @returns whose the files are to be; undefined: ours */
async function prepare(root: string): Promise<{ uid: number; gid: number } | undefined> {
  const tree = join(root, DISTRIBUTION_ROOT)
  const isRoot = process.getuid?.() === 0
  const whose = isRoot
    ? ((await statOf(tree)) ?? (await statOf(root)) ?? (await statOf(dirname(root))))
    : undefined
  const owner = whose === undefined || whose.uid === 0 ? undefined : { uid: whose.uid, gid: whose.gid }
  const first = await fs.mkdir(tree, { recursive: true, mode: 0o777 })
  if (first !== undefined && owner !== undefined) {
    const made = relative(dirname(first), tree).split(sep)
    for (let depth = 1; depth <= made.length; depth++)
      await fs.chown(join(dirname(first), ...made.slice(0, depth)), owner.uid, owner.gid)
  }
  const probe = join(tree, `.${randomUUID()}.tmp`)
  try {
    await writeSynced(probe, Buffer.alloc(0))
  } finally {
    await fs.rm(probe, { force: true })
  }
  return owner
}

/** The same file, or a copy of its bytes: one of the same age was made here, any other one is read. */
async function isSame(there: Stats, origin: Stats, file: string, digest: Digest): Promise<boolean> {
  if (there.size !== origin.size) return false
  if (there.dev === origin.dev && there.ino === origin.ino) return true
  if (Math.abs(there.mtimeMs - origin.mtimeMs) < 1) return true
  return hasDigest(file, digest)
}

async function hasDigest(file: string, digest: Digest): Promise<boolean> {
  const hash = createHash(algorithmOf(digest))
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer)
  return digest.endsWith(`:${hash.digest('hex')}`)
}

async function linked(source: string, target: string): Promise<boolean> {
  try {
    await fs.link(source, target)
    return true
  } catch (error) {
    if (NO_HARD_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await fs.stat(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<'new'> {
  const handle = await fs.open(file, 'wx', 0o666)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
    return 'new'
  } finally {
    await handle.close()
  }
}

async function syncPath(path: string, unless?: string): Promise<void> {
  let handle: fs.FileHandle
  try {
    handle = await fs.open(path, 'r')
  } catch (error) {
    if (unless !== undefined && (error as NodeJS.ErrnoException).code === unless) return
    throw error
  }
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
