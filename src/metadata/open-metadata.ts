/** The metadata of one registry: opened, migrated, with this process's row in it. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { DATABASE_FILE } from './data-folder.ts'
import type { Db } from './database.ts'
import { beginJournal } from './journal.ts'
import { refuseLostDatabase } from './lost-database.ts'
import { MIGRATIONS } from './migrations/migrations.ts'
import { isFull } from './sqlite/apply.ts'
import { createBallast } from './sqlite/ballast.ts'
import { createSqliteDb } from './sqlite/db.ts'
import { countBeyond } from './sqlite/known-commits.ts'
import { openDatabase } from './sqlite/open.ts'
import { announcePresence, type Presence } from './sqlite/presence.ts'
import { copyDatabaseAside, writeSnapshot, writeSnapshotAside } from './sqlite/snapshot.ts'
import { createInlineWriter, createThreadWriter, type Writer } from './sqlite/writer.ts'

export type Metadata = {
  db: Db
  /** Names this process in rows; another start is another process. */
  processId: string
  /** Names this boot of the machine: what was only in the page cache does not outlive it. */
  boot: string
  /** Copies the database; undefined where it is only in memory. */
  snapshot?: () => Promise<string>
  /** Copies it, as it is at one moment, to a file that is not there yet; undefined where it is only in memory. */
  copyTo?: (path: string) => Promise<void>
  /** Fills the reserve for a full disk again. */
  refillReserve(): void
}

type MetadataOptions = {
  /** Where the database, its snapshots and its journal lie. Absent: in memory, gone when the process ends. */
  folder?: string
  /** The database file, where it does not lie in `folder`. */
  databasePath?: string | undefined
  version: string
  /** Bytes of rows kept in memory. */
  cacheBytes?: number
}

/** @throws DatabaseRefusedError */
export function openMetadata(options: MetadataOptions): Metadata {
  const processId = randomBytes(8).toString('hex')
  const { folder } = options
  const path = folder === undefined ? ':memory:' : (options.databasePath ?? join(folder, DATABASE_FILE))
  const snapshots = folder === undefined ? '' : join(folder, 'snapshots')
  const folders = {
    databasePath: path,
    snapshots,
    journal: folder === undefined ? '' : join(folder, 'journal'),
  }
  const ballastPath = `${path}-ballast`
  // Where the locks of the database hold, theirs do too.
  const presence = folder === undefined ? undefined : announcePresence(`${path}-processes`, processId)
  const ballast = folder === undefined ? undefined : createBallast(ballastPath)
  let connection: DatabaseSync
  try {
    connection = openDatabase(path, {
      beforeMigration: (from) => void writeSnapshot(folders, `-before-${from + 1}`),
      ...(folder !== undefined && {
        snapshots,
        beforeNew: (isLocked) => refuseLostDatabase(folder, path, isLocked),
        afterNew: () => beginJournal(folders.journal, processId),
      }),
      ...(ballast !== undefined && { ballast }),
      ...(presence !== undefined && { gone: presence.gone }),
    })
    if (folder !== undefined) unlessFull(() => countBeyond(connection, snapshots))
    register(connection, processId, options.version)
    settle(connection, presence)
  } catch (error) {
    presence?.close()
    throw error
  }
  const writer: Writer =
    folder === undefined
      ? createInlineWriter(connection, processId)
      : createThreadWriter({
          path,
          processId,
          journalFolder: folders.journal,
          ballastPath,
        })
  const db = createSqliteDb({
    connection,
    writer,
    processId,
    cacheBytes: options.cacheBytes ?? 24 * 1024 * 1024,
    closed: () => presence?.close(),
  })
  // The writer's thread is only started for it where there is something to do.
  const refillReserve = (): void => {
    if (ballast?.isFull() === false) writer.refill()
  }
  refillReserve()
  return {
    db,
    processId,
    boot: bootId(processId),
    ...(folder !== undefined && {
      snapshot: () => writeSnapshotAside(folders),
      copyTo: (to: string) => copyDatabaseAside(path, to),
    }),
    refillReserve,
  }
}

function unlessFull(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!isFull(error as Error)) throw error
  }
}

/** A full disk must not keep a registry from starting to serve: then only the row is missing. */
function register(connection: DatabaseSync, processId: string, version: string): void {
  const now = Date.now()
  try {
    connection
      .prepare(
        'INSERT INTO processes (id, version, schema, host, started_at, heartbeat) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(processId, version, MIGRATIONS.length, hostname(), now, now)
  } catch (error) {
    if (!isFull(error as Error)) throw error
  }
}

/**
 * Uploads that were being written by a process that has ended can go on where they are: nobody else writes into their
 * objects any more. One that was taking over in an object of its own keeps its claim.
 */
function settle(connection: DatabaseSync, presence: Presence | undefined): void {
  if (presence === undefined || presence.gone.length === 0) return
  const gone = JSON.stringify(presence.gone)
  try {
    connection
      .prepare(
        `UPDATE uploads SET holder = NULL, held_until = iif(next_object_id IS NULL, NULL, held_until)
         WHERE holder IN (SELECT value FROM json_each(?))`,
      )
      .run(gone)
    connection.prepare('DELETE FROM processes WHERE id IN (SELECT value FROM json_each(?))').run(gone)
    presence.forget()
  } catch (error) {
    // They stay known as gone to the next that starts.
    if (!isFull(error as Error)) throw error
  }
}

/** Without the kernel's id each process counts as a boot of its own: then more is read again, never less. */
function bootId(processId: string): string {
  const file = '/proc/sys/kernel/random/boot_id'
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : processId
}
