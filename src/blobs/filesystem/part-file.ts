/**
 * The open file of an upload, synced behind the writer's back: a disk that begins when the last byte is there takes
 * as long again as the upload took. A sync that fails makes the file unusable for good, whoever notices it: the system
 * may have dropped the bytes and would say at the next sync that all is well (Linux marks the pages clean).
 */
import { closeSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import type { ObjectId } from '../blob-store.ts'
import { closeFile, ifThere, openFile, syncData as syncDataOf } from './calls.ts'
import type { Folders } from './folders.ts'
import type { Names } from './names.ts'

export type PartFile = {
  readonly file: number
  /** Begins a sync, if none is under way, of what the system has by now. */
  syncBehind(): void
  /** Everything up to now was written: from here on only a sync that begins later will do. It begins at once. */
  written(): void
  /** Resolves when what was {@link written} is on the disk. @throws what a sync failed with; the file is removed then */
  synced(): Promise<void>
  /** After {@link synced}: waits for no disk, and for no trip to the thread pool. */
  closeSynced(): void
  /** Waits for a sync under way. Never fails because of one. */
  close(): Promise<void>
}

/** @param path where it is, if a failed sync is to remove it */
export function createPartFile(file: number, path?: string, syncData = syncDataOf): PartFile {
  let writes = 1 // What others left in the file counts, too.
  let covered = 0
  let failure: Error | undefined
  let running: Promise<void> | undefined

  const sync = async (): Promise<void> => {
    const before = writes
    try {
      await syncData(file)
      covered = before
    } catch (error) {
      failure ??= error as Error
      if (path !== undefined) await unlink(path).catch(() => undefined)
    } finally {
      running = undefined
    }
  }
  const begin = (): Promise<void> => (running ??= sync())
  return {
    file,
    syncBehind: () => void begin(),
    written() {
      writes += 1
      void begin()
    },
    async synced() {
      while (covered < writes && failure === undefined) await begin()
      if (failure !== undefined) throw failure
    },
    closeSynced: () => closeSync(file),
    async close() {
      await running
      await closeFile(file)
    },
  }
}

/** Undefined: there is no such file. */
export async function openPartFile(path: string): Promise<PartFile | undefined> {
  const file = await ifThere(openFile(path, 'r+'))
  return file === undefined ? undefined : createPartFile(file, path)
}

/** An empty one, in a folder that is made again where it is missing. */
export async function makePartFile(
  { names, folders }: { names: Names; folders: Pick<Folders, 'restore'> },
  id: ObjectId,
): Promise<PartFile> {
  const path = names.part(id)
  const file = await ifThere(openFile(path, 'w+'))
  if (file !== undefined) return createPartFile(file, path)
  await folders.restore(names.folder(id))
  return createPartFile(await openFile(path, 'w+'), path)
}
