/** Whether a folder may become, or already is, a Berth data folder. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { DatabaseRefusedError } from './database.ts'
import { notWritableText } from './not-writable.ts'

/** Everything of Berth's own lies below this folder of the data folder. */
export const OWN_FOLDER = 'berth'
/** The metadata database, in that folder unless `metadata.path` says otherwise. */
export const DATABASE_FILE = 'metadata.db'

/**
 * Makes the folder if need be.
 * @throws DatabaseRefusedError: a file, or not writable
 */
export function prepareDataFolder(root: string): void {
  try {
    mkdirSync(root, { recursive: true })
    if (!statSync(root).isDirectory()) throw new DatabaseRefusedError(`the data folder ${root} is a file`)
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw explain(root, error)
  }
}

function explain(root: string, error: unknown): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EEXIST':
    case 'ENOTDIR':
      return new DatabaseRefusedError(
        `the data folder ${root} is a file, or lies below one: point storage.filesystem.rootdirectory (REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY) at a folder`,
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
      return new DatabaseRefusedError(`the data folder ${root} ${notWritableText(root)}`, { cause: error })
    case 'EROFS':
      return new DatabaseRefusedError(
        `the data folder ${root} lies on a file system that is mounted read-only: mount it so that it can be written (docker run -v: without :ro at the end)`,
        { cause: error },
      )
    default:
      return error
  }
}
