/** Whether the folder of Distribution is still there: what is missing in one that went away was not removed by anybody. */
import { opendirSync } from 'node:fs'
import { join } from 'node:path'
import { isAbsent } from './file-errors.ts'
import { inspectFolder } from './inspect.ts'
import { BLOBS_PATH, REPOSITORIES_PATH } from './layout.ts'

/**
 * Asked after something was not found, and before what was found counts as all. One look each, whatever their size.
 * @throws Error: there are no repositories, or no blobs, at all; what the system says
 */
export function requireStillThere(dataFolder: string): void {
  for (const path of [REPOSITORIES_PATH, BLOBS_PATH]) {
    if (holdsSomething(join(dataFolder, path))) continue
    // Where there are only unfinished uploads there need be no blobs.
    if (inspectFolder(dataFolder).kind === 'found') continue
    throw new Error(`the folder ${path} is empty or not there: is its disk mounted?`)
  }
}

function holdsSomething(folder: string): boolean {
  try {
    const dir = opendirSync(folder)
    try {
      return dir.readSync() !== null
    } finally {
      dir.closeSync()
    }
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}
