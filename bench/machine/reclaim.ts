/** Keeps a long run from filling the disk, and one side's writes from slowing the next. */
import { execFile } from 'node:child_process'
import { readdirSync, rmSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'

/**
 * Removes the files of exactly `size` bytes that were written since, from below a registry's back: they hold blobs
 * that were pushed only to be measured and are never asked for again. A larger one may be a database.
 * @param since milliseconds since 1970
 */
export function removePushed(folder: string, size: number, since: number): void {
  for (const entry of list(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      removePushed(path, size, since)
    } else if (entry.isFile()) {
      const found = statSync(path, { throwIfNoEntry: false })
      if (found !== undefined && found.size === size && found.mtimeMs >= since) rmSync(path, { force: true })
    }
  }
}

/** A registry at work may remove a folder that was there a moment ago. */
function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Waits until everything on the folder's filesystem is on the disk. */
export function settle(folder: string): Promise<void> {
  return new Promise((resolve) => {
    execFile('sync', ['-f', folder], () => resolve())
  })
}
