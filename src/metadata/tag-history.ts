/** Every move of a tag: who, when, from where to where; and a tag pointed back to where it was. */
import { digestFromBytes, digestToBytes, type Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { type Actor, actorEntry, actorParams } from './actor.ts'
import { BRING_BACK, bringBackParams, type BroughtBack, broughtBack } from './bring-back.ts'
import type { Db, Row, Statement } from './database.ts'
import { findRepository, LOCK_REPOSITORY, PUBLISH_REPOSITORY } from './repositories.ts'
import { MOVE_TAGS, tagList } from './tags.ts'

/** What became of a manifest that the history names. */
type Whereabouts =
  | { kind: 'here' }
  /** Deleted, or taken along with what was deleted; restorable up to then. */
  | { kind: 'trash'; until: number }
  /** Collected, or the trash was emptied: it has to be pushed again. */
  | { kind: 'gone' }

export type HistoryEnd = { digest: Digest } & Whereabouts

export type TagMove = {
  tag: Tag
  /** Numbers the moves of one tag. */
  seq: number
  /** Milliseconds since 1970. */
  at: number
  /** Absent: the tag was new. */
  from?: HistoryEnd
  /** Absent: the tag was deleted. */
  to?: HistoryEnd
  mediaType: string | undefined
  /** Bytes of the manifest that the tag was moved to, or deleted from. */
  size: number | undefined
  principalId: string
  principalName: string
  client: string
  requestId: string
  /** `push`, `api`, `import`, `restore` … */
  cause: string
  /** The deletion that took the tag away. */
  deletion?: number
}

/** Where a page ends; the next one begins after it. */
type HistoryPosition = { at: number; row: number }

const STATES = `h.rowid AS row, h.name, h.seq, h.at, h.from_digest, h.to_digest, h.media_type, h.size, h.principal_id,
          h.principal_name, h.client, h.request_id, h.cause, h.deletion_id,
          a.digest IS NOT NULL AS from_there, a.expires_at AS from_expires, ad.emptied_at AS from_emptied,
          b.digest IS NOT NULL AS to_there, b.expires_at AS to_expires, bd.emptied_at AS to_emptied`
const MANIFESTS = `LEFT JOIN manifests a ON a.repository_id = h.repository_id AND a.digest = h.from_digest
        LEFT JOIN deletions ad ON ad.id = a.deletion_id
        LEFT JOIN manifests b ON b.repository_id = h.repository_id AND b.digest = h.to_digest
        LEFT JOIN deletions bd ON bd.id = b.deletion_id`
const OF_TAG: Statement = {
  name: 'history-of-tag',
  sql: `SELECT ${STATES} FROM repositories r CROSS JOIN tag_moves h ON h.repository_id = r.id ${MANIFESTS}
        WHERE r.name = :repository AND r.deleted_at IS NULL AND h.name = :tag AND h.seq < :before
        ORDER BY h.seq DESC LIMIT :limit`,
  rows: true,
}
const OF_REPOSITORY: Statement = {
  name: 'history-of-repository',
  sql: `SELECT ${STATES} FROM repositories r CROSS JOIN tag_moves h ON h.repository_id = r.id ${MANIFESTS}
        WHERE r.name = :repository AND r.deleted_at IS NULL AND (h.at, h.rowid) < (:at, :row)
        ORDER BY h.at DESC, h.rowid DESC LIMIT :limit`,
  rows: true,
}

/** Moves of one tag, newest first. @param before only those with a smaller number */
export async function tagHistory(
  db: Db,
  repository: string,
  tag: Tag,
  {
    limit,
    now,
    before = Number.MAX_SAFE_INTEGER,
  }: { limit: number; now: number; before?: number | undefined },
): Promise<TagMove[]> {
  const rows = await db.read(OF_TAG, { repository, tag, before, limit })
  return rows.map((row) => moveFromRow(row, now))
}

/** Moves of all tags of a repository, newest first. `next`: there may be more after it. */
export async function repositoryHistory(
  db: Db,
  repository: string,
  { limit, now, after }: { limit: number; now: number; after?: HistoryPosition | undefined },
): Promise<{ moves: TagMove[]; next: HistoryPosition | undefined }> {
  const position = after ?? { at: Number.MAX_SAFE_INTEGER, row: Number.MAX_SAFE_INTEGER }
  const rows = await db.read(OF_REPOSITORY, { repository, ...position, limit })
  const last = rows.length < limit ? undefined : rows.at(-1)
  return {
    moves: rows.map((row) => moveFromRow(row, now)),
    next: last && { at: last['at'] as number, row: last['row'] as number },
  }
}

function moveFromRow(row: Row, now: number): TagMove {
  const from = endOf(row, 'from', now)
  const to = endOf(row, 'to', now)
  return {
    tag: row['name'] as Tag,
    seq: row['seq'] as number,
    at: row['at'] as number,
    ...(from && { from }),
    ...(to && { to }),
    mediaType: (row['media_type'] as string | null) ?? undefined,
    size: (row['size'] as number | null) ?? undefined,
    principalId: row['principal_id'] as string,
    principalName: row['principal_name'] as string,
    client: row['client'] as string,
    requestId: row['request_id'] as string,
    cause: row['cause'] as string,
    ...(row['deletion_id'] !== null && { deletion: row['deletion_id'] as number }),
  }
}

function endOf(row: Row, side: 'from' | 'to', now: number): HistoryEnd | undefined {
  const bytes = row[`${side}_digest`] as Uint8Array | null
  if (bytes === null) return undefined
  const digest = digestFromBytes(bytes)
  const until = row[`${side}_expires`] as number | null
  if (row[`${side}_there`] !== 1) return { digest, kind: 'gone' }
  if (until === null) return { digest, kind: 'here' }
  const isOver = until <= now || row[`${side}_emptied`] !== null
  return isOver ? { digest, kind: 'gone' } : { digest, kind: 'trash', until }
}

export type TagRestored =
  /** `from`: where it pointed; absent: it was not there. */
  | ({ kind: 'restored'; digest: Digest; from?: Digest } & BroughtBack)
  /** It points there already, and nothing of it is in the trash. */
  | { kind: 'unchanged'; digest: Digest }
  /** There is no such repository, or the tag never was. */
  | { kind: 'unknown' }
  /** Nothing came before: it was made by its first push, and has not moved. */
  | { kind: 'nothing-before' }
  /** Its history does not name this digest. */
  | { kind: 'not-in-history'; digest: Digest }
  /** Collected, or the trash was emptied. */
  | { kind: 'gone'; digest: Digest }

const NEWEST: Statement = {
  name: 'newest-move-of-tag',
  sql: `SELECT h.from_digest, t.digest FROM tag_moves h
        LEFT JOIN tags t ON t.repository_id = h.repository_id AND t.name = h.name
        WHERE h.repository_id = :repositoryId AND h.name = :tag ORDER BY h.seq DESC LIMIT 1`,
  rows: true,
}
const NAMED: Statement = {
  name: 'history-names-digest',
  sql: `SELECT 1 AS named FROM tag_moves h WHERE h.repository_id = :repositoryId AND h.name = :tag
        AND :digest IN (h.from_digest, h.to_digest) LIMIT 1`,
  rows: true,
}
/** It points where it was seen to, or is as absent: else somebody else has moved it. */
const STILL_THERE: Statement = {
  name: 'tag-still-there',
  sql: `SELECT 1 AS same
        WHERE (SELECT digest FROM tags WHERE repository_id = :repositoryId AND name = :tag) IS :from`,
  rows: true,
}
/** The deletion that took it away last is undone, if it was of this tag alone. */
const CLOSE_DELETION: Statement = {
  name: 'close-deletion-of-restored-tag',
  sql: `UPDATE deletions SET restored_at = :now
        WHERE id = (SELECT h.deletion_id FROM tag_moves h WHERE h.repository_id = :repositoryId AND h.name = :tag
          ORDER BY h.seq DESC LIMIT 1)
        AND kind = 'tag' AND digest = :digest AND restored_at IS NULL AND emptied_at IS NULL`,
}
const BEFORE = 2

/**
 * Points a tag to a manifest that its history names, which is brought back from the trash with all that it needs.
 * @param digest absent: where it pointed before its last move or deletion
 * @param evenWhenDue as long as it is there at all: for a change that the journal tells of
 */
export async function restoreTag(
  db: Db,
  repository: RepositoryName,
  tag: Tag,
  digest: Digest | undefined,
  actor: Actor,
  evenWhenDue = false,
): Promise<TagRestored> {
  for (;;) {
    const row = await findRepository(db, repository)
    if (row === undefined) return { kind: 'unknown' }
    const [newest] = await db.read(NEWEST, { repositoryId: row.id, tag })
    if (newest === undefined) return { kind: 'unknown' }
    const before = newest['from_digest'] as Uint8Array | null
    const wanted = digest === undefined ? before : digestToBytes(digest)
    if (wanted === null) return { kind: 'nothing-before' }
    const target = digestFromBytes(wanted)
    const params = { repositoryId: row.id, tag, digest: wanted }
    if ((await db.read(NAMED, params)).length === 0) return { kind: 'not-in-history', digest: target }
    const from = newest['digest'] as Uint8Array | null
    const outcome = await db.write({
      steps: [
        LOCK_REPOSITORY,
        { statement: STILL_THERE, expect: 1 },
        ...BRING_BACK,
        { statement: CLOSE_DELETION },
        ...(row.published ? [] : [PUBLISH_REPOSITORY]),
        ...MOVE_TAGS,
      ],
      params: {
        ...actorParams(actor),
        ...bringBackParams(actor.now, evenWhenDue),
        ...params,
        from,
        tags: tagList([tag]),
      },
      touches: [repository],
      journal: [{ do: 'restore-tag', repository, tag, digest: target, ...actorEntry(actor) }],
    })
    if (!outcome.done && outcome.missed === BEFORE) return { kind: 'gone', digest: target }
    // Moved between the look and the write, or the repository is another one: look again.
    if (!outcome.done) continue
    const back = broughtBack(outcome, BEFORE)
    const pointedTo = from === null ? undefined : digestFromBytes(from)
    if (pointedTo === target && back.manifests.length + back.blobs.length === 0)
      return { kind: 'unchanged', digest: target }
    return { kind: 'restored', digest: target, ...(pointedTo && { from: pointedTo }), ...back }
  }
}
