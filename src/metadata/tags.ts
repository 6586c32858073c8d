/** Tags: where they point, every move they made, and listing. */
import type { Tag } from '../oci/reference.ts'
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

const POINT_ELSEWHERE: Statement = {
  name: 'tags-that-point-elsewhere',
  sql: `SELECT t.name FROM json_each(:tags) j -- CROSS: in this order
        CROSS JOIN tags t ON t.repository_id = :repositoryId AND t.name = j.value ->> 'name' AND t.digest <> :digest`,
  rows: true,
}
/** Refuses when one of `:tags` is there and points to something else than `:digest`. */
export const NONE_POINTS_ELSEWHERE: Step = { statement: POINT_ELSEWHERE, expect: 0 }

const LIST: Statement = {
  name: 'list-tags',
  sql: `SELECT t.name FROM repositories r JOIN tags t ON t.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND t.name > :after ORDER BY t.name LIMIT :limit`,
  rows: true,
}

/** Names after `after` in byte order, at most `limit`; the same page object as long as nothing has changed. */
export async function listTagNames(
  db: Pick<Db, 'cached'>,
  repository: string,
  after: string,
  limit: number,
): Promise<{ names: readonly string[]; more: boolean }> {
  const page = await db.cached(
    repository,
    `tags ${limit} ${after}`,
    LIST,
    // One more says whether there are more.
    { repository, after, limit: limit + 1 },
    (rows) => ({
      names: rows.slice(0, limit).map((row) => row['name'] as string),
      more: rows.length > limit,
    }),
    ({ names }) => names.length * 64 + 64,
  )
  return page ?? { names: [], more: false }
}
