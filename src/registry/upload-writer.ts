/** How the bytes of an upload get from a request to the store: offsets, claims, hashes, takeovers. */
import { randomBytes } from 'node:crypto'
import type { AppendResult, ObjectId, RunningHash, UploadState } from '../blobs/blob-store.ts'
import { claimUpload, releaseUpload, renewUpload, saveUpload, type UploadRow } from '../metadata/uploads.ts'
import { algorithmOf, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { HostedParts } from './hosted.ts'
import { hashAll } from './hosted-blobs.ts'
import type { Call, Chunk } from './registry.ts'
import type { UploadSessions } from './upload-sessions.ts'

export type WrittenObject = { state: UploadState; digest: Digest }

export type UploadWriter = {
  /** @throws RegistryError RANGE_INVALID: the chunk does not begin where the stored bytes end */
  checkOffset(row: UploadRow, chunk: Chunk | undefined): void
  /** @returns bytes that are stored now */
  append(call: Call, row: UploadRow, chunk: Chunk): Promise<number>
  /** Takes the last chunk, if any, and tells the digest of everything; the upload's row is not changed by a wrong one. */
  prepareFinish(
    call: Call,
    row: UploadRow,
    digest: Digest,
    chunk: Chunk | undefined,
  ): Promise<WrittenObject & { version: number }>
  writeWhole(call: Call, object: ObjectId, digest: Digest, chunk: Chunk): Promise<WrittenObject>
}

const RENEW_EVERY_MS = 10_000

type Claimed = { state: UploadState; version: number; hash: RunningHash; signal: AbortSignal; end: () => void }

export function createUploadWriter(parts: HostedParts, sessions: UploadSessions): UploadWriter {
  const { db, store, clock, processId, boot } = parts

  function checkOffset(row: UploadRow, chunk: Chunk | undefined): void {
    if (chunk?.from === undefined || chunk.from === row.received || restarts(row, chunk)) return
    throw rangeInvalid(row, `this upload has ${row.received} bytes, so the next chunk begins at ${row.received}`)
  }

  /** A request that is writing is only stopped by one that says where it goes on. */
  async function stopOwnWriter(row: UploadRow, chunk: Chunk | undefined): Promise<boolean> {
    const active = sessions.writer(row.id)
    if (active === undefined) return false
    if (chunk?.from === undefined) throw stillWriting(row)
    active.abort()
    await active.done
    return true
  }

  function isHeldElsewhere(row: UploadRow): boolean {
    return row.holder !== undefined && row.holder !== processId
  }

  async function claim(call: Call, row: UploadRow, chunk: Chunk | undefined, algorithm: DigestAlgorithm): Promise<Claimed> {
    if (await stopOwnWriter(row, chunk)) throw rangeInvalid(row, 'the request that was writing has been stopped: ask where to go on')
    const elsewhere = isHeldElsewhere(row)
    if (elsewhere && chunk?.from === undefined && row.heldUntil > clock.now()) throw stillWriting(row)
    const restart = chunk !== undefined && restarts(row, chunk)
    const fresh = row.object === undefined || elsewhere || restart
    const object = fresh ? newObjectId() : (row.object as ObjectId)
    const old: UploadState | undefined = row.object === undefined ? undefined : stateOf(row, row.object)
    const state = fresh ? store.plan({ id: object }, { length: chunk?.length }) : (old as UploadState)
    const controller = new AbortController()
    const end = sessions.begin(row.id, () => controller.abort())
    try {
      const version = await claimUpload(db, row, {
        holder: processId,
        now: clock.now(),
        object,
        received: state.received,
        detail: state.detail,
      })
      if (version === undefined) throw stillWriting(row)
      const linked = linkSignals(call.signal, controller)
      const keep = keepClaim(row.id, version, controller)
      const stop = () => {
        linked()
        keep()
        end()
      }
      try {
        const copyFrom = elsewhere && !restart ? old : undefined
        const prepared = await prepare(row, state, copyFrom, algorithm, chunk?.length, controller.signal)
        return { ...prepared, version, signal: controller.signal, end: stop }
      } catch (error) {
        await releaseUpload(db, row.id, version, clock.now())
        stop()
        throw error
      }
    } catch (error) {
      end()
      throw error
    }
  }

  /** The hash of what is stored so far: remembered, or made by reading it once; with the bytes copied where they must be. */
  async function prepare(
    row: UploadRow,
    state: UploadState,
    copyFrom: UploadState | undefined,
    algorithm: DigestAlgorithm,
    length: number | undefined,
    signal: AbortSignal,
  ): Promise<{ state: UploadState; hash: RunningHash }> {
    const known = sessions.takeHash(row.id, state.received)
    if (known !== undefined && known.algorithm === algorithm && copyFrom === undefined) return { state, hash: known }
    known?.close()
    const hash = store.createHash(algorithm, { length: length === undefined ? undefined : state.received + length })
    try {
      if (copyFrom === undefined || copyFrom.received === 0) {
        if (state.received > 0) await rereadInto(row, state, hash)
        return { state, hash }
      }
      const copied = await store.append(state, bytesOf(row, copyFrom), { signal, hash, length: copyFrom.received })
      if (copied.failure !== undefined) throw copied.failure
      return { state: copied.state, hash }
    } catch (error) {
      hash.close()
      throw error
    }
  }

  async function rereadInto(row: UploadRow, state: UploadState, hash: RunningHash): Promise<void> {
    const source = await store.reread(state)
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
      for (;;) {
        const piece = source.whole === undefined ? await source.read() : undefined
        if (piece === undefined) break
        yield Buffer.from(piece.bytes)
        piece.release()
      }
      if (source.whole !== undefined) yield source.whole
    } finally {
      source.close()
    }
  }

  /** Renews the claim while a long body comes in; one that was lost ends the request. */
  function keepClaim(id: string, version: number, controller: AbortController): () => void {
    const timer = setInterval(() => {
      renewUpload(db, id, version, clock.now()).then(
        (held) => held || controller.abort(),
        () => undefined,
      )
    }, RENEW_EVERY_MS)
    timer.unref()
    return () => clearInterval(timer)
  }

  async function receive(row: UploadRow, claimed: Claimed, chunk: Chunk): Promise<AppendResult> {
    try {
      return await store.append(claimed.state, chunk.body, {
        signal: claimed.signal,
        hash: claimed.hash,
        length: chunk.length,
      })
    } catch (error) {
      claimed.hash.close()
      await releaseUpload(db, row.id, claimed.version, clock.now())
      throw error
    }
  }

  async function append(call: Call, row: UploadRow, chunk: Chunk): Promise<number> {
    checkOffset(row, chunk)
    const claimed = await claim(call, row, chunk, row.algorithm)
    try {
      const { state, failure } = await receive(row, claimed, chunk)
      const digest = await claimed.hash.digest()
      const saved = await saveUpload(db, row.id, claimed.version, {
        received: state.received,
        detail: state.detail,
        digest,
        boot,
        now: clock.now(),
      })
      if (!saved) {
        claimed.hash.close()
        throw rangeInvalid(row, 'another request has taken this upload over: ask where to go on')
      }
      sessions.keepHash(row.id, claimed.hash)
      if (failure !== undefined) throw brokenOff(row.id, state.received, failure)
      checkLength(row, chunk, state.received - claimed.state.received)
      return state.received
    } finally {
      claimed.end()
    }
  }

  /** The digest of what is stored, without reading it where this boot's row or this process remembers it. */
  async function storedDigest(row: UploadRow, state: UploadState, algorithm: DigestAlgorithm): Promise<Digest> {
    const known = sessions.takeHash(row.id, row.received)
    if (known?.algorithm === algorithm) {
      const digest = await known.digest()
      sessions.keepHash(row.id, known)
      return digest
    }
    known?.close()
    const { digestSoFar } = row
    if (digestSoFar?.boot === boot && algorithmOf(digestSoFar.digest) === algorithm) return digestSoFar.digest
    const hash = store.createHash(algorithm, { length: row.received })
    try {
      await rereadInto(row, state, hash)
      return await hash.digest()
    } finally {
      hash.close()
    }
  }

  return {
    checkOffset,
    append,
    async prepareFinish(call, row, digest, chunk) {
      const algorithm = algorithmOf(digest)
      const isQuiet = row.holder === undefined && sessions.writer(row.id) === undefined
      if (chunk === undefined && isQuiet && row.object !== undefined) {
        const state = stateOf(row, row.object)
        return { state, digest: await storedDigest(row, state, algorithm), version: row.version }
      }
      const claimed = await claim(call, row, chunk, algorithm)
      try {
        const last: Chunk = chunk ?? { body: noBytes(), length: 0 }
        const { state, failure } = await receive(row, claimed, last)
        const received = await claimed.hash.digest()
        claimed.hash.close()
        if (failure === undefined && received === digest) return { state, digest: received, version: claimed.version }
        // The row still says what it said before this request: the chunk can be sent again.
        await releaseUpload(db, row.id, claimed.version, clock.now())
        if (failure !== undefined) throw brokenOff(row.id, claimed.state.received, failure)
        return { state, digest: received, version: claimed.version }
      } finally {
        claimed.end()
      }
    },
    async writeWhole(call, object, digest, chunk) {
      const hint = { length: chunk.length, digest }
      const planned = store.plan({ id: object }, hint)
      const hash = store.createHash(algorithmOf(digest), hint)
      try {
        const { state, failure } = await store.append(planned, chunk.body, {
          signal: call.signal,
          hash,
          length: chunk.length,
        })
        if (failure !== undefined) {
          await store.remove([planned.object])
          throw failure
        }
        return { state, digest: await hash.digest() }
      } finally {
        hash.close()
      }
    },
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

function stateOf(row: UploadRow, object: ObjectId): UploadState {
  return {
    object: { id: object },
    received: row.received,
    ...(row.detail !== undefined && { detail: row.detail }),
  }
}

function newObjectId(): ObjectId {
  return randomBytes(16).toString('hex') as ObjectId
}

/**
 * `Range: 0-0` means "nothing" and "one byte" alike, so a client that has sent one byte may rightly begin again at 0.
 */
function restarts(row: UploadRow, chunk: Chunk): boolean {
  return chunk.from === 0 && row.received === 1
}

function rangeInvalid(row: { id: string; received: number }, message: string): RegistryError {
  return new RegistryError('RANGE_INVALID', message, { upload: { id: row.id, received: row.received } })
}

function stillWriting(row: UploadRow): RegistryError {
  return rangeInvalid(
    row,
    'another request is writing this upload; wait for it, or say by Content-Range where you go on',
  )
}

function lostBytes(row: UploadRow): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the bytes of this upload were lost: begin a new one', {
    detail: { id: row.id },
  })
}

function brokenOff(id: string, received: number, cause: unknown): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', 'the body broke off; what was received is kept', {
    upload: { id, received },
    cause,
  })
}

function checkLength(row: UploadRow, chunk: Chunk, got: number): void {
  if (chunk.length === undefined || chunk.length === got) return
  throw new RegistryError('SIZE_INVALID', `the chunk has ${got} bytes, but ${chunk.length} were announced`, {
    upload: { id: row.id, received: row.received + got },
  })
}

/** Aborts the controller with the call; returns how to undo the link. */
function linkSignals(signal: AbortSignal, controller: AbortController): () => void {
  const abort = () => controller.abort()
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}
