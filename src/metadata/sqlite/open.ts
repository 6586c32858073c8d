/** Opens the database file: is it ours, is it of this version, may it lie here; and migrates it. */
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DatabaseRefusedError } from '../database.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'

/** "brth": tells a Berth database from another program's. */
const APPLICATION_ID = 0x62727468
/** A process whose heartbeat is older than this has ended. */
export const HEARTBEAT_LIFE_MS = 30_000

export const CONNECTION_PRAGMAS = `
  PRAGMA busy_timeout = 10000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA trusted_schema = OFF;
  PRAGMA cache_size = -16384;
  PRAGMA journal_size_limit = 67108864;
`

/** Filesystems on which SQLite's locks or its shared memory cannot be trusted (statfs f_type, linux/magic.h). */
const NETWORK_FILESYSTEMS = new Map<number, string>([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x517b, 'SMB'],
  [0x00c36400, 'CephFS'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x6a656a63, 'GlusterFS'],
])

/** @throws DatabaseRefusedError */
export function refuseNetworkFilesystem(folder: string): void {
  if (process.platform !== 'linux') return
  const name = NETWORK_FILESYSTEMS.get(statfsSync(folder).type >>> 0)
  if (name === undefined) return
  throw new DatabaseRefusedError(
    `the metadata database cannot lie on a network filesystem (${name}): SQLite's locks do not hold there. ` +
      'Set metadata.path (REGISTRY_METADATA_PATH) to a folder on a local disk; the blobs may stay where they are',
  )
}

/**
 * @param path the database file, or `':memory:'`
 * @param beforeMigration called when an existing database is about to change its form: makes a snapshot
 * @throws DatabaseRefusedError: newer, foreign, locked or damaged
 */
export function openDatabase(path: string, beforeMigration?: (from: number) => void): DatabaseSync {
  if (path !== ':memory:') {
    mkdirSync(dirname(path), { recursive: true })
    refuseNetworkFilesystem(dirname(path))
  }
  const isNew = path === ':memory:' || !existsSync(path)
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    // Asked before anything is set: a foreign file is not touched.
    if (!isNew) refuseForeign(db)
    db.exec(CONNECTION_PRAGMAS)
    migrate(db, beforeMigration)
    return db
  } catch (error) {
    db?.close()
    throw explain(error)
  }
}

function numberOf(db: DatabaseSync, pragma: string): number {
  return Object.values(db.prepare(`PRAGMA ${pragma}`).get() as Record<string, number>)[0] as number
}

function refuseForeign(db: DatabaseSync): void {
  const application = numberOf(db, 'application_id')
  const tables = (db.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number }).n
  if (application !== APPLICATION_ID && tables > 0) {
    throw new DatabaseRefusedError(
      "the metadata database is not Berth's: another program's file has its name. Point storage.filesystem.rootdirectory or metadata.path somewhere else",
    )
  }
  refuseNewer(numberOf(db, 'user_version'))
}

function refuseNewer(version: number): void {
  if (version <= MIGRATIONS.length) return
  throw new DatabaseRefusedError(
    `the data folder was written by a newer Berth (schema ${version}; this one knows ${MIGRATIONS.length}). ` +
      'Start the newer version, or restore the snapshot that it made before it migrated (berth/snapshots in the data folder)',
  )
}

function migrate(db: DatabaseSync, beforeMigration?: (from: number) => void): void {
  const from = numberOf(db, 'user_version')
  refuseNewer(from)
  if (from === MIGRATIONS.length) return
  if (from > 0) {
    refuseWhileOthersRun(db)
    beforeMigration?.(from)
  }
  db.exec('BEGIN IMMEDIATE')
  try {
    // Read again under the lock: another process may have been quicker.
    for (let version = numberOf(db, 'user_version'); version < MIGRATIONS.length; version++) {
      db.exec(MIGRATIONS[version] as string)
    }
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}; PRAGMA application_id = ${APPLICATION_ID}`)
    db.exec('COMMIT')
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}

function refuseWhileOthersRun(db: DatabaseSync): void {
  const others = db
    .prepare('SELECT version, host FROM processes WHERE heartbeat > ? LIMIT 1')
    .get(Date.now() - HEARTBEAT_LIFE_MS) as { version: string; host: string } | undefined
  if (others === undefined) return
  throw new DatabaseRefusedError(
    `a Berth ${others.version} on ${others.host} is running on this data folder, and this version must change the database's form first: stop it, then start this one`,
  )
}

function explain(error: unknown): unknown {
  const { errcode, message } = error as Error & { errcode?: number }
  switch (errcode === undefined ? undefined : errcode & 0xff) {
    case 5:
    case 6:
      return new DatabaseRefusedError(
        'the metadata database is locked by another program; end that one (a backup? an sqlite3 shell?) and start again',
        { cause: error },
      )
    case 11:
    case 26:
      return new DatabaseRefusedError(
        `the metadata database is damaged (${message}): restore the newest file of berth/snapshots in the data folder over it`,
        { cause: error },
      )
    case 8:
    case 14:
      return new DatabaseRefusedError(
        `the metadata database cannot be written (${message}): check who owns the data folder and whether it is mounted read-only`,
        { cause: error },
      )
    default:
      return error
  }
}
