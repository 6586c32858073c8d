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
  /** The row's version while nobody else writes. */
  readonly version: number
  /** Whether the row's claim has told of the object; before that, no row knows it. */
  readonly isPlanned: boolean
  readonly began: number
  /** See `AppendOptions`: claims the row now, if that was put off and there is more than a short write to come. */
  begin(isWhole: boolean): Promise<void>
  hash: RunningHash
  signal: AbortSignal
  /** Its object may be in the row: it stays, whatever comes. */
  mayBeSaved(): void
  /** From now on it is waited for, not stopped. */
  finishing(): void
  /** Gives the claim back; nothing that came with it counts, and an object that no row knows is removed. */
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
  /**
   * The same for a first chunk, but the row is claimed only when the store says that the chunk is a large one: a
   * small one needs no transaction beside that which saves it, since its object is its own and it is written at once.
   */
  claimForChunk(call: Call, row: UploadRow, chunk: Chunk): Promise<Claimed>
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

  /** @param mayWait the claim may be put off where the object is a new one */
  async function claim(
    call: Call,
    row: UploadRow,
    chunk: Chunk | undefined,
    algorithm: DigestAlgorithm,
    mayWait: boolean,
  ): Promise<Claimed> {
    const isHeld = row.heldUntil > clock.now() && row.holder !== processId
    if (isHeld && chunk?.from === undefined) throw stillWriting(row)
    const plan = await planOf(row, chunk)
    if (sessions.writer(row.id) !== undefined) throw stillWriting(row)
    const controller = new AbortController()
    const writer: OwnWriter = sessions.begin(row.id, () => controller.abort())
    const closers = [() => writer.end(), linkSignals(call.signal, controller)]
    const end = () => {
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) close()
    }
    const held = createHold(row, plan, controller, closers)
    try {
      if (!mayWait || plan.kind !== 'new') await held.claim()
      try {
        const prepared = await prepare(row, plan, algorithm, chunk?.length, controller.signal)
        return Object.assign(held, prepared, { signal: controller.signal, finishing: writer.finishing, end })
      } catch (error) {
        await held.release()
        throw error
      }
    } catch (error) {
      end()
      throw error
    }
  }

  /** @param closers what ends the claim is added to them */
  function createHold(row: UploadRow, plan: Plan, controller: AbortController, closers: (() => void)[]) {
    let version = row.version
    let isPlanned = false
    const held = {
      began: clock.now(),
      get version() {
        return version
      },
      get isPlanned() {
        return isPlanned
      },
      async claim() {
        version = await claimRow(row, plan)
        isPlanned = true
        closers.push(keepClaim(row.id, version, controller))
      },
      async begin(isWhole: boolean) {
        if (!isPlanned && !isWhole) await held.claim()
      },
      mayBeSaved: () => void (isPlanned = true),
      async release() {
        if (isPlanned) await releaseUpload(db, row.id, version, clock.now())
        else await store.remove([plan.state.object])
      },
    }
    return held
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
    claim: (call, row, chunk, algorithm) => claim(call, row, chunk, algorithm, false),
    claimForChunk: (call, row, chunk) => claim(call, row, chunk, row.algorithm, true),
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
