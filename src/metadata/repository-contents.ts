/**
 * All that a repository has, a page by key: for those who write it somewhere else. The pages of one repository belong
 * together where they are read at one moment ({@link import('./sqlite/moment.ts').Moments}).
 */
import type { StoredObject } from '../blobs/blob-store.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { objectFromBytes } from './blob-links.ts'
import type { Db, Row, Statement } from './database.ts'

type Reader = Pick<Db, 'read'>

export type ListedRepository = {
  id: number
  name: RepositoryName
  published: boolean
  /** All that CNCF Distribution had of it is here as it was then. Milliseconds. */
  importedAsOf: number | undefined
  /** It was deleted, and no other one has its name now. */
  deleted: boolean
}

const REPOSITORIES: Statement = {
  name: 'all-repositories',
  sql: `SELECT r.id, r.name, r.published_at, r.imported_as_of, r.deleted_at FROM repositories r
        WHERE r.id > :after AND (r.deleted_at IS NULL OR NOT EXISTS (
          SELECT 1 FROM repositories n WHERE n.name = r.name AND n.deleted_at IS NULL))
        ORDER BY r.id LIMIT :limit`,
  rows: true,
}

/** Every repository there is or was, in order of id, after `after` (0). */
export async function pageOfRepositories(
  db: Reader,
  after: number,
  limit: number,
): Promise<ListedRepository[]> {
  const rows = await db.read(REPOSITORIES, { after, limit })
  return rows.map((row) => ({
    id: row['id'] as number,
    name: row['name'] as RepositoryName,
    published: row['published_at'] !== null,
    importedAsOf: (row['imported_as_of'] as number | null) ?? undefined,
    deleted: row['deleted_at'] !== null,
  }))
}

const LAST: Statement = {
  name: 'last-repository',
  sql: 'SELECT max(id) AS id FROM repositories',
  rows: true,
}

/** The largest id there is: how far a walk in order of id has come is told by it. */
export async function lastRepository(db: Reader): Promise<number> {
  const [row] = await db.read(LAST, {})
  return (row?.['id'] as number | null) ?? 0
}

export type LinkRow = {
  digest: Digest
  size: number
  object: StoredObject & { digest: Digest }
  linkedAt: number
  /** Its bytes are known to be wrong: it is served nowhere. */
  damaged: boolean
}

const LINKS: Statement = {
  name: 'links-of-repository',
  sql: `SELECT l.digest, l.linked_at, b.size, b.damaged_at, b.object_id, o.path, o.digest AS stored
        FROM blob_links l
        JOIN blobs b ON b.digest = l.digest JOIN objects o ON o.id = b.object_id
        WHERE l.repository_id = :repositoryId AND l.digest > :after AND l.unlinked_at IS NULL
        ORDER BY l.digest LIMIT :limit`,
  rows: true,
}

/** Blobs that are linked, in order of their stored digests. */
export async function pageOfLinks(
  db: Reader,
  repositoryId: number,
  after: Digest | undefined,
  limit: number,
): Promise<LinkRow[]> {
  const rows = await db.read(LINKS, { repositoryId, after: keyOf(after), limit })
  return rows.map((row) => ({
    digest: digestOf(row),
    size: row['size'] as number,
    object: {
      id: objectFromBytes(row['object_id'] as Uint8Array),
      digest: digestFromBytes(row['stored'] as Uint8Array),
      ...(row['path'] !== null && { path: row['path'] as string }),
    },
    linkedAt: row['linked_at'] as number,
    damaged: row['damaged_at'] !== null,
  }))
}

export type ManifestRow = {
  digest: Digest
  mediaType: string
  size: number
  pushedAt: number
  subject: Digest | undefined
}

const MANIFESTS: Statement = {
  name: 'manifests-of-repository',
  sql: `SELECT digest, media_type, length(bytes) AS size, pushed_at, subject FROM manifests
        WHERE repository_id = :repositoryId AND digest > :after AND deleted_at IS NULL
        ORDER BY digest LIMIT :limit`,
  rows: true,
}
const BYTES: Statement = {
  name: 'manifest-bytes',
  sql: 'SELECT bytes FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND deleted_at IS NULL',
  rows: true,
}

