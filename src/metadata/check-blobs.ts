/** Blob rows as a check walks them, page by page, and what it writes of them. */
import type { ObjectId, StoredObject } from '../blobs/blob-store.ts'
import { type Digest, digestFromBytes, digestToBytes, digestToStoredHex } from '../oci/digest.ts'
import { objectFromBytes, objectToBytes } from './blob-links.ts'
import type { Db, Row, Statement } from './database.ts'

export type CheckedBlob = {
  digest: Digest
  /** Bytes. */
  size: number
  object: ObjectId
  /** Only of what was taken over. */
  path: string | undefined
  stamp: number | undefined
  /** Undefined: the object's row is not there. */
  state: 'uploading' | 'live' | 'garbage' | undefined
  /** When its bytes were last compared with its digest; undefined: never. Milliseconds. */
  verifiedAt: number | undefined
  damagedAt: number | undefined
}

const FIELDS =
  'b.digest, b.size, b.object_id, b.verified_at, b.damaged_at, o.path, o.stamp, o.state FROM blobs b LEFT JOIN objects o ON o.id = b.object_id'

const IN_ORDER: Statement = {
  name: 'check-blobs-in-order',
  sql: `SELECT ${FIELDS} WHERE b.digest > :after ORDER BY b.digest LIMIT :limit`,
  rows: true,
}
const OF_REPOSITORY: Statement = {
  name: 'check-blobs-of-repository',
  sql: `SELECT b.digest, b.size, b.object_id, b.verified_at, b.damaged_at, o.path, o.stamp, o.state
        FROM blob_links l CROSS JOIN blobs b ON b.digest = l.digest LEFT JOIN objects o ON o.id = b.object_id
        WHERE l.repository_id = :repositoryId AND l.digest > :after ORDER BY l.digest LIMIT :limit`,
  rows: true,
}
const NEVER_VERIFIED: Statement = {
  name: 'blobs-never-verified',
  sql: `SELECT ${FIELDS} WHERE b.verified_at IS NULL AND b.digest > :after ORDER BY b.digest LIMIT :limit`,
  rows: true,
}
const LONG_UNVERIFIED: Statement = {
  name: 'blobs-long-unverified',
  sql: `SELECT ${FIELDS} WHERE (b.verified_at, b.digest) > (:verifiedAt, :after) AND b.verified_at < :before
        ORDER BY b.verified_at, b.digest LIMIT :limit`,
  rows: true,
}
const DAMAGED: Statement = {
  name: 'damaged-blobs',
  sql: `SELECT b.rowid AS place, ${FIELDS} WHERE b.damaged_at IS NOT NULL AND (b.damaged_at, b.rowid) > (:damagedAt, :place)
        ORDER BY b.damaged_at, b.rowid LIMIT :limit`,
  rows: true,
}
const ONE: Statement = { name: 'check-blob', sql: `SELECT ${FIELDS} WHERE b.digest = :digest`, rows: true }
const FROM: Statement = {
  name: 'blob-from',
  sql: `SELECT ${FIELDS} WHERE b.digest >= :from ORDER BY b.digest LIMIT 1`,
  rows: true,
}
const COUNT: Statement = {
  name: 'sum-blobs',
  sql: 'SELECT count(*) AS blobs, coalesce(sum(size), 0) AS bytes FROM blobs',
  rows: true,
}

function blobOf(row: Row): CheckedBlob {
  return {
    digest: digestFromBytes(row['digest'] as Uint8Array),
    size: row['size'] as number,
    object: objectFromBytes(row['object_id'] as Uint8Array),
    path: (row['path'] as string | null) ?? undefined,
    stamp: (row['stamp'] as number | null) ?? undefined,
    state: (row['state'] as CheckedBlob['state'] | null) ?? undefined,
    verifiedAt: (row['verified_at'] as number | null) ?? undefined,
    damagedAt: (row['damaged_at'] as number | null) ?? undefined,
  }
}

export function storedObjectOf({ digest, object, path }: CheckedBlob): StoredObject {
  return { id: object, digest, ...(path !== undefined && { path }) }
}

