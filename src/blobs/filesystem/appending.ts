/**
 * Takes bytes in. Small bodies are hashed where they arrive and written by one call. Larger ones go to a hashing
 * worker a slab at a time: while a slab is hashed and written the next chunks are collected, and a client that
 * stalls holds nothing but what it sent.
 *
 * Bytes beyond `state.received` never count: they are cut off before an append writes, and after one that fails, so
 * that a full disk gets its space back.
 */
import {
  LostBytesError,
  type AppendResult,
  type BlobStore,
  type ObjectId,
  type UploadState,
} from '../blob-store.ts'
import { createBodyReader, type BodyReader } from '../body-reader.ts'
import { createChunkQueue, type ChunkQueue } from '../chunk-queue.ts'
import { HASHED_ON_MAIN_THREAD, type FileHash } from '../hashing/file-hash.ts'
import type { Hashing } from '../hashing/hashing.ts'
import { closeFile, ifThere, openFile, statFile, truncateFile, writeAllAt } from './calls.ts'
import type { Folders } from './folders.ts'
import type { Names } from './names.ts'

/** What goes to a worker at a time: while it is busy with this upload, and while it is not. */
const BUSY_BATCH = 1024 * 1024
const IDLE_BATCH = 512 * 1024
/** When all uploads together hold more than this, each sends what it has in smaller batches. */
const CROWDED = 16 * 1024 * 1024
const CROWDED_BATCH = 64 * 1024

export function createAppending({
  names,
  folders,
  hashing,
}: {
  names: Names
  folders: Pick<Folders, 'restore'>
  hashing: Hashing
}): Pick<BlobStore, 'append'> {
  const { waiting } = hashing
  const crowded = (): boolean => waiting.bytes > CROWDED

  const openPart = async ({ object: { id }, received }: UploadState): Promise<number> => {
    const path = names.part(id)
    if (received > 0) return openAt(path, received, id)
    return (await ifThere(openFile(path, 'w+'))) ?? restoreAndOpen(path, id)
  }
  const restoreAndOpen = async (path: string, id: ObjectId): Promise<number> => {
    await folders.restore(names.folder(id))
    return openFile(path, 'w+')
  }
  /** Collects a small body whole. False: there is more than belongs on the main thread. */
  const collect = async (
    hash: FileHash,
    body: BodyReader,
    queue: ChunkQueue,
    length: number,
  ): Promise<boolean> => {
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) {
      queue.push(chunk)
      const bytes = hash.length + Math.max(queue.bytes, length)
      if (hash.moved || bytes > HASHED_ON_MAIN_THREAD) return false
      if (crowded() && queue.bytes >= CROWDED_BATCH) return false
    }
    return !hash.moved
  }
  const batch = (hash: FileHash): number => {
    if (crowded()) return CROWDED_BATCH
    return hash.idle ? IDLE_BATCH : BUSY_BATCH
  }
  const pump = async (hash: FileHash, body: BodyReader, queue: ChunkQueue, file: number): Promise<void> => {
    let position = hash.length
    await hash.begin(file)
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) {
      queue.push(chunk)
      while (queue.bytes >= batch(hash)) position += await hash.send(queue, file, position)
    }
    while (queue.bytes > 0) position += await hash.send(queue, file, position)
    await hash.settle()
  }
  /** Writes before it hashes, so that a failure leaves the hash where it was. */
  const writeHere = async (hash: FileHash, queue: ChunkQueue, file: number): Promise<void> => {
    const chunks = queue.takeAll()
    await writeAllAt(file, chunks, hash.length)
    hash.updateHere(chunks)
  }
  const store = async (
    state: UploadState,
    hash: FileHash,
    body: BodyReader,
    length: number,
  ): Promise<void> => {
    const queue = createChunkQueue(waiting)
    try {
      const small = await collect(hash, body, queue, length)
      if (queue.bytes === 0) return
      const file = await openPart(state)
      try {
        if (small) await writeHere(hash, queue, file)
        else await pump(hash, body, queue, file)
      } catch (error) {
        await takeBack(hash, file, state.received)
        throw error
      } finally {
        await closeFile(file)
      }
    } finally {
      queue.clear()
    }
  }
  return {
    async append(state, body, { signal, hash, length }): Promise<AppendResult> {
      if (!hashing.owns(hash)) throw new Error('the hash was not made by this store')
      if (hash.length !== state.received) throw new Error('the hash and the upload are not equally far')
      if (state.object.path !== undefined) throw new Error('what was taken over is never written')
      const reader = createBodyReader(body, signal)
      try {
        await store(state, hash, reader, length ?? 0)
      } finally {
        reader.close()
      }
      const result = { state: { ...state, received: hash.length } }
      return reader.failure === undefined ? result : { ...result, failure: reader.failure }
    },
  }
}

async function openAt(path: string, received: number, id: ObjectId): Promise<number> {
  const file = await ifThere(openFile(path, 'r+'))
  if (file === undefined) throw new LostBytesError(id, `the ${received} bytes received earlier are gone`)
  try {
    const { size } = await statFile(file)
    if (size < received)
      throw new LostBytesError(id, `of ${received} bytes received earlier, ${size} are left`)
    if (size > received) await truncateFile(file, received)
    return file
  } catch (error) {
    await closeFile(file)
    throw error
  }
}

/** The append failed already; what fails here too is made good by the next append, which cuts off what it finds. */
async function takeBack(hash: FileHash, file: number, received: number): Promise<void> {
  await hash.undo()
  await truncateFile(file, received).catch(() => undefined)
}
