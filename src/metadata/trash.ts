/** What is in the trash: deletions that can still be undone, what each took away, and what their end would free. */
import { digestFromBytes, digestToBytes, type Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import type { Db, Row, Statement } from './database.ts'
import { lookAt, TRASH_COLUMNS, type TrashEntry, type TrashLook } from './trash-entry.ts'

/** Where a page ends; the next one begins after it. */
type TrashPosition = { until: number; id: number }

const LIST: Statement = {
  name: 'list-trash',
  sql: `SELECT ${TRASH_COLUMNS} FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) < (:until, :id)
        AND d.digest IS NOT NULL ORDER BY d.until DESC, d.id DESC LIMIT :limit`,
  rows: true,
}
const LIST_OF_REPOSITORY: Statement = {
  name: 'list-trash-of-repository',
  sql: `SELECT ${TRASH_COLUMNS} FROM repositories r CROSS JOIN deletions d ON d.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL
        AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) < (:until, :id)
        AND d.digest IS NOT NULL ORDER BY d.until DESC, d.id DESC LIMIT :limit`,
  rows: true,
}
const ONE: Statement = {
  name: 'one-of-trash',
  sql: `SELECT ${TRASH_COLUMNS} FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.id = :id AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.digest IS NOT NULL`,
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

function add(totals: TrashTotals, { entry, manifestBytes, freed }: TrashLook, seen: Set<Digest>): void {
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
