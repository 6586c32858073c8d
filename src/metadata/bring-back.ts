/**
 * What brings a manifest back from the trash, with all that it needs: the children that it names, theirs, the referrers
 * that were taken along, and links to blobs that were deleted on their own. It is walked anew each time, and not told
 * by the deletion's id: meanwhile some of it may have been deleted with something else.
 */
import { digestFromBytes, type Digest } from '../oci/digest.ts'
import { LEASE_MS } from './blob-links.ts'
import type { Outcome, Row, Statement, Step } from './database.ts'

/** There, or in the trash, where its time is not over (or something holds it anyway) and nobody has emptied it. */
const LOCK_RESTORABLE: Statement = {
  name: 'lock-restorable-manifest',
  sql: `SELECT 1 AS there FROM manifests m
        WHERE m.repository_id = :repositoryId AND m.digest = :digest
        AND (m.expires_at IS NULL
          OR (m.expires_at > :dueAfter OR EXISTS (SELECT 1 FROM manifest_refs h
            WHERE h.repository_id = m.repository_id AND h.held_manifest = m.digest))
          AND NOT EXISTS (SELECT 1 FROM deletions e WHERE e.id = m.deletion_id AND e.emptied_at IS NOT NULL))`,
  rows: true,
}
/** Children in whatever state: the manifest cannot be pulled without them. Referrers only where they were taken along. */
const WALK = `WITH RECURSIVE back (digest) AS (
          SELECT digest FROM manifests WHERE repository_id = :repositoryId AND digest = :digest
          UNION SELECT r.held_manifest FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_manifest IS NOT NULL
          UNION SELECT m.digest FROM back b CROSS JOIN manifests m
            ON m.repository_id = :repositoryId AND m.subject = b.digest AND m.expires_at IS NOT NULL
            AND m.deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.id = m.deletion_id AND d.digest = m.digest))`
const DAMAGED: Statement = {
  name: 'damaged-of-restored',
  sql: `${WALK} SELECT DISTINCT x.digest FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_blob IS NOT NULL
          CROSS JOIN blobs x ON x.digest = r.held_blob AND x.damaged_at IS NOT NULL
        LIMIT 100`,
  rows: true,
}
const RELINK: Statement = {
  name: 'relink-blobs-of-restored',
  sql: `${WALK} UPDATE blob_links SET unlinked_at = NULL, kept_until = NULL, lease_until = max(lease_until, :leaseUntil)
        WHERE repository_id = :repositoryId AND unlinked_at IS NOT NULL AND digest IN (
          SELECT r.held_blob FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_blob IS NOT NULL)
        RETURNING digest`,
  rows: true,
}
const RESTORE_MANIFESTS: Statement = {
  name: 'restore-manifests',
  sql: `${WALK} UPDATE manifests SET deleted_at = NULL, expires_at = NULL, deletion_id = NULL
        WHERE repository_id = :repositoryId AND digest IN (SELECT digest FROM back) AND expires_at IS NOT NULL
        RETURNING digest`,
  rows: true,
}

/** What was not there before. */
export type BroughtBack = {
  manifests: Digest[]
  blobs: Digest[]
  /** Blobs of it whose bytes are damaged: they have to be pushed again. At most 100. */
  damaged: Digest[]
}

/**
 * `:digest` of `:repositoryId` is back when they are done. The first one misses where it is gone, or can no longer be
 * restored. The others go from what expires to what it names, so their order matters.
 */
export const BRING_BACK: readonly Step[] = [
  { statement: LOCK_RESTORABLE, expect: 1 },
  { statement: DAMAGED },
  { statement: RELINK },
  { statement: RESTORE_MANIFESTS },
]

/** @param evenWhenDue for the journal, which does not tell of the leases that kept it on then */
export function bringBackParams(now: number, evenWhenDue: boolean) {
  return { now, leaseUntil: now + LEASE_MS, dueAfter: evenWhenDue ? 0 : now }
}

/** @param at where {@link BRING_BACK} begins in the transaction */
export function broughtBack(outcome: Outcome & { done: true }, at: number): BroughtBack {
  const digests = (rows: readonly Row[] | undefined) =>
    (rows ?? []).map((row) => digestFromBytes(row['digest'] as Uint8Array))
  return {
    damaged: digests(outcome.rows[at + 1]),
    blobs: digests(outcome.rows[at + 2]),
    manifests: digests(outcome.rows[at + 3]),
  }
}
