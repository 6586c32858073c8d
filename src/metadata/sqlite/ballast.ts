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
import { isFull } from './apply.ts'

const MIB = 1024 * 1024
const STEP = MIB
/** Little at a time: whoever filled the disk is still there, and takes what a delete leaves over. */
const GIVE = 64 * 1024
/** A sixteenth of the disk, but no more than deletes can need between two checkpoints, and then some. */
const LARGEST = 16 * MIB

export type Ballast = {
  /** Gives back one step of room. False: there is none left. */
  shrink(): boolean
  /** Takes one step of what is missing, unless that would take the last room. True: there is more to take. */
  refill(): boolean
  /** Whether nothing is missing. */
  isFull(): boolean
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

  /** Bytes there should be, and are. */
  function look(): { wanted: number; size: number; free: number } {
    const { blocks, bavail, bsize } = statfsSync(dirname(path))
    const wanted = Math.min(LARGEST, Math.max(MIB, Math.floor((blocks * bsize) / 16)))
    return { wanted, size: statSync(path, { throwIfNoEntry: false })?.size ?? 0, free: bavail * bsize }
  }

  return {
    isFull() {
      try {
        const { wanted, size } = look()
        return size >= wanted
      } catch {
        return false
      }
    },
    shrink() {
      try {
        return withFile((descriptor) => {
          const { size } = fstatSync(descriptor)
          if (size === 0) return false
          ftruncateSync(descriptor, Math.max(0, size - GIVE))
          fsyncSync(descriptor)
          return true
        })
      } catch {
        return false
      }
    },
    refill() {
      try {
        const { wanted, size, free } = look()
        if (size >= wanted || free < 2 * STEP) return false
        withFile((descriptor) => add(descriptor, Math.min(STEP, wanted - size)))
        return size + STEP < wanted
      } catch {
        // No room yet: the next call tries again.
        return false
      }
    },
  }
}

/** Does what even reading a database may need a little room for (its shared memory), giving ballast back for it. */
export function withRoom<T>(ballast: Ballast | undefined, work: () => T): T {
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isFull(error as Error) || ballast?.shrink() !== true) throw error
    }
  }
}

/** Random bytes, so that a filesystem which compresses or skips zeros really sets the room aside. */
function add(descriptor: number, bytes: number): void {
  const step = Buffer.alloc(bytes)
  crypto.getRandomValues(step.subarray(0, 65536))
  for (let offset = 65536; offset < bytes; offset += 65536) step.copy(step, offset, 0, 65536)
  writeSync(descriptor, step)
  fsyncSync(descriptor)
}
