/** The running hash of one upload, with the means to write what it hashes on the way. */
import type { Hash } from 'node:crypto'
import { createDigestHash, type Digest, type DigestAlgorithm } from '../../oci/digest.ts'
import type { RunningHash } from '../blob-store.ts'
import { createChunkQueue, type ChunkQueue } from '../chunk-queue.ts'
import type { Slabs } from './slabs.ts'
import type { HashingThread } from './thread.ts'
import { createUnderWay, type UnderWay } from './under-way.ts'

/** Up to here an upload is hashed on the main thread: a trip to a worker would cost more than the hashing. */
export const HASHED_ON_MAIN_THREAD = 256 * 1024

/** Slabs of one upload that may be under way: one is hashed and written while the next one is filled. */
const MOST_UNDER_WAY = 2

export type FileHash = RunningHash & {
  /** Whether a worker has it. */
  readonly moved: boolean
  /** Whether no slab of it is under way. */
  readonly idle: boolean
  /** Hashes here and now: only while it has not moved. */
  updateHere(chunks: readonly Uint8Array[]): void
  /** Begins an append: moves the hash to a worker, which reads what was hashed so far from `file`. */
  begin(file: number): Promise<void>
  /** Sends up to a slab of the queue to be written at `position` and hashed; how many bytes that was. */
  send(queue: ChunkQueue, file: number, position: number): Promise<number>
  /** Waits until all that was sent is done. @throws what went wrong with any of it */
  settle(): Promise<void>
  /** Forgets all since `begin`, also what is still under way; never fails. */
  undo(): Promise<void>
}

type Options = {
  algorithm: DigestAlgorithm
  hint: { length?: number | undefined }
  /** The hash's name among the workers. */
  number: number
  pick: () => HashingThread
  slabs: Slabs
}

type State = Options & {
  here: Hash
  thread: HashingThread | undefined
  length: number
  begunAt: number | undefined
  underWay: UnderWay
}

export function createFileHash(options: Options): FileHash {
  const here = createDigestHash(options.algorithm)
  const underWay = createUnderWay()
  const state: State = { ...options, here, thread: undefined, length: 0, begunAt: undefined, underWay }
  return {
    algorithm: options.algorithm,
    get length() {
      return state.length
    },
    get moved() {
      return state.thread !== undefined
    },
    get idle() {
      return underWay.size === 0
    },
    updateHere: (chunks) => updateHere(state, chunks),
    begin: (file) => begin(state, file),
    send: (queue, file, position) => send(state, queue, file, position),
    settle: () => settle(state),
    undo: () => undo(state),
    update: (bytes) => update(state, bytes),
    digest: () => digest(state),
    close: () => close(state),
  }
}

function move(state: State): HashingThread {
  if (state.thread !== undefined) return state.thread
  const thread = state.pick()
  thread.hashes += 1
  thread.tell({ kind: 'open', hash: state.number, algorithm: state.algorithm })
  state.thread = thread
  return thread
}

function updateHere(state: State, chunks: readonly Uint8Array[]): void {
  state.underWay.check()
  if (state.thread !== undefined) throw new Error('the hash has moved to a worker')
  for (const chunk of chunks) {
    state.here.update(chunk)
    state.length += chunk.byteLength
  }
}

async function begin(state: State, file: number): Promise<void> {
  const { underWay, number: hash, length } = state
  underWay.check()
  const movesNow = state.thread === undefined
  const thread = move(state)
  if (movesNow && length > 0) {
    underWay.add(thread.run({ kind: 'prefix', hash, file, length }))
    await settle(state)
  }
  thread.tell({ kind: 'mark', hash })
  state.begunAt = length
}

async function send(
  state: State,
  queue: ChunkQueue,
  file: number | undefined,
  position: number,
): Promise<number> {
  const { underWay, slabs, number: hash } = state
  await underWay.room(MOST_UNDER_WAY)
  const thread = move(state)
  const slab = await slabs.take()
  const length = queue.moveInto(slab.bytes)
  const write = file === undefined ? {} : { file }
  const work = thread.run({ kind: 'take', hash, start: slab.start, length, position, ...write })
  underWay.add(work.finally(() => slabs.give(slab)))
  state.length += length
  return length
}

async function settle({ underWay }: State): Promise<void> {
  await underWay.over()
  underWay.check()
}

async function undo(state: State): Promise<void> {
  const { underWay, thread, begunAt, number: hash } = state
  await underWay.over()
  if (begunAt === undefined || thread === undefined) return
  state.length = begunAt
  underWay.failure = undefined
  underWay.add(thread.run({ kind: 'rewind', hash }))
  await underWay.over()
}

async function update(state: State, bytes: Uint8Array): Promise<void> {
  const { length, hint, thread } = state
  const staysHere = length > 0 || (hint.length ?? Infinity) <= HASHED_ON_MAIN_THREAD
  if (thread === undefined && staysHere) return updateHere(state, [bytes])
  const queue = createChunkQueue({ bytes: 0 })
  queue.push(bytes)
  while (queue.bytes > 0) await send(state, queue, undefined, 0)
}

async function digest(state: State): Promise<Digest> {
  await settle(state)
  const { thread, here, algorithm, number: hash } = state
  if (thread === undefined) return `${algorithm}:${here.copy().digest('hex')}` as Digest
  return (await thread.run({ kind: 'digest', hash })) as Digest
}

function close(state: State): void {
  const { thread, underWay, number: hash } = state
  underWay.failure ??= new Error('the hash was closed')
  if (thread === undefined) return
  thread.tell({ kind: 'close', hash })
  thread.hashes -= 1
  state.thread = undefined
}
