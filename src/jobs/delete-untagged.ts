/**
 * Deletes manifests that no tag leads to, as a DELETE of each would: into the trash, with what only they name. A referrer
 * goes with its subject, and a child with its index; neither is deleted by itself while that stays.
 */
import type { Actor } from '../metadata/actor.ts'
import { LEASE_PROMISE_MS } from '../metadata/blob-links.ts'
import type { Db } from '../metadata/database.ts'
import { deleteManifestRow } from '../metadata/deletions.ts'
import { repositoriesAfter, type RepositoryId, stillUntagged, untaggedPage } from '../metadata/untagged.ts'
import type { Digest } from '../oci/digest.ts'
import { BATCH } from './collect-garbage.ts'
import { noPace, type Pace } from './pace.ts'

const PAGE = 256

type DeleteUntaggedOptions = {
  keepMs: number
  dryRun: boolean
  /** Who it was, for the trash. */
  actor: Omit<Actor, 'now'>
  pace?: Pace
  /** Called for each that was deleted, or would be. */
  onUntagged: (repository: string, digest: Digest) => void
}

/** @returns how many manifests were deleted, or would be */
export async function deleteUntagged(
  { db, now }: { db: Db; now: () => number },
  options: DeleteUntaggedOptions,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0
  let after = 0
  while (!signal.aborted) {
    const repositories = await repositoriesAfter(db, after, PAGE)
    for (const repository of repositories) deleted += await inRepository(db, repository, now, options, signal)
    const last = repositories.at(-1)
    if (last === undefined) break
    after = last.id
  }
  return deleted
}

async function inRepository(
  db: Db,
  repository: RepositoryId,
  now: () => number,
  { keepMs, dryRun, actor, pace = noPace, onUntagged }: DeleteUntaggedOptions,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0
  let after: Uint8Array = new Uint8Array(0)
  while (!signal.aborted) {
    const began = performance.now()
    // A client that was told of a manifest by digest, or has pushed it, has a day to name it.
    const before = now() - LEASE_PROMISE_MS
    const page = await untaggedPage(db, repository.id, before, after, PAGE)
    for (let at = 0; at < page.untagged.length && !signal.aborted; at += BATCH) {
      const batch = page.untagged.slice(at, at + BATCH)
      const done = await Promise.all(
        batch.map(async (digest) =>
          dryRun
            ? true
            : deleteManifestRow(
                db,
                repository,
                digest,
                keepMs,
                { ...actor, now: now() },
                stillUntagged(before),
              ),
        ),
      )
      for (const [index, digest] of batch.entries()) {
        if (done[index] !== true) continue
        deleted++
        onUntagged(repository.name, digest)
      }
      if (!dryRun) await pace.rest(batch.length, performance.now() - began, signal)
    }
    if (page.last === undefined) break
    after = page.last
  }
  return deleted
}
