/**
 * Takes over a folder that CNCF Distribution wrote, while it is served. What a request names is imported then, before
 * it is answered; a walk in the background imports the rest and sets the mark (`walk.ts`). Any number of processes may
 * do this on one folder: they meet in the rows.
 */
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { findImported, importedOf } from '../metadata/imported.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { createFolderReader, UnreadableError } from './folder-reader.ts'
import { createImporting } from './importing.ts'
import { startWalk } from './walk.ts'

export type Takeover = {
  /**
   * Resolves when the repository can be served: all that Distribution had of it is here, or it had none.
   * @throws RegistryError UNAVAILABLE: it cannot be read
   */
  ensure(repository: RepositoryName): Promise<void>
  /**
   * Names after `after`, and up to `last` where it is given, that Distribution lists and that were not imported yet, in
   * byte order.
   * @throws RegistryError UNAVAILABLE
   */
  listWaiting(
    after: string,
    limit: number,
    last: string | undefined,
  ): Promise<{ names: readonly string[]; more: boolean }>
  isComplete(): boolean
  /** Ends what is under way at the next step; another start goes on. */
  close(): Promise<void>
}

export type TakeoverParts = {
  db: Db
  processId: string
  dataFolder: string
  log: Logger
  now: () => number
  /** Copies the database once all is here. */
  snapshot: (() => Promise<string>) | undefined
  /** How long to wait before looking again whether the folder still changes. Milliseconds. */
  lookAgainMs?: number
  /** For tests: nothing is imported but what requests name. */
  walks?: boolean
}

/** Names of repositories that are known to be here. */
const KNOWN = 10_000
/** The thread's memory is given back when nobody can be waiting for it any more. */
const THREAD_ENDS_MS = 10_000
/** What could not be read is not tried again for so long. */
const RETRY_MS = 3000

export function createTakeover(parts: TakeoverParts): Takeover {
  const { db, dataFolder, now, log } = parts
  const reader = createFolderReader({ dataFolder })
  const importing = createImporting({ db, reader, now })
  const known = new Set<string>()
  const failures = new Map<string, { until: number; error: UnreadableError }>()
  let complete = false

  const walk =
    parts.walks === false
      ? undefined
      : startWalk(parts, {
          reader,
          importing,
          completed() {
            complete = true
            known.clear()
            failures.clear()
            setTimeout(() => void reader.close(), THREAD_ENDS_MS).unref()
          },
        })

  function remember(name: string): void {
    if (known.size >= KNOWN) known.clear()
    known.add(name)
  }

  async function bring(name: RepositoryName): Promise<void> {
    if ((await findImported(db, name)) === undefined) {
      const failure = failures.get(name)
      if (failure !== undefined && failure.until > now()) throw failure.error
      // Not there now: somebody may be about to push it. It is not remembered, for a Distribution may be, too.
      if ((await reader.find(name)) === undefined) return
      await importing.import(name, true)
    }
    if (!complete) remember(name)
    failures.delete(name)
  }

  function refuse(name: string, error: UnreadableError): never {
    if (failures.size >= KNOWN) failures.clear()
    if (!failures.has(name)) log.error('a repository cannot be taken over', { repository: name, error })
    failures.set(name, { until: now() + RETRY_MS, error })
    throw unavailable(error)
  }

  return {
    async ensure(name) {
      if (complete || known.has(name)) return
      try {
        await bring(name)
      } catch (error) {
        if (!(error instanceof UnreadableError)) throw error
        refuse(name, error)
      }
    },
    async listWaiting(after, limit, last) {
      const waiting: string[] = []
      for (let from = after; waiting.length <= limit;) {
        const { names } = await reader.list(from, limit + 1, true).catch((error: unknown) => {
          throw error instanceof UnreadableError ? unavailable(error) : error
        })
        const there = await importedOf(
          db,
          names.map(({ name }) => name),
        )
        for (const { name, published } of names) if (published && !there.has(name)) waiting.push(name)
        from = names.at(-1)?.name ?? from
        if (names.length <= limit || (last !== undefined && from >= last)) break
      }
      return { names: waiting.slice(0, limit), more: waiting.length > limit }
    },
    isComplete: () => complete,
    async close() {
      await walk?.stop()
      await importing.close()
      await reader.close()
    },
  }
}

/** The reason is in the log; a path of the server is nobody else's business. */
function unavailable(error: UnreadableError): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    'this repository is being taken over from CNCF Distribution, and some of its files cannot be read: ' +
      'the log of the registry says which. It is tried again',
    { retryAfter: 5, cause: error },
  )
}
