/** Tags: where they point, every move they made, listing, and T5 (deletion of tags and manifests). */
import { type Digest, digestToBytes } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { type Actor, actorParams } from './actor.ts'
import type { Db, Statement, Step } from './database.ts'

/** Numbers compare by value: each run of digits is led by its length. `1.10` comes after `1.9`. */
export function naturalSortKey(name: string): string {
  return name.replace(/\d+/g, (digits) => {
    const significant = digits.replace(/^0+(?=\d)/, '')
    return `${String(significant.length).padStart(3, '0')}${significant}`
  })
}

/** Names and their sort keys, as the statements take them. */
export function tagList(tags: readonly Tag[]): string {
  return JSON.stringify(tags.map((name) => ({ name, key: naturalSortKey(name) })))
}

const RECORD_MOVES: Statement = {
  name: 'record-tag-moves',
  sql: `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause, deletion_id)
        SELECT :repositoryId, j.value ->> 'name',
          1 + coalesce((SELECT max(seq) FROM tag_moves p WHERE p.repository_id = :repositoryId AND p.name = j.value ->> 'name'), 0),
          :now, t.digest, :digest, m.media_type, length(m.bytes), :principalId, :principalName, :client, :requestId, :cause, NULL
        FROM json_each(:tags) j
        JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = :digest
        LEFT JOIN tags t ON t.repository_id = :repositoryId AND t.name = j.value ->> 'name'
        WHERE t.digest IS NULL OR t.digest <> :digest`,
}
const SET_TAGS: Statement = {
  name: 'set-tags',
  sql: `INSERT INTO tags (repository_id, name, digest, sort_key, moved_at, moved_by)
        SELECT :repositoryId, j.value ->> 'name', :digest, j.value ->> 'key', :now, :principalName FROM json_each(:tags) j WHERE true
        ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, moved_at = excluded.moved_at,
          moved_by = excluded.moved_by WHERE tags.digest <> excluded.digest`,
}
const KEEP_TAGGED: Statement = {
  name: 'keep-tagged-manifest',
  sql: 'UPDATE manifests SET expires_at = NULL WHERE repository_id = :repositoryId AND digest = :digest AND expires_at IS NOT NULL',
}
/** Points `:tags` at `:digest`, which is there, and remembers where they pointed before. */
export const MOVE_TAGS: readonly Step[] = [
  { statement: RECORD_MOVES },
  { statement: SET_TAGS },
  { statement: KEEP_TAGGED },
]

const LIST: Statement = {
  name: 'list-tags',
  sql: `SELECT t.name FROM repositories r JOIN tags t ON t.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND t.name > :after ORDER BY t.name LIMIT :limit`,
  rows: true,
}

/** Names after `after` in byte order, at most `limit`; the same list object as long as nothing has changed. */
export async function listTagNames(
  db: Db,
  repository: string,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const names = await db.cached(
    repository,
    `tags ${limit} ${after}`,
    LIST,
    { repository, after, limit },
    (rows) => rows.map((row) => row['name'] as string),
    (list) => list.length * 64 + 64,
  )
  return names ?? []
}

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
  sql: `INSERT INTO deletions (repository_id, what, deleted_by, deleted_by_name, client, request_id, at, cause)
        VALUES (:repositoryId, :what, :principalId, :principalName, :client, :requestId, :now, :cause)`,
}
/** The row that {@link RECORD_DELETION} has just written: within one transaction the newest of the table. */
const THIS_DELETION = '(SELECT max(id) FROM deletions)'
const RECORD_TAG_DELETIONS: Statement = {
  name: 'record-tag-deletions',
  sql: `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause, deletion_id)
        SELECT t.repository_id, t.name,
          1 + coalesce((SELECT max(seq) FROM tag_moves p WHERE p.repository_id = t.repository_id AND p.name = t.name), 0),
          :now, t.digest, NULL, m.media_type, length(m.bytes), :principalId, :principalName, :client, :requestId, :cause,
          ${THIS_DELETION}
        FROM tags t JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
        WHERE t.repository_id = :repositoryId AND t.digest = :digest AND (:tag IS NULL OR t.name = :tag)`,
}
const REMOVE_TAG: Statement = {
  name: 'remove-tag',
  sql: 'DELETE FROM tags WHERE repository_id = :repositoryId AND name = :tag AND digest = :digest',
}
/** The last tag was deleted, and no other manifest names it: it goes after a while. */
const EXPIRE_UNTAGGED: Statement = {
  name: 'expire-untagged-manifest',
  sql: `UPDATE manifests SET expires_at = :expiresAt, deletion_id = ${THIS_DELETION}
        WHERE repository_id = :repositoryId AND digest = :digest
        AND NOT EXISTS (SELECT 1 FROM tags WHERE repository_id = :repositoryId AND digest = :digest)
        AND NOT EXISTS (SELECT 1 FROM manifest_refs WHERE repository_id = :repositoryId AND held_manifest = :digest)`,
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
        { statement: RECORD_TAG_DELETIONS, expect: 1 },
        { statement: REMOVE_TAG, expect: 1 },
        { statement: EXPIRE_UNTAGGED },
        { statement: CANDIDATE },
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
      journal: [{ do: 'delete-tag', repository, tag, by: actor.principalName, cause: actor.cause }],
      frees: true,
    })
    if (outcome.done) return true
    // Moved or deleted between the look and the write: look again.
  }
}

/** T5 for a manifest and all its tags. @returns false: it is not there */
export async function deleteManifestRow(
  db: Db,
  repository: { id: number; name: string },
  digest: Digest,
  keepMs: number,
  actor: Actor,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [
      { statement: LOCK_MANIFEST, expect: 1 },
      { statement: RECORD_DELETION, expect: 1 },
      { statement: RECORD_TAG_DELETIONS },
      { statement: REMOVE_TAGS_OF },
      { statement: DELETE_MANIFEST, expect: 1 },
      { statement: CANDIDATE },
    ],
    params: {
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
        by: actor.principalName,
        cause: actor.cause,
      },
    ],
    frees: true,
  })
  return outcome.done
}
