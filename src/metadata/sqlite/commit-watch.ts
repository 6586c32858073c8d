/**
 * Whether anything was committed since the last look, by one read of 96 bytes.
 *
 * The shared memory beside a database in WAL mode begins with two copies of a header that each commit changes (the
 * transaction counter, the log's end and its checksum); it is what every connection compares before it reads, and so
 * what `PRAGMA data_version` rests on (SQLite's "WAL-index Format", section 1.1). The PRAGMA takes and gives back two
 * locks for it; this does not.
 *
 * The header is read through SQLite's own descriptor: opening the file once more, and closing it, would give up the
 * locks of the whole process (POSIX). SQLite keeps that descriptor for as long as any connection of this process is
 * open. A mapping and a read see the same pages on the filesystems named below; elsewhere there is no watch.
 */
import { fstatSync, readdirSync, readlinkSync, readSync, realpathSync, statfsSync, statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

export type CommitWatch = {
  /** `same`: no commit since the last look of before. `unknown`: it cannot be told; ask SQLite. */
  look(): 'same' | 'changed' | 'unknown'
  /** From now on nothing can be told: SQLite knew of a commit that did not show here. */
  distrust(): void
}

/** Linux's f_type of those where it was tried or follows from one page cache: ext, xfs, btrfs, tmpfs, f2fs, overlay. */
const COHERENT: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0xf2f52010, 0x794c7630,
])

const COPY_WORDS = 12
const COPIES_BYTES = 2 * COPY_WORDS * 4
/** Where a header says that it is one (the byte `isInit`). */
const IS_INIT = 12

/** @returns undefined: not on this system, on this filesystem, or not in WAL mode */
export function openCommitWatch(connection: DatabaseSync): CommitWatch | undefined {
  if (process.platform !== 'linux') return undefined
  const location = connection.location()
  if (location === null) return undefined
  try {
    const file = `${realpathSync(location)}-shm`
    if (!COHERENT.has(statfsSync(file).type >>> 0)) return undefined
    const fd = descriptorOf(file)
    return fd === undefined ? undefined : createCommitWatch(fd)
  } catch {
    // Without /proc, or without shared memory: SQLite is asked each time.
    return undefined
  }
}

function descriptorOf(file: string): number | undefined {
  const { dev, ino } = statSync(file, { bigint: true })
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) !== file) continue
      const found = fstatSync(fd, { bigint: true })
      if (found.dev === dev && found.ino === ino) return fd
    } catch {
      // The listing itself had a descriptor, which is closed by now.
    }
  }
  return undefined
}

/** @param fd of the shared memory; stays SQLite's */
export function createCommitWatch(fd: number): CommitWatch {
  const bytes = Buffer.alloc(COPIES_BYTES)
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, 2 * COPY_WORDS)
  const last = new Int32Array(COPY_WORDS)
  let isKnown = false
  let isTrusted = true

  function read(): boolean {
    try {
      return readSync(fd, bytes, 0, COPIES_BYTES, 0) === COPIES_BYTES
    } catch {
      isTrusted = false
      return false
    }
  }

  function isSame(): boolean {
    for (let at = 0; at < COPY_WORDS; at += 1) {
      if (words[at] !== last[at] || words[at + COPY_WORDS] !== last[at]) return false
    }
    return true
  }

  return {
    look() {
      if (!isTrusted || !read()) return 'unknown'
      if (isKnown && isSame()) return 'same'
      last.set(words.subarray(0, COPY_WORDS))
      // While a commit writes them the copies differ; then the next look finds another header, too.
      isKnown = bytes[IS_INIT] !== 0 && isSame()
      return 'changed'
    },
    distrust() {
      isTrusted = false
    },
  }
}
