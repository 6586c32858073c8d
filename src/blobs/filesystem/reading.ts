/** Opens finished objects: small ones through memory, checked against their digest; the rest through open files. */
import type { Logger } from '../../lib/logger.ts'
import { algorithmOf, digestOf } from '../../oci/digest.ts'
import type { BlobStore, ByteSource, StoredObject } from '../blob-store.ts'
import type { BytesCache } from '../bytes-cache.ts'
import { createBytesSource } from '../bytes-source.ts'
import type { ReadBuffers } from '../read-buffers.ts'
import { closeFile, ifThere, openFile, readAt, statFile } from './calls.ts'
import { createFileSource } from './file-source.ts'
import type { Names } from './names.ts'
import type { OpenFiles } from './open-files.ts'

type Range = { first: number; last: number } | undefined

export function createReading({
  names,
  cache,
  files,
  buffers,
  smallBlobBytes,
  log,
}: {
  names: Names
  cache: BytesCache
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
  const loadSmall = createSmallLoader({ pathOf, cache, log })
  const openSmall = async (
    object: StoredObject,
    size: number,
    range: Range,
  ): Promise<ByteSource | undefined> => {
    const bytes = cache.get(object.id) ?? (await loadSmall(object, size))
    if (bytes?.byteLength !== size) return undefined
    return createBytesSource(range === undefined ? bytes : bytes.subarray(range.first, range.last + 1))
  }
  return {
    openCold: (object, size) => openCold(pathOf(object), size, buffers),
    peek: (object) => cache.get(object.id),
    async open(object, size, range, stamp) {
      // Their bytes are compared with the digest: no stamp can say more.
      if (size <= smallBlobBytes) return openSmall(object, size, range)
      const shared = await files.open(object.id, pathOf(object))
      if (shared === undefined) return undefined
      if (shared.size !== size || (stamp !== undefined && shared.stamp !== stamp)) {
        files.drop(object.id)
        shared.release()
        return shared.size === size ? 'changed' : undefined
      }
      const { first, last } = range ?? { first: 0, last: size - 1 }
      const length = last - first + 1
      return createFileSource({ file: shared.file, first, length, buffers, done: () => shared.release() })
    },
  }
}

/** Reads small objects into the cache; those who ask for the same one at the same time share one read. */
function createSmallLoader({
  pathOf,
  cache,
  log,
}: {
  pathOf: (object: StoredObject) => string
  cache: BytesCache
  log: Logger
}): (object: StoredObject, size: number) => Promise<Uint8Array | undefined> {
  const loading = new Map<string, Promise<Uint8Array | undefined>>()
  const load = async (object: StoredObject, size: number): Promise<Uint8Array | undefined> => {
    const bytes = await readWhole(pathOf(object), size)
    if (bytes === undefined || object.digest === undefined) return bytes
    if (digestOf(algorithmOf(object.digest), bytes) !== object.digest) {
      log.error('the bytes of a blob are not what its digest says', {
        object: object.id,
        digest: object.digest,
      })
      return undefined
    }
    cache.put(object.id, bytes)
    return bytes
  }
  return (object, size) => {
    const known = loading.get(object.id)
    if (known !== undefined) return known
    const started = load(object, size).finally(() => loading.delete(object.id))
    loading.set(object.id, started)
    return started
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

/** Undefined: not there, or not `size` bytes. */
async function readWhole(path: string, size: number): Promise<Uint8Array | undefined> {
  const file = await ifThere(openFile(path, 'r'))
  if (file === undefined) return undefined
  try {
    // One more than expected tells a longer file without another call.
    const bytes = Buffer.allocUnsafeSlow(size + 1)
    return (await readAt(file, bytes, 0)) === size ? bytes.subarray(0, size) : undefined
  } finally {
    await closeFile(file)
  }
}
