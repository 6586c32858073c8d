/** Blobs in this process's memory: for tests and for registries that need not outlive their process. */
import type { Digest } from '../oci/digest.ts'
import {
  LostBytesError,
  type AppendOptions,
  type AppendResult,
  type BlobStore,
  type ListedObject,
  type ObjectId,
  type ObjectStat,
  type StoredObject,
  type UploadState,
} from './blob-store.ts'
import { createBodyReader } from './body-reader.ts'
import { createBytesSource } from './bytes-source.ts'
import { createLocalHash } from './local-hash.ts'

/** A finished entry has one part. */
type Entry = { parts: Uint8Array[]; size: number; digest?: Digest; modifiedAt: number }
type Entries = Map<ObjectId, Entry>

/** @param options.capacity bytes of all objects together; beyond it an append fails as on a full disk */
export function createMemoryBlobStore({ capacity = Infinity }: { capacity?: number } = {}): BlobStore {
  const entries: Entries = new Map()
  return {
    open: async (object, size, range) => {
      const bytes = finished(entries, object)
      if (bytes?.byteLength !== size) return undefined
      return createBytesSource(range === undefined ? bytes : bytes.subarray(range.first, range.last + 1))
    },
    openCold: async (object, size) => {
      const bytes = finished(entries, object)
      return bytes?.byteLength === size ? createBytesSource(bytes) : undefined
    },
    peek: (object) => finished(entries, object),
    plan: (object) => ({ object, received: 0 }),
    createHash: (algorithm) => createLocalHash(algorithm),
    append: (state, body, options) => append(entries, capacity, state, body, options),
    reread: async (state, first = 0) => {
      const entry = entries.get(state.object.id)
      if ((entry?.size ?? 0) < state.received) return undefined
      return createBytesSource(Buffer.concat(partsOf(state, entry)).subarray(first))
    },
    finish: async (state, digest) => finish(entries, state, digest),
    remove: async (objects) => {
      for (const { id } of objects) entries.delete(id)
      return objects.map(({ id }) => ({ id, removed: true }))
    },
    stat: async (object) => {
      const bytes = finished(entries, object)
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

function finished(entries: Entries, object: StoredObject): Uint8Array | undefined {
  const entry = entries.get(object.id)
  if (entry?.digest === undefined || (object.digest ?? entry.digest) !== entry.digest) return undefined
  return entry.parts[0]
}

async function append(
  entries: Entries,
  capacity: number,
  state: UploadState,
  body: AsyncIterable<Uint8Array>,
  { signal, hash, begin }: AppendOptions,
): Promise<AppendResult> {
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
      if (received > capacity) throw fullError()
      added.push(Uint8Array.from(chunk))
    }
  } finally {
    reader.close()
  }
  if (added.length > 0) await begin?.(true)
  if (received > roomFor(entries, id, capacity)) throw fullError()
  for (const chunk of added) await hash.update(chunk)
  entries.set(id, { parts: [...parts, ...added], size: received, modifiedAt: Date.now() })
  const result = { state: { ...state, received } }
  return reader.failure === undefined ? result : { ...result, failure: reader.failure }
}

function finish(entries: Entries, state: UploadState, digest: Digest): ObjectStat {
  const { id } = state.object
  const entry = entries.get(id)
  if (entry?.digest !== undefined && entry.digest !== digest) {
    throw new LostBytesError(id, 'it is finished under another digest')
  }
  const bytes = Buffer.concat(partsOf(state, entry))
  if (entry?.digest === undefined) {
    entries.set(id, { parts: [bytes], size: bytes.byteLength, digest, modifiedAt: Date.now() })
  }
  return { size: bytes.byteLength }
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

/** The bytes this object may have, with what all others have now. */
function roomFor(entries: Entries, id: ObjectId, capacity: number): number {
  let room = capacity
  for (const [other, { size }] of entries) if (other !== id) room -= size
  return room
}

function fullError(): Error {
  return Object.assign(new Error('ENOSPC: no space left in memory for blobs'), { code: 'ENOSPC' })
}