/** Manifests that are served, in order of their stored digests; without their bytes. */
export async function pageOfManifests(
  db: Reader,
  repositoryId: number,
  after: Digest | undefined,
  limit: number,
): Promise<ManifestRow[]> {
  const rows = await db.read(MANIFESTS, { repositoryId, after: keyOf(after), limit })
  return rows.map((row) => ({
    digest: digestOf(row),
    mediaType: row['media_type'] as string,
    size: row['size'] as number,
    pushedAt: row['pushed_at'] as number,
    subject: row['subject'] === null ? undefined : digestFromBytes(row['subject'] as Uint8Array),
  }))
}

export async function manifestBytes(
  db: Reader,
  repositoryId: number,
  digest: Digest,
): Promise<Uint8Array | undefined> {
  const [row] = await db.read(BYTES, { repositoryId, digest: digestToBytes(digest) })
  return row?.['bytes'] as Uint8Array | undefined
}

export type TagRow = { name: Tag; digest: Digest; movedAt: number }

const TAGS: Statement = {
  name: 'tags-of-repository',
  sql: `SELECT name, digest, moved_at FROM tags WHERE repository_id = :repositoryId AND name > :after
        ORDER BY name LIMIT :limit`,
  rows: true,
}
const MOVES: Statement = {
  name: 'moves-of-tag',
  sql: `SELECT seq, to_digest AS digest, at FROM tag_moves
        WHERE repository_id = :repositoryId AND name = :tag AND seq > :after AND to_digest IS NOT NULL
        ORDER BY seq LIMIT :limit`,
  rows: true,
}

/** Tags in byte order, after `after` (''). */
export async function pageOfTags(
  db: Reader,
  repositoryId: number,
  after: string,
  limit: number,
): Promise<TagRow[]> {
  const rows = await db.read(TAGS, { repositoryId, after, limit })
  return rows.map((row) => ({
    name: row['name'] as Tag,
    digest: digestOf(row),
    movedAt: row['moved_at'] as number,
  }))
}

/** Where a tag pointed, oldest first; its deletions are left out. */
export async function pageOfMoves(
  db: Reader,
  repositoryId: number,
  tag: Tag,
  after: number,
  limit: number,
): Promise<{ seq: number; digest: Digest; at: number }[]> {
  const rows = await db.read(MOVES, { repositoryId, tag, after, limit })
  return rows.map((row) => ({
    seq: row['seq'] as number,
    digest: digestOf(row),
    at: row['at'] as number,
  }))
}

const SUBJECTS: Statement = {
  name: 'subjects-of-repository',
  sql: `SELECT DISTINCT subject AS digest FROM manifests
        WHERE repository_id = :repositoryId AND subject > :after AND deleted_at IS NULL
        ORDER BY subject LIMIT :limit`,
  rows: true,
}

/** What has referrers, in order of stored digests. */
export async function pageOfSubjects(
  db: Reader,
  repositoryId: number,
  after: Digest | undefined,
  limit: number,
): Promise<Digest[]> {
  const rows = await db.read(SUBJECTS, { repositoryId, after: keyOf(after), limit })
  return rows.map(digestOf)
}

const LEFT_OUT: Statement = {
  name: 'what-only-rows-hold',
  sql: `SELECT (SELECT count(*) FROM manifests WHERE deleted_at IS NOT NULL) AS deleted,
          (SELECT count(*) FROM uploads WHERE touched_at > 0) AS uploads`,
  rows: true,
}

/** Manifests that were deleted and can still be restored, and unfinished uploads. */
export async function countTrashAndUploads(db: Reader): Promise<{ deleted: number; uploads: number }> {
  const [row] = await db.read(LEFT_OUT, {})
  return { deleted: (row?.['deleted'] as number) ?? 0, uploads: (row?.['uploads'] as number) ?? 0 }
}

const digestOf = (row: Row): Digest => digestFromBytes(row['digest'] as Uint8Array)
const keyOf = (digest: Digest | undefined): Uint8Array =>
  digest === undefined ? new Uint8Array(0) : digestToBytes(digest)
