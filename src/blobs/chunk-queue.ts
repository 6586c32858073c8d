/**
 * Chunks that arrived and wait to be stored. Tiny chunks are copied together, so that the number of buffers held is
 * bounded by the bytes. `waiting` counts the bytes of all queues that share it.
 */
export type WaitingBytes = { bytes: number }

export type ChunkQueue = {
  readonly bytes: number
  push(chunk: Uint8Array): void
  /** Moves as much as fits to the start of `target`; how much that was. */
  moveInto(target: Uint8Array): number
  takeAll(): Uint8Array[]
  clear(): void
}

const TINY = 4096
const BLOCK = 16 * 1024

/** @param done told of each chunk that {@link ChunkQueue.moveInto} has copied whole */
export function createChunkQueue(waiting: WaitingBytes, done?: (chunk: Uint8Array) => void): ChunkQueue {
  let chunks: Uint8Array[] = []
  let bytes = 0
  /** The last chunk, if it is a block of ours that has room: the whole block, and how much of it is used. */
  let block: { memory: Uint8Array; used: number } | undefined

  const count = (more: number): void => {
    bytes += more
    waiting.bytes += more
  }
  const pushTiny = (chunk: Uint8Array): void => {
    if (block === undefined || block.used + chunk.byteLength > BLOCK) {
      block = { memory: Buffer.allocUnsafeSlow(BLOCK), used: 0 }
      chunks.push(block.memory.subarray(0, 0))
    }
    block.memory.set(chunk, block.used)
    const last = chunks[chunks.length - 1]?.byteLength ?? 0
    block.used += chunk.byteLength
    chunks[chunks.length - 1] = block.memory.subarray(block.used - last - chunk.byteLength, block.used)
  }
  const takeAll = (): Uint8Array[] => {
    const all = chunks
    chunks = []
    block = undefined
    count(-bytes)
    return all
  }
  return {
    get bytes() {
      return bytes
    },
    push(chunk) {
      if (chunk.byteLength === 0) return
      count(chunk.byteLength)
      if (chunk.byteLength < TINY) return pushTiny(chunk)
      block = undefined
      chunks.push(chunk)
    },
    moveInto(target) {
      let moved = 0
      let whole = 0
      for (const chunk of chunks) {
        const part = chunk.subarray(0, target.byteLength - moved)
        // Not `set`: into memory that threads share it copies by the byte where the addresses are odd.
        Buffer.prototype.copy.call(part, target, moved)
        moved += part.byteLength
        if (part.byteLength < chunk.byteLength) {
          chunks[whole] = chunk.subarray(part.byteLength)
          break
        }
        done?.(chunk)
        whole += 1
      }
      chunks.splice(0, whole)
      if (chunks.length === 0) block = undefined
      count(-moved)
      return moved
    },
    takeAll,
    clear: () => void takeAll(),
  }
}
