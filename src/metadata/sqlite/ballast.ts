/**
 * A file that only takes up room. On a full disk a delete could not even be written down; then some of the ballast is
 * given back, the delete is committed, and the room it frees fills the ballast again.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

const MIB = 1024 * 1024
const STEP = MIB
/** A sixteenth of the disk, but no more than deletes can need between two checkpoints, and then some. */
const LARGEST = 16 * MIB

export type Ballast = {
  /** Gives back one step of room. False: there is none left. */
  shrink(): boolean
  /** Fills up what is missing, as far as the disk allows. */
  refill(): void
}

export function createBallast(path: string): Ballast {
  function withFile<T>(work: (descriptor: number) => T): T {
    const descriptor = openSync(path, 'a+', 0o600)
    try {
      return work(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }

  return {
    shrink() {
      try {
        return withFile((descriptor) => {
          const { size } = fstatSync(descriptor)
          if (size === 0) return false
          ftruncateSync(descriptor, Math.max(0, size - STEP))
          fsyncSync(descriptor)
          return true
        })
      } catch {
        return false
      }
    },
    refill() {
      try {
        const { blocks, bsize } = statfsSync(dirname(path))
        const wanted = Math.min(LARGEST, Math.max(MIB, Math.floor((blocks * bsize) / 16)))
        if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= wanted) return
        withFile((descriptor) => fill(descriptor, wanted))
      } catch {
        // No room yet: the next call tries again.
      }
    },
  }
}

/** Random bytes, so that a filesystem which compresses or skips zeros really sets the room aside. */
function fill(descriptor: number, wanted: number): void {
  const step = Buffer.alloc(STEP)
  for (let { size } = fstatSync(descriptor); size < wanted; size += STEP) {
    crypto.getRandomValues(step.subarray(0, 65536))
    for (let offset = 65536; offset < STEP; offset += 65536) step.copy(step, offset, 0, 65536)
    const part = Math.min(STEP, wanted - size)
    if (writeSync(descriptor, step, 0, part) < part) return
  }
  fsyncSync(descriptor)
}
