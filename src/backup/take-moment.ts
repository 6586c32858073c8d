/**
 * The moment that a backup is of: first no file is removed any more, then the database is copied. Whatever the copy
 * names is there until the hold is released, however much is deleted and collected meanwhile.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Metadata } from '../metadata/open-metadata.ts'
import { holdRemovals } from '../metadata/removal-holds.ts'
import { findTakeover } from '../metadata/takeover.ts'
import { BackupError } from './layout.ts'

const HOLD_MS = 600_000
const RENEW_EVERY_MS = 60_000

type Moment = {
  /** A copy of the database, removed by {@link release}. */
  path: string
  /** When it was taken. Milliseconds. */
  at: number
  /** @throws BackupError: the hold was over (a machine that slept): files may be gone */
  check(): void
  release(): Promise<void>
}

type MomentOptions = {
  metadata: Metadata
  databasePath: string
  /** Berth's own folder, where the copy lies if there is room. */
  folder: string
  /** Where it lies if there is not. */
  fallback: string
  reason: string
  now(): number
}

/** @throws BackupError: the takeover of a folder of CNCF Distribution is not complete */
export async function takeMoment(options: MomentOptions): Promise<Moment> {
  const { metadata, now } = options
  const { db, copyTo } = metadata
  if (copyTo === undefined) throw new BackupError('what is only in memory cannot be backed up')
  const takeover = await findTakeover(db)
  if (takeover !== undefined && takeover.completedAt === undefined) {
    throw new BackupError(
      'the data of CNCF Distribution are still being taken over, so that not all is known yet: try again when the registry says that it is done',
    )
  }
  const hold = await holdRemovals(db, {
    reason: options.reason,
    ms: HOLD_MS,
    renewEveryMs: RENEW_EVERY_MS,
    now,
  })
  const path = copyPath(options)
  const release = async (): Promise<void> => {
    rmSync(path, { force: true })
    await hold.release()
  }
  try {
    const at = now()
    await copyTo(path)
    return {
      path,
      at,
      check() {
        if (!hold.isInForce())
          throw new BackupError('removal of files could not be held off (did the machine sleep?): try again')
      },
      release,
    }
  } catch (error) {
    await release()
    throw error
  }
}

/** The name says to whoever prunes snapshots that it may go after a day, if a kill leaves it. */
function copyPath({ databasePath, folder, fallback }: MomentOptions): string {
  const snapshots = join(folder, 'snapshots')
  mkdirSync(snapshots, { recursive: true })
  const { bavail, bsize } = statfsSync(snapshots)
  const isRoom = bavail * bsize > 2 * statSync(databasePath).size
  return join(isRoom ? snapshots : fallback, `backup-${randomUUID()}.db.part`)
}
