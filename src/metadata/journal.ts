/**
 * The journal of changes: JSON lines, one file a process and day, written behind the answers and never synced. With
 * the last snapshot it makes a lost database again: the lines of all processes in order of `seq` (the commit they
 * were in, `commits.seq` of the database), from the first that is larger than the snapshot's own. What cannot be
 * written (a full disk) waits, up to a bound; beyond it a line says that some are missing, until the next snapshot.
 * The journal of a new database begins with a line that says so; what was pruned of it is told by a file beside it.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalEntry } from './database.ts'
import { giveToOwner } from './private-file.ts'

const MAX_PENDING = 8 * 1024 * 1024
const DAY_MS = 86_400_000
const NAME = /^(\d{4}-\d\d-\d\d)-[0-9a-f]+\.jsonl$/
/** Holds the first day of which all lines are still there. */
export const PRUNED_FILE = 'pruned-before'

type Journal = {
  /** @param seq the commit that the changes were in */
  append(seq: number, entries: readonly JournalEntry[]): void
  /** Hands what was appended to the operating system. */
  flush(): void
  close(): void
}

/** The first line of all: whoever finds it has the whole journal. A folder that cannot be written has none. */
export function beginJournal(folder: string, processId: string): void {
  const journal = createJournal(folder, processId)
  journal.append(0, [{ do: 'begin' }])
  journal.close()
}

/** Names of the journal's files, with their days. */
export function journalFiles(folder: string): { name: string; day: string }[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names.flatMap((name) => {
    const day = NAME.exec(name)?.[1]
    return day === undefined ? [] : [{ name, day }]
  })
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
    giveToOwner(descriptor, folder)
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
  const old = journalFiles(folder).filter(({ day }) => day < last)
  if (old.length === 0) return
  // Said before it is so: a kill between leaves too much, never too little that nobody knows of.
  writeFileSync(join(folder, PRUNED_FILE), `${last}\n`, { flush: true })
  for (const { name } of old) rmSync(join(folder, name), { force: true })
}
