/**
 * The folder that CNCF Distribution reads: links, bytes of manifests, files of blobs. What is there as it should be is
 * not touched; as that is nearly all of it in a second run, it is looked at by calls that do not leave this thread.
 */
import { createHash } from 'node:crypto'
import { constants, createReadStream, readFileSync, type Stats, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { algorithmOf, type Digest } from '../oci/digest.ts'
import { type ExportFiles, NO_FILES, openExportFiles, statOf, syncFile, writeSynced } from './export-files.ts'
import { codeOf } from './file-errors.ts'
import { linkText } from './layout.ts'
import { readLinkFile } from './read-link.ts'

type Placed = 'there' | 'linked' | 'copied'

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

type LinkOptions = {
  /** One that is there gets the time `at` as well. */
  keepsTime?: boolean
  /** One that says something else is left as it is where it was written after this time. */
  unlessLaterThan?: number
}

type TreeOptions = {
  root: string
  /** Says what would be written and changes nothing. */
  isDryRun: boolean
}

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

/** @throws what the system says, before anything is changed, where nothing can be written */
export async function openExportTree({ root, isDryRun }: TreeOptions): Promise<ExportTree> {
  const files = isDryRun ? NO_FILES : await openExportFiles(root)
  const full = (path: string): string => join(root, path)
  return {
    root,
    ensureFolder: (path) => files.ensureFolder(full(path)),
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
      await files.put(file, (temporary) => writeSynced(temporary, Buffer.from(text)), at)
      return 'written'
    },
    async writeBytes(path, bytes) {
      const file = full(path)
      const size = statSync(file, { throwIfNoEntry: false })?.size
      if (size === bytes.byteLength && readFileSync(file).equals(bytes)) return false
      await files.put(file, (temporary) => writeSynced(temporary, bytes))
      return true
    },
    ...createPlacing(files, full),
    remove: (path) => files.remove(full(path)),
    removeIfEmpty: (path) => files.removeIfEmpty(full(path)),
    flush: () => files.flush(),
  }
}

function createPlacing(files: ExportFiles, full: (path: string) => string): Pick<ExportTree, 'placeBlob'> {
  let canLink = true
  async function linkOrCopy(file: string, source: string): Promise<Placed> {
    let placed: Placed = 'linked'
    const { mtimeMs, mode, uid } = await fs.stat(source)
    // What only its owner may read is of no use to another user under a second name.
    const isReadable = files.owner === undefined || files.owner.uid === uid || (mode & 0o004) !== 0
    await files.put(file, async (temporary) => {
      if (canLink && isReadable) {
        if (await linked(source, temporary)) return 'shared'
        canLink = false
      }
      placed = 'copied'
      await fs.copyFile(source, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
      await fs.utimes(temporary, mtimeMs / 1000, mtimeMs / 1000)
      await syncFile(temporary)
      return 'new'
    })
    return placed
  }
  return {
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
  }
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
    if (NO_HARD_LINKS.has(codeOf(error) ?? '')) return false
    throw error
  }
}
