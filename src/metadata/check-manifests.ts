/** Manifests, what they name, and tags, as a check walks them. */
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { type Actor, actorEntry } from './actor.ts'
import type { Db, JournalEntry, Row, Statement } from './database.ts'

export type CheckedManifest = {
  repositoryId: number
  repository: RepositoryName
  digest: Digest
  mediaType: string
  bytes: Uint8Array
}

/** What one reference of a manifest finds when it is pulled. */
export type CheckedReference = {
  position: number
  kind: 'config' | 'layer' | 'child'
  digest: Digest
  mediaType: string
  size: number
  platform: string | undefined
  /** Bytes of the blob that is linked and not unlinked, whether whole or not. */
  blobSize: number | undefined
  isDamaged: boolean
  /** The blob was deleted from this repository though the manifest names it. */
  isUnlinked: boolean
  /** Bytes of the child that can be read. */
  childSize: number | undefined
}

const FIELDS = `m.repository_id, r.name, m.digest, m.media_type, m.bytes FROM manifests m CROSS JOIN repositories r ON r.id = m.repository_id`
const PAGE: Statement = {
  name: 'check-manifests',
  sql: `SELECT ${FIELDS} WHERE (m.repository_id, m.digest) > (:repositoryId, :after) AND m.repository_id <= :last
        AND m.deleted_at IS NULL AND r.deleted_at IS NULL ORDER BY m.repository_id, m.digest LIMIT :limit`,
  rows: true,
}
const ONE: Statement = {
  name: 'check-manifest',
  sql: `SELECT ${FIELDS} WHERE m.repository_id = :repositoryId AND m.digest = :digest AND m.deleted_at IS NULL`,
  rows: true,
}
const REFERENCES: Statement = {
  name: 'check-references',
  sql: `SELECT p.position, p.kind, p.digest, p.media_type, p.size, p.platform, l.unlinked_at, l.digest AS linked,
          b.size AS blob_size, b.damaged_at, length(c.bytes) AS child_size
        FROM manifest_refs p
        LEFT JOIN blob_links l ON l.digest = p.digest AND l.repository_id = p.repository_id
        LEFT JOIN blobs b ON b.digest = l.digest
        LEFT JOIN manifests c ON c.repository_id = p.repository_id AND c.digest = p.digest AND c.deleted_at IS NULL
        WHERE p.repository_id = :repositoryId AND p.manifest = :digest ORDER BY p.position`,
  rows: true,
}
const TAGS: Statement = {
  name: 'check-tags',
  sql: `SELECT t.repository_id, t.name, t.digest, r.name AS repository, m.digest AS there, m.deleted_at
        FROM tags t CROSS JOIN repositories r ON r.id = t.repository_id
        LEFT JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest
        WHERE (t.repository_id, t.name) > (:repositoryId, :after) AND t.repository_id <= :last
        AND r.deleted_at IS NULL ORDER BY t.repository_id, t.name LIMIT :limit`,
  rows: true,
}
const ALL = { first: 0, last: Number.MAX_SAFE_INTEGER }
const rangeOf = (repositoryId: number | undefined) =>
  repositoryId === undefined ? ALL : { first: repositoryId, last: repositoryId }

/** All manifests that can be read, or those of one repository. */
export async function* manifestsInOrder(
  db: Db,
  only: number | undefined,
  pageSize = 100,
): AsyncGenerator<CheckedManifest[]> {
  const { first, last } = rangeOf(only)
  for (let [repositoryId, after] = [first, new Uint8Array() as Uint8Array]; ;) {
    const rows = await db.read(PAGE, { repositoryId, after, last, limit: pageSize })
    if (rows.length > 0) yield rows.map(manifestOf)
    if (rows.length < pageSize) return
    repositoryId = rows.at(-1)?.['repository_id'] as number
    after = rows.at(-1)?.['digest'] as Uint8Array
  }
}

