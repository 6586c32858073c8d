/** Files that hold hashes of passwords and keys: nobody else may read them. */
import { chmodSync, closeSync, fchownSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

const OWNER_ONLY = 0o600

/**
 * Makes an empty file that only its owner can read. One that root makes for somebody else's folder belongs to that one.
 * @throws what `open` does, EEXIST among it
 */
export function createPrivateFile(path: string): void {
  const descriptor = openSync(path, 'wx', OWNER_ONLY)
  try {
    giveToOwner(descriptor, dirname(path))
  } finally {
    closeSync(descriptor)
  }
}

/** A command may be run by root beside a registry that is not: that one must be able to read what it did. */
export function giveToOwner(descriptor: number, folder: string): void {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = statSync(folder)
  try {
    fchownSync(descriptor, uid, gid)
  } catch {
    // A network's disk that does not let root do so: what is in it counts more than who may read it.
  }
}

/** Takes it from everybody but its owner, where there is one and where that can be done. */
export function makePrivate(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, OWNER_ONLY)
  } catch {
    // Not there, another's file, or a disk without such rights: opening it says what is wrong, if anything is.
  }
}
