/** The bytes an upload has already: hashed without reading them twice, or copied to another object. */
import type { BlobStore, ObjectId, RunningHash, UploadState } from '../blobs/blob-store.ts'
import type { UploadRow } from '../metadata/uploads.ts'
import { algorithmOf, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { hashAll } from './read-source.ts'
import { lostBytes } from './upload-errors.ts'
import type { UploadSessions } from './upload-sessions.ts'

export type Prepared = { state: UploadState; hash: RunningHash }

export type UploadBytes = {
  /** The hash of what is stored, in the object where it is. @param length what is to come, if known */
  hashed(row: UploadRow, algorithm: DigestAlgorithm, length: number | undefined): Promise<Prepared>
  /** What is stored, copied to an object of its own, with its hash. */
  copied(row: UploadRow, to: UploadState, algorithm: DigestAlgorithm, signal: AbortSignal): Promise<Prepared>
  /** The digest of what is stored, without reading it where this boot's row or this process remembers it. */
  digest(row: UploadRow, state: UploadState, algorithm: DigestAlgorithm): Promise<Digest>
}

export function createUploadBytes(
  { store, boot }: { store: BlobStore; boot: string },
  sessions: UploadSessions,
): UploadBytes {
  /** The remembered hash goes on with what others appended; without one it begins anew. */
  async function hashOf(
    row: UploadRow,
    state: UploadState,
    algorithm: DigestAlgorithm,
    length: number | undefined,
  ): Promise<RunningHash> {
    let hash = sessions.takeHash(row.id, state.received)
    if (hash !== undefined && hash.algorithm !== algorithm) {
      hash.close()
      hash = undefined
    }
    hash ??= store.createHash(algorithm, { length })
    try {
      if (hash.length < state.received) await readInto(row, state, hash)
      return hash
    } catch (error) {
      hash.close()
      throw error
    }
  }

  async function readInto(row: UploadRow, state: UploadState, hash: RunningHash): Promise<void> {
    const source = await store.reread(state, hash.length)
    if (source === undefined) throw lostBytes(row)
    try {
      await hashAll(source, hash)
    } finally {
      source.close()
    }
  }

  async function* bytesOf(row: UploadRow, state: UploadState): AsyncGenerator<Uint8Array> {
    const source = await store.reread(state)
    if (source === undefined) throw lostBytes(row)
    try {
      if (source.whole !== undefined) return yield source.whole
      for (let piece = await source.read(); piece !== undefined; piece = await source.read()) {
        // A chunk must not change after it was given away.
        yield Buffer.from(piece.bytes)
        piece.release()
      }
    } finally {
      source.close()
    }
  }

  return {
    async hashed(row, algorithm, length) {
      const state = stateOf(row, row.object as ObjectId)
      const total = length === undefined ? undefined : state.received + length
      return { state, hash: await hashOf(row, state, algorithm, total) }
    },
    async copied(row, to, algorithm, signal) {
      sessions.dropHash(row.id)
      const from = stateOf(row, row.object as ObjectId)
      const hash = store.createHash(algorithm, { length: from.received })
      try {
        const { state, failure } = await store.append(to, bytesOf(row, from), {
          signal,
          hash,
          length: from.received,
        })
        if (failure !== undefined) throw asError(failure)
        return { state, hash }
      } catch (error) {
        hash.close()
        throw error
      }
    },
    async digest(row, state, algorithm) {
      const { digestSoFar } = row
      if (digestSoFar?.boot === boot && algorithmOf(digestSoFar.digest) === algorithm)
        return digestSoFar.digest
      const hash = await hashOf(row, state, algorithm, row.received)
      try {
        return await hash.digest()
      } finally {
        hash.close()
      }
    },
  }
}

/** A broken body as what is thrown. */
export function asError(failure: unknown): Error {
  return failure instanceof Error ? failure : new Error('the body broke off', { cause: failure })
}

export function stateOf(row: UploadRow, object: ObjectId): UploadState {
  return {
    object: { id: object },
    received: row.received,
    ...(row.detail !== undefined && { detail: row.detail }),
  }
}
