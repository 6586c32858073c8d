/** Removes old backups from a folder, and then the blobs that none of the others names. */
import { renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { syncPath } from '../lib/sync-file.ts'
import { openFrozen, type Frozen } from '../metadata/sqlite/frozen.ts'
import type { Digest } from '../oci/digest.ts'
import { shardSizes } from './blob-rows.ts'
import { BackupError, backupNames, digestOfName, listBackups, namesIn, PART, SHARDS } from './layout.ts'
import { lockBackups } from './lock.ts'

type Pruned = { removed: string[]; kept: string[]; blobs: number; bytes: number }

/**
 * The newest `keep` stay. Killed at any point, the next call removes what is left over.
 * @throws BackupError: it is no folder of backups, or a backup that stays cannot be read: then nothing is removed
 */
export function pruneBackups(folder: string, keep: number, isDryRun: boolean): Pruned {
  const ids = listBackups(folder).map(({ id }) => id)
  if (ids.length === 0) throw new BackupError(`there is no complete backup in ${folder}`)
  const [removed, kept] = [ids.slice(0, -keep), ids.slice(-keep)]
  const lock = isDryRun ? undefined : lockBackups(folder)
  const opened: Frozen[] = []
  try {
    for (const id of kept) opened.push(openFrozen(join(folder, backupNames(id).metadata)))
    if (!isDryRun) for (const id of removed) removeBackup(folder, id)
    const pruned: Pruned = { removed, kept, blobs: 0, bytes: 0 }
    for (const algorithm of ['sha256', 'sha512'] as const) {
      for (const shard of SHARDS) {
        const needed = (digest: Digest): boolean => digests.has(digest)
        const digests = new Set(
          opened.flatMap(({ connection }) => [...shardSizes(connection, algorithm, shard).keys()]),
        )
        pruneShard(folder, `blobs/${algorithm}/${shard}`, needed, isDryRun, pruned)
      }
    }
    return pruned
  } finally {
    for (const frozen of opened) frozen.close()
    lock?.release()
  }
}

/** First it is none any more, then it goes. */
function removeBackup(folder: string, id: string): void {
  const path = join(folder, backupNames(id).folder)
  renameSync(path, `${path}${PART}`)
  syncPath(join(folder, 'backups'))
  rmSync(`${path}${PART}`, { recursive: true, force: true })
}

function pruneShard(
  folder: string,
  shard: string,
  isNeeded: (digest: Digest) => boolean,
  isDryRun: boolean,
  pruned: Pruned,
): void {
  for (const name of namesIn(join(folder, shard))) {
    const digest = digestOfName(`${shard}/${name.replace(/\.(part|damaged)$/, '')}`)
    // Nothing that a backup does not write is removed.
    if (digest === undefined) continue
    if (!/\.(part|damaged)$/.test(name) && isNeeded(digest)) continue
    const path = join(folder, shard, name)
    pruned.bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
    pruned.blobs++
    if (!isDryRun) rmSync(path, { force: true })
  }
}
