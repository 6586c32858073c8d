/**
 * The memory in which bytes cross to the workers: one block for the whole process, in slabs. A slab is held only
 * while its bytes are hashed and written, so who waits for one waits for work that goes on, never for a client.
 */
type Slab = { readonly start: number; readonly bytes: Uint8Array }

export type Slabs = {
  readonly memory: SharedArrayBuffer
  take(): Promise<Slab>
  give(slab: Slab): void
}

/** @param size bytes of a slab */
export function createSlabs({ count, size }: { count: number; size: number }): Slabs {
  // The system gives the memory page by page as it is touched; the last used is used next, so few are.
  const memory = new SharedArrayBuffer(count * size)
  const free: Slab[] = []
  for (let index = count - 1; index >= 0; index -= 1) {
    free.push({ start: index * size, bytes: new Uint8Array(memory, index * size, size) })
  }
  const waiting: ((slab: Slab) => void)[] = []
  return {
    memory,
    take() {
      const slab = free.pop()
      return slab === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(slab)
    },
    give(slab) {
      const next = waiting.shift()
      if (next === undefined) free.push(slab)
      else next(slab)
    },
  }
}
