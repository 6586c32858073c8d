/** A folder as it lies there: every inode, time and byte. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Path → inode, mode, owner, size, time and digest of what is there; of folders without their time. */
export function dumpFolder(folder: string): Map<string, string> {
  const found = new Map<string, string>()
  const open = [folder]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const stats = lstatSync(next)
    const said = [stats.ino, stats.mode.toString(8), stats.uid]
    if (stats.isDirectory()) open.push(...readdirSync(next).map((name) => join(next as string, name)))
    else
      said.push(
        stats.nlink,
        stats.size,
        stats.mtimeMs,
        createHash('sha256').update(readFileSync(next)).digest('hex'),
      )
    found.set(relative(folder, next), said.join(' '))
  }
  return found
}

/** What differs. */
export function differencesOfFolders(before: Map<string, string>, after: Map<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()])
  return [...paths]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path}: ${before.get(path) ?? 'absent'} → ${after.get(path) ?? 'absent'}`)
}
