/**
 * Blobs as files of one data folder (see `names.ts` for where). Nothing is written in place once it is finished, no
 * name is used twice, and opening the store reads no folder.
 */
import { randomUUID } from 'node:crypto'
import { stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger, type Logger } from '../../lib/logger.ts'
import type {
  BlobStore,
  ByteSource,
  ObjectStat,
  RemoveResult,
  StoredObject,
  UploadState,
} from '../blob-store.ts'
import { createBytesCache } from '../bytes-cache.ts'
import { createBytesSource } from '../bytes-source.ts'
import { createHashing } from '../hashing/hashing.ts'
import { createReadBuffers, type ReadBuffers } from '../read-buffers.ts'
import { createAppending } from './appending.ts'
import { closeFile, ifThere, isAbsent, openFile, stampOf, statFile } from './calls.ts'
import { createFileSource } from './file-source.ts'
import { createFinishing } from './finishing.ts'
import { createFolders, prepareFolders } from './folders.ts'
import { findFinished, listObjects } from './listing.ts'
import { mostOpenFiles } from './most-open-files.ts'
import { createNames, type Names } from './names.ts'
import { createOpenFiles } from './open-files.ts'
import { createOpenParts } from './open-parts.ts'
import { createReading } from './reading.ts'

export type FilesystemOptions = {
  /** The data folder; it is made if need be. */
  root: string
  log?: Logger
  /** Blobs of up to this many bytes are served from memory. */
  smallBlobBytes?: number
  /** Bytes of such blobs that are kept. */
  cacheBytes?: number
  /** Files kept open between reads (absent: as many as the system has room for), and for how long. */
  openFiles?: number
  openFilesIdleMs?: number
}

/** Uploads whose file stays open between their requests, and for how long. */
const OPEN_PARTS = 128
const OPEN_PARTS_IDLE_MS = 30_000

/** @throws if the folders cannot be made or synced */
export async function createFilesystemBlobStore({
  root,
  log = silentLogger,
  smallBlobBytes = 64 * 1024,
  cacheBytes = 16 * 1024 * 1024,
  openFiles,
  openFilesIdleMs: idleMs = 60_000,
}: FilesystemOptions): Promise<BlobStore> {
  const names = createNames(root)
  await prepareFolders(names)
  const folders = createFolders()
  const hashing = createHashing({ log })
  const cache = createBytesCache(cacheBytes)
  const files = createOpenFiles({ limit: openFiles ?? (await mostOpenFiles()), idleMs })
  const buffers = createReadBuffers()
  const parts = createOpenParts({ limit: OPEN_PARTS, idleMs: OPEN_PARTS_IDLE_MS })

  const remove = async (object: StoredObject): Promise<RemoveResult> => {
    cache.drop(object.id)
    files.drop(object.id)
    parts.drop(object.id)
    try {
      for (const path of await pathsOf(names, object)) await ifThere(unlink(path))
      return { id: object.id, removed: true }
    } catch (error) {
      return { id: object.id, removed: false, error }
    }
  }
  return {
    ...createReading({ names, cache, cacheBytes, files, buffers, smallBlobBytes, log }),
    plan: (object) => ({ object, received: 0 }),
    createHash: (algorithm, hint) => hashing.createHash(algorithm, hint),
    ...createAppending({ names, folders, hashing, parts }),
    reread: (state, first = 0) => reread(names, buffers, state, first),
    ...createFinishing({ names, folders, parts }),
    async remove(objects) {
      const results: RemoveResult[] = []
      for (const object of objects) results.push(await remove(object))
      return results
    },
    stat: (object) => statObject(names, object),
    fileOf: ({ id, digest, path }) =>
      path === undefined ? names.finished(id, digest) : names.takenOver(path),
    list: (after) => listObjects(names, after),
    probe: () => probe(names),
    async close() {
      await hashing.close()
      await parts.close()
      await files.close()
      await folders.close()
    },
  }
}

/** All names an object may have. */
async function pathsOf(names: Names, object: StoredObject): Promise<string[]> {
  const finished = await finishedPath(names, object)
  const part = object.path === undefined ? [names.part(object.id)] : []
  return finished === undefined ? part : [...part, finished]
}

async function statObject(names: Names, object: StoredObject): Promise<ObjectStat | undefined> {
  const path = await finishedPath(names, object)
  const stats = path === undefined ? undefined : await ifThere(stat(path))
  return stats === undefined ? undefined : { size: stats.size, stamp: stampOf(stats) }
}

async function finishedPath(names: Names, { id, digest, path }: StoredObject): Promise<string | undefined> {
  if (path !== undefined) return names.takenOver(path)
  const finished = digest ?? (await findFinished(names, id))?.digest
  return finished === undefined ? undefined : names.finished(id, finished)
}

async function reread(
  names: Names,
  buffers: ReadBuffers,
  state: UploadState,
  first: number,
): Promise<ByteSource | undefined> {
  const { object, received } = state
  if (received === first) return createBytesSource(new Uint8Array())
  const file = await openUnfinished(names, object)
  if (file === undefined) return undefined
  const done = (): void => void closeFile(file).catch(() => undefined)
  try {
    const { size } = await statFile(file)
    if (size >= received) return createFileSource({ file, first, length: received - first, buffers, done })
  } catch (error) {
    done()
    throw error
  }
  done()
  return undefined
}

/** After a kill between finish and the row's commit, the bytes of an upload have their last name already. */
async function openUnfinished(names: Names, { id }: StoredObject): Promise<number | undefined> {
  const part = await ifThere(openFile(names.part(id), 'r'))
  const finished = part ?? (await finishedPath(names, { id }))
  return typeof finished === 'string' ? ifThere(openFile(finished, 'r')) : finished
}

async function probe({ objects }: Names): Promise<void> {
  const path = join(objects, `.probe-${randomUUID()}`)
  try {
    await writeFile(path, 'probe', { flag: 'wx', flush: true })
  } finally {
    await unlink(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error
    })
  }
}
