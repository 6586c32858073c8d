/** Opens finished objects: small ones through memory, checked against their digest; the rest through open files. */
import type { Logger } from '../../lib/logger.ts'
import { createRecentMap } from '../../lib/recent-map.ts'
import { algorithmOf, digestOf } from '../../oci/digest.ts'
import type { BlobStore, ByteSource, StoredObject } from '../blob-store.ts'
import type { BytesCache } from '../bytes-cache.ts'
import { createBytesSource } from '../bytes-source.ts'
import type { ReadBuffers } from '../read-buffers.ts'
import { closeFile, ifThere, openFile, readAt, statFile } from './calls.ts'
import { createFileSource } from './file-source.ts'
import type { Names } from './names.ts'
import type { OpenFiles, SharedFile } from './open-files.ts'

type Range = { first: number; last: number } | undefined

export function createReading({
  names,
  cache,
  cacheBytes,
  files,
  buffers,
  smallBlobBytes,
  log,
}: {
  names: Names
  cache: BytesCache
  cacheBytes: number
  files: OpenFiles
  buffers: ReadBuffers
  smallBlobBytes: number
  log: Logger
}): Pick<BlobStore, 'open' | 'openCold' | 'peek'> {
  const pathOf = ({ id, digest, path }: StoredObject): string => {
    if (path !== undefined) return names.takenOver(path)
    if (digest === undefined) throw new Error('an object without a digest is not finished')
    return names.finished(id, digest)
  }
  const small = createSmallObjects({ cache, cacheBytes, log })
  return {
    openCold: (object, size) => openCold(pathOf(object), size, buffers),
    peek: (object) => cache.get(object.id),
    open(object, size, range, stamp) {
      const isSmall = size <= smallBlobBytes
      const known = isSmall ? cache.get(object.id) : undefined
      if (known === undefined) return openShared(object, size, range, stamp, isSmall)
      return known.byteLength === size ? sourceOf(known, range) : undefined
    },
  }

  async function openShared(
    object: StoredObject,
    size: number,
    range: Range,
    stamp: number | undefined,
    isSmall: boolean,
  ): Promise<ByteSource | 'changed' | undefined> {
    const shared = await files.open(object.id, pathOf(object))
    if (shared === undefined) return undefined
    const { opened } = shared
    // The bytes of small ones are compared with the digest: no stamp can say more.
    if (opened.size !== size || (!isSmall && stamp !== undefined && opened.stamp !== stamp)) {
      files.drop(object.id)
      shared.release()
      return opened.size === size ? 'changed' : undefined
    }
    if (isSmall && (!opened.isVerified || small.isWanted(object, size))) {
      const bytes = await small.load(object, shared)
      if (bytes === undefined) files.drop(object.id)
      return bytes && sourceOf(bytes, range)
    }
    const { first, last } = range ?? { first: 0, last: size - 1 }
    const length = last - first + 1
    return createFileSource({ file: opened.file, first, length, buffers, done: () => shared.release() })
  }
}

function sourceOf(bytes: Uint8Array, range: Range): ByteSource {
  return createBytesSource(range === undefined ? bytes : bytes.subarray(range.first, range.last + 1))
}

/**
 * Reads small objects into the cache. One that fell out comes back when it is asked for again while no more was missed
 * than the cache holds: more small objects than that, read in turn, are sent from their files and push nothing out.
 */
function createSmallObjects({
  cache,
  cacheBytes,
  log,
}: {
  cache: BytesCache
  cacheBytes: number
  log: Logger
}): {
  isWanted(object: StoredObject, size: number): boolean
  /** Releases the file. Undefined: other bytes than the digest says. */
  load(object: StoredObject, shared: SharedFile): Promise<Uint8Array | undefined>
} {
  const missed = createRecentMap<true>(cacheBytes)
  // Those who ask for the same one at the same time share one read.
  const loading = new Map<string, Promise<Uint8Array | undefined>>()
  const load = async (object: StoredObject, { opened, release }: SharedFile) => {
    const { id, digest } = object
    try {
      const bytes = await readWhole(opened.file, opened.size)
      if (bytes === undefined || digest === undefined) return bytes
      if (digestOf(algorithmOf(digest), bytes) !== digest) {
        log.error('the bytes of a blob are not what its digest says', { object: id, digest })
        return undefined
      }
      opened.isVerified = true
      cache.put(id, bytes)
      return bytes
    } finally {
      release()
    }
  }
  return {
    isWanted({ id }, size) {
      if (missed.get('', id) === true) return true
      missed.set('', id, true, size)
      return false
    },
    load(object, shared) {
      const known = loading.get(object.id)
      if (known !== undefined) {
        shared.release()
        return known
      }
      const started = load(object, shared).finally(() => loading.delete(object.id))
      loading.set(object.id, started)
      return started
    },
  }
}

async function openCold(path: string, size: number, buffers: ReadBuffers): Promise<ByteSource | undefined> {
  const file = await ifThere(openFile(path, 'r'))
  if (file === undefined) return undefined
  const done = (): void => void closeFile(file).catch(() => undefined)
  try {
    const stats = await statFile(file)
    if (stats.size === size) return createFileSource({ file, first: 0, length: size, buffers, done })
  } catch (error) {
    done()
    throw error
  }
  done()
  return undefined
}

/** Undefined: the file has become shorter. */
async function readWhole(file: number, size: number): Promise<Uint8Array | undefined> {
  const bytes = Buffer.allocUnsafeSlow(size)
  return (await readAt(file, bytes, 0)) === size ? bytes : undefined
}
