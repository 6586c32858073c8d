/** Part of the composition: a folder of CNCF Distribution that is taken over, or was. */
import type { Logger } from './lib/logger.ts'
import { DatabaseRefusedError } from './metadata/database.ts'
import type { Metadata } from './metadata/open-metadata.ts'
import { beginTakeover, findTakeover, hasTakenOverFiles } from './metadata/takeover.ts'
import { inspectFolder } from './takeover/inspect.ts'
import type { Takeover } from './takeover/takeover.ts'
import type { Watch } from './takeover/watch.ts'

/** What goes on, or what is watched when it is over; undefined: there never was such a folder. */
type FolderOfDistribution = { takeover: Takeover } | { watch: Watch } | undefined

/**
 * @throws DatabaseRefusedError: the folder cannot be used as it is; nothing was changed
 */
export async function startTakeover({
  metadata,
  dataFolder,
  log,
  now,
}: {
  metadata: Metadata
  dataFolder: string | undefined
  log: Logger
  now: () => number
}): Promise<FolderOfDistribution> {
  if (dataFolder === undefined) return undefined
  const { db, processId, snapshot } = metadata
  const known = await findTakeover(db)
  const inspected = inspectFolder(dataFolder)
  if (inspected.kind === 'refused' && known?.completedAt === undefined)
    throw new DatabaseRefusedError(inspected.why)
  if (known?.completedAt !== undefined) {
    if (inspected.kind === 'nothing' && (await hasTakenOverFiles(db))) throw gone(dataFolder)
    const { startWatch } = await import('./takeover/watch.ts')
    return { watch: startWatch({ db, dataFolder, log }) }
  }
  if (inspected.kind !== 'found') {
    if (known !== undefined) throw gone(dataFolder)
    return undefined
  }
  if (known === undefined && (await beginTakeover(db, now())) === undefined) {
    log.warn(
      'there is a folder of CNCF Distribution beside the data of Berth (docker/registry/v2), and it is not served: only a ' +
        'data folder that is new to Berth is taken over. To have both, start another Berth on a copy of that folder and copy ' +
        'from there, e.g. with skopeo sync',
    )
    return undefined
  }
  for (const note of inspected.notes) log.warn(note)
  const { createTakeover } = await import('./takeover/takeover.ts')
  return { takeover: createTakeover({ db, processId, dataFolder, log, now, snapshot }) }
}

function gone(dataFolder: string): DatabaseRefusedError {
  return new DatabaseRefusedError(
    `the folder of CNCF Distribution that was taken over, docker/registry/v2 in ${dataFolder}, is not there: ` +
      'is its disk mounted? Its files are where Berth keeps those blobs',
  )
}
