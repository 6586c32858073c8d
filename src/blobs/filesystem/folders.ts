/** The folders of the store: made once, all at a time, and synced when a name in them changed. */
import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { closeFile, ifThere, openFile, syncFile } from './calls.ts'
import { FOLDERS, type Names } from './names.ts'
import { createSharedSync } from './shared-sync.ts'

/**
 * Makes the 256 folders where there are none. They appear all at once, by one rename: where `objects` is, all are.
 * The names that lead to it are synced at each start, which costs nothing when nothing changed: a process may have
 * died between making and syncing them.
 */
export async function prepareFolders({ berth, objects }: Pick<Names, 'berth' | 'objects'>): Promise<void> {
  const firstMade = await mkdir(berth, { recursive: true })
  if ((await ifThere(stat(objects))) === undefined) await makeFolders(objects)
  const top = dirname(firstMade ?? berth)
  for (let folder = berth; ; folder = dirname(folder)) {
    await syncFolderOnce(folder)
    if (folder === top || folder === dirname(folder)) return
  }
}

async function makeFolders(objects: string): Promise<void> {
  const draft = `${objects}.new-${randomUUID()}`
  await mkdir(draft)
  for (const name of FOLDERS) await mkdir(join(draft, name))
  await syncFolderOnce(draft)
  try {
    await rename(draft, objects)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    // Another process was faster; its folders are as good.
    if ((await ifThere(stat(objects))) === undefined) throw error
  }
}

async function syncFolderOnce(folder: string): Promise<void> {
  const file = await openFile(folder, 'r')
  try {
    await syncFile(file)
  } finally {
    await closeFile(file)
  }
}

export type Folders = {
  /** Resolves after a sync of the folder that began after this call did. */
  sync(folder: string): Promise<void>
  /** Makes one of the 256 again: a copy of the data made without empty folders lacks some. */
  restore(folder: string): Promise<void>
  close(): Promise<void>
}

/** Keeps the folders open, so that a sync is one trip to the thread pool. */
export function createFolders(): Folders {
  const files = new Map<string, Promise<number>>()

  const open = (folder: string): Promise<number> => {
    const known = files.get(folder)
    if (known !== undefined) return known
    const opened = openFile(folder, 'r')
    files.set(folder, opened)
    opened.catch(() => files.delete(folder))
    return opened
  }
  return {
    sync: createSharedSync(async (folder) => syncFile(await open(folder))),
    async restore(folder) {
      if (!FOLDERS.includes(basename(folder))) throw new Error('not a folder of objects')
      await mkdir(folder, { recursive: true })
      await syncFolderOnce(dirname(folder))
      const stale = await files.get(folder)
      files.delete(folder)
      if (stale !== undefined) await closeFile(stale)
    },
    async close() {
      const opened = await Promise.allSettled(files.values())
      files.clear()
      for (const one of opened) if (one.status === 'fulfilled') await closeFile(one.value)
    },
  }
}
