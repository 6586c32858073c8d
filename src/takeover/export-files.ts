/**
 * Files as CNCF Distribution makes them: one has another name until it is whole and durable, folders are 0777 and files
 * 0666 less the umask, and what root makes belongs to the folder's owner. Names are made durable many at a time.
 */
import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { concurrently } from '../lib/concurrently.ts'
import { codeOf, isAbsent } from './file-errors.ts'
import { DISTRIBUTION_ROOT } from './found.ts'

type Owner = { uid: number; gid: number }

/** Paths are whole ones. */
export type ExportFiles = {
  /** Whose the files are to be; undefined: ours. */
  owner: Owner | undefined
  ensureFolder(folder: string): Promise<void>
  /**
   * @param make writes the file under another name; it says whether that is a second name of an older file
   * @param at its time. Milliseconds
   */
  put(file: string, make: (temporary: string) => Promise<'new' | 'shared'>, at?: number): Promise<void>
  remove(path: string): Promise<void>
  removeIfEmpty(folder: string): Promise<void>
  /** Makes the names that were made and removed since the last call survive a power cut. */
  flush(): Promise<void>
}

const CONCURRENT_SYNCS = 8
const KNOWN_FOLDERS = 10_000

/** @throws what the system says, before anything is changed, where nothing can be written */
export async function openExportFiles(root: string): Promise<ExportFiles> {
  const owner = await prepare(root)
  const dirty = new Set<string>()
  const known = new Set<string>()
  const ensureFolder = async (folder: string): Promise<void> => {
    if (known.has(folder)) return
    if (known.size > KNOWN_FOLDERS) known.clear()
    for (const made of await makeFolders(folder, owner)) dirty.add(made)
    known.add(folder)
  }
  const gone = (path: string): void => {
    known.clear()
    dirty.add(dirname(path))
  }
  return {
    owner,
    ensureFolder,
    async put(file, make, at) {
      await ensureFolder(dirname(file))
      await putFile(file, make, at, owner)
      dirty.add(dirname(file))
    },
    async remove(path) {
      await fs.rm(path, { recursive: true, force: true })
      gone(path)
    },
    async removeIfEmpty(folder) {
      await fs.rmdir(folder).catch((error: unknown) => {
        if (!isAbsent(error) && !['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error
      })
      gone(folder)
    },
    async flush() {
      const folders = [...dirty]
      dirty.clear()
      await concurrently(folders, CONCURRENT_SYNCS, syncFolder)
    },
  }
}

/** For a dry run: nothing is done. */
export const NO_FILES: ExportFiles = {
  owner: undefined,
  ensureFolder: async () => undefined,
  put: async () => undefined,
  remove: async () => undefined,
  removeIfEmpty: async () => undefined,
  flush: async () => undefined,
}

/** @returns the folders in which there are new names now */
async function makeFolders(folder: string, owner: Owner | undefined): Promise<string[]> {
  const first = await fs.mkdir(folder, { recursive: true, mode: 0o777 })
  if (first === undefined) return []
  const made = relative(dirname(first), folder).split(sep)
  const folders = made.map((_, index) => join(dirname(first), ...made.slice(0, index + 1)))
  if (owner !== undefined) for (const one of folders) await fs.chown(one, owner.uid, owner.gid)
  return [dirname(first), ...folders]
}

async function putFile(
  file: string,
  make: (temporary: string) => Promise<'new' | 'shared'>,
  at: number | undefined,
  owner: Owner | undefined,
): Promise<void> {
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
}

async function prepare(root: string): Promise<Owner | undefined> {
  const tree = join(root, DISTRIBUTION_ROOT)
  const owner = process.getuid?.() === 0 ? await ownerOf([tree, root, dirname(root)]) : undefined
  await makeFolders(tree, owner)
  const probe = join(tree, `.${randomUUID()}.tmp`)
  try {
    await writeSynced(probe, Buffer.alloc(0))
  } finally {
    await fs.rm(probe, { force: true })
  }
  return owner
}

/** Of the first one that is there; undefined: root. */
async function ownerOf(paths: readonly string[]): Promise<Owner | undefined> {
  for (const path of paths) {
    const stats = await statOf(path)
    if (stats !== undefined) return stats.uid === 0 ? undefined : { uid: stats.uid, gid: stats.gid }
  }
  return undefined
}

/** @returns undefined: there is no such file */
export async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await fs.stat(path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

export async function writeSynced(file: string, bytes: Uint8Array): Promise<'new'> {
  const handle = await fs.open(file, 'wx', 0o666)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
    return 'new'
  } finally {
    await handle.close()
  }
}

export async function syncFile(file: string): Promise<void> {
  const handle = await fs.open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** One that was removed since has nothing to be synced. */
async function syncFolder(folder: string): Promise<void> {
  await syncFile(folder).catch((error: unknown) => {
    if (!isAbsent(error)) throw error
  })
}
