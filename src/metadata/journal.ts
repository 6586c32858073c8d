/**
 * The journal of changes: JSON lines, one file a process and day, written behind the answers and never synced. With
 * the last snapshot it makes a lost database again. What cannot be written (a full disk) waits, up to a
 * bound; beyond it the next snapshot covers it.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalEntry } from './database.ts'

const MAX_PENDING = 8 * 1024 * 1024

export type Journal = {
  append(entries: readonly JournalEntry[]): void
  /** Hands what was appended to the operating system. */
  flush(): void
  close(): void
}

export function createJournal(folder: string, processId: string): Journal {
  let pending = Buffer.alloc(0)
  let day = ''
  let descriptor: number | undefined

  function fileOf(today: string): number {
    if (descriptor !== undefined && day === today) return descriptor
    if (descriptor !== undefined) closeSync(descriptor)
    mkdirSync(folder, { recursive: true })
    descriptor = openSync(join(folder, `${today}-${processId}.jsonl`), 'a', 0o600)
    day = today
    return descriptor
  }

  function flush(): void {
    if (pending.length === 0) return
    try {
      while (pending.length > 0) {
        const written = writeSync(fileOf(new Date().toISOString().slice(0, 10)), pending)
        pending = pending.subarray(written)
      }
    } catch {
      // Never worth failing an answer that is already committed: kept for the next flush, within bounds.
      if (pending.length > MAX_PENDING) pending = Buffer.alloc(0)
    }
  }

  return {
    append(entries) {
      if (entries.length === 0) return
      const lines = entries.map((entry) => `${JSON.stringify({ t: Date.now(), ...entry })}\n`).join('')
      pending = Buffer.concat([pending, Buffer.from(lines)])
    },
    flush,
    close() {
      flush()
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}
