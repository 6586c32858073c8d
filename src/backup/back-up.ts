/** One backup into a folder of them: rows of one moment, and what blobs of it the folder does not have yet. */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import type { BlobStore } from '../blobs/blob-store.ts'
import { syncPath } from '../lib/sync-file.ts'
import type { Metadata } from '../metadata/open-metadata.ts'
import { type Frozen, openFrozen } from '../metadata/sqlite/frozen.ts'
import { countRows } from '../metadata/unseen-rows.ts'
import { blobRows } from './blob-rows.ts'
import { copyBlobs, planCopy, requireRoom } from './copy-blobs.ts'
import { hashFile } from './hash-file.ts'
import { incompleteImages } from './incomplete.ts'
import {
  BackupError,
  backupNames,
  type BackupRecord,
  FORMAT,
  idOf,
  isId,
  namesIn,
  PART,
  requireBackupFolder,
  ROOT_FILE,
  ROOT_TEXT,
} from './layout.ts'
import { lockBackups } from './lock.ts'
import { takeMoment } from './take-moment.ts'

export type BackUpOptions = {
  metadata: Metadata
  databasePath: string
  store: BlobStore
  /** The registry's. */
  dataFolder: string
  /** Berth's own, in it. */
  folder: string
  version: string
  now(): number
  progress: BackUpProgress
  signal: AbortSignal
}

export type BackUpProgress = {
  say(text: string): void
  copied(done: { blobs: number; bytes: number }, all: { blobs: number; bytes: number }): void
}

/** @throws BackupError, AbortError, what the folder cannot take; earlier backups are as they were */
export async function backUpToFolder(destination: string, options: BackUpOptions): Promise<BackupRecord> {
  prepareFolder(destination, options.dataFolder)
  const lock = lockBackups(destination)
  try {
    removeHalves(destination)
    options.progress.say('copying the metadata')
    const moment = await takeMoment({ ...options, fallback: destination, reason: `backup to ${destination}` })
    let frozen: Frozen | undefined
    try {
      const id = freeId(destination, moment.at)
      const part = join(destination, `backups/${id}${PART}`)
      mkdirSync(part, { recursive: true, mode: 0o700 })
      copyFileSync(moment.path, join(part, 'metadata.db'))
      syncPath(join(part, 'metadata.db'))
      frozen = openFrozen(join(part, 'metadata.db'))
      const plan = await planCopy(destination, blobRows(frozen.connection))
      await requireRoom(destination, plan.bytes)
      const copied = await copyBlobs(options.store, destination, blobRows(frozen.connection), {
        progress: (done) => {
          moment.check()
          options.progress.copied(done, plan)
        },
        signal: options.signal,
      })
      moment.check()
      const record: BackupRecord = {
        ...(await recordOf(frozen, join(part, 'metadata.db'), options.version)),
        id,
        at: new Date(moment.at).toISOString(),
        copied: { blobs: copied.blobs, bytes: copied.bytes },
        missing: copied.missing,
        incomplete: await incompleteImages(frozen.db, copied.missing.first),
      }
      finish(destination, part, record)
      return record
    } finally {
      frozen?.close()
      await moment.release()
    }
  } finally {
    lock.release()
  }
}

/** What does not depend on where it goes. */
export async function recordOf(
  { connection, schema }: Frozen,
  path: string,
  version: string,
): Promise<Pick<BackupRecord, 'format' | 'version' | 'schema' | 'metadata' | 'rows'>> {
  return { format: FORMAT, version, schema, metadata: await hashFile(path), rows: countRows(connection) }
}

/** An empty folder, or one of backups; not within the data that are copied, nor around them. */
function prepareFolder(destination: string, dataFolder: string): void {
  const [inner, outer] = [resolve(destination) + sep, resolve(dataFolder) + sep]
  if (inner.startsWith(outer) || outer.startsWith(inner)) {
    throw new BackupError(
      `${destination} and the data folder ${dataFolder} lie in each other: name another folder, on another disk`,
    )
  }
  mkdirSync(destination, { recursive: true, mode: 0o700 })
  const names = readdirSync(destination).filter((name) => name !== 'lost+found' && name !== 'lock')
  if (names.includes(ROOT_FILE)) return requireBackupFolder(destination)
  if (names.some((name) => name !== `${ROOT_FILE}${PART}`))
    throw new BackupError(
      `${destination} is not empty, and has no backups of Berth: name an empty or a new folder`,
    )
  const path = join(destination, ROOT_FILE)
  writeFileSync(`${path}${PART}`, ROOT_TEXT, { mode: 0o600, flush: true })
  renameSync(`${path}${PART}`, path)
  syncPath(destination)
}

/** Of backups that were killed. */
function removeHalves(destination: string): void {
  for (const name of [
    ...namesIn(join(destination, 'backups')).map((one) => `backups/${one}`),
    ...namesIn(destination),
  ])
    if (name.endsWith(PART)) rmSync(join(destination, name), { recursive: true, force: true })
}

/** A clock that was set back names no two backups the same. */
function freeId(destination: string, at: number): string {
  const taken = new Set(namesIn(join(destination, 'backups')).filter(isId))
  let time = at
  while (taken.has(idOf(time))) time++
  return idOf(time)
}

function finish(destination: string, part: string, record: BackupRecord): void {
  writeFileSync(join(part, 'backup.json'), `${JSON.stringify(record, undefined, 2)}\n`, {
    mode: 0o600,
    flush: true,
  })
  syncPath(part)
  renameSync(part, join(destination, backupNames(record.id).folder))
  syncPath(join(destination, 'backups'))
  syncPath(destination)
}
