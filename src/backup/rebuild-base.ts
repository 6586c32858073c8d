/** What a database is made again from: the newest snapshot that can be used, or nothing. */
import { constants, copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../metadata/migrations/migrations.ts'
import { isBerthDatabase } from '../metadata/sqlite/open.ts'
import { commitsOf } from '../metadata/sqlite/known-commits.ts'
import { listSnapshots, type Snapshot } from '../metadata/sqlite/snapshot.ts'

export type Base = { path: string; at: Date }

type ChosenBase = {
  /** Undefined: there is none that can be used. */
  base: Base | undefined
  unusable: { path: string; why: string }[]
}

/** Copies the newest usable snapshot to `draft`, which is then a database of this version or an older one. */
export function copyNewestSnapshot(snapshots: string, draft: string): ChosenBase {
  const unusable: ChosenBase['unusable'] = []
  // The disk that the database was on may be gone with it.
  mkdirSync(dirname(draft), { recursive: true })
  for (const { path, at } of byWhatTheyKnow(listSnapshots(snapshots))) {
    removeDatabase(draft)
    copyFileSync(path, draft, constants.COPYFILE_FICLONE)
    const why = whyUnusable(draft)
    if (why === undefined) return { base: { path, at }, unusable }
    unusable.push({ path, why })
  }
  removeDatabase(draft)
  return { base: undefined, unusable }
}

/** By their commits, the most first: a clock may have been wrong. Those that cannot be read come first, to be told. */
function byWhatTheyKnow(snapshots: Snapshot[]): Snapshot[] {
  return snapshots
    .map((snapshot) => ({ snapshot, seq: commitsOf(snapshot.path) ?? Infinity }))
    .sort((a, b) => (a.seq === b.seq ? 0 : b.seq - a.seq))
    .map(({ snapshot }) => snapshot)
}

/** The file, and what SQLite keeps beside it. */
export function removeDatabase(path: string): void {
  for (const suffix of DATABASE_SUFFIXES) rmSync(`${path}${suffix}`, { force: true })
}

export const DATABASE_SUFFIXES = ['', '-wal', '-shm', '-journal'] as const

/** Undefined: it is whole, and this version can read it. */
function whyUnusable(path: string): string | undefined {
  const state = databaseState(path)
  switch (state.kind) {
    case 'whole':
      return undefined
    case 'missing':
      return 'it is empty'
    case 'foreign':
      return 'it is not a database of Berth'
    case 'newer':
      return `a newer Berth made it (schema ${state.schema})`
    case 'damaged':
      return `it is damaged: ${state.message}`
  }
}

type DatabaseState =
  | { kind: 'whole' }
  | { kind: 'missing' }
  | { kind: 'foreign' }
  | { kind: 'newer'; schema: number }
  | { kind: 'damaged'; message: string }

/** Reads all of the file, and changes nothing in it. */
export function databaseState(path: string): DatabaseState {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 10_000 })
    const tables = (db.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number }).n
    if (tables === 0) return { kind: 'missing' }
    if (!isBerthDatabase(db)) return { kind: 'foreign' }
    const { user_version: schema } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (schema > MIGRATIONS.length) return { kind: 'newer', schema }
    const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    return found === 'ok' ? { kind: 'whole' } : { kind: 'damaged', message: found }
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number }
    return errcode === 14 ? { kind: 'missing' } : { kind: 'damaged', message }
  } finally {
    db?.close()
  }
}
