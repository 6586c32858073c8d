/** Snapshots of the database: whole files, each of one moment, in `berth/snapshots`. */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, Worker, workerData } from 'node:worker_threads'

const KEEP = 3

/** Blocks this thread until the copy is on disk. @returns the file's path */
export function writeSnapshot(databasePath: string, folder: string, label: string): string {
  mkdirSync(folder, { recursive: true })
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const path = join(folder, `metadata-${stamp}${label}.db`)
  const part = `${path}.part`
  try {
    const db = new DatabaseSync(databasePath)
    try {
      db.exec('PRAGMA busy_timeout = 10000')
      db.prepare('VACUUM INTO ?').run(part)
    } finally {
      db.close()
    }
    sync(part)
    renameSync(part, path)
    sync(folder)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
  prune(folder)
  return path
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } catch (error) {
    // Windows cannot sync a folder.
    if (process.platform !== 'win32') throw error
  } finally {
    closeSync(descriptor)
  }
}

/** The newest few stay, and those made before a migration. */
function prune(folder: string): void {
  const files = readdirSync(folder).filter((name) => /^metadata-.*Z\.db$/.test(name))
  for (const name of files.sort().slice(0, -KEEP)) rmSync(join(folder, name), { force: true })
}

type SnapshotRequest = { snapshot: { databasePath: string; folder: string } }

/** In a thread of its own, so that nothing else waits. */
export function writeSnapshotAside(databasePath: string, folder: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request: SnapshotRequest = { snapshot: { databasePath, folder } }
    const worker = new Worker(new URL(import.meta.url), { workerData: request })
    worker.once('message', (path: string) => resolve(path))
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the snapshot thread ended early')))
  })
}

if (parentPort !== null && isRequest(workerData)) {
  const { databasePath, folder } = workerData.snapshot
  parentPort.postMessage(writeSnapshot(databasePath, folder, ''))
}

function isRequest(data: unknown): data is SnapshotRequest {
  return typeof data === 'object' && data !== null && 'snapshot' in data
}
