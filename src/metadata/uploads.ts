/**
 * Uploads are rows: they survive a restart and any process can go on with them. What begins one, and what it has
 * received, need not outlive a power cut, nor do its bytes before the commit of the blob. Each request that writes claims the
 * row by raising its version; all its later writes carry that version, so the last claimant wins and a loser cannot
 * commit.
 */
import type { JsonValue, ObjectId } from '../blobs/blob-store.ts'
import { type Digest, type DigestAlgorithm, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { objectFromBytes, objectToBytes, type UploadCommit } from './blob-links.ts'
import type { Db, Outcome, Row, Statement, Step } from './database.ts'
import type { RepositoryRow } from './repositories.ts'

/** How long a claim holds without being renewed. */
export const CLAIM_MS = 30_000

export type UploadRow = {
  id: string
  repositoryId: number
  principal: string
  algorithm: DigestAlgorithm
  received: number
  object: ObjectId | undefined
  /** What somebody began to copy the bytes to; it has never counted. */
  nextObject: ObjectId | undefined
  detail: JsonValue | undefined
  digestSoFar: { digest: Digest; boot: string } | undefined
  /** The process that may still write into {@link object}: it is writing, or was when it was last heard of. */
  holder: string | undefined
  /** Somebody is at work until then. */
  heldUntil: number
  version: number
  createdAt: number
}

const UPLOAD_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/
const uploadIdToBytes = (id: string): Uint8Array => Buffer.from(id.replaceAll('-', ''), 'hex')
const isUploadId = (text: string): boolean => UPLOAD_ID.test(text)

/** @param bytes 16 random bytes */
export function uploadIdFromBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const CREATE: Statement = {
  name: 'create-upload',
  sql: `INSERT INTO uploads (id, repository_id, principal, algorithm, created_at, touched_at)
        SELECT :uploadId, id, :principal, :algorithm, :now, :now FROM repositories
        WHERE id = :repositoryId AND deleted_at IS NULL`,
}
const FIND: Statement = {
  name: 'find-upload',
  sql: `SELECT u.* FROM uploads u JOIN repositories r ON r.id = u.repository_id
        WHERE u.id = :uploadId AND r.name = :repository AND r.deleted_at IS NULL`,
  rows: true,
}
const PLAN_OBJECT: Statement = {
  name: 'plan-object',
  sql: `INSERT INTO objects (id, state, created_at) VALUES (:planned, 'uploading', :now)`,
}
/** Not where it was taken for a file that no row knows. */
const PLAN_WRITTEN: Statement = {
  name: 'plan-written-object',
  sql: `INSERT INTO objects (id, state, created_at) VALUES (:planned, 'uploading', :now) ON CONFLICT (id) DO NOTHING`,
}
const CLAIM: Statement = {
  name: 'claim-upload',
  sql: `UPDATE uploads SET version = version + 1, holder = :holder, held_until = :heldUntil, touched_at = :now,
          object_id = :object, next_object_id = :nextObject
        WHERE id = :uploadId AND version = :version`,
}
const ABANDON_OBJECT: Statement = {
  name: 'abandon-object',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now WHERE id = :abandoned AND state = 'uploading'`,
}
const RENEW: Statement = {
  name: 'renew-upload',
  sql: `UPDATE uploads SET held_until = :heldUntil, touched_at = :now
        WHERE id = :uploadId AND version = :version`,
}
const SAVE: Statement = {
  name: 'save-upload',
  sql: `UPDATE uploads SET version = version + 1, received = :received, detail = :detail, digest_so_far = :digest,
          digest_boot = :boot, object_id = :object, next_object_id = NULL, holder = NULL, held_until = NULL, touched_at = :now
        WHERE id = :uploadId AND version = :version`,
}
const RELEASE: Statement = {
  name: 'release-upload',
  sql: `UPDATE uploads SET holder = iif(next_object_id IS NULL, NULL, holder), held_until = NULL, touched_at = :now
        WHERE id = :uploadId AND version = :version`,
}
const LOCK: Statement = {
  name: 'lock-upload',
  sql: 'UPDATE uploads SET version = version + 1 WHERE id = :uploadId AND version = :version',
}
const END: Statement = { name: 'end-upload', sql: 'DELETE FROM uploads WHERE id = :uploadId' }
const END_OBJECT: Statement = {
  name: 'end-upload-object',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now
        WHERE state = 'uploading' AND id IN (SELECT object_id FROM uploads WHERE id = :uploadId
          UNION ALL SELECT next_object_id FROM uploads WHERE id = :uploadId)`,
}
const STALE: Statement = {
  name: 'stale-uploads',
  sql: `SELECT id, version FROM uploads WHERE touched_at < :before AND (held_until IS NULL OR held_until < :now)
        ORDER BY touched_at LIMIT :limit`,
  rows: true,
}

export async function createUpload(
  db: Db,
  repository: RepositoryRow,
  upload: { id: string; principal: string; algorithm: DigestAlgorithm; now: number },
): Promise<boolean> {
  const { id, ...rest } = upload
  const outcome = await db.write({
    steps: [{ statement: CREATE, expect: 1 }],
    params: { ...rest, uploadId: uploadIdToBytes(id), repositoryId: repository.id },
    touches: [],
    synced: false,
  })
  return outcome.done
}

export async function findUpload(
  db: Db,
  repository: RepositoryName,
  id: string,
): Promise<UploadRow | undefined> {
  if (!isUploadId(id)) return undefined
  const [row] = await db.read(FIND, { uploadId: uploadIdToBytes(id), repository })
  return row === undefined ? undefined : uploadOf(id, row)
}

function uploadOf(id: string, row: Row): UploadRow {
  const digest = row['digest_so_far'] as Uint8Array | null
  const object = row['object_id'] as Uint8Array | null
  const next = row['next_object_id'] as Uint8Array | null
  const detail = row['detail'] as string | null
  return {
    id,
    repositoryId: row['repository_id'] as number,
    principal: row['principal'] as string,
    algorithm: row['algorithm'] as DigestAlgorithm,
    received: row['received'] as number,
    object: object === null ? undefined : objectFromBytes(object),
    nextObject: next === null ? undefined : objectFromBytes(next),
    detail: detail === null ? undefined : (JSON.parse(detail) as JsonValue),
    digestSoFar:
      digest === null
        ? undefined
        : { digest: digestFromBytes(digest), boot: (row['digest_boot'] as string) ?? '' },
    holder: (row['holder'] as string | null) ?? undefined,
    heldUntil: (row['held_until'] as number | null) ?? 0,
    version: row['version'] as number,
    createdAt: row['created_at'] as number,
  }
}

export type Claim = {
  processId: string
  now: number
  /** Where the next bytes go: the row's object, or a new one, which takes its place when {@link saveUpload} says so. */
  object: ObjectId
}

/**
 * Makes this request the one that writes. Its object's id is committed here, before the store hears of it. Nothing
 * that was received is given up yet: until the new object has all of it, the old one counts.
 * @returns the row's version from now on; undefined: somebody else was quicker
 */
export async function claimUpload(db: Db, row: UploadRow, claim: Claim): Promise<number | undefined> {
  const isNew = claim.object !== row.object
  const takesOver = isNew && row.object !== undefined
  const outcome = await db.write({
    steps: [
      ...(isNew ? [{ statement: PLAN_OBJECT, expect: 1 }] : []),
      { statement: CLAIM, expect: 1 },
      ...(row.nextObject === undefined ? [] : [{ statement: ABANDON_OBJECT }]),
    ],
    params: {
      uploadId: uploadIdToBytes(row.id),
      version: row.version,
      // Who takes over writes elsewhere: the old object's writer is still who it was.
      holder: takesOver ? (row.holder ?? null) : claim.processId,
      heldUntil: claim.now + CLAIM_MS,
      now: claim.now,
      object: objectToBytes(takesOver ? (row.object as ObjectId) : claim.object),
      nextObject: takesOver ? objectToBytes(claim.object) : null,
      planned: objectToBytes(claim.object),
      abandoned: row.nextObject === undefined ? null : objectToBytes(row.nextObject),
    },
    touches: [],
  })
  return outcome.done ? row.version + 1 : undefined
}

const detailText = (detail: JsonValue | undefined): string | null =>
  detail === undefined ? null : JSON.stringify(detail)

/** Says that the claimant is still at work. False: it has been taken over. */
export async function renewUpload(db: Db, id: string, version: number, now: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: RENEW, expect: 1 }],
    params: { uploadId: uploadIdToBytes(id), version, now, heldUntil: now + CLAIM_MS },
    touches: [],
    synced: false,
  })
  return outcome.done
}

