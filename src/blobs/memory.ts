/** Blobs in this process's memory: for tests and for registries that need not outlive their process. */
import type { Digest } from '../oci/digest.ts'
import {
  LostBytesError,
  type BlobStore,
  type ListedObject,
  type ObjectId,
  type StoredObject,
  type UploadState,
} from './blob-store.ts'
import { createBodyReader } from './body-reader.ts'
import { createBytesSource } from './bytes-source.ts'
import { createLocalHash } from './local-hash.ts'

/** A finished entry has one part. */
type Entry = { parts: Uint8Array[]; size: number; digest?: Digest; modifiedAt: number }

/** @param options.capacity bytes of all objects together; beyond it an append fails as on a full disk */
export function createMemoryBlobStore({ capacity = Infinity }: { capacity?: number } = {}): BlobStore {
  const entries = new Map<ObjectId, Entry>()
  let used = 0

  const put = (id: ObjectId, entry: Entry): void => {
    used += entry.size - (entries.get(id)?.size ?? 0)
    entries.set(id, entry)
  }
  const finished = (object: StoredObject): Uint8Array | undefined => {
    const entry = entries.get(object.id)
    if (entry?.digest === undefined || (object.digest ?? entry.digest) !== entry.digest) return undefined
    return entry.parts[0]
  }
  const append: BlobStore['append'] = async (state, body, { signal, hash }) => {
    const { id } = state.object
    const entry = entries.get(id)
    if (entry?.digest !== undefined) throw new LostBytesError(id, 'it is finished already')
    const parts = partsOf(state, entry)
    const added: Uint8Array[] = []
    const reader = createBodyReader(body, signal)
    let received = state.received
    try {
      for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
        received += chunk.byteLength
        if (used - (entry?.size ?? 0) + received > capacity) throw fullError()
        added.push(Uint8Array.from(chunk))
      }
    } finally {
      reader.close()
    }
    for (const chunk of added) await hash.update(chunk)
    put(id, { parts: [...parts, ...added], size: received, modifiedAt: Date.now() })
    const result = { state: { ...state, received } }
    return reader.failure === undefined ? result : { ...result, failure: reader.failure }
  }
  const finish: BlobStore['finish'] = async (state, digest) => {
    const { id } = state.object
    const entry = entries.get(id)
    if (entry?.digest !== undefined && entry.digest !== digest) {
      throw new LostBytesError(id, 'it is finished under another digest')
    }
    const bytes = Buffer.concat(partsOf(state, entry))
    if (entry?.digest === undefined) {
      put(id, { parts: [bytes], size: bytes.byteLength, digest, modifiedAt: Date.now() })
    }
    return { size: bytes.byteLength }
  }
  return {
    open: async (object, size, range) => {
      const bytes = finished(object)
      if (bytes?.byteLength !== size) return undefined
      return createBytesSource(range === undefined ? bytes : bytes.subarray(range.first, range.last + 1))
    },
    peek: finished,
    plan: (object) => ({ object, received: 0 }),
    createHash: (algorithm) => createLocalHash(algorithm),
    append,
    reread: async (state) => {
      const entry = entries.get(state.object.id)
      if ((entry?.size ?? 0) < state.received) return undefined
      return createBytesSource(Buffer.concat(partsOf(state, entry)))
    },
    finish,
    remove: async (objects) => {
      for (const { id } of objects) {
        used -= entries.get(id)?.size ?? 0
        entries.delete(id)
      }
      return objects.map(({ id }) => ({ id, removed: true }))
    },
    stat: async (object) => {
      const bytes = finished(object)
      return bytes === undefined ? undefined : { size: bytes.byteLength }
    },
    list: async function* (after) {
      for (const id of [...entries.keys()].toSorted()) {
        const entry = entries.get(id)
        if (entry !== undefined && (after === undefined || id > after)) yield listed(id, entry)
      }
    },
    probe: async () => undefined,
    close: async () => entries.clear(),
  }
}

/** The bytes that count, without what a failed append may have left behind them. */
function partsOf(state: UploadState, entry: Entry | undefined): Uint8Array[] {
  const parts: Uint8Array[] = []
  let missing = state.received
  for (const part of entry?.parts ?? []) {
    if (missing > 0) parts.push(part.subarray(0, missing))
    missing -= Math.min(missing, part.byteLength)
  }
  if (missing > 0) throw new LostBytesError(state.object.id, `${missing} bytes received earlier are gone`)
  return parts
}

function listed(id: ObjectId, { size, digest, modifiedAt }: Entry): ListedObject {
  const object: StoredObject = digest === undefined ? { id } : { id, digest }
  return { object, size, modifiedAt, finished: digest !== undefined }
}

function fullError(): Error {
  return Object.assign(new Error('ENOSPC: no space left in memory for blobs'), { code: 'ENOSPC' })
}
