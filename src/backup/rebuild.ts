/**
 * Makes a lost metadata database again.
 *
 *   1. a copy of the newest usable snapshot, or an empty database
 *   2. what CNCF Distribution left is read again, where its takeover was not complete
 *   3. the journal's lines after it, all processes' in order of commits
 *   4. rows against files: what is gone is marked, what no row knows is kept
 *   5. promises are renewed, the old file is put aside, the new one takes its place
 *
 * Everything happens in a draft beside the database's place; a kill before the last step changes nothing.
 */
import { existsSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BlobStore } from '../blobs/blob-store.ts'
import { syncPath } from '../lib/sync-file.ts'
import type { Db } from '../metadata/database.ts'
import { type Bulk, openBulk } from '../metadata/sqlite/bulk.ts'
import { runningProcesses } from '../metadata/sqlite/presence.ts'
import { writeSnapshot } from '../metadata/sqlite/snapshot.ts'
import {
  countRows,
  forgetWhatRan,
  readSeq,
  renewPromises,
  type RowCounts,
  writeSeq,
} from '../metadata/unseen-rows.ts'
import { addTo, type BoundedList, boundedList } from './bounded-list.ts'
import { BackupError } from './layout.ts'
import { type Matched, matchObjects } from './match-objects.ts'
import { type JournalGap, prunedBefore, readJournal } from './read-journal.ts'
import { type Base, copyNewestSnapshot, DATABASE_SUFFIXES, removeDatabase } from './rebuild-base.ts'
import { replayLine } from './replay.ts'

type RebuildOptions = {
  /** Berth's own folder. */
  folder: string
  databasePath: string
  store: BlobStore
  now: number
  isDryRun: boolean
  /** Takes over what CNCF Distribution left in the data folder, all of it; absent: it left nothing. */
  takeOver?: (db: Db) => Promise<void>
  progress(text: string): void
  signal: AbortSignal
}

type RefusedLine = { seq: number; do: string; repository: string | undefined; why: string }

export type RebuildReport = {
  base: Base | undefined
  unusable: { path: string; why: string }[]
  journal: {
    applied: number
    /** When the last change was made that the journal knows of. Milliseconds. */
    last: number | undefined
    /** Lines may be missing between the base and the journal's beginning. */
    isLate: boolean
    gaps: JournalGap[]
    refused: BoundedList<RefusedLine>
  }
  objects: Matched
  /** Of the base: clients begin these anew. */
  uploads: number
  rows: RowCounts
  /** The file that was in its place, under its name of now. */
  putAside: string | undefined
  /** The snapshot of what was made; a string that begins with "!" says why there is none. */
  snapshot: string | undefined
}

/** @throws BackupError: a Berth was started meanwhile; what cannot be read or written; AbortError */
export async function rebuild(options: RebuildOptions): Promise<RebuildReport> {
  const { folder, databasePath, progress, isDryRun } = options
  const draft = `${databasePath}.rebuilding`
  const snapshots = join(folder, 'snapshots')
  progress('looking for the newest snapshot that can be used')
  const { base, unusable } = copyNewestSnapshot(snapshots, draft)
  let bulk: Bulk | undefined
  try {
    bulk = openBulk(draft)
    const uploads = forgetWhatRan(bulk.connection)
    const journal = await replayJournal(bulk, base, options)
    const objects = await matchObjects({
      connection: bulk.connection,
      store: options.store,
      now: options.now,
      progress: (seen) => progress(`${seen} files compared with rows`),
      signal: options.signal,
    })
    renewPromises(bulk.connection, options.now)
    const rows = countRows(bulk.connection)
    bulk.finish()
    const report = { base, unusable, journal, objects, uploads, rows }
    if (isDryRun) return { ...report, putAside: undefined, snapshot: undefined }
    if (runningProcesses(`${databasePath}-processes`).length > 0)
      throw new BackupError('a Berth was started on this folder meanwhile: end it, and run this again')
    const putAside = takePlace(draft, databasePath, options.now)
    return { ...report, putAside, snapshot: snapshotOf(folder, databasePath) }
  } finally {
    bulk?.close()
    removeDatabase(draft)
  }
}

