/** Opens the database file: is it ours, is it of this version, may it lie here; and migrates it. */
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DatabaseRefusedError } from '../database.ts'
import { hasContent } from '../lost-database.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'
import { firstNotWritable, notWritableText } from '../not-writable.ts'
import { createPrivateFile, makePrivate } from '../private-file.ts'
import { isFull } from './apply.ts'
import { type Ballast, withRoom } from './ballast.ts'
import { listSnapshots } from './snapshot.ts'

/** "brth": tells a Berth database from another program's. */
const APPLICATION_ID = 0x62727468
/** A process whose heartbeat is older than this has ended. */
const HEARTBEAT_LIFE_MS = 30_000

/** How long a writer waits for another process. */
export const BUSY_TIMEOUT_MS = 10_000
/** How long a read may hold the event loop: it never waits for a writer, only for a log that is being made again. */
const READ_TIMEOUT_MS = 2000

export const CONNECTION_PRAGMAS = `
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
function refuseNetworkFilesystem(folder: string): void {
  if (process.platform !== 'linux') return
  const name = NETWORK_FILESYSTEMS.get(statfsSync(folder).type >>> 0)
  if (name === undefined) return
  throw new DatabaseRefusedError(
    `the metadata database cannot lie on a network filesystem (${name}): SQLite's locks do not hold there. ` +
      'Set metadata.path (REGISTRY_METADATA_PATH) to a folder on a local disk; the blobs may stay where they are',
  )
}

export type OpenOptions = {
  /** Called when an existing database is about to change its form: makes a snapshot. */
  beforeMigration?: (from: number) => void
  /** Where snapshots of it are: named where a newer version's database is refused. */
  snapshots?: string
  /** Called before a database is made where there is none, the second time under its lock: throws if there was one. */
  beforeNew?: (isLocked: boolean) => void
  /** Called when a new one was made. */
  afterNew?: () => void
  /** Given back where the disk is too full to open the database. */
  ballast?: Ballast
  /** Processes that are known to have ended, whatever their heartbeat says. */
  gone?: readonly string[]
  migrations?: readonly string[]
  /** How long to wait for a database that is held by others. Milliseconds. */
  waitMs?: number
}

/**
 * @param path the database file, or `':memory:'`
 * @throws DatabaseRefusedError: newer, foreign, locked or damaged
 */
export function openDatabase(path: string, options: OpenOptions = {}): DatabaseSync {
  try {
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true })
      refuseNetworkFilesystem(dirname(path))
    }
    return withRoom(options.ballast, () => openOnce(path, options))
  } catch (error) {
    throw explain(error, path)
  }
}

