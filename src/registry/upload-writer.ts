/** How the bytes of an upload get from a request to the store, and into its row. */
import type { AppendResult, ObjectId, UploadState } from '../blobs/blob-store.ts'
import { DatabaseFullError } from '../metadata/database.ts'
import { saveUpload, type UploadRow } from '../metadata/uploads.ts'
import { algorithmOf, type Digest } from '../oci/digest.ts'
import type { HostedParts } from './hosted-parts.ts'
import type { Call, Chunk } from './registry.ts'
import { asError, createUploadBytes, stateOf } from './upload-bytes.ts'
import { type Claimed, createUploadClaims, linkSignals, type UploadClaims } from './upload-claims.ts'
import { brokenOff, checkLength, stoodStill, takenOver } from './upload-errors.ts'
import type { UploadSessions } from './upload-sessions.ts'

/** What is written before any row knows of it; the scrub leaves unknown objects alone for seven days. */
export const LONGEST_REQUEST_MS = 86_400_000

export type WrittenObject = { state: UploadState; digest: Digest }

type UploadWriter = Pick<UploadClaims, 'stopOwn'> & {
  /** @returns bytes that are stored now */
  append(call: Call, row: UploadRow, chunk: Chunk): Promise<number>
  /**
   * Takes the last chunk, if any, and tells the digest of everything; the upload's row is not changed by a wrong one.
   * The caller ends it when the blob is there, or is not to be.
   * @returns undefined: another request of this process was quicker; look again
   */
  prepareFinish(
    call: Call,
    row: UploadRow,
    digest: Digest,
    chunk: Chunk | undefined,
  ): Promise<(WrittenObject & { version: number; end(): void }) | undefined>
  writeWhole(call: Call, object: ObjectId, digest: Digest, chunk: Chunk): Promise<WrittenObject>
}

export function createUploadWriter(parts: HostedParts, sessions: UploadSessions): UploadWriter {
  const { db, store, clock, boot } = parts
  const bytes = createUploadBytes(parts, sessions)
  const claims = createUploadClaims(parts, sessions, bytes)

  /** Whatever goes wrong, the claim does not outlive the request. */
  async function holding<T>(claimed: Claimed, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      claimed.hash.close()
      // A claim that cannot be given back ends by itself.
      await claimed.release().catch(() => undefined)
      claimed.end()
      throw error
    }
  }

  function receive(claimed: Claimed, { body, length }: Chunk): Promise<AppendResult> {
    const { state, signal, hash, begin } = claimed
    return store.append(state, body, { signal, hash, length, begin })
  }

  async function save(row: UploadRow, claimed: Claimed, { state }: AppendResult): Promise<void> {
    const digest = await claimed.hash.digest()
    if (!claimed.isPlanned && clock.now() - claimed.began > LONGEST_REQUEST_MS) throw stoodStill()
    const saving = saveUpload(db, row, claimed.version, {
      object: state.object.id,
      received: state.received,
      detail: state.detail,
      digest,
      boot,
      now: clock.now(),
      isUnplanned: !claimed.isPlanned,
    })
    const outcome = await saving.catch((error: unknown) => {
      // An answer that did not come says nothing of what was written.
      if (!(error instanceof DatabaseFullError)) claimed.mayBeSaved()
      throw error
    })
    if (outcome === 'too late') throw stoodStill()
    if (outcome === 'taken over') throw takenOver(row)
  }

  return {
    stopOwn: claims.stopOwn,
    async append(call, row, chunk) {
      const claimed = await claims.claimForChunk(call, row, chunk)
      const before = claimed.state.received
      const result = await holding(claimed, async () => {
        const received = await receive(claimed, chunk)
        await save(row, claimed, received)
        return received
      })
      sessions.keepHash(row.id, claimed.hash)
      claimed.end()
      const { received } = result.state
      if (result.failure !== undefined) throw brokenOff(row.id, received, result.failure)
      checkLength(row, chunk, received - before)
      return received
    },
    async prepareFinish(call, row, digest, chunk) {
      const algorithm = algorithmOf(digest)
      if (chunk === undefined && row.holder === undefined && row.object !== undefined) {
        if (sessions.writer(row.id) !== undefined) return undefined
        const writer = sessions.begin(row.id, () => undefined)
        writer.finishing()
        const state = stateOf(row, row.object)
        try {
          const stored = await bytes.digest(row, state, algorithm)
          return { state, digest: stored, version: row.version, end: () => writer.end() }
        } catch (error) {
          writer.end()
          throw error
        }
      }
      const claimed = await claims.claim(call, row, chunk, algorithm)
      return holding(claimed, async () => {
        const { state, failure } = await receive(claimed, chunk ?? { body: noBytes(), length: 0 })
        // The row still says what it said before this request: the chunk can be sent again.
        if (failure !== undefined) throw brokenOff(row.id, row.received, failure)
        claimed.finishing()
        const received = await claimed.hash.digest()
        claimed.hash.close()
        if (received !== digest) await claimed.release()
        return { state, digest: received, version: claimed.version, end: claimed.end }
      })
    },
    async writeWhole(call, object, digest, chunk) {
      const hint = { length: chunk.length, digest }
      const planned = store.plan({ id: object }, hint)
      const hash = store.createHash(algorithmOf(digest), hint)
      const controller = new AbortController()
      const unlink = linkSignals(call.signal, controller)
      const tracked = sessions.track(() => controller.abort())
      try {
        const { signal } = controller
        const { state, failure } = await store.append(planned, chunk.body, {
          signal,
          hash,
          length: chunk.length,
        })
        if (failure !== undefined) {
          await store.remove([planned.object])
          throw asError(failure)
        }
        return { state, digest: await hash.digest() }
      } finally {
        hash.close()
        unlink()
        tracked()
      }
    },
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}
