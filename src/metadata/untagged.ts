/**
 * Manifests that no tag leads to: none of their own, in no index, and no referrers of what is there. They are only
 * looked for where somebody asks for it: digests that are pinned depend on them.
 */
import { type Digest, digestFromBytes } from '../oci/digest.ts'
import type { Db, Statement } from './database.ts'
import type { Condition } from './deletions.ts'

const REPOSITORIES: Statement = {
  name: 'repositories-by-id',
  sql: 'SELECT id, name FROM repositories WHERE id > :after AND deleted_at IS NULL ORDER BY id LIMIT :limit',
  rows: true,
}
/** Those that are pushed right now are left alone. */
const IS_UNTAGGED = `m.deleted_at IS NULL AND m.expires_at IS NULL AND m.pushed_at <= :before
          AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
          AND NOT EXISTS (SELECT 1 FROM manifest_refs p
            WHERE p.repository_id = m.repository_id AND p.held_manifest = m.digest)
          AND (m.subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifests s
            WHERE s.repository_id = m.repository_id AND s.digest = m.subject AND s.deleted_at IS NULL))`
/** Each manifest of the page, so that the next page is known. */
const UNTAGGED: Statement = {
  name: 'untagged-manifests',
  sql: `SELECT m.digest, length(m.bytes) AS bytes, ${IS_UNTAGGED} AS untagged
        FROM manifests m WHERE m.repository_id = :repositoryId AND m.digest > :after ORDER BY m.digest LIMIT :limit`,
  rows: true,
}

const STILL_UNTAGGED: Statement = {
  name: 'still-untagged',
  sql: `SELECT 1 AS untagged FROM manifests m
        WHERE m.repository_id = :repositoryId AND m.digest = :digest AND ${IS_UNTAGGED}`,
  rows: true,
}

/** For the transaction that deletes it: it may have got a tag, or a parent, since it was found. */
export function stillUntagged(before: number): Condition {
  return { step: { statement: STILL_UNTAGGED, expect: 1 }, params: { before } }
}

export type RepositoryId = { id: number; name: string }

export async function repositoriesAfter(db: Db, after: number, limit: number): Promise<RepositoryId[]> {
  const rows = await db.read(REPOSITORIES, { after, limit })
  return rows.map((row) => ({ id: row['id'] as number, name: row['name'] as string }))
}

/**
 * @param before pushed up to then: an image that is being pushed has no tag yet
 * @returns `last` undefined: there are no more pages
 */
export async function untaggedPage(
  db: Db,
  repositoryId: number,
  before: number,
  after: Uint8Array,
  limit: number,
): Promise<{ untagged: Digest[]; last: Uint8Array | undefined }> {
  const rows = await db.read(UNTAGGED, { repositoryId, before, after, limit })
  return {
    untagged: rows
      .filter((row) => row['untagged'] === 1)
      .map((row) => digestFromBytes(row['digest'] as Uint8Array)),
    last: rows.at(-1)?.['digest'] as Uint8Array | undefined,
  }
}
