/**
 * T5: deletion of tags, manifests and blobs. What was named is gone from every read when the transaction is; what only it
 * held stays for a while, readable by digest where a tag was deleted, and is then collected.
 */
import { type Digest, digestToBytes } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { type Actor, actorEntry, actorParams } from './actor.ts'
import type { Db, Params, Statement, Step } from './database.ts'

const FIND_DIGEST: Statement = {
  name: 'tag-digest',
  sql: `SELECT t.digest, r.id FROM repositories r JOIN tags t ON t.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND t.name = :tag`,
  rows: true,
}
const LOCK_MANIFEST: Statement = {
  name: 'lock-manifest',
  sql: 'SELECT 1 AS there FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND deleted_at IS NULL',
  rows: true,
}
const RECORD_DELETION: Statement = {
  name: 'record-deletion',
  sql: `INSERT INTO deletions (repository_id, what, kind, digest, until, deleted_by, deleted_by_name, client, request_id,
          at, cause)
        VALUES (:repositoryId, :what, substr(:what, 1, instr(:what, ' ') - 1), :digest, :expiresAt, :principalId,
          :principalName, :client, :requestId, :now, :cause)`,
}
/** The row that {@link RECORD_DELETION} has just written: within one transaction the newest of the table. */
const THIS_DELETION = '(SELECT max(id) FROM deletions)'
const TAG_DELETION = `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause, deletion_id)
        SELECT t.repository_id, t.name,
          1 + coalesce((SELECT max(seq) FROM tag_moves p WHERE p.repository_id = t.repository_id AND p.name = t.name), 0),
          :now, t.digest, NULL, m.media_type, length(m.bytes), :principalId, :principalName, :client, :requestId, :cause,
          ${THIS_DELETION}
        FROM tags t JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest`
const RECORD_TAG_DELETION: Statement = {
  name: 'record-tag-deletion',
  sql: `${TAG_DELETION} WHERE t.repository_id = :repositoryId AND t.name = :tag AND +t.digest = :digest`,
}
const RECORD_TAG_DELETIONS: Statement = {
  name: 'record-tag-deletions',
  sql: `${TAG_DELETION} WHERE t.repository_id = :repositoryId AND t.digest = :digest`,
}
const REMOVE_TAG: Statement = {
  name: 'remove-tag',
  sql: 'DELETE FROM tags WHERE repository_id = :repositoryId AND name = :tag AND digest = :digest',
}
/** The last tag was deleted, and no other manifest names it: it goes after a while. */
const EXPIRE_UNTAGGED: Statement = {
  name: 'expire-untagged-manifest',
  sql: `UPDATE manifests SET expires_at = max(:expiresAt, coalesce(lease_until, 0)), deletion_id = ${THIS_DELETION}
        WHERE repository_id = :repositoryId AND digest = :digest
        AND NOT EXISTS (SELECT 1 FROM tags WHERE repository_id = :repositoryId AND digest = :digest)
        AND NOT EXISTS (SELECT 1 FROM manifest_refs WHERE repository_id = :repositoryId AND held_manifest = :digest)`,
}
/**
 * What only the expiring manifest names expires with it: its children, their children, and referrers of all of them.
 * What expired with an earlier deletion does so with this one from now on; what was itself deleted stays with its own.
 * A reader who is told by digest that one is there renews it from now on. Too much may be marked (a child's child that
 * another index holds by way of an unmarked child); the collector looks again, and holds what is held. CROSS JOIN keeps
 * the order: from what follows to what it names, never through the repository.
 */
const EXPIRE_FOLLOWERS: Statement = {
  name: 'expire-followers-of-deleted',
  sql: `WITH RECURSIVE follows (digest) AS (
          SELECT digest FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND expires_at IS NOT NULL
          UNION SELECT r.held_manifest FROM follows f CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = f.digest AND +r.held_manifest IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = r.repository_id AND t.digest = r.held_manifest)
          UNION SELECT m.digest FROM follows f CROSS JOIN manifests m
            ON m.repository_id = :repositoryId AND m.subject = f.digest
            AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest))
        UPDATE manifests AS x SET expires_at = max(:expiresAt, coalesce(x.expires_at, 0), coalesce(x.lease_until, 0)),
          deletion_id = ${THIS_DELETION}
        WHERE x.repository_id = :repositoryId AND x.digest IN (SELECT digest FROM follows) AND x.digest <> :digest
        AND (x.expires_at IS NULL OR x.deletion_id IS NOT ${THIS_DELETION} AND x.deleted_at IS NULL AND NOT EXISTS (
          SELECT 1 FROM deletions d WHERE d.id = x.deletion_id AND d.digest = x.digest))
        AND NOT EXISTS (SELECT 1 FROM manifest_refs p CROSS JOIN manifests q
          ON q.repository_id = p.repository_id AND q.digest = p.manifest AND q.expires_at IS NULL
          WHERE p.repository_id = x.repository_id AND p.held_manifest = x.digest
          AND p.manifest NOT IN (SELECT digest FROM follows))`,
}
const REMOVE_TAGS_OF: Statement = {
  name: 'remove-tags-of-manifest',
  sql: 'DELETE FROM tags WHERE repository_id = :repositoryId AND digest = :digest',
}
const DELETE_MANIFEST: Statement = {
  name: 'delete-manifest',
  sql: `UPDATE manifests SET deleted_at = :now, expires_at = :expiresAt, deletion_id = ${THIS_DELETION}
        WHERE repository_id = :repositoryId AND digest = :digest AND deleted_at IS NULL`,
}
const CANDIDATE: Statement = {
  name: 'manifest-candidate',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'manifest', repository_id, digest, expires_at FROM manifests
        WHERE repository_id = :repositoryId AND digest = :digest AND expires_at IS NOT NULL`,
}
/** A referrer that was taken along may itself hold its subject: then nothing else would ever look at either of them. */
const REFERRER_CANDIDATES: Statement = {
  name: 'referrer-candidates',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'manifest', repository_id, digest, expires_at FROM manifests
        WHERE deletion_id = ${THIS_DELETION} AND digest <> :digest AND subject IS NOT NULL AND expires_at IS NOT NULL`,
}

