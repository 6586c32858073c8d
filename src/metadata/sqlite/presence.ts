/**
 * Proof that a process has ended. Each holds SQLite's lock on an empty file of its own (`processes/<id>`) for as long
 * as it lives; the system gives the lock back when it ends, however it ends, in whatever container. Who gets the lock
 * of another one's file therefore knows that its process is gone. A paused process keeps its lock; one without a file
 * is not known to be gone.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const FILE = /^[0-9a-f]{16}$/
const HOUR_MS = 3_600_000

export type Presence = {
  /** The processes that are surely gone; their files stay locked until {@link forget}, so that only one acts on it. */
  readonly gone: readonly string[]
  /** What they left behind is settled. */
  forget(): void
  /** This process ends. */
  close(): void
}

/** Never throws: without a lock of its own a process is only not known to be gone when it is. */
export function announcePresence(folder: string, processId: string): Presence {
  const own = lockOwn(folder, processId)
  const found = gone(folder, processId)
  function forget(): void {
    for (const { name, lock } of found.splice(0)) {
      removeIfMay(join(folder, name))
      lock.close()
    }
  }
  return {
    gone: found.map(({ name }) => name),
    forget,
    close() {
      forget()
      if (own === undefined) return
      removeIfMay(join(folder, processId))
      own.close()
    },
  }
}

/** Processes that live: their locks are held. Takes nothing away from those that are gone. */
export function runningProcesses(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => {
    if (!FILE.test(name)) return false
    const lock = lockOf(join(folder, name))
    lock?.close()
    return lock === undefined
  })
}

/** The file appears under its name when it is locked already. */
function lockOwn(folder: string, processId: string): DatabaseSync | undefined {
  const draft = join(folder, `${processId}.new`)
  let lock: DatabaseSync | undefined
  try {
    mkdirSync(folder, { recursive: true })
    lock = lockOf(draft)
    if (lock !== undefined) renameSync(draft, join(folder, processId))
    return lock
  } catch {
    lock?.close()
    return undefined
  }
}

function gone(folder: string, processId: string): { name: string; lock: DatabaseSync }[] {
  const found: { name: string; lock: DatabaseSync }[] = []
  try {
    for (const name of readdirSync(folder)) {
      if (name.endsWith('.new')) removeOld(join(folder, name))
      const lock = FILE.test(name) && name !== processId ? lockOf(join(folder, name)) : undefined
      if (lock !== undefined) found.push({ name, lock })
    }
  } catch {
    // A folder that cannot be read tells nothing.
  }
  return found
}

/** One that stays, as it is of another user, is found gone again at the next start. */
function removeIfMay(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // What this user may not do with the data is told by what needs it.
  }
}

/** Left by a process that was killed at its start. */
function removeOld(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined && Date.now() - stats.mtimeMs > HOUR_MS) rmSync(path, { force: true })
}

/** @returns undefined: another process has it */
function lockOf(path: string): DatabaseSync | undefined {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: 0 })
    // Nothing is ever written: no journal beside the file.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return db
  } catch {
    db?.close()
    return undefined
  }
}
