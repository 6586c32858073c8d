/** What is in the trash: deletions that can still be undone, what each took away, and what their end would free. */
import { digestFromBytes, digestToBytes, type Digest } from '../oci/digest.ts'
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

/** Where a page ends; the next one begins after it. */
type TrashPosition = { until: number; id: number }

const MAX_TAGS = 100
const MAX_MANIFESTS = 1000
const MAX_BLOBS = 10_000
const COLUMNS = `d.id, d.kind, d.what, d.digest, d.at, d.until, d.repository_id, r.name, d.deleted_by_name, d.client,
          d.request_id, d.cause`
const LIST: Statement = {
  name: 'list-trash',
  sql: `SELECT ${COLUMNS} FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) < (:until, :id)
        AND d.digest IS NOT NULL ORDER BY d.until DESC, d.id DESC LIMIT :limit`,
  rows: true,
}
const LIST_OF_REPOSITORY: Statement = {
  name: 'list-trash-of-repository',
  sql: `SELECT ${COLUMNS} FROM repositories r CROSS JOIN deletions d ON d.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL
        AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) < (:until, :id)
        AND d.digest IS NOT NULL ORDER BY d.until DESC, d.id DESC LIMIT :limit`,
  rows: true,
}
const ONE: Statement = {
  name: 'one-of-trash',
  sql: `SELECT ${COLUMNS} FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.id = :id AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.digest IS NOT NULL`,
  rows: true,
}
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

type TrashPage = { entries: TrashEntry[]; next: TrashPosition | undefined }

/**
 * Deletions that can still be restored, the one that can be longest first. One of which nothing is left to restore
 * (all was pushed again, say) is left out, so that a page may have fewer than `limit`.
 */
export async function listTrash(
  db: Db,
  {
    repository,
    now,
    after,
    limit,
  }: { repository?: string | undefined; now: number; after?: TrashPosition | undefined; limit: number },
): Promise<TrashPage> {
  const position = after ?? { until: Number.MAX_SAFE_INTEGER, id: 0 }
  const rows = await (repository === undefined
    ? db.read(LIST, { ...position, now, limit })
    : db.read(LIST_OF_REPOSITORY, { ...position, repository, now, limit }))
  const entries: TrashEntry[] = []
  for (const row of rows) {
    const found = await lookAt(db, row)
    if (found !== undefined) entries.push(found.entry)
  }
  const last = rows.length < limit ? undefined : rows.at(-1)
  return { entries, next: last && { until: last['until'] as number, id: last['id'] as number } }
}

/** Undefined: there is no such deletion, or it was restored or emptied, or nothing of it is left to restore. */
export async function findTrashEntry(db: Db, id: number): Promise<TrashEntry | undefined> {
  const [row] = await db.read(ONE, { id })
  return row && (await lookAt(db, row))?.entry
}

export type TrashTotals = {
  deletions: number
  manifests: number
  /** What several deletions share counts once. */
  bytes: number
  /** More blobs than memory is for: there are more bytes than `bytes`. */
  isCut: boolean
}

const MAX_SEEN = 200_000
const PAGE = 256

type TotalsOptions = {
  repository?: string | undefined
  now: number
  signal?: AbortSignal
  /** Called after each page. */
  onProgress?: (deletions: number) => void
}

/** What emptying would take, all in all: an estimate of bytes. */
export async function trashTotals(
  db: Db,
  { repository, now, signal, onProgress }: TotalsOptions,
): Promise<TrashTotals> {
  const totals: TrashTotals = { deletions: 0, manifests: 0, bytes: 0, isCut: false }
  const seen = new Set<Digest>()
  let after: TrashPosition | undefined = { until: Number.MAX_SAFE_INTEGER, id: 0 }
  while (after !== undefined && signal?.aborted !== true) {
    const rows: readonly Row[] = await (repository === undefined
      ? db.read(LIST, { ...after, now, limit: PAGE })
      : db.read(LIST_OF_REPOSITORY, { ...after, repository, now, limit: PAGE }))
    for (const row of rows) {
      const found = await lookAt(db, row)
      if (found !== undefined) add(totals, found, seen)
    }
    onProgress?.(totals.deletions)
    const last: Row | undefined = rows.at(-1)
    after = last && { until: last['until'] as number, id: last['id'] as number }
  }
  return totals
}

type Look = { entry: TrashEntry; manifestBytes: number; freed: readonly Row[] }

function add(totals: TrashTotals, { entry, manifestBytes, freed }: Look, seen: Set<Digest>): void {
  totals.deletions++
  totals.manifests += entry.manifests
  totals.bytes += manifestBytes
  for (const row of freed) {
    const digest = digestFromBytes(row['digest'] as Uint8Array)
    if (seen.has(digest)) continue
    totals.isCut ||= seen.size >= MAX_SEEN
    if (totals.isCut) return
    seen.add(digest)
    totals.bytes += row['size'] as number
  }
}

async function lookAt(db: Db, row: Row): Promise<Look | undefined> {
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

const BY_DIGEST: Statement = {
  name: 'newest-deletion-of-digest',
  sql: `SELECT d.id FROM repositories r CROSS JOIN deletions d ON d.repository_id = r.id AND d.digest = :digest
        WHERE r.name = :repository AND r.deleted_at IS NULL AND d.restored_at IS NULL AND d.emptied_at IS NULL
        ORDER BY d.id DESC LIMIT 1`,
  rows: true,
}
const BY_TAG: Statement = {
  name: 'newest-deletion-of-tag',
  sql: `SELECT h.deletion_id AS id FROM repositories r CROSS JOIN tag_moves h ON h.repository_id = r.id AND h.name = :tag
        WHERE r.name = :repository AND r.deleted_at IS NULL AND h.deletion_id IS NOT NULL ORDER BY h.seq DESC LIMIT 1`,
  rows: true,
}

/** The newest deletion that took away this digest (one that was neither restored nor emptied), or this tag. */
export async function newestDeletionOf(
  db: Db,
  repository: string,
  what: { tag: Tag } | { digest: Digest },
): Promise<number | undefined> {
  const [row] = await ('tag' in what
    ? db.read(BY_TAG, { repository, tag: what.tag })
    : db.read(BY_DIGEST, { repository, digest: digestToBytes(what.digest) }))
  return row?.['id'] as number | undefined
}
