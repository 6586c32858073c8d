/** Brings a repository from the folder into rows, once for all who ask for it at the same time. */
import type { Db } from '../metadata/database.ts'
import { importBatch, type ImportTarget } from '../metadata/import-rows.ts'
import { findImported } from '../metadata/imported.ts'
import { findOrCreateRepository } from '../metadata/repositories.ts'
import { findTakeover } from '../metadata/takeover.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Counts } from './folder-messages.ts'
import { type FolderReader, UnreadableError } from './folder-reader.ts'

type ImportOutcome =
  /** What this process read of it; a part may have been there already. */
  | { kind: 'imported'; counts: Counts }
  /** Another process has done it, or the takeover is complete. */
  | { kind: 'there' }

export type Importing = {
  /**
   * Resolves when all that the folder has of the repository is here. What was deleted here stays so.
   * @param urgent somebody waits for it
   * @param again also if it was imported before: its files have changed
   * @throws UnreadableError; what the database throws
   */
  import(name: RepositoryName, urgent: boolean, again?: boolean): Promise<ImportOutcome>
  /** Resolves when nothing is under way; nothing new is begun. */
  close(): Promise<void>
}

/** A row that another process made or removed meanwhile is looked at again so often. */
const TRIES = 5

export function createImporting({
  db,
  reader,
  now,
}: {
  db: Db
  reader: FolderReader
  now: () => number
}): Importing {
  const underWay = new Map<string, Promise<ImportOutcome>>()
  let closed = false

  async function importOnce(name: RepositoryName, urgent: boolean, again: boolean): Promise<ImportOutcome> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const before = await findImported(db, name)
      if (before !== undefined && (!again || before.isDeleted)) return { kind: 'there' }
      const { id } = await findOrCreateRepository(db, name, 'import', now())
      const counts = await readInto({ id, name, importedAt: before?.importedAt }, urgent)
      if (counts !== undefined) return { kind: 'imported', counts }
      const after = await findImported(db, name)
      if (after !== undefined && after.importedAt !== before?.importedAt) return { kind: 'there' }
      if ((await findTakeover(db))?.completedAt !== undefined) return { kind: 'there' }
    }
    throw new UnreadableError('the repository changed in the database while it was imported: try again')
  }

  /** @returns undefined: it is not as it was when this began */
  async function readInto(target: ImportTarget, urgent: boolean): Promise<Counts | undefined> {
    const sum: Counts = { blobs: 0, manifests: 0, tags: 0, links: 0, findings: 0 }
    for await (const { batch, counts, end } of reader.read(target.name, urgent)) {
      // What could not be read might be all that names the rest: it is not imported without.
      const refused = end?.findings.find(({ kind }) => kind === 'not-readable')
      if (refused !== undefined) throw new UnreadableError(refused.detail)
      if (closed) throw new UnreadableError('the registry is shutting down')
      if (!(await importBatch(db, target, batch, end, now()))) return undefined
      for (const key of Object.keys(sum) as (keyof Counts)[]) sum[key] += counts[key]
    }
    return sum
  }

  return {
    import(name, urgent, again = false) {
      const running = underWay.get(name)
      if (running !== undefined) {
        if (urgent) reader.hurry(name)
        return running
      }
      if (closed) return Promise.reject(new UnreadableError('the registry is shutting down'))
      const started = importOnce(name, urgent, again).finally(() => underWay.delete(name))
      underWay.set(name, started)
      return started
    },
    async close() {
      closed = true
      await Promise.allSettled(underWay.values())
    },
  }
}
