/**
 * The journal of changes: JSON lines, one file a process and day, written behind the answers and never synced. With
 * the last snapshot it makes a lost database again: the lines of all processes in order of `seq` (the commit they
 * were in, `commits.seq` of the database), from the first that is larger than the snapshot's own. What cannot be
 * written (a full disk) waits, up to a bound; beyond it a line says that some are missing, until the next snapshot.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalEntry } from './database.ts'

const MAX_PENDING = 8 * 1024 * 1024
const DAY_MS = 86_400_000
const NAME = /^(\d{4}-\d\d-\d\d)-[0-9a-f]+\.jsonl$/

export type Journal = {
  /** @param seq the commit that the changes were in */
  append(seq: number, entries: readonly JournalEntry[]): void
  /** Hands what was appended to the operating system. */
  flush(): void
  close(): void
}

export function createJournal(folder: string, processId: string, now: () => number = Date.now): Journal {
  let pending: Buffer[] = []
  let bytes = 0
  let day = ''
  let descriptor: number | undefined
  /** The file ends within a line: the rest belongs to the same file. */
  let isCut = false

  function file(): number {
    const today = new Date(now()).toISOString().slice(0, 10)
    if (descriptor !== undefined && (isCut || day === today)) return descriptor
    if (descriptor !== undefined) closeSync(descriptor)
    descriptor = undefined
    mkdirSync(folder, { recursive: true })
    descriptor = openSync(join(folder, `${today}-${processId}.jsonl`), 'a', 0o600)
    day = today
    return descriptor
  }

  function flush(): void {
    if (bytes === 0) return
    let rest: Buffer = Buffer.concat(pending)
    try {
      while (rest.length > 0) {
        const written = writeSync(file(), rest)
        isCut = rest[written - 1] !== 0x0a
        rest = rest.subarray(written)
      }
    } catch {
      // Never worth failing an answer that is already committed: kept for the next flush, within bounds.
      if (rest.length > MAX_PENDING) rest = gap()
    }
    pending = rest.length === 0 ? [] : [rest]
    bytes = rest.length
  }

  function gap(): Buffer {
    return Buffer.from(`${isCut ? '\n' : ''}${JSON.stringify({ t: now(), do: 'gap' })}\n`)
  }

  return {
    append(seq, entries) {
      for (const entry of entries) {
        const line = Buffer.from(`${JSON.stringify({ seq, t: now(), ...entry })}\n`)
        pending.push(line)
        bytes += line.length
      }
    },
    flush,
    close() {
      flush()
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

/**
 * Removes the files that no snapshot needs which was begun at `oldest` or later: those of days that had ended a day
 * before, so that a clock that was set back a little takes nothing.
 */
export function pruneJournal(folder: string, oldest: Date): void {
  const last = new Date(oldest.getTime() - DAY_MS).toISOString().slice(0, 10)
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  for (const name of names) {
    const day = NAME.exec(name)?.[1]
    if (day !== undefined && day < last) rmSync(join(folder, name), { force: true })
  }
}
