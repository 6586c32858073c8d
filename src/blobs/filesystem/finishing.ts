/**
 * Makes an object durable: sync of the data, rename in the same folder, sync of the folder. Each step may be
 * repeated, by anyone: after a kill the next call goes on from where the last one came to.
 */
import { fstatSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { LostBytesError, type BlobStore, type ObjectStat, type UploadState } from '../blob-store.ts'
import { ifThere, openFile, stampOf, truncateFile } from './calls.ts'
import type { Folders } from './folders.ts'
import type { Names } from './names.ts'
import type { OpenParts } from './open-parts.ts'
import { createPartFile, makePartFile, openPartFile, type PartFile } from './part-file.ts'

export function createFinishing({
  names,
  folders,
  parts,
}: {
  names: Names
  folders: Pick<Folders, 'sync' | 'restore'>
  parts: Pick<OpenParts, 'take'>
}): Pick<BlobStore, 'finish'> {
  /** Whoever got it there may have died before the folder was synced. */
  const finishedBefore = async (state: UploadState, digest: Digest): Promise<ObjectStat | undefined> => {
    const file = await ifThere(openFile(names.finished(state.object.id, digest), 'r+'))
    return file === undefined ? undefined : syncAndClose(createPartFile(file), state, true)
  }
  const finishPart = async (part: PartFile, state: UploadState, digest: Digest): Promise<ObjectStat> => {
    const { id } = state.object
    const stat = await syncAndClose(part, state, false)
    const renamed = await ifThere(rename(names.part(id), names.finished(id, digest)).then(() => true))
    const result = renamed === true ? stat : await finishedBefore(state, digest)
    if (result === undefined) throw new LostBytesError(id, 'it was removed while it was being finished')
    return result
  }
  return {
    async finish(state, digest) {
      const { id } = state.object
      const part = parts.take(id, state.received) ?? (await openPartFile(names.part(id)))
      let result =
        part === undefined ? await finishedBefore(state, digest) : await finishPart(part, state, digest)
      if (result === undefined && state.received === 0) {
        // An upload without a byte never made a file.
        result = await finishPart(await makePartFile({ names, folders }, id), state, digest)
      }
      if (result === undefined) throw new LostBytesError(id, 'the bytes received earlier are gone')
      await folders.sync(names.folder(id))
      return result
    },
  }
}

/** @param isFinished it has its last name already */
async function syncAndClose(
  part: PartFile,
  { object, received }: UploadState,
  isFinished: boolean,
): Promise<ObjectStat> {
  try {
    await part.synced()
    // What was synced this moment waits for no disk: two trips to the thread pool would cost more than the calls.
    let stats = fstatSync(part.file)
    if (stats.size < received) {
      throw new LostBytesError(object.id, `of ${received} bytes received earlier, ${stats.size} are left`)
    }
    if (stats.size > received) {
      if (isFinished) throw new LostBytesError(object.id, 'it is finished with more bytes')
      await truncateFile(part.file, received)
      part.written()
      await part.synced()
      stats = fstatSync(part.file)
    }
    return { size: received, stamp: stampOf(stats) }
  } finally {
    part.closeSynced()
  }
}
