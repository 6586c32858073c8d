/**
 * Files kept open between reads, so that a read of a blob costs one trip to the thread pool instead of four. Bounded;
 * who reads has a share in the file, which is closed when nobody has any more and it was dropped.
 */
import { closeFile, ifThere, openFile, stampOf, statFile } from './calls.ts'

type Opened = {
  readonly file: number
  readonly size: number
  readonly stamp: number
  /** Set by a reader who compared all bytes with the digest. */
  isVerified: boolean
}
export type SharedFile = {
  readonly opened: Opened
  release(): void
}

export type OpenFiles = {
  /** Undefined: there is no such file. */
  open(key: string, path: string): Promise<SharedFile | undefined>
  /** Forgets the file; it is closed after its last reader. */
  drop(key: string): void
  close(): Promise<void>
}

type Entry = {
  key: string
  opened: Promise<Opened | undefined>
  readers: number
  dropped: boolean
  usedAt: number
  /** Opened again since it was last looked at to be closed: it gets a second chance. */
  isWanted: boolean
}
type State = {
  limit: number
  idleMs: number
  /** In the order in which they may be closed. */
  entries: Map<string, Entry>
  closing: Set<Promise<void>>
  /** Runs only while there are entries, and keeps no process alive. */
  timer: NodeJS.Timeout | undefined
}

/** @param options.limit files; those being read count, but are never closed under their readers */
export function createOpenFiles({ limit, idleMs }: { limit: number; idleMs: number }): OpenFiles {
  const state: State = { limit, idleMs, entries: new Map(), closing: new Set(), timer: undefined }
  return {
    open: (key, path) => open(state, key, path),
    drop(key) {
      const entry = state.entries.get(key)
      if (entry !== undefined) forget(state, entry)
    },
    async close() {
      for (const entry of state.entries.values()) forget(state, entry)
      await Promise.all(state.closing)
    },
  }
}

async function open(state: State, key: string, path: string): Promise<SharedFile | undefined> {
  const entry = share(state, key, path)
  let opened: Opened | undefined
  try {
    opened = await entry.opened
  } finally {
    if (opened === undefined) {
      forget(state, entry)
      release(state, entry)
    }
  }
  if (opened === undefined) return undefined
  shrink(state)
  let released = false
  return {
    opened,
    release: () => {
      if (!released) release(state, entry)
      released = true
    },
  }
}

/** The readers are counted before the file is open, so that nobody closes it in between. */
function share(state: State, key: string, path: string): Entry {
  const known = state.entries.get(key)
  const entry = known ?? {
    key,
    opened: openAndStat(path),
    readers: 0,
    dropped: false,
    usedAt: 0,
    isWanted: false,
  }
  entry.readers += 1
  if (known === undefined) state.entries.set(key, entry)
  else entry.isWanted = true
  startTimer(state)
  return entry
}

function release(state: State, entry: Entry): void {
  entry.readers -= 1
  entry.usedAt = performance.now()
  if (!entry.dropped) return shrink(state)
  if (entry.readers === 0) closeEntry(state, entry)
}

function shrink(state: State): void {
  const { entries, limit } = state
  if (entries.size <= limit) return
  // A second time, since all may have been wanted; none twice where all are being read.
  let looks = 2 * entries.size
  for (const [key, entry] of entries) {
    if (entries.size <= limit || looks-- === 0) return
    if (entry.readers === 0 && !entry.isWanted) forget(state, entry)
    else {
      entry.isWanted = false
      entries.delete(key)
      entries.set(key, entry)
    }
  }
}

/** From now on the file is opened anew; this one is closed with its last reader. */
function forget(state: State, entry: Entry): void {
  if (state.entries.get(entry.key) === entry) state.entries.delete(entry.key)
  if (state.entries.size === 0) {
    clearTimeout(state.timer)
    state.timer = undefined
  }
  if (entry.dropped) return
  entry.dropped = true
  if (entry.readers === 0) closeEntry(state, entry)
}

function closeEntry({ closing }: State, entry: Entry): void {
  const work = entry.opened
    .then((opened) => (opened === undefined ? undefined : closeFile(opened.file)))
    // Nothing was written through it: there is nothing to lose by it.
    .catch(() => undefined)
    .finally(() => closing.delete(work))
  closing.add(work)
}

function startTimer(state: State): void {
  if (state.timer !== undefined || state.entries.size === 0) return
  state.timer = setTimeout(() => {
    state.timer = undefined
    const oldest = performance.now() - state.idleMs
    for (const entry of state.entries.values()) {
      if (entry.readers === 0 && entry.usedAt <= oldest) forget(state, entry)
    }
    startTimer(state)
  }, state.idleMs).unref()
}

async function openAndStat(path: string): Promise<Opened | undefined> {
  const file = await ifThere(openFile(path, 'r'))
  if (file === undefined) return undefined
  try {
    const stats = await statFile(file)
    return { file, size: stats.size, stamp: stampOf(stats), isVerified: false }
  } catch (error) {
    await closeFile(file)
    throw error
  }
}
