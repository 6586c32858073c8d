/**
 * Reads all that CNCF Distribution left into rows that nobody else sees yet: what a takeover that was begun knew before
 * its database was lost. The mark stays with the registry's own walk, which looks again at its next start.
 */
import type { Db } from '../metadata/database.ts'
import { beginTakeover } from '../metadata/takeover.ts'
import { createFolderReader } from './folder-reader.ts'
import { createImporting } from './importing.ts'

const PAGE = 500

type ImportAllOptions = {
  dataFolder: string
  now(): number
  progress(repositories: number): void
  signal: AbortSignal
}

/** @throws UnreadableError, AbortError, what the database throws */
export async function importAll(db: Db, options: ImportAllOptions): Promise<void> {
  const { dataFolder, now, progress, signal } = options
  const reader = createFolderReader({ dataFolder })
  const importing = createImporting({ db, reader, now })
  let done = 0
  try {
    await beginTakeover(db, now())
    for (let last = ''; ;) {
      const { names } = await reader.list(last, PAGE, true)
      for (const { name } of names) {
        signal.throwIfAborted()
        await importing.import(name, true)
        progress(++done)
      }
      const end = names.at(-1)
      if (end === undefined || names.length < PAGE) return
      last = end.name
    }
  } finally {
    await importing.close()
    await reader.close()
  }
}
