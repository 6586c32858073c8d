/** Snapshots of the database: whole files, each of one moment, in `berth/snapshots`. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { startThread } from '../../lib/start-thread.ts'
import { syncPath } from '../../lib/sync-file.ts'
import { pruneJournal } from '../journal.ts'
import { createPrivateFile } from '../private-file.ts'

const KEEP = 3
/** What must be left when the copy is made: a snapshot is not worth a refused push. */
const SPARE_BYTES = 64 * 1024 * 1024
const NAME = /^metadata-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z(?:-before-(\d+))?\.db$/

export type Snapshot = {
  path: string
  /** When it was begun. */
  at: Date
  /** The form of the database that a migration was about to make. Undefined: one of each day. */
  before: number | undefined
}

/** Those in `folder`, newest first. */
export function listSnapshots(folder: string): Snapshot[] {
  const names = existsSync(folder) ? readdirSync(folder) : []
  return names
    .flatMap((name) => {
      const [, day, hours, minutes, seconds, ms, before] = NAME.exec(name) ?? []
      if (day === undefined) return []
      const at = new Date(`${day}T${hours}:${minutes}:${seconds}.${ms}Z`)
      return [{ path: join(folder, name), at, before: before === undefined ? undefined : Number(before) }]
    })
    .sort((a, b) => b.at.getTime() - a.at.getTime())
}

type SnapshotFolders = { databasePath: string; snapshots: string; journal: string }

/**
 * Blocks this thread until the copy is on disk; then removes older ones, and the journal that only they needed.
 * @returns the file's path
 * @throws Error: there is not room enough
 */
export function writeSnapshot(folders: SnapshotFolders, label: string): string {
  const { databasePath, snapshots } = folders
  mkdirSync(snapshots, { recursive: true })
  prune(snapshots)
  requireRoom(databasePath, snapshots)
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const path = join(snapshots, `metadata-${stamp}${label}.db`)
  const part = `${path}.part`
  try {
    copyDatabase(databasePath, part)
    renameSync(part, path)
    syncPath(snapshots)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
  const oldest = prune(snapshots)
  if (oldest !== undefined) pruneJournal(folders.journal, oldest)
  return path
}

/** As it is at one moment, while others go on writing; durable when this returns. */
function copyDatabase(from: string, to: string): void {
  const db = new DatabaseSync(from, { timeout: 10_000 })
  try {
    createPrivateFile(to)
    db.prepare('VACUUM INTO ?').run(to)
  } finally {
    db.close()
  }
  forgetGivenOut(to)
  syncPath(to)
}

/**
 * Keys that tokens are signed with, refresh tokens and sessions end with the database that they are in: whoever comes by
 * a copy cannot sign in with it. What is overwritten leaves no trace in the file.
 */
function forgetGivenOut(path: string): void {
  const db = new DatabaseSync(path)
  try {
    // One that is about to be migrated may not have them yet.
    if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'signing_keys'").get() === undefined) return
    db.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;
      BEGIN;
      DELETE FROM signing_keys;
      DELETE FROM secrets WHERE kind IN ('refresh', 'session');
      COMMIT;`)
  } finally {
    db.close()
  }
}

function requireRoom(databasePath: string, snapshots: string): void {
  const { bavail, bsize, blocks } = statfsSync(snapshots)
  const spare = Math.min(SPARE_BYTES, (blocks * bsize) / 16)
  const needed = Math.ceil(statSync(databasePath).size + spare)
  if (bavail * bsize >= needed) return
  throw new Error(
    `a snapshot of the metadata needs ${needed} bytes, and ${bavail * bsize} are free: the journal goes on without it`,
  )
}

/**
 * The newest few stay, and those made before a migration. What a kill left half-written goes after a day.
 * @returns when the oldest of the daily ones that stay was begun; undefined: there is none
 */
function prune(folder: string): Date | undefined {
  const names = readdirSync(folder).sort()
  for (const name of names.filter((one) => one.endsWith('.part'))) {
    const { mtimeMs } = statSync(join(folder, name), { throwIfNoEntry: false }) ?? {}
    if (mtimeMs !== undefined && Date.now() - mtimeMs > 86_400_000)
      rmSync(join(folder, name), { force: true })
  }
  const daily = listSnapshots(folder).filter(({ before }) => before === undefined)
  for (const { path } of daily.slice(KEEP)) rmSync(path, { force: true })
  return daily.slice(0, KEEP).at(-1)?.at
}

type SnapshotRequest = { snapshot: SnapshotFolders } | { copy: { from: string; to: string } }

/** In a thread of its own, so that nothing else waits. */
export function writeSnapshotAside(folders: SnapshotFolders): Promise<string> {
  return aside({ snapshot: folders })
}

/** {@link copyDatabase} in a thread of its own. `to` must not be there. */
export async function copyDatabaseAside(from: string, to: string): Promise<void> {
  await aside({ copy: { from, to } })
}

function aside(request: SnapshotRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = startThread(new URL('./snapshot', import.meta.url), {
      workerData: request,
      name: 'snapshot',
    })
    worker.once('message', (path: string) => resolve(path))
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the snapshot thread ended early')))
  })
}

if (parentPort !== null && isRequest(workerData)) {
  if ('copy' in workerData) copyDatabase(workerData.copy.from, workerData.copy.to)
  const path = 'copy' in workerData ? workerData.copy.to : writeSnapshot(workerData.snapshot, '')
  parentPort.postMessage(path)
}

function isRequest(data: unknown): data is SnapshotRequest {
  return typeof data === 'object' && data !== null && ('snapshot' in data || 'copy' in data)
}
