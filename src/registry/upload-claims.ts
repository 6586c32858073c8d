/**
 * Who writes an upload. In this process one request at a time, by `sessions`; among processes the last that claimed
 * the row. A claim goes on in the upload's object where nobody else can still be writing into it. Otherwise it takes
 * over: what is stored is copied to an object of its own, which counts when it has everything.
 */
import { randomBytes } from 'node:crypto'
import type { ObjectId, RunningHash, UploadState } from '../blobs/blob-store.ts'
import { claimUpload, releaseUpload, renewUpload, type UploadRow } from '../metadata/uploads.ts'
import type { DigestAlgorithm } from '../oci/digest.ts'
import type { HostedParts } from './hosted-parts.ts'
import type { Call, Chunk } from './registry.ts'
import { type Prepared, stateOf, type UploadBytes } from './upload-bytes.ts'
import { restarts, stillWriting } from './upload-errors.ts'
import type { OwnWriter, UploadSessions } from './upload-sessions.ts'

export type Claimed = {
  state: UploadState
  version: number
  hash: RunningHash
  signal: AbortSignal
  /** From now on it is waited for, not stopped. */
  finishing(): void
  /** Gives the claim back; nothing that came with it counts. */
  release(): Promise<void>
  end(): void
}

export type UploadClaims = {
  /**
   * Ends this process's own request that is writing; only one that says where it goes on may do that.
   * @returns true: the row has changed, look again
   */
  stopOwn(row: UploadRow, chunk: Chunk | undefined): Promise<boolean>
  claim(call: Call, row: UploadRow, chunk: Chunk | undefined, algorithm: DigestAlgorithm): Promise<Claimed>
}

type Plan = { state: UploadState; kind: 'new' | 'same' | 'copy' | 'restart' }

const RENEW_EVERY_MS = 10_000

export function createUploadClaims(
  { db, store, clock, processId }: HostedParts,
  sessions: UploadSessions,
  bytes: UploadBytes,
): UploadClaims {
  async function planOf(row: UploadRow, chunk: Chunk | undefined): Promise<Plan> {
    const fresh = () => store.plan({ id: newObjectId() }, { length: chunk?.length })
    if (row.object === undefined) return { kind: 'new', state: fresh() }
    if (chunk !== undefined && restarts(row, chunk)) return { kind: 'restart', state: fresh() }
    const mayBeWritten = row.holder !== undefined && row.holder !== processId
    if (mayBeWritten || (await isFinished(row, row.object))) return { kind: 'copy', state: fresh() }
    return { kind: 'same', state: stateOf(row, row.object) }
  }

  /** Killed between the object's last name and the blob's row: such an object takes no more bytes. */
  async function isFinished(row: UploadRow, object: ObjectId): Promise<boolean> {
    if (row.received === 0 || sessions.knows(row.id)) return false
    return (await store.stat({ id: object })) !== undefined
  }

  function prepare(
    row: UploadRow,
    { kind, state }: Plan,
    algorithm: DigestAlgorithm,
    length: number | undefined,
    signal: AbortSignal,
  ): Promise<Prepared> | Prepared {
    if (kind === 'copy') return bytes.copied(row, state, algorithm, signal)
    if (kind === 'same') return bytes.hashed(row, algorithm, length)
    sessions.dropHash(row.id)
    return { state, hash: store.createHash(algorithm, { length }) }
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

  async function claimRow(row: UploadRow, { state }: Plan): Promise<number> {
    const claim = { processId, now: clock.now(), object: state.object.id }
    const version = await claimUpload(db, row, claim)
    if (version === undefined) throw stillWriting(row)
    return version
  }

  return {
    async stopOwn(row, chunk) {
      const active = sessions.writer(row.id)
      if (active === undefined) return false
      if (chunk?.from === undefined && !active.isFinishing) throw stillWriting(row)
      if (!active.isFinishing) active.abort()
      await active.done
      return true
    },
    async claim(call, row, chunk, algorithm) {
      const isHeld = row.heldUntil > clock.now() && row.holder !== processId
      if (isHeld && chunk?.from === undefined) throw stillWriting(row)
      const plan = await planOf(row, chunk)
      if (sessions.writer(row.id) !== undefined) throw stillWriting(row)
      const controller = new AbortController()
      const writer: OwnWriter = sessions.begin(row.id, () => controller.abort())
      const closers = [() => writer.end()]
      const end = () => {
        for (let close = closers.pop(); close !== undefined; close = closers.pop()) close()
      }
      try {
        const version = await claimRow(row, plan)
        closers.push(linkSignals(call.signal, controller), keepClaim(row.id, version, controller))
        const release = () => releaseUpload(db, row.id, version, clock.now())
        try {
          const prepared = await prepare(row, plan, algorithm, chunk?.length, controller.signal)
          return {
            ...prepared,
            version,
            signal: controller.signal,
            finishing: writer.finishing,
            release,
            end,
          }
        } catch (error) {
          await release()
          throw error
        }
      } catch (error) {
        end()
        throw error
      }
    },
  }
}

export function newObjectId(): ObjectId {
  return randomBytes(16).toString('hex') as ObjectId
}

/** Aborts the controller with the call; returns how to undo the link. */
export function linkSignals(signal: AbortSignal, controller: AbortController): () => void {
  const abort = () => controller.abort()
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}
