/**
 * Hashes of uploads. The first bytes are hashed where they arrive; a hash that grows beyond them moves to a worker
 * thread and stays there. At most a few workers, started when first needed.
 */
import type { Logger } from '../../lib/logger.ts'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import type { WaitingBytes } from '../chunk-queue.ts'
import { createFileHash, type FileHash } from './file-hash.ts'
import { createSlabs } from './slabs.ts'
import { createHashingThread, type HashingThread } from './thread.ts'

export type Hashing = {
  createHash(algorithm: DigestAlgorithm, hint: { length?: number | undefined }): FileHash
  /** Whether this hash was made here. */
  owns(hash: object): hash is FileHash
  /** Bytes of all uploads that arrived and are not yet in a slab. */
  readonly waiting: WaitingBytes
  close(): Promise<void>
}

/** @param slabBytes bytes that go to a worker at a time; `slabs` of them bound what is under way in the process */
export function createHashing({
  log,
  workers = 2,
  slabs: count = 12,
  slabBytes = 1024 * 1024,
}: {
  log: Logger
  workers?: number
  slabs?: number
  slabBytes?: number
}): Hashing {
  const slabs = createSlabs({ count, size: slabBytes })
  const threads = new Set<HashingThread>()
  const made = new WeakSet<object>()
  let lastHash = 0
  let closed = false

  const onLost = (thread: HashingThread, error: Error): void => {
    threads.delete(thread)
    log.error('a hashing worker ended; its uploads fail, a new one is started when needed', { error })
  }
  const pick = (): HashingThread => {
    if (closed) throw new Error('the blob store was closed')
    let best: HashingThread | undefined
    for (const thread of threads) if (best === undefined || thread.hashes < best.hashes) best = thread
    if (best !== undefined && (best.hashes === 0 || threads.size >= workers)) return best
    const started = createHashingThread({ memory: slabs.memory }, onLost)
    threads.add(started)
    return started
  }
  return {
    waiting: { bytes: 0 },
    createHash(algorithm, hint) {
      lastHash += 1
      const hash = createFileHash({ algorithm, hint, number: lastHash, pick, slabs })
      made.add(hash)
      return hash
    },
    owns: (hash): hash is FileHash => made.has(hash),
    async close() {
      closed = true
      await Promise.all([...threads].map((thread) => thread.close()))
      threads.clear()
    },
  }
}
