/** Whether a folder may become, or already is, a Berth data folder. */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseRefusedError } from './database.ts'

/** Everything of Berth's own lies below this folder of the data folder. */
export const OWN_FOLDER = 'berth'
/** The metadata database, in that folder unless `metadata.path` says otherwise. */
export const DATABASE_FILE = 'metadata.db'
/** Where CNCF Distribution keeps blobs and repositories. */
const DISTRIBUTION_FOLDER = join('docker', 'registry', 'v2')

/**
 * Makes the folder if need be.
 * @throws DatabaseRefusedError: a file, not writable, or written by CNCF Distribution
 */
export function prepareDataFolder(root: string): void {
  try {
    mkdirSync(root, { recursive: true })
    if (!statSync(root).isDirectory()) throw new DatabaseRefusedError(`the data folder ${root} is a file`)
    accessSync(root, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw explain(root, error)
  }
  refuseDistribution(root)
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
    case 'EROFS':
      return new DatabaseRefusedError(
        `the data folder ${root} cannot be written by this user (${process.getuid?.() ?? 'unknown'}): change its owner, or run as the user that owns it`,
        { cause: error },
      )
    default:
      return error
  }
}

function refuseDistribution(root: string): void {
  const folder = join(root, DISTRIBUTION_FOLDER)
  if (existsSync(join(root, OWN_FOLDER)) || !existsSync(folder) || readdirSync(folder).length === 0) return
  throw new DatabaseRefusedError(
    `the data folder ${root} was written by CNCF Distribution (registry:2 or registry:3). This version of Berth cannot ` +
      'take it over yet and has left it untouched: start with an empty folder and copy what you need, e.g. with skopeo sync',
  )
}
