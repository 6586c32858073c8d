/**
 * Undo of a deletion: one transaction that first takes the deletion, then looks whether what was deleted is still there,
 * then brings it back whole (see bring-back.ts).
 */
import { digestFromBytes, type Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { type Actor, actorParams } from './actor.ts'
import { LINKED_STEPS } from './blob-links.ts'
import { BRING_BACK, bringBackParams, type BroughtBack, broughtBack } from './bring-back.ts'
import type { Db, Outcome, Row, Statement, Step } from './database.ts'
import { type Deletion, deletionEntry, deletionFromRow } from './deletion-rows.ts'
import { LOCK_REPOSITORY } from './repositories.ts'
import { tagList } from './tags.ts'

export type Restored =
  | ({
      kind: 'restored'
      deletion: Deletion
      /** They point where they did. */
      tags: Tag[]
      /** Names that point elsewhere by now, and were left alone. */
      taken: { tag: Tag; digest: Digest }[]
    } & BroughtBack)
  /** There is no such deletion. */
  | { kind: 'unknown' }
  | { kind: 'restored-before'; deletion: Deletion; at: number }
  /** The trash was emptied: it may be collected at any moment. */
  | { kind: 'emptied'; deletion: Deletion; at: number }
  /** Collected, or about to be: its time is over. */
  | { kind: 'gone'; deletion: Deletion }
  | { kind: 'repository-gone'; deletion: Deletion }

const FIND: Statement = {
  name: 'find-deletion',
  sql: `SELECT d.id, d.kind, d.what, d.digest, d.at, d.until, d.restored_at, d.emptied_at, d.repository_id, r.name
        FROM deletions d JOIN repositories r ON r.id = d.repository_id WHERE d.id = :deletion AND d.digest IS NOT NULL`,
  rows: true,
}
const TAGS_TAKEN_AWAY: Statement = {
  name: 'tags-of-deletion',
  sql: 'SELECT name FROM tag_moves WHERE deletion_id = :deletion',
  rows: true,
}
const CLAIM_RESTORE: Statement = {
  name: 'claim-deletion-to-restore',
  sql: `UPDATE deletions SET restored_at = :now
        WHERE id = :deletion AND restored_at IS NULL AND emptied_at IS NULL`,
}
const RECORD_RESTORED_TAGS: Statement = {
  name: 'record-restored-tags',
  sql: `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause, deletion_id)
        SELECT :repositoryId, j.value ->> 'name',
          1 + coalesce((SELECT max(seq) FROM tag_moves p WHERE p.repository_id = :repositoryId AND p.name = j.value ->> 'name'), 0),
          :now, NULL, :digest, m.media_type, length(m.bytes), :principalId, :principalName, :client, :requestId, :cause, NULL
        FROM json_each(:tags) j
        JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = :digest
        WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = :repositoryId AND t.name = j.value ->> 'name')`,
}
const RESTORE_FREE_TAGS: Statement = {
  name: 'restore-free-tags',
  sql: `INSERT INTO tags (repository_id, name, digest, sort_key, moved_at, moved_by)
        SELECT :repositoryId, j.value ->> 'name', :digest, j.value ->> 'key', :now, :principalName FROM json_each(:tags) j WHERE true
        ON CONFLICT (repository_id, name) DO NOTHING RETURNING name`,
  rows: true,
}
const TAGS_ELSEWHERE: Statement = {
  name: 'restored-tags-elsewhere',
  sql: `SELECT t.name, t.digest FROM json_each(:tags) j
        CROSS JOIN tags t ON t.repository_id = :repositoryId AND t.name = j.value ->> 'name' AND +t.digest <> :digest`,
  rows: true,
}
/** Also after its time, while a manifest that names it keeps it here. */
const RESTORE_LINK: Statement = {
  name: 'restore-link',
  sql: `UPDATE blob_links SET unlinked_at = NULL, kept_until = NULL, lease_until = max(lease_until, :leaseUntil)
        WHERE digest = :digest AND repository_id = :repositoryId
        AND (unlinked_at IS NULL OR coalesce(kept_until, :until) > :dueAfter
          OR EXISTS (SELECT 1 FROM manifest_refs h WHERE h.held_blob = :digest AND h.repository_id = :repositoryId))`,
}
const DAMAGED: Statement = {
  name: 'restored-blob-damaged',
  sql: 'SELECT digest FROM blobs WHERE digest = :digest AND damaged_at IS NOT NULL',
  rows: true,
}

const RESTORE_BLOB: readonly Step[] = [
  { statement: RESTORE_LINK, expect: 1 },
  ...LINKED_STEPS,
  { statement: DAMAGED },
]
const RESTORE_TAGS: readonly Step[] = [
  { statement: RECORD_RESTORED_TAGS },
  { statement: RESTORE_FREE_TAGS },
  { statement: TAGS_ELSEWHERE },
]
/** Before those that bring back: the deletion is ours, and its repository there. */
const CLAIM: readonly Step[] = [{ statement: CLAIM_RESTORE, expect: 1 }, LOCK_REPOSITORY]

/**
 * Undoes one deletion, all of it or nothing: what was deleted is back, whole, with its tags whose names are free.
 * @param actor its cause is what the history says, `restore`
 * @param evenWhenDue as long as it is there at all: for a change that the journal tells of
 */
export async function restoreDeletion(
  db: Db,
  id: number,
  actor: Actor,
  evenWhenDue = false,
): Promise<Restored> {
  const row = await findRow(db, id)
  if (row === undefined) return { kind: 'unknown' }
  const deletion = deletionFromRow(row)
  const names = await db.read(TAGS_TAKEN_AWAY, { deletion: id })
  const tags = names.map(({ name }) => name as Tag)
  const outcome = await db.write({
    steps: [...CLAIM, ...(deletion.kind === 'blob' ? RESTORE_BLOB : [...BRING_BACK, ...RESTORE_TAGS])],
    params: {
      ...actorParams(actor),
      ...bringBackParams(actor.now, evenWhenDue),
      deletion: id,
      repositoryId: deletion.repositoryId,
      digest: row['digest'] as Uint8Array,
      until: deletion.until,
      tags: tagList(tags),
    },
    touches: [deletion.repository],
    journal: [{ ...deletionEntry('restore', deletion, actor), tags }],
  })
  if (outcome.done) return restored(deletion, outcome)
  if (outcome.missed === 1) return { kind: 'repository-gone', deletion }
  if (outcome.missed === 2) return { kind: 'gone', deletion }
  return whyNot(db, deletion)
}

function restored(deletion: Deletion, outcome: Outcome & { done: true }): Restored {
  const at = CLAIM.length
  if (deletion.kind === 'blob') {
    const isDamaged = outcome.rows[at + RESTORE_BLOB.length - 1]?.length !== 0
    return {
      kind: 'restored',
      deletion,
      tags: [],
      taken: [],
      manifests: [],
      blobs: [deletion.digest],
      damaged: isDamaged ? [deletion.digest] : [],
    }
  }
  const [free, elsewhere] = outcome.rows.slice(-2) as [Row[], Row[]]
  return {
    kind: 'restored',
    deletion,
    tags: free.map(({ name }) => name as Tag),
    taken: elsewhere.map(({ name, digest }) => ({
      tag: name as Tag,
      digest: digestFromBytes(digest as Uint8Array),
    })),
    ...broughtBack(outcome, at),
  }
}

async function whyNot(db: Db, deletion: Deletion): Promise<Restored> {
  const row = await findRow(db, deletion.id)
  const at = row?.['restored_at'] as number | null | undefined
  if (typeof at === 'number') return { kind: 'restored-before', deletion, at }
  const emptied = row?.['emptied_at'] as number | null | undefined
  return typeof emptied === 'number' ? { kind: 'emptied', deletion, at: emptied } : { kind: 'unknown' }
}

async function findRow(db: Db, id: number): Promise<Row | undefined> {
  return (await db.read(FIND, { deletion: id }))[0]
}
