/** Keeps a long run from filling the disk, and one side's writes from slowing the next. */
import { execFile } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync, type Dirent } from 'node:fs'
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

const PIECE = 1024 * 1024

/**
 * Writes as many bytes to a file as are to be measured next, and removes it. Memory that the host of a virtual machine
 * has not given to it yet, or has taken back, costs whoever writes to it first up to ten times what the copy costs: a
 * lottery, which no side is to draw in.
 */
export function touchMemory(folder: string, bytes: number): void {
  const path = join(folder, 'touched')
  const piece = Buffer.alloc(PIECE, 1)
  const file = openSync(path, 'w')
  try {
    for (let left = bytes; left > 0; left -= PIECE) writeSync(file, piece, 0, Math.min(left, PIECE))
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}
