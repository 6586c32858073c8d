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
  type AppendOptions,
  type AppendResult,
  type BlobStore,
  type UploadState,
} from '../blob-store.ts'
import { createBodyReader, type BodyReader } from '../body-reader.ts'
import { createChunkQueue, type ChunkQueue, type WaitingBytes } from '../chunk-queue.ts'
import { HASHED_ON_MAIN_THREAD, type FileHash } from '../hashing/file-hash.ts'
import type { Hashing } from '../hashing/hashing.ts'
import { statFile, truncateFile, writeAllAt } from './calls.ts'
import type { Folders } from './folders.ts'
import type { Names } from './names.ts'
import type { OpenParts } from './open-parts.ts'
import { makePartFile, openPartFile, type PartFile } from './part-file.ts'

/** What goes to a worker at a time: while it is busy with this upload, and while it is not. */
const BUSY_BATCH = 1024 * 1024
const IDLE_BATCH = 512 * 1024
/** When all uploads together hold more than this, each sends what it has in smaller batches. */
const CROWDED = 16 * 1024 * 1024
const CROWDED_BATCH = 64 * 1024
/** How often the disk is told to begin with what is there. */
const SYNC_EVERY = 8 * 1024 * 1024

type Rooms = { names: Names; folders: Pick<Folders, 'restore'>; hashing: Hashing; parts: OpenParts }

export function createAppending(rooms: Rooms): Pick<BlobStore, 'append'> {
  return {
    async append(state, body, { signal, hash, length, begin }): Promise<AppendResult> {
      if (!rooms.hashing.owns(hash)) throw new Error('the hash was not made by this store')
      if (hash.length !== state.received) throw new Error('the hash and the upload are not equally far')
      if (state.object.path !== undefined) throw new Error('what was taken over is never written')
      const reader = createBodyReader(body, signal)
      const queue = createChunkQueue(rooms.hashing.waiting, body.done?.bind(body))
      try {
        await store(rooms, state, { hash, reader, queue, waiting: rooms.hashing.waiting, begin }, length ?? 0)
      } finally {
        queue.clear()
        reader.close()
      }
      const result = { state: { ...state, received: hash.length } }
      return reader.failure === undefined ? result : { ...result, failure: reader.failure }
    },
  }
}

type Flow = {
  hash: FileHash
  reader: BodyReader
  queue: ChunkQueue
  waiting: WaitingBytes
  begin: AppendOptions['begin']
}

async function store(rooms: Rooms, state: UploadState, flow: Flow, announced: number): Promise<void> {
  const small = await collect(flow, announced)
  if (flow.queue.bytes === 0) return
  await flow.begin?.(small)
  const part = await openPart(rooms, state)
  try {
    if (small) await writeHere(flow, part.file)
    else await pump(flow, part)
  } catch (error) {
    await takeBack(flow.hash, part.file, state.received)
    await part.close()
    throw error
  }
  part.written()
  rooms.parts.keep(state.object.id, part, flow.hash.length)
}

/** Collects a small body whole. False: there is more than belongs on the main thread. */
async function collect({ hash, reader, queue, waiting }: Flow, announced: number): Promise<boolean> {
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
    queue.push(chunk)
    const bytes = hash.length + Math.max(queue.bytes, announced)
    if (hash.moved || bytes > HASHED_ON_MAIN_THREAD) return false
    if (waiting.bytes > CROWDED && queue.bytes >= CROWDED_BATCH) return false
  }
  return !hash.moved
}

/** Writes before it hashes, so that a failure leaves the hash where it was. */
async function writeHere({ hash, queue }: Flow, file: number): Promise<void> {
  const chunks = queue.takeAll()
  await writeAllAt(file, chunks, hash.length)
  hash.updateHere(chunks)
}

async function pump({ hash, reader, queue, waiting }: Flow, part: PartFile): Promise<void> {
  const { file } = part
  const batch = (): number => {
    if (waiting.bytes > CROWDED) return CROWDED_BATCH
    return hash.idle ? IDLE_BATCH : BUSY_BATCH
  }
  let position = hash.length
  let nextSync = position + SYNC_EVERY
  await hash.begin(file)
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
    queue.push(chunk)
    while (queue.bytes >= batch()) position += await hash.send(queue, file, position)
    if (position < nextSync) continue
    part.syncBehind()
    nextSync = position + SYNC_EVERY
  }
  while (queue.bytes > 0) position += await hash.send(queue, file, position)
  await hash.settle()
}

async function openPart(rooms: Rooms, { object: { id }, received }: UploadState): Promise<PartFile> {
  if (received === 0) return makePartFile(rooms, id)
  const part = rooms.parts.take(id, received) ?? (await openPartFile(rooms.names.part(id)))
  if (part === undefined) throw new LostBytesError(id, `the ${received} bytes received earlier are gone`)
  try {
    const { size, nlink } = await statFile(part.file)
    // Another process may have removed it after a failed sync.
    const left = nlink === 0 ? 0 : size
    if (left < received)
      throw new LostBytesError(id, `of ${received} bytes received earlier, ${left} are left`)
    if (size > received) await truncateFile(part.file, received)
    return part
  } catch (error) {
    await part.close()
    throw error
  }
}

/** The append failed already; what fails here too is made good by the next append, which cuts off what it finds. */
async function takeBack(hash: FileHash, file: number, received: number): Promise<void> {
  await hash.undo()
  await truncateFile(file, received).catch(() => undefined)
}
