/**
 * A registry's data made again from a backup, in an empty folder. Every digest is compared while it is written. The
 * database gets its name last: until then a file says that a restore is under way, and nothing starts on the folder.
 * Run again after it was killed, it goes on where it was.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BlobStore, Body } from '../blobs/blob-store.ts'
import { syncPath } from '../lib/sync-file.ts'
import { OWN_FOLDER } from '../metadata/data-folder.ts'
import { RESTORING_FILE } from '../metadata/lost-database.ts'
import { type Bulk, openBulk } from '../metadata/sqlite/bulk.ts'
import { writeSnapshot } from '../metadata/sqlite/snapshot.ts'
import {
  countRows,
  markUnrestored,
  prepareRestored,
  recordRestored,
  renewPromises,
  restoredObject,
  type RowCounts,
} from '../metadata/unseen-rows.ts'
import { algorithmOf, type Digest } from '../oci/digest.ts'
import { addTo, type BoundedList, boundedList } from './bounded-list.ts'
import { incompleteImages } from './incomplete.ts'
import { BackupError, isId, namesIn } from './layout.ts'
import { removeDatabase } from './rebuild-base.ts'

type RestoreOptions = {
  dataFolder: string
  databasePath: string
  store: BlobStore
  now: number
  progress(done: { blobs: number; bytes: number }, all: { blobs: number; bytes: number }): void
  signal: AbortSignal
}

/** Where a backup comes from. It calls back in this order: once `metadata`, then `blob` for each, some at a time. */
export type BackupSource = (sink: {
  /** @param write puts the database at a path, and throws where it is not what it was */
  metadata(id: string, write: (path: string) => Promise<void>): Promise<Bulk>
  blob(digest: Digest, body: () => Body): Promise<void>
}) => Promise<void>

export type RestoreReport = {
  id: string
  rows: RowCounts
  /** Written now; what an earlier try had written is not among them. */
  written: { blobs: number; bytes: number }
  /** Blobs that the rows name and the backup does not have, or not with the right bytes. */
  missing: BoundedList<{ digest: Digest; size: number }>
  /** Images they belong to. */
  incomplete: string[]
  /** False: there was no room for one. Until the first of the registry's own, a lost database is restored, not rebuilt. */
  hasSnapshot: boolean
}

/**
 * Folders without files count as empty: a restore that was killed at once leaves such.
 * @throws BackupError: the folder has something in it
 */
export function requireEmpty(dataFolder: string): void {
  const names = namesIn(dataFolder).filter((name) => name !== 'lost+found')
  const own = join(dataFolder, OWN_FOLDER)
  const isOwn = names.every((name) => name === OWN_FOLDER)
  if (isOwn && (existsSync(join(own, RESTORING_FILE)) || !hasFiles(own))) return
  throw new BackupError(`${dataFolder} is not empty: a backup is restored into an empty or a new folder only`)
}

function hasFiles(folder: string): boolean {
  if (!existsSync(folder)) return false
  return readdirSync(folder, { withFileTypes: true }).some(
    (entry) => !entry.isDirectory() || hasFiles(join(folder, entry.name)),
  )
}

/** @throws BackupError, AbortError, what the folder cannot take; run again, it goes on */
export async function restore(source: BackupSource, options: RestoreOptions): Promise<RestoreReport> {
  const { dataFolder, databasePath, signal, now } = options
  requireEmpty(dataFolder)
  const folder = join(dataFolder, OWN_FOLDER)
  const draft = `${databasePath}.restoring`
  const written = { blobs: 0, bytes: 0 }
  let bulk: Bulk | undefined
  let restored = ''
  let all: RowCounts | undefined
  try {
    await source({
      async metadata(id, write) {
        begin(folder, id)
        restored = id
        removeDatabase(draft)
        mkdirSync(dirname(draft), { recursive: true })
        await write(draft)
        bulk = openBulk(draft)
        prepareRestored(bulk.connection, now)
        all = countRows(bulk.connection)
        return bulk
      },
      async blob(digest, body) {
        signal.throwIfAborted()
        if (bulk === undefined || all === undefined)
          throw new BackupError('the backup has no metadata before its blobs')
        const bytes = await writeBlob(bulk, digest, body, options)
        if (bytes === undefined) return
        written.blobs++
        written.bytes += bytes
        options.progress(written, all)
      },
    })
    if (bulk === undefined) throw new BackupError('the backup has no metadata')
    const missing = boundedList<{ digest: Digest; size: number }>()
    bulk.flush()
    for (const blob of markUnrestored(bulk.connection, now)) addTo(missing, blob)
    const incomplete = await incompleteImages(bulk.db, missing.first)
    renewPromises(bulk.connection, now)
    const rows = countRows(bulk.connection)
    bulk.finish()
    const hasSnapshot = finish(folder, draft, databasePath)
    return { id: restored, rows, written, missing, incomplete, hasSnapshot }
  } finally {
    bulk?.close()
    removeDatabase(draft)
  }
}

function begin(folder: string, id: string): void {
  if (!isId(id)) throw new BackupError('the backup is damaged: its name is none')
  const path = join(folder, RESTORING_FILE)
  mkdirSync(folder, { recursive: true })
  if (existsSync(path)) {
    const { backup } = JSON.parse(readFileSync(path, 'utf8')) as { backup?: string }
    if (backup === id) return
    throw new BackupError(
      `the restore that was begun in ${folder} was of the backup ${backup}, and this is ${id}: empty the folder, or go on with that one (--at)`,
    )
  }
  writeFileSync(`${path}.part`, JSON.stringify({ backup: id }), { flush: true })
  renameSync(`${path}.part`, path)
  syncPath(folder)
}

/** @returns undefined: it was there already, or does not belong to the backup, or is not what it should be */
async function writeBlob(
  { connection }: Bulk,
  digest: Digest,
  body: () => Body,
  { store, now, signal }: RestoreOptions,
): Promise<number | undefined> {
  const row = restoredObject(connection, digest)
  if (row === undefined) return undefined
  const object = { id: row.id, digest }
  const there = await store.stat(object)
  if (there?.size === row.size) {
    recordRestored(connection, digest, there.stamp ?? 0, now)
    return undefined
  }
  const hash = store.createHash(algorithmOf(digest), { length: row.size })
  try {
    const planned = store.plan(object, { length: row.size, digest })
    const { state, failure } = await store.append(planned, body(), { signal, hash, length: row.size })
    signal.throwIfAborted()
    if (failure !== undefined || state.received !== row.size || (await hash.digest()) !== digest) {
      await store.remove([{ id: row.id }])
      return undefined
    }
    const { stamp } = await store.finish(state, digest)
    recordRestored(connection, digest, stamp ?? 0, now)
    return row.size
  } finally {
    hash.close()
  }
}

/** The snapshot first: with it, the database that gets its name last could be made again from the first moment on. */
function finish(folder: string, draft: string, databasePath: string): boolean {
  const hasSnapshot = tryToWriteSnapshot(folder, draft)
  renameSync(draft, databasePath)
  syncPath(dirname(databasePath))
  rmSync(join(folder, RESTORING_FILE), { force: true })
  syncPath(folder)
  return hasSnapshot
}

function tryToWriteSnapshot(folder: string, databasePath: string): boolean {
  try {
    writeSnapshot(
      { databasePath, snapshots: join(folder, 'snapshots'), journal: join(folder, 'journal') },
      '',
    )
    return true
  } catch {
    // No room: a restored registry without a snapshot is better than none.
    return false
  }
}
