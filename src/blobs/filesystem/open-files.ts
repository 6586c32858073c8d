/**
 * Files kept open between reads, so that a read of a blob costs one trip to the thread pool instead of four. Bounded;
 * who reads has a share in the file, which is closed when nobody has any more and it was dropped.
 */
import type { Stats } from 'node:fs'
import { closeFile, ifThere, openFile, stampOf, statFile } from './calls.ts'

export type SharedFile = { file: number; size: number; stamp: number; release(): void }

export type OpenFiles = {
  /** Undefined: there is no such file. */
  open(key: string, path: string): Promise<SharedFile | undefined>
  /** Forgets the file; it is closed after its last reader. */
  drop(key: string): void
  close(): Promise<void>
}

type Opened = { file: number; stats: Stats }
type Entry = {
  key: string
  opened: Promise<Opened | undefined>
  readers: number
  dropped: boolean
  usedAt: number
}

/** @param options.limit files; those being read count, but are never closed under their readers */
export function createOpenFiles({ limit, idleMs }: { limit: number; idleMs: number }): OpenFiles {
  const entries = new Map<string, Entry>()
  const closing = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined

  const closeEntry = (entry: Entry): void => {
    const work = entry.opened
      .then((opened) => (opened === undefined ? undefined : closeFile(opened.file)))
      // Nothing was written through it: there is nothing to lose by it.
      .catch(() => undefined)
      .finally(() => closing.delete(work))
    closing.add(work)
  }
  const forget = (entry: Entry): void => {
    if (entries.get(entry.key) === entry) entries.delete(entry.key)
    if (entries.size === 0) {
      clearTimeout(timer)
      timer = undefined
    }
    if (entry.dropped) return
    entry.dropped = true
    if (entry.readers === 0) closeEntry(entry)
  }
  const sweep = (): void => {
    timer = undefined
    const oldest = performance.now() - idleMs
    for (const entry of entries.values()) if (entry.readers === 0 && entry.usedAt <= oldest) forget(entry)
    startTimer()
  }
  const startTimer = (): void => {
    if (timer === undefined && entries.size > 0) timer = setTimeout(sweep, idleMs).unref()
  }
  const shrink = (): void => {
    for (const entry of entries.values()) {
      if (entries.size <= limit) return
      if (entry.readers === 0) forget(entry)
    }
  }
  const release = (entry: Entry): void => {
    entry.readers -= 1
    entry.usedAt = performance.now()
    if (!entry.dropped) return shrink()
    if (entry.readers === 0) closeEntry(entry)
  }
  /** The readers are counted before the file is open, so that nobody closes it in between. */
  const share = (key: string, path: string): Entry => {
    const known = entries.get(key)
    const entry = known ?? { key, opened: openAndStat(path), readers: 0, dropped: false, usedAt: 0 }
    entry.readers += 1
    entries.delete(key)
    entries.set(key, entry)
    startTimer()
    return entry
  }
  return {
    async open(key, path) {
      const entry = share(key, path)
      const opened = await entry.opened.catch((error: unknown) => {
        forget(entry)
        release(entry)
        throw error
      })
      if (opened === undefined) {
        forget(entry)
        release(entry)
        return undefined
      }
      shrink()
      let released = false
      return {
        file: opened.file,
        size: opened.stats.size,
        stamp: stampOf(opened.stats),
        release: () => {
          if (!released) release(entry)
          released = true
        },
      }
    },
    drop(key) {
      const entry = entries.get(key)
      if (entry !== undefined) forget(entry)
    },
    async close() {
      for (const entry of entries.values()) forget(entry)
      await Promise.all(closing)
    },
  }
}

async function openAndStat(path: string): Promise<Opened | undefined> {
  const file = await ifThere(openFile(path, 'r'))
  if (file === undefined) return undefined
  try {
    return { file, stats: await statFile(file) }
  } catch (error) {
    await closeFile(file)
    throw error
  }
}
