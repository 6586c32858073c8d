/**
 * What this process remembers of uploads between their requests: the running hash, and which request is writing now.
 * All of it can be made again from the row and the stored bytes; another process does just that.
 */
import type { RunningHash } from '../blobs/blob-store.ts'

/** Uploads whose hash is kept between requests; the longest untouched is made again when it is needed. */
const MAX_IDLE_HASHES = 1000

type ActiveWriter = {
  /** Makes the request stop; what it has received is kept. One that is finishing goes on. */
  abort(): void
  /** Its bytes are all there, and it makes a blob of them: worth waiting for. */
  isFinishing: boolean
  /** Resolves when it no longer touches the upload. */
  done: Promise<void>
}

export type OwnWriter = {
  finishing(): void
  end(): void
}

export type UploadSessions = {
  /** The hash of the first bytes, `received` at most, if this process has it. It belongs to the caller until kept again. */
  takeHash(id: string, received: number): RunningHash | undefined
  /** Whether the last request that wrote it was this process's. */
  knows(id: string): boolean
  keepHash(id: string, hash: RunningHash): void
  dropHash(id: string): void
  writer(id: string): ActiveWriter | undefined
  /** Marks a request as the one that writes. */
  begin(id: string, abort: () => void): OwnWriter
  /** A body that comes in without a row; call the returned function when it no longer does. */
  track(abort: () => void): () => void
  /** Stops all that is coming in, and waits until it is put away. */
  close(): Promise<void>
}

export function createUploadSessions(): UploadSessions {
  const hashes = new Map<string, RunningHash>()
  const writers = new Map<string, ActiveWriter>()
  const all = new Set<ActiveWriter>()
  let isClosed = false

  function dropHash(id: string): void {
    hashes.get(id)?.close()
    hashes.delete(id)
  }

  function start(abort: () => void): { writer: ActiveWriter; end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    const writer = { abort, done: promise, isFinishing: false }
    all.add(writer)
    if (isClosed) abort()
    const end = () => {
      all.delete(writer)
      resolve()
    }
    return { writer, end }
  }

  return {
    takeHash(id, received) {
      const hash = hashes.get(id)
      hashes.delete(id)
      // The first byte alone may be sent anew (see `restarts`), perhaps to another process.
      if (hash === undefined || (hash.length <= received && hash.length > 1)) return hash
      hash.close()
      return undefined
    },
    knows: (id) => hashes.has(id),
    keepHash(id, hash) {
      dropHash(id)
      if (isClosed) return hash.close()
      hashes.set(id, hash)
      if (hashes.size <= MAX_IDLE_HASHES) return
      const [oldest] = hashes.keys()
      if (oldest !== undefined) dropHash(oldest)
    },
    dropHash,
    writer: (id) => writers.get(id),
    begin(id, abort) {
      const { writer, end } = start(abort)
      writers.set(id, writer)
      return {
        finishing: () => void (writer.isFinishing = true),
        end() {
          if (writers.get(id) === writer) writers.delete(id)
          end()
        },
      }
    },
    track: (abort) => start(abort).end,
    async close() {
      isClosed = true
      for (const writer of all) writer.abort()
      await Promise.all([...all].map(({ done }) => done))
      for (const id of [...hashes.keys()]) dropHash(id)
    },
  }
}
