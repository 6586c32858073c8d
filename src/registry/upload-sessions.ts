/**
 * What this process remembers of uploads between their requests: the running hash, and which request is writing now.
 * All of it can be made again from the row and the stored bytes; another process does just that.
 */
import type { RunningHash } from '../blobs/blob-store.ts'

/** Uploads whose hash is kept between requests; the longest untouched is made again when it is needed. */
const MAX_IDLE_HASHES = 1000

export type ActiveWriter = {
  /** Makes the request stop; what it has received is kept. */
  abort(): void
  /** Resolves when it no longer touches the upload. */
  done: Promise<void>
}

export type UploadSessions = {
  /** The hash of the first `received` bytes, if this process has it. It belongs to the caller until kept again. */
  takeHash(id: string, received: number): RunningHash | undefined
  keepHash(id: string, hash: RunningHash): void
  dropHash(id: string): void
  writer(id: string): ActiveWriter | undefined
  /** Marks a request as the one that writes; call the returned function when it no longer does. */
  begin(id: string, abort: () => void): () => void
  close(): void
}

export function createUploadSessions(): UploadSessions {
  const hashes = new Map<string, RunningHash>()
  const writers = new Map<string, ActiveWriter>()

  function dropHash(id: string): void {
    hashes.get(id)?.close()
    hashes.delete(id)
  }

  return {
    takeHash(id, received) {
      const hash = hashes.get(id)
      hashes.delete(id)
      if (hash === undefined || hash.length === received) return hash
      hash.close()
      return undefined
    },
    keepHash(id, hash) {
      dropHash(id)
      hashes.set(id, hash)
      if (hashes.size <= MAX_IDLE_HASHES) return
      const [oldest] = hashes.keys()
      if (oldest !== undefined) dropHash(oldest)
    },
    dropHash,
    writer: (id) => writers.get(id),
    begin(id, abort) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const writer = { abort, done: promise }
      writers.set(id, writer)
      return () => {
        if (writers.get(id) === writer) writers.delete(id)
        resolve()
      }
    },
    close() {
      for (const writer of writers.values()) writer.abort()
      for (const id of [...hashes.keys()]) dropHash(id)
    },
  }
}
