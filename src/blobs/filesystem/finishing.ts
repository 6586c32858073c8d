/**
 * Makes an object durable: sync of the data, rename in the same folder, sync of the folder. Each step may be
 * repeated, by anyone: after a kill the next call goes on from where the last one came to.
 */
import { closeSync, fstatSync } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { LostBytesError, type BlobStore, type ObjectStat, type UploadState } from '../blob-store.ts'
import { ifThere, openFile, stampOf, syncData, truncateFile } from './calls.ts'
import type { Folders } from './folders.ts'
import type { Names } from './names.ts'

export function createFinishing({
  names,
  folders,
}: {
  names: Names
  folders: Pick<Folders, 'sync' | 'restore'>
}): Pick<BlobStore, 'finish'> {
  /** An upload without a byte never made a file. */
  const makeEmpty = async ({ object: { id } }: UploadState): Promise<number> => {
    const file = await ifThere(openFile(names.part(id), 'w+'))
    if (file !== undefined) return file
    await folders.restore(names.folder(id))
    return openFile(names.part(id), 'w+')
  }
  /** Whoever got it there may have died before the folder was synced. */
  const finishedBefore = async (state: UploadState, digest: Digest): Promise<ObjectStat | undefined> => {
    const file = await ifThere(openFile(names.finished(state.object.id, digest), 'r+'))
    return file === undefined ? undefined : syncAndClose(file, state)
  }
  const finishPart = async (file: number, state: UploadState, digest: Digest): Promise<ObjectStat> => {
    const { id } = state.object
    const part = names.part(id)
    const stat = await syncAndClose(file, state, part)
    const renamed = await ifThere(rename(part, names.finished(id, digest)).then(() => true))
    const result = renamed === true ? stat : await finishedBefore(state, digest)
    if (result === undefined) throw new LostBytesError(id, 'it was removed while it was being finished')
    return result
  }
  return {
    async finish(state, digest) {
      const { id } = state.object
      const part = await ifThere(openFile(names.part(id), 'r+'))
      let result =
        part === undefined ? await finishedBefore(state, digest) : await finishPart(part, state, digest)
      if (result === undefined && state.received === 0) {
        result = await finishPart(await makeEmpty(state), state, digest)
      }
      if (result === undefined) throw new LostBytesError(id, 'the bytes received earlier are gone')
      await folders.sync(names.folder(id))
      return result
    },
  }
}

/** @param part where the file is, if a failed sync is to remove it */
async function syncAndClose(
  file: number,
  { object, received }: UploadState,
  part?: string,
): Promise<ObjectStat> {
  try {
    await syncOrRemove(file, part)
    // What was synced this moment waits for no disk: two trips to the thread pool would cost more than the calls.
    let stats = fstatSync(file)
    if (stats.size < received) {
      throw new LostBytesError(object.id, `of ${received} bytes received earlier, ${stats.size} are left`)
    }
    if (stats.size > received) {
      if (part === undefined) throw new LostBytesError(object.id, 'it is finished with more bytes')
      await truncateFile(file, received)
      await syncOrRemove(file, part)
      stats = fstatSync(file)
    }
    return { size: received, stamp: stampOf(stats) }
  } finally {
    closeSync(file)
  }
}

/**
 * After a failed sync the system may have dropped the bytes, and the next sync would say that all is well
 * (Linux marks the pages clean): they can't be trusted any more, and the upload has to begin again.
 */
async function syncOrRemove(file: number, part: string | undefined): Promise<void> {
  try {
    await syncData(file)
  } catch (error) {
    if (part !== undefined) await unlink(part).catch(() => undefined)
    throw error
  }
}
