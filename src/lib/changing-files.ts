/** What was read from files that may change while the program runs. */
import { stat } from 'node:fs/promises'

export type ChangingFiles<T> = {
  /** What the files say; at once, unless it is time to look at them again. The same object while they stay the same. */
  current(): T | Promise<T>
}

type Options<T> = {
  /** Looked at through symbolic links, so that a link that is put elsewhere counts as a change. */
  paths: readonly string[]
  /** Reads them. Throws where they make no sense. */
  read: () => Promise<T>
  /** Told once of each state of the files that cannot be used; what was read before stays in use. */
  failed: (error: unknown) => void
  changed: () => void
  /** Milliseconds, of any clock. */
  now: () => number
  /** Milliseconds between two looks, which are made when something is asked for. */
  everyMs?: number
}

/** @throws what `read` throws */
export async function openChangingFiles<T extends object>({
  paths,
  read,
  failed,
  changed,
  now,
  everyMs = 2_000,
}: Options<T>): Promise<ChangingFiles<T>> {
  // Before they are read: a change meanwhile is seen by the next look.
  let seen = await marksOf(paths)
  let value = await read()
  let lookedAt = now()
  let isLooking = false

  const look = async (): Promise<T> => {
    isLooking = true
    try {
      const marks = await marksOf(paths)
      if (marks === seen) return value
      seen = marks
      value = await read()
      changed()
    } catch (error) {
      failed(error)
    } finally {
      lookedAt = now()
      isLooking = false
    }
    return value
  }
  return {
    current: () => (isLooking || Math.abs(now() - lookedAt) < everyMs ? value : look()),
  }
}

async function marksOf(paths: readonly string[]): Promise<string> {
  const marks = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
        return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? 'gone'
      }
    }),
  )
  return marks.join(' ')
}
