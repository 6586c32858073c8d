/** The running hash of one upload, with the means to write what it hashes on the way. */
import { createDigestHash, type Digest, type DigestAlgorithm } from '../../oci/digest.ts'
import type { RunningHash } from '../blob-store.ts'
import { createChunkQueue, type ChunkQueue } from '../chunk-queue.ts'
import type { Slabs } from './slabs.ts'
import type { HashingThread } from './thread.ts'

/** Up to here an upload is hashed on the main thread: a trip to a worker would cost more than the hashing. */
export const HASHED_ON_MAIN_THREAD = 256 * 1024

/** Slabs of one upload that may be under way: one is hashed and written while the next one is filled. */
const UNDER_WAY = 2

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

export function createFileHash({
  algorithm,
  hint,
  number,
  pick,
  slabs,
}: {
  algorithm: DigestAlgorithm
  hint: { length?: number | undefined }
  number: number
  pick: () => HashingThread
  slabs: Slabs
}): FileHash {
  const here = createDigestHash(algorithm)
  const underWay = new Set<Promise<unknown>>()
  let thread: HashingThread | undefined
  let length = 0
  let begunAt: number | undefined
  let failure: unknown

  const move = (): HashingThread => {
    if (thread !== undefined) return thread
    thread = pick()
    thread.hashes += 1
    thread.tell({ kind: 'open', hash: number, algorithm })
    return thread
  }
  const track = (work: Promise<unknown>): void => {
    const tracked = work
      .catch((error: unknown) => {
        failure ??= error
      })
      .finally(() => underWay.delete(tracked))
    underWay.add(tracked)
  }
  const check = (): void => {
    if (failure !== undefined) throw failure
  }
  const settle = async (): Promise<void> => {
    await Promise.all(underWay)
    check()
  }
  const send = async (queue: ChunkQueue, file: number | undefined, position: number): Promise<number> => {
    while (underWay.size >= UNDER_WAY) await Promise.race(underWay)
    check()
    const worker = move()
    const slab = await slabs.take()
    const moved = queue.moveInto(slab.bytes)
    const write = file === undefined ? {} : { file }
    const job = { kind: 'take', hash: number, start: slab.start, length: moved, position, ...write } as const
    track(worker.run(job).finally(() => slabs.give(slab)))
    length += moved
    return moved
  }
  return {
    algorithm,
    get length() {
      return length
    },
    get moved() {
      return thread !== undefined
    },
    get idle() {
      return underWay.size === 0
    },
    updateHere(chunks) {
      if (thread !== undefined) throw new Error('the hash has moved to a worker')
      for (const chunk of chunks) {
        here.update(chunk)
        length += chunk.byteLength
      }
    },
    async begin(file) {
      check()
      const before = thread
      const worker = move()
      if (before === undefined && length > 0) {
        await worker.run({ kind: 'prefix', hash: number, file, length }).catch((error: unknown) => {
          failure = error
          throw error
        })
      }
      worker.tell({ kind: 'mark', hash: number })
      begunAt = length
    },
    send,
    settle,
    async undo() {
      await Promise.all(underWay)
      if (begunAt === undefined || thread === undefined) return
      length = begunAt
      failure = undefined
      await thread.run({ kind: 'rewind', hash: number }).catch((error: unknown) => {
        failure = error
      })
    },
    async update(bytes) {
      check()
      const all = hint.length ?? Infinity
      if (thread === undefined && (length > 0 || all <= HASHED_ON_MAIN_THREAD)) {
        here.update(bytes)
        length += bytes.byteLength
        return
      }
      const queue = createChunkQueue({ bytes: 0 })
      queue.push(bytes)
      while (queue.bytes > 0) await send(queue, undefined, 0)
    },
    async digest() {
      await settle()
      if (thread === undefined) return `${algorithm}:${here.copy().digest('hex')}` as Digest
      return (await thread.run({ kind: 'digest', hash: number })) as Digest
    },
    close() {
      if (thread === undefined) return
      thread.tell({ kind: 'close', hash: number })
      thread.hashes -= 1
      thread = undefined
      failure ??= new Error('the hash was closed')
    },
  }
}
