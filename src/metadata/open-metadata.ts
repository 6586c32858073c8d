/** The metadata of one registry: opened, migrated, with this process's row in it. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Db } from './database.ts'
import { MIGRATIONS } from './migrations/migrations.ts'
import { createSqliteDb } from './sqlite/db.ts'
import { openDatabase } from './sqlite/open.ts'
import { writeSnapshot, writeSnapshotAside } from './sqlite/snapshot.ts'
import { createInlineWriter, createThreadWriter, type Writer } from './sqlite/writer.ts'

export type Metadata = {
  db: Db
  /** Names this process in rows; another start is another process. */
  processId: string
  /** Names this boot of the machine: what was only in the page cache does not outlive it. */
  boot: string
  /** Copies the database; undefined where it is only in memory. */
  snapshot?: () => Promise<string>
  /** Fills the reserve for a full disk again. */
  refillReserve(): void
}

export type MetadataOptions = {
  /** Where the database, its snapshots and its journal lie. Absent: in memory, gone when the process ends. */
  folder?: string
  /** The database file, where it does not lie in `folder`. */
  databasePath?: string | undefined
  version: string
  /** Bytes of rows kept in memory. */
  cacheBytes?: number
}

const DATABASE_FILE = 'metadata.db'

/** @throws DatabaseRefusedError */
export function openMetadata(options: MetadataOptions): Metadata {
  const processId = randomBytes(8).toString('hex')
  const { folder } = options
  const path = folder === undefined ? ':memory:' : (options.databasePath ?? join(folder, DATABASE_FILE))
  const snapshots = folder === undefined ? '' : join(folder, 'snapshots')
  const connection = openDatabase(path, (from) => void writeSnapshot(path, snapshots, `-before-${from + 1}`))
  register(connection, processId, options.version)
  const writer: Writer =
    folder === undefined
      ? createInlineWriter(connection, processId)
      : createThreadWriter({
          path,
          processId,
          journalFolder: join(folder, 'journal'),
          ballastPath: join(folder, 'ballast'),
        })
  const db = createSqliteDb({
    connection,
    writer,
    processId,
    cacheBytes: options.cacheBytes ?? 24 * 1024 * 1024,
  })
  return {
    db,
    processId,
    boot: bootId(processId),
    ...(folder !== undefined && { snapshot: () => writeSnapshotAside(path, snapshots) }),
    refillReserve: () => writer.refill(),
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
    if ((error as { errcode?: number }).errcode !== 13) throw error
  }
}

/** Without the kernel's id each process counts as a boot of its own: then more is read again, never less. */
function bootId(processId: string): string {
  const file = '/proc/sys/kernel/random/boot_id'
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : processId
}