/**
 * T5 for a tag: gone from every read when this returns. A manifest that lost its last tag so stays readable by digest
 * for `keepMs`.
 * @returns false: there is no such tag
 */
export async function deleteTagRow(
  db: Db,
  repository: string,
  tag: Tag,
  keepMs: number,
  actor: Actor,
): Promise<boolean> {
  for (;;) {
    const [row] = await db.read(FIND_DIGEST, { repository, tag })
    if (row === undefined) return false
    const outcome = await db.write({
      steps: [
        { statement: LOCK_MANIFEST, expect: 1 },
        { statement: RECORD_DELETION, expect: 1 },
        { statement: RECORD_TAG_DELETION, expect: 1 },
        { statement: REMOVE_TAG, expect: 1 },
        { statement: EXPIRE_UNTAGGED },
        { statement: EXPIRE_FOLLOWERS },
        { statement: CANDIDATE },
        { statement: REFERRER_CANDIDATES },
      ],
      params: {
        ...actorParams(actor),
        repositoryId: row['id'] as number,
        digest: row['digest'] as Uint8Array,
        tag,
        what: `tag ${tag}`,
        expiresAt: actor.now + keepMs,
      },
      touches: [repository],
      journal: [{ do: 'delete-tag', repository, tag, keep: keepMs, ...actorEntry(actor) }],
      frees: true,
    })
    if (outcome.done) return true
    // Moved or deleted between the look and the write: look again.
  }
}

/** What must hold as well when something is deleted, looked at in the same transaction. */
export type Condition = { step: Step; params: Params }

/**
 * T5 for a manifest and all its tags.
 * @returns false: it is not there, or `onlyIf` does not hold
 */
export async function deleteManifestRow(
  db: Db,
  repository: { id: number; name: string },
  digest: Digest,
  keepMs: number,
  actor: Actor,
  onlyIf?: Condition,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [
      { statement: LOCK_MANIFEST, expect: 1 },
      ...(onlyIf === undefined ? [] : [onlyIf.step]),
      { statement: RECORD_DELETION, expect: 1 },
      { statement: RECORD_TAG_DELETIONS },
      { statement: REMOVE_TAGS_OF },
      { statement: DELETE_MANIFEST, expect: 1 },
      { statement: EXPIRE_FOLLOWERS },
      { statement: CANDIDATE },
      { statement: REFERRER_CANDIDATES },
    ],
    params: {
      ...onlyIf?.params,
      ...actorParams(actor),
      repositoryId: repository.id,
      digest: digestToBytes(digest),
      tag: null,
      what: `manifest ${digest}`,
      expiresAt: actor.now + keepMs,
    },
    touches: [repository.name],
    journal: [
      {
        do: 'delete-manifest',
        repository: repository.name,
        digest,
        keep: keepMs,
        ...actorEntry(actor),
      },
    ],
    frees: true,
  })
  return outcome.done
}

const UNLINK: Statement = {
  name: 'unlink-blob',
  sql: `UPDATE blob_links SET unlinked_at = :now, kept_until = :expiresAt
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NULL`,
}
const UNLINKED_CANDIDATE: Statement = {
  name: 'unlinked-candidate',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'link', repository_id, digest, max(lease_until, :expiresAt) FROM blob_links
        WHERE digest = :digest AND repository_id = :repositoryId`,
}

/** T5 for a blob: it is gone from this repository's reads when this returns. @returns false: it was not there */
export async function unlinkBlob(
  db: Db,
  repository: { id: number; name: string },
  digest: Digest,
  keepMs: number,
  actor: Actor,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [
      { statement: UNLINK, expect: 1 },
      { statement: UNLINKED_CANDIDATE, expect: 1 },
      { statement: RECORD_DELETION, expect: 1 },
    ],
    params: {
      ...actorParams(actor),
      repositoryId: repository.id,
      digest: digestToBytes(digest),
      what: `blob ${digest}`,
      expiresAt: actor.now + keepMs,
    },
    touches: [repository.name],
    journal: [{ do: 'unlink', repository: repository.name, digest, keep: keepMs, ...actorEntry(actor) }],
    frees: true,
  })
  return outcome.done
}
