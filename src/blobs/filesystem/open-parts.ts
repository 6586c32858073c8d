/**
 * Files of uploads kept open from one request to the next: what was received is synced while the client makes its next
 * request, and that one need not open the file again. Bounded in number and time.
 */
import type { ObjectId } from '../blob-store.ts'
import type { PartFile } from './part-file.ts'

export type OpenParts = {
  /** @param received bytes that it has, all written */
  keep(id: ObjectId, part: PartFile, received: number): void
  /**
   * The file, for the caller alone. Undefined where it is not kept, or where it was not this process that wrote it last:
   * what is known of its syncs would be wrong.
   */
  take(id: ObjectId, received: number): PartFile | undefined
  drop(id: ObjectId): void
  close(): Promise<void>
}

type Entry = { part: PartFile; received: number; timer: NodeJS.Timeout }

export function createOpenParts({ limit, idleMs }: { limit: number; idleMs: number }): OpenParts {
  const entries = new Map<ObjectId, Entry>()
  const closing = new Set<Promise<void>>()

  const takeOut = (id: ObjectId): Entry | undefined => {
    const entry = entries.get(id)
    if (entry === undefined) return undefined
    clearTimeout(entry.timer)
    entries.delete(id)
    return entry
  }
  const close = (part: PartFile): void => {
    // What cannot be closed was synced, or is reported by who syncs it next.
    const closed = part.close().catch(() => undefined)
    closing.add(closed)
    void closed.then(() => closing.delete(closed))
  }
  const drop = (id: ObjectId): void => {
    const entry = takeOut(id)
    if (entry !== undefined) close(entry.part)
  }
  return {
    keep(id, part, received) {
      drop(id)
      for (const oldest of entries.keys()) {
        if (entries.size < limit) break
        drop(oldest)
      }
      entries.set(id, { part, received, timer: setTimeout(drop, idleMs, id).unref() })
    },
    take(id, received) {
      const entry = takeOut(id)
      if (entry === undefined || entry.received === received) return entry?.part
      close(entry.part)
      return undefined
    },
    drop,
    async close() {
      for (const id of entries.keys()) drop(id)
      await Promise.all(closing)
    },
  }
}