function manifestOf(row: Row): CheckedManifest {
  return {
    repositoryId: row['repository_id'] as number,
    repository: row['name'] as RepositoryName,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    mediaType: row['media_type'] as string,
    bytes: row['bytes'] as Uint8Array,
  }
}

/** As it is now. */
export async function findCheckedManifest(
  db: Db,
  repositoryId: number,
  digest: Digest,
): Promise<CheckedManifest | undefined> {
  const [row] = await db.read(ONE, { repositoryId, digest: digestToBytes(digest) })
  return row === undefined ? undefined : manifestOf(row)
}

export async function checkedReferences(
  db: Db,
  repositoryId: number,
  digest: Digest,
): Promise<CheckedReference[]> {
  const rows = await db.read(REFERENCES, { repositoryId, digest: digestToBytes(digest) })
  return rows.map((row) => {
    const isUnlinked = row['linked'] !== null && row['unlinked_at'] !== null
    return {
      position: row['position'] as number,
      kind: row['kind'] as CheckedReference['kind'],
      digest: digestFromBytes(row['digest'] as Uint8Array),
      mediaType: row['media_type'] as string,
      size: row['size'] as number,
      platform: (row['platform'] as string | null) ?? undefined,
      blobSize: isUnlinked ? undefined : ((row['blob_size'] as number | null) ?? undefined),
      isDamaged: row['damaged_at'] !== null,
      isUnlinked,
      childSize: (row['child_size'] as number | null) ?? undefined,
    }
  })
}

export type BrokenTag = { repositoryId: number; repository: string; tag: string; digest: Digest }

/** Tags whose manifest cannot be read: tag and manifest are seen at one moment. */
export async function* tagsWithoutManifest(
  db: Db,
  only: number | undefined,
  pageSize = 500,
): AsyncGenerator<BrokenTag> {
  const { first, last } = rangeOf(only)
  for (let [repositoryId, after] = [first, '']; ;) {
    const rows = await db.read(TAGS, { repositoryId, after, last, limit: pageSize })
    for (const row of rows) {
      if (row['there'] !== null && row['deleted_at'] === null) continue
      yield {
        repositoryId: row['repository_id'] as number,
        repository: row['repository'] as string,
        tag: row['name'] as string,
        digest: digestFromBytes(row['digest'] as Uint8Array),
      }
    }
    if (rows.length < pageSize) return
    repositoryId = rows.at(-1)?.['repository_id'] as number
    after = rows.at(-1)?.['name'] as string
  }
}

const COPIES: Statement = {
  name: 'copies-of-manifest',
  sql: `SELECT m.bytes FROM repositories r CROSS JOIN manifests m ON m.repository_id = r.id AND m.digest = :digest LIMIT :limit`,
  rows: true,
}
const SET_BYTES: Statement = {
  name: 'set-manifest-bytes',
  sql: 'UPDATE manifests SET bytes = :bytes WHERE repository_id = :repositoryId AND digest = :digest AND bytes = :wrong',
}

/** The bytes of this manifest in all repositories, at most `limit`; they need not be right. */
export async function copiesOfManifest(db: Db, digest: Digest, limit = 20): Promise<Uint8Array[]> {
  const rows = await db.read(COPIES, { digest: digestToBytes(digest), limit })
  return rows.map((row) => row['bytes'] as Uint8Array)
}

/**
 * Puts right bytes in place of wrong ones.
 * @param bytes have the manifest's digest
 * @returns false: it is not as it was
 */
export async function setManifestBytes(
  db: Db,
  { repositoryId, repository, digest, mediaType, bytes: wrong }: CheckedManifest,
  bytes: Uint8Array,
  actor: Actor,
): Promise<boolean> {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  const entry: JournalEntry = {
    do: 'manifest',
    repository,
    digest,
    mediaType,
    bytes: body,
    tags: [],
    ...actorEntry(actor),
  }
  const outcome = await db.write({
    steps: [{ statement: SET_BYTES, expect: 1 }],
    params: { repositoryId, digest: digestToBytes(digest), bytes, wrong },
    touches: [repository],
    journal: [entry],
  })
  return outcome.done
}
