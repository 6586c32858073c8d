/**
 * A database that is lost is never replaced by an empty one: where the data folder holds what only a database can have
 * known of, a start without it is refused, with what to do.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASE_FILE } from './data-folder.ts'
import { DatabaseRefusedError } from './database.ts'
import { journalFiles } from './journal.ts'
import { listSnapshots } from './sqlite/snapshot.ts'

/** Stands in Berth's own folder from the beginning of a restore to its end. */
export const RESTORING_FILE = 'restoring.json'

/**
 * @param folder Berth's own folder
 * @param path where the database should be, and has nothing in it
 * @param isLocked nobody else can be making one now
 * @throws DatabaseRefusedError: there was one
 */
export function refuseLostDatabase(folder: string, path: string, isLocked = false): void {
  const evidence = evidenceOf(folder)
  if (evidence === undefined) return
  // Another process may just have made it, and then its first objects.
  if (!isLocked && hasContent(path)) return
  throw new DatabaseRefusedError(textOf(folder, path, evidence))
}

/** Whether a database file has more in it than its name. */
export function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0
}

function textOf(folder: string, path: string, evidence: string): string {
  if (existsSync(join(folder, RESTORING_FILE))) {
    return `"berth restore" into this folder (${folder}) did not end: run it again, it goes on where it was; or remove the folder`
  }
  const usual = join(folder, DATABASE_FILE)
  if (path !== usual && hasContent(usual)) {
    return (
      `metadata.path (REGISTRY_METADATA_PATH) says that the metadata database is ${path}, where there is none, but this data folder has one: ${usual}. ` +
      `To move it, end every Berth on this folder, move ${usual} to ${path} (and ${usual}-wal, where it is, to ${path}-wal), and start again; or take metadata.path out of the configuration`
    )
  }
  return (
    `the metadata database ${path} is missing or empty, but the data folder has ${evidence}: a new one would know nothing of them. ` +
    'If it lies elsewhere, say where with metadata.path (REGISTRY_METADATA_PATH); if it is lost, "berth rebuild" makes it again'
  )
}

/** What is there that a database knew of. Folders without files are those of a first start that was cut off. */
function evidenceOf(folder: string): string | undefined {
  const objects = join(folder, 'objects')
  if (existsSync(join(folder, RESTORING_FILE))) return 'a restore'
  if (listSnapshots(join(folder, 'snapshots')).length > 0) return 'snapshots of one (berth/snapshots)'
  const journal = join(folder, 'journal')
  if (journalFiles(journal).some(({ name }) => hasContent(join(journal, name))))
    return 'a journal of changes (berth/journal)'
  const isFilled = namesIn(objects).some((name) => namesIn(join(objects, name)).length > 0)
  return isFilled ? 'blobs (berth/objects)' : undefined
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
