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
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'EEXIST' && code !== 'ENOTDIR') return explainDataFailure(root, error)
  return new DatabaseRefusedError(
    `the data folder ${root} is a file, or lies below one: point storage.filesystem.rootdirectory (REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY) at a folder`,
    { cause: error },
  )
}

/** What the system refuses in the data folder, with what to do; whatever else was thrown as it is. */
export function explainDataFailure(root: string, error: unknown): unknown {
  const { code, path = root } = error as NodeJS.ErrnoException
  const refused = (text: string) =>
    new DatabaseRefusedError(`the data folder ${root} ${text}`, { cause: error })
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return refused(
        path === root ? notWritableText(root) : `cannot be used: ${path} ${notWritableText(path)}`,
      )
    case 'EROFS':
      return refused(
        'lies on a file system that is mounted read-only: mount it so that it can be written (docker run -v: without :ro at the end)',
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return refused(
        'has no room left on its disk, be it for bytes (df -h) or for files (df -i): free some and start again',
      )
    default:
      return error
  }
}
