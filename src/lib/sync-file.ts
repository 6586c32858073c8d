/** Makes files and names durable. */
import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Syncs a file, or a folder: then the names in it. */
export function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } catch (error) {
    // Windows cannot sync a folder.
    if (process.platform !== 'win32') throw error
  } finally {
    closeSync(descriptor)
  }
}