/** All blobs by digest, or those linked to one repository. */
export async function* blobsInOrder(
  db: Db,
  repositoryId: number | undefined,
  pageSize = 500,
): AsyncGenerator<CheckedBlob[]> {
  const statement = repositoryId === undefined ? IN_ORDER : OF_REPOSITORY
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = await db.read(statement, { repositoryId: repositoryId ?? null, after, limit: pageSize })
    if (rows.length > 0) yield rows.map(blobOf)
    if (rows.length < pageSize) return
    after = rows.at(-1)?.['digest'] as Uint8Array
  }
}

/** Blobs not verified since `before`: never verified ones first, then those longest ago. Each is told once. */
export async function* blobsByVerification(
  db: Db,
  before: number,
  pageSize = 200,
): AsyncGenerator<CheckedBlob[]> {
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = await db.read(NEVER_VERIFIED, { after, limit: pageSize })
    if (rows.length > 0) yield rows.map(blobOf)
    if (rows.length < pageSize) break
    after = rows.at(-1)?.['digest'] as Uint8Array
  }
  for (let [verifiedAt, after] = [-1, new Uint8Array() as Uint8Array]; ;) {
    const rows = await db.read(LONG_UNVERIFIED, { verifiedAt, after, before, limit: pageSize })
    if (rows.length > 0) yield rows.map(blobOf)
    if (rows.length < pageSize) return
    verifiedAt = rows.at(-1)?.['verified_at'] as number
    after = rows.at(-1)?.['digest'] as Uint8Array
  }
}

/** Those marked as damaged. */
export async function* damagedBlobs(db: Db, pageSize = 200): AsyncGenerator<CheckedBlob[]> {
  for (let [damagedAt, place] = [-1, -1]; ;) {
    const rows = await db.read(DAMAGED, { damagedAt, place, limit: pageSize })
    if (rows.length > 0) yield rows.map(blobOf)
    if (rows.length < pageSize) return
    damagedAt = rows.at(-1)?.['damaged_at'] as number
    place = rows.at(-1)?.['place'] as number
  }
}

/** As it is now. */
export async function findCheckedBlob(db: Db, digest: Digest): Promise<CheckedBlob | undefined> {
  const [row] = await db.read(ONE, { digest: digestToBytes(digest) })
  return row === undefined ? undefined : blobOf(row)
}

/** Some blob: the first one whose key is `from` or comes after it. */
export async function blobFrom(db: Db, from: Uint8Array): Promise<CheckedBlob | undefined> {
  const [row] = await db.read(FROM, { from })
  return row === undefined ? undefined : blobOf(row)
}

/** Walks the whole table: for a command, not for a server. */
export async function countBlobs(db: Db): Promise<{ blobs: number; bytes: number }> {
  const [row] = await db.read(COUNT, {})
  return { blobs: row?.['blobs'] as number, bytes: row?.['bytes'] as number }
}

const VERIFIED: Statement = {
  name: 'blobs-verified',
  sql: `UPDATE blobs SET verified_at = :now FROM json_each(:verified) j
        WHERE blobs.digest = unhex(j.value ->> 0) AND blobs.object_id = unhex(j.value ->> 1)`,
}
/** Hashed, and right after all: its file was put back, or the disk was. */
const RECOVERED: Statement = {
  name: 'blob-recovered',
  sql: `UPDATE blobs SET damaged_at = NULL, verified_at = :now
        WHERE digest = :digest AND object_id = :object AND damaged_at IS NOT NULL`,
}

/** These have been hashed and have their digests, in these objects. */
export async function recordVerified(
  db: Db,
  blobs: readonly Pick<CheckedBlob, 'digest' | 'object'>[],
  now: number,
): Promise<void> {
  if (blobs.length === 0) return
  const verified = JSON.stringify(blobs.map(({ digest, object }) => [digestToStoredHex(digest), object]))
  await db.write({ steps: [{ statement: VERIFIED }], params: { verified, now }, touches: [] })
}

/** @returns false: it is not as it was */
export async function unmarkDamaged(
  db: Db,
  { digest, object }: Pick<CheckedBlob, 'digest' | 'object'>,
  now: number,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: RECOVERED, expect: 1 }],
    params: { digest: digestToBytes(digest), object: objectToBytes(object), now },
    touches: ['*'],
  })
  return outcome.done
}