function openOnce(path: string, options: OpenOptions): DatabaseSync {
  const isNew = path === ':memory:' || !hasContent(path)
  // Asked before anything is made, and again under the lock.
  if (isNew) options.beforeNew?.(false)
  if (path !== ':memory:') keepPrivate(path)
  const db = new DatabaseSync(path, { timeout: options.waitMs ?? BUSY_TIMEOUT_MS })
  try {
    // Asked before anything is set: a foreign file is not touched.
    if (!isNew) refuseForeign(db, path, options)
    db.exec(CONNECTION_PRAGMAS)
    if (path !== ':memory:') refuseWithoutLog(db)
    migrate(db, path, options)
    db.exec(`PRAGMA busy_timeout = ${READ_TIMEOUT_MS}`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** What SQLite puts beside the file has the file's rights when it is made. */
function keepPrivate(path: string): void {
  if (!existsSync(path)) {
    try {
      return createPrivateFile(path)
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  for (const suffix of ['', '-wal', '-shm']) makePrivate(`${path}${suffix}`)
}

/** Several processes, and readers beside a writer, need the write-ahead log and the shared memory it lives on. */
function refuseWithoutLog(db: DatabaseSync): void {
  const { journal_mode: mode } = db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }
  if (mode === 'wal') return
  throw new DatabaseRefusedError(
    "the metadata database's filesystem offers no shared memory, which several processes need: " +
      'set metadata.path (REGISTRY_METADATA_PATH) to a folder on a local disk',
  )
}

function numberOf(db: DatabaseSync, pragma: string): number {
  return Object.values(db.prepare(`PRAGMA ${pragma}`).get() as Record<string, number>)[0] as number
}

/** Whether a file that can be read is one of Berth's. */
export function isBerthDatabase(db: DatabaseSync): boolean {
  return numberOf(db, 'application_id') === APPLICATION_ID
}

function refuseForeign(db: DatabaseSync, path: string, options: OpenOptions): void {
  const tables = (db.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number }).n
  if (!isBerthDatabase(db) && tables > 0) {
    throw new DatabaseRefusedError(
      "the metadata database is not Berth's: another program's file has its name. Point storage.filesystem.rootdirectory or metadata.path somewhere else",
    )
  }
  refuseNewer(numberOf(db, 'user_version'), path, options)
}

function refuseNewer(
  version: number,
  path: string,
  { migrations = MIGRATIONS, snapshots = '' }: OpenOptions,
): void {
  const known = migrations.length
  if (version <= known) return
  const newer = `the data folder was written by a newer Berth (schema ${version}; this one knows ${known}). Start the newer version again`
  // Made when the database still had a form that this version knows.
  const snapshot = listSnapshots(snapshots).find(({ before = 0 }) => before > 1 && before - 1 <= known)
  if (snapshot === undefined) {
    throw new DatabaseRefusedError(
      `${newer}: no snapshot from before it changed the database is left${snapshots === '' ? '' : ` in ${snapshots}`}`,
    )
  }
  throw new DatabaseRefusedError(
    `${newer}; or go back: end every Berth on this folder and run "berth rebuild --force" with this version. It puts ${path} aside, ` +
      `begins with ${snapshot.path}, the snapshot of ${snapshot.at.toISOString()} that was taken before the newer version changed the database, ` +
      'and makes again what the journal tells of the time since',
  )
}

function migrate(db: DatabaseSync, path: string, options: OpenOptions): void {
  const { migrations = MIGRATIONS, beforeMigration, gone = [] } = options
  const from = numberOf(db, 'user_version')
  if (from === migrations.length) return
  if (from > 0) {
    refuseWhileOthersRun(db, gone)
    beforeMigration?.(from)
  }
  db.exec('BEGIN IMMEDIATE')
  try {
    // Read again under the lock: another process may have been quicker.
    const start = numberOf(db, 'user_version')
    refuseNewer(start, path, options)
    if (start === 0) options.beforeNew?.(true)
    for (const migration of migrations.slice(start)) db.exec(migration)
    db.exec(`PRAGMA user_version = ${migrations.length}; PRAGMA application_id = ${APPLICATION_ID}`)
    db.exec('COMMIT')
    if (start === 0) options.afterNew?.()
  } finally {
    if (db.isTransaction) db.exec('ROLLBACK')
  }
}

function refuseWhileOthersRun(db: DatabaseSync, gone: readonly string[]): void {
  const others = db
    .prepare(
      `SELECT version, host FROM processes
       WHERE heartbeat > ? AND id NOT IN (SELECT value FROM json_each(?)) LIMIT 1`,
    )
    .get(Date.now() - HEARTBEAT_LIFE_MS, JSON.stringify(gone)) as
    { version: string; host: string } | undefined
  if (others === undefined) return
  throw new DatabaseRefusedError(
    `a Berth ${others.version} on ${others.host} is running on this data folder, and this version must change the database's form first: stop it, then start this one`,
  )
}

/** https://www.sqlite.org/rescode.html */
const READ_ONLY = 8
const CANNOT_OPEN = 14
const UNUSABLE_FOLDER: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'])

function explain(error: unknown, path: string): unknown {
  const { errcode, message, code } = error as Error & { errcode?: number; code?: string }
  const refused = (text: string) =>
    new DatabaseRefusedError(`the metadata database ${text}`, { cause: error })
  if (isFull(error as Error) || code === 'ENOSPC') {
    return new DatabaseRefusedError(
      `there is no room on the disk to open the metadata database ${path}: free a few megabytes and start again`,
      { cause: error },
    )
  }
  const isRefused = code !== undefined && UNUSABLE_FOLDER.has(code)
  switch (isRefused ? CANNOT_OPEN : errcode === undefined ? undefined : errcode & 0xff) {
    case 5:
    case 6:
      return refused(
        'is locked by another program; end that one (a backup? an sqlite3 shell?) and start again',
      )
    case 11:
    case 26:
      return refused(
        `is damaged (${message}): end every Berth on this folder and run "berth rebuild", which makes it again and keeps the damaged one aside`,
      )
    case READ_ONLY:
    case CANNOT_OPEN: {
      const files = [dirname(path), path, `${path}-wal`, `${path}-shm`]
      const unwritable = firstNotWritable(files)
      if (unwritable !== undefined && code !== 'EROFS')
        return refused(`cannot be opened: ${unwritable} ${notWritableText(unwritable)}`)
      return refused(
        `${path} cannot be written (${isRefused ? code : message}): check what its folder is, who owns it and whether it is mounted read-only`,
      )
    }
    default:
      return error
  }
}
