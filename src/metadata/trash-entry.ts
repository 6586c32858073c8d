/** One deletion of the trash: what it took away, what a restore of it brings back, and what its end would free. */
import { digestToBytes } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import type { Db, Row, Statement } from './database.ts'
import { type Deletion, deletionFromRow } from './deletion-rows.ts'

export type TrashEntry = Deletion & {
  deletedBy: string
  /** The program that asked for it, as it named itself. */
  client: string
  requestId: string
  cause: string
  /** What a restore brings back: the first {@link MAX_TAGS} tags in the order of their names, and how many there are. */
  tags: Tag[]
  tagCount: number
  /** The first of those that point elsewhere by now: a restore leaves them alone. */
  taken: Tag[]
  /**
   * The manifest and what hangs on it alone, as far as this deletion put it into the trash; at most
   * {@link MAX_MANIFESTS}. None: another tag or deletion has it.
   */
  manifests: number
  /** Blobs and bytes that its end would free: an estimate, since what others hold too is looked at shortly. */
  blobs: number
  bytes: number
}

const MAX_TAGS = 100
const MAX_MANIFESTS = 1000
const MAX_BLOBS = 10_000

/** Of a deletion `d` in a repository `r`. */
export const TRASH_COLUMNS = `d.id, d.kind, d.what, d.digest, d.at, d.until, d.repository_id, r.name, d.deleted_by_name, d.client,
          d.request_id, d.cause`

const COUNT_TAGS: Statement = {
  name: 'count-tags-of-deletion',
  sql: `SELECT count(*) AS tags, count(*) - count(t.name) AS free FROM tag_moves h
        LEFT JOIN tags t ON t.repository_id = h.repository_id AND t.name = h.name WHERE h.deletion_id = :deletion`,
  rows: true,
}
const SOME_TAGS: Statement = {
  name: 'some-tags-of-deletion',
  sql: `SELECT h.name, t.digest FROM tag_moves h
        LEFT JOIN tags t ON t.repository_id = h.repository_id AND t.name = h.name
        WHERE h.deletion_id = :deletion LIMIT :limit`,
  rows: true,
}
/** What this deletion put into the trash, and what hangs on it: nothing where another one did so since. */
const WALK = `WITH RECURSIVE back (digest) AS (
          SELECT digest FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND deletion_id = :deletion
          UNION SELECT c.digest FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_manifest IS NOT NULL
            CROSS JOIN manifests c ON c.repository_id = :repositoryId AND c.digest = r.held_manifest
            AND c.expires_at IS NOT NULL
          UNION SELECT m.digest FROM back b CROSS JOIN manifests m
            ON m.repository_id = :repositoryId AND m.subject = b.digest AND m.expires_at IS NOT NULL
            AND m.deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.id = m.deletion_id AND d.digest = m.digest)
          LIMIT :manifests)`
const MANIFESTS: Statement = {
  name: 'manifests-of-deletion',
  sql: `${WALK} SELECT count(*) AS manifests, sum(length(m.bytes)) AS bytes, EXISTS (SELECT 1 FROM manifests
          WHERE repository_id = :repositoryId AND digest = :digest) AS there FROM back b
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = b.digest`,
  rows: true,
}
/** Blobs that no manifest outside the trash holds (the first 20 that hold it tell), and no other repository has. */
const BLOBS: Statement = {
  name: 'blobs-of-deletion',
  sql: `${WALK} SELECT x.digest, x.size FROM (SELECT DISTINCT r.held_blob AS digest FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_blob IS NOT NULL) h
        CROSS JOIN blobs x ON x.digest = h.digest
        WHERE NOT EXISTS (SELECT 1 FROM (SELECT k.manifest FROM manifest_refs k
            WHERE k.held_blob = h.digest AND k.repository_id = :repositoryId LIMIT 20) k
          CROSS JOIN manifests y ON y.repository_id = :repositoryId AND y.digest = k.manifest AND y.expires_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = h.digest AND l.repository_id <> :repositoryId)
        LIMIT :blobs`,
  rows: true,
}
const UNLINKED: Statement = {
  name: 'blob-of-deletion',
  sql: `SELECT x.digest, x.size, EXISTS (SELECT 1 FROM manifest_refs k
            WHERE k.held_blob = :digest AND k.repository_id = :repositoryId)
          OR EXISTS (SELECT 1 FROM blob_links o WHERE o.digest = :digest AND o.repository_id <> :repositoryId) AS held
        FROM blob_links l CROSS JOIN blobs x ON x.digest = l.digest
        WHERE l.digest = :digest AND l.repository_id = :repositoryId AND l.unlinked_at IS NOT NULL`,
  rows: true,
}

export type TrashLook = {
  entry: TrashEntry
  manifestBytes: number
  /** Rows of blobs: `digest`, `size`. */
  freed: readonly Row[]
}

/**
 * @param row of a deletion, with {@link TRASH_COLUMNS}
 * @returns undefined: nothing of it is left to restore
 */
export async function lookAt(db: Db, row: Row): Promise<TrashLook | undefined> {
  const deletion = deletionFromRow(row)
  const { id, repositoryId, kind } = deletion
  const params = {
    deletion: id,
    repositoryId,
    digest: digestToBytes(deletion.digest),
    manifests: MAX_MANIFESTS,
    blobs: MAX_BLOBS,
  }
  const rest = {
    ...deletion,
    deletedBy: row['deleted_by_name'] as string,
    client: row['client'] as string,
    requestId: row['request_id'] as string,
    cause: row['cause'] as string,
  }
  if (kind === 'blob') {
    const [blob] = await db.read(UNLINKED, params)
    if (blob === undefined) return undefined
    const freed = blob['held'] === 1 ? [] : [blob]
    const entry = { ...rest, ...NO_TAGS, manifests: 0, blobs: 1, bytes: sizeOf(freed) }
    return { entry, manifestBytes: 0, freed }
  }
  const [found] = await db.read(MANIFESTS, params)
  const manifests = found?.['manifests'] as number
  const tags = await tagsOf(db, id)
  if (found?.['there'] !== 1 || (manifests === 0 && tags.free === 0)) return undefined
  const freed = manifests === 0 ? [] : await db.read(BLOBS, params)
  const manifestBytes = (found?.['bytes'] as number | null) ?? 0
  const bytes = manifestBytes + sizeOf(freed)
  const { tagCount, taken } = tags
  const entry = { ...rest, tags: tags.tags, tagCount, taken, manifests, blobs: freed.length, bytes }
  return { entry, manifestBytes, freed }
}

const NO_TAGS = { tags: [] as Tag[], tagCount: 0, taken: [] as Tag[] }

function sizeOf(rows: readonly Row[]): number {
  let bytes = 0
  for (const row of rows) bytes += row['size'] as number
  return bytes
}

async function tagsOf(db: Db, deletion: number) {
  const [counts] = await db.read(COUNT_TAGS, { deletion })
  const rows = await db.read(SOME_TAGS, { deletion, limit: MAX_TAGS })
  const free = rows.filter((row) => row['digest'] === null)
  const names = (list: readonly Row[]) => list.map((row) => row['name'] as Tag).sort()
  return {
    free: counts?.['free'] as number,
    tagCount: counts?.['tags'] as number,
    tags: names(free),
    taken: names(rows.filter((row) => row['digest'] !== null)),
  }
}