async function replayJournal(
  bulk: Bulk,
  base: Base | undefined,
  { folder, progress, signal, takeOver }: RebuildOptions,
): Promise<RebuildReport['journal']> {
  const { db, connection } = bulk
  const journalFolder = join(folder, 'journal')
  const after = base === undefined ? -1 : readSeq(connection)
  const pruned = await prunedBefore(journalFolder)
  const journal: RebuildReport['journal'] = {
    applied: 0,
    last: undefined,
    isLate: base === undefined || (pruned !== undefined && base.at.toISOString().slice(0, 10) < pruned),
    gaps: [],
    refused: boundedList(),
  }
  const lines = readJournal({ folder: journalFolder, after, onGap: (gap) => journal.gaps.push(gap) })
  let seq = Math.max(after, 0)
  let isAsked = false
  /** Before anything that may build on it. */
  const takeOverFirst = async (isBegun: boolean): Promise<void> => {
    if (isAsked && !isBegun) return
    isAsked = true
    if (takeOver === undefined || !mayTakeOver(connection, base === undefined && journal.isLate, isBegun))
      return
    progress('reading what CNCF Distribution left')
    await takeOver(db)
  }
  for await (const line of lines) {
    signal.throwIfAborted()
    // The first line of all: nothing is missing before it.
    if (line.do === 'begin' && base === undefined) journal.isLate = false
    seq = Math.max(seq, line.seq)
    if (line.do !== 'begin') await takeOverFirst(line.do === 'begin-takeover')
    await applyLine(db, line, journal)
    if (journal.applied % 1000 === 0) progress(`${journal.applied} changes made again`)
  }
  await takeOverFirst(false)
  bulk.flush()
  writeSeq(connection, seq + 1)
  return journal
}

async function applyLine(
  db: Db,
  line: Parameters<typeof replayLine>[1],
  journal: RebuildReport['journal'],
): Promise<void> {
  if (typeof line['t'] === 'number') journal.last = Math.max(journal.last ?? 0, line['t'])
  const why = await replayLine(db, line)
  if (why === undefined) {
    journal.applied++
    return
  }
  const repository = typeof line['repository'] === 'string' ? line['repository'] : undefined
  addTo(journal.refused, { seq: line.seq, do: line.do, repository, why })
}

/**
 * A takeover that was not complete is made again; so is one that the journal says was begun, and one of which nothing
 * is known because everything is lost. Data that Berth had before there was such a folder are no takeover.
 */
function mayTakeOver(connection: Bulk['connection'], isAllLost: boolean, isBegun: boolean): boolean {
  const row = connection.prepare('SELECT completed_at FROM takeover WHERE id = 1').get()
  return row === undefined ? isAllLost || isBegun : row['completed_at'] === null
}

/**
 * The database goes first, then what belongs to it: without the first nothing starts, and beside the new one none of
 * the old log may lie.
 * @returns the name of the one that was there
 */
function takePlace(draft: string, path: string, now: number): string | undefined {
  const aside = `${path}.aside-${new Date(now).toISOString().replace(/[:.]/g, '-')}`
  let putAside: string | undefined
  for (const suffix of DATABASE_SUFFIXES) {
    if (!existsSync(`${path}${suffix}`)) continue
    renameSync(`${path}${suffix}`, `${aside}${suffix}`)
    putAside = aside
  }
  syncPath(dirname(path))
  renameSync(draft, path)
  syncPath(dirname(path))
  return putAside
}

/** Without one, what was found only now (lost bytes, loose files) would have to be found again. */
function snapshotOf(folder: string, databasePath: string): string {
  try {
    const folders = { databasePath, snapshots: join(folder, 'snapshots'), journal: join(folder, 'journal') }
    return writeSnapshot(folders, '')
  } catch (error) {
    return `!${(error as Error).message}`
  }
}
