/** Whether a repository's files have changed since they were read: by a Distribution that still runs, or a copy that goes on. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { BLOBS_PATH, LAYERS, LINK, MANIFESTS, repositoryPath } from './layout.ts'
import type { ReadSince } from './folder-messages.ts'

/** Times of files lag behind the clock by a tick; where a filesystem only keeps seconds, by two of them. */
const TICK_MS = 50
const COARSE_MS = 2000

/**
 * By the times of change of its folders and links, which no program can set back; `deep` looks at the bytes of its
 * blobs too.
 * @throws what the system says, unless something is not there
 */
export function isNewer(dataFolder: string, { name, asOf }: ReadSince, deep: boolean): boolean {
  const repository = join(dataFolder, repositoryPath(name))
  const since = (path: string): boolean => changedSince(path, asOf)
  const tags = join(repository, MANIFESTS, 'tags')
  if (since(join(repository, MANIFESTS)) || since(tags)) return true
  for (const folder of [join(repository, LAYERS), join(repository, MANIFESTS, 'revisions')]) {
    for (const algorithm of entriesOf(folder)) {
      if (since(join(folder, algorithm))) return true
      if (!deep) continue
      for (const hex of entriesOf(join(folder, algorithm))) {
        const blob = join(dataFolder, BLOBS_PATH, algorithm, hex.slice(0, 2), hex, 'data')
        if (since(join(folder, algorithm, hex)) || since(blob)) return true
      }
    }
  }
  return entriesOf(tags).some((tag) => since(join(tags, tag, 'current', LINK)))
}

function changedSince(path: string, asOf: number): boolean {
  const stats = ifThere(() => statSync(path, { throwIfNoEntry: false }))
  if (stats === undefined) return false
  return stats.ctimeMs >= asOf - (stats.ctimeMs % 1000 === 0 ? COARSE_MS : TICK_MS)
}

function entriesOf(folder: string): string[] {
  return ifThere(() => readdirSync(folder)) ?? []
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