/** `too late`: no row knew of the object for so long that it was taken for nobody's. */
type Saved = 'saved' | 'taken over' | 'too late'

/**
 * What was received counts from now on, in this object, and the claim ends.
 * @param version the row's, or what {@link claimUpload} raised it to
 */
export async function saveUpload(
  db: Db,
  row: UploadRow,
  version: number,
  saved: {
    object: ObjectId
    received: number
    detail: JsonValue | undefined
    digest: Digest
    boot: string
    now: number
    /** No claim has told of the object. */
    isUnplanned: boolean
  },
): Promise<Saved> {
  const replaced = row.object === undefined || row.object === saved.object ? undefined : row.object
  const outcome = await db.write({
    steps: [
      ...(saved.isUnplanned ? [{ statement: PLAN_WRITTEN, expect: 1 }] : []),
      { statement: SAVE, expect: 1 },
      ...(replaced === undefined ? [] : [{ statement: ABANDON_OBJECT }]),
    ],
    params: {
      uploadId: uploadIdToBytes(row.id),
      version,
      object: objectToBytes(saved.object),
      planned: objectToBytes(saved.object),
      abandoned: replaced === undefined ? null : objectToBytes(replaced),
      received: saved.received,
      detail: detailText(saved.detail),
      digest: digestToBytes(saved.digest),
      boot: saved.boot,
      now: saved.now,
    },
    touches: [],
    synced: false,
  })
  if (outcome.done) return 'saved'
  return saved.isUnplanned && outcome.missed === 0 ? 'too late' : 'taken over'
}

