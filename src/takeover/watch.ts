/**
 * After the takeover: a Distribution that somebody starts on the folder again writes what Berth does not serve. A look at
 * each start and once a day tells of it; nothing is imported by itself, since Berth's own rows have gone on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { findTakeover } from '../metadata/takeover.ts'
import { createFolderReader } from './folder-reader.ts'
import { inspectFolder } from './inspect.ts'

export type Watch = { stop(): Promise<void> }

const DAY_MS = 86_400_000
/** After a start there is other work first. */
const FIRST_MS = 60_000
const PAGE = 100
const EXAMPLES = 5

export function startWatch({
  db,
  dataFolder,
  log,
  firstMs = FIRST_MS,
}: {
  db: Db
  dataFolder: string
  log: Logger
  firstMs?: number
}): Watch {
  const controller = new AbortController()
  const { signal } = controller
  const watching = watch().catch((error: unknown) => {
    if (!signal.aborted) log.warn("the look at CNCF Distribution's folder failed", { error })
  })

  async function watch(): Promise<void> {
    for (let wait = firstMs; ; wait = DAY_MS) {
      await sleep(wait, undefined, { signal, ref: false })
      const changed = await changedSinceMark(db, dataFolder, signal)
      if (changed.length > 0) tell(changed)
    }
  }

  function tell(changed: readonly string[]): void {
    log.warn(
      `${changed.length} repositories in CNCF Distribution's folder changed after Berth had taken it over: a Distribution ` +
        'writes there again. Berth does not serve what it wrote. Stop it, and push that again to Berth; what is ' +
        "deleted with Distribution's own garbage-collect is lost to Berth too",
      { examples: changed.slice(0, EXAMPLES) },
    )
  }

  return {
    async stop() {
      controller.abort()
      await watching
    },
  }
}

/** Names of the repositories whose links are newer than the mark, or than Berth's own last writing of links. */
async function changedSinceMark(db: Db, dataFolder: string, signal: AbortSignal): Promise<string[]> {
  const row = await findTakeover(db)
  // Who has pushed all of it anew may have removed the folder.
  if (row?.completedAt === undefined || inspectFolder(dataFolder).kind === 'nothing') return []
  const asOf = Math.max(row.completedAt, row.writtenAt ?? 0)
  const reader = createFolderReader({ dataFolder })
  const changed: string[] = []
  try {
    for (let after: string | undefined = ''; after !== undefined && !signal.aborted;) {
      const { names } = await reader.list(after, PAGE, false)
      const since = names.map(({ name }) => ({ name, asOf }))
      changed.push(...(await reader.newer(since, false)))
      after = names.length < PAGE ? undefined : names.at(-1)?.name
    }
  } finally {
    await reader.close()
  }
  return changed
}