/** Ends a claim without anything having been received. */
export async function releaseUpload(db: Db, id: string, version: number, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: RELEASE }],
    params: { uploadId: uploadIdToBytes(id), version, now },
    touches: [],
    frees: true,
  })
}

const LOCK_UPLOAD: Step = { statement: LOCK, expect: 1 }
const END_UPLOAD: Step = { statement: END, expect: 1 }
const DROP_OBJECT: Step = { statement: END_OBJECT }

/**
 * How a blob's commit ends the upload it came by.
 * @param planned the blob is an object that the row names; otherwise it is one of its own
 */
export function uploadCommit(id: string, version: number, planned: boolean): UploadCommit {
  return {
    claim: LOCK_UPLOAD,
    planned,
    // What the row names and did not become the blob.
    end: [DROP_OBJECT, END_UPLOAD],
    params: { uploadId: uploadIdToBytes(id), version },
  }
}

/** Cancels or expires. False: somebody else was quicker. */
export async function removeUpload(db: Db, id: string, version: number, now: number): Promise<boolean> {
  const outcome: Outcome = await db.write({
    steps: [LOCK_UPLOAD, DROP_OBJECT, END_UPLOAD],
    params: { uploadId: uploadIdToBytes(id), version, now },
    touches: [],
    frees: true,
  })
  return outcome.done
}

/** Uploads that nobody has touched since `before`. */
export async function listStaleUploads(
  db: Db,
  before: number,
  now: number,
  limit: number,
): Promise<{ id: string; version: number }[]> {
  const rows = await db.read(STALE, { before, now, limit })
  return rows.map((row) => ({
    id: uploadIdFromBytes(row['id'] as Uint8Array),
    version: row['version'] as number,
  }))
}
