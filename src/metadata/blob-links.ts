/**
 * Blobs and their links to repositories: the transactions T1 (commit), T2 (mount) and T3 (lease).
 * A blob row is written only after its object is complete and durable; a link holds the blob row by a foreign key.
 */
import type { ObjectId } from '../blobs/blob-store.ts'
import type { Waiting } from '../lib/waiting.ts'
import { type Digest, digestToBytes } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { type Actor, actorEntry } from './actor.ts'
import type { Db, JournalEntry, Outcome, Statement, Step } from './database.ts'
import { LOCK_REPOSITORY, type RepositoryRow } from './repositories.ts'

export const HOUR_MS = 3_600_000
/** A lease is good for this long … */
export const LEASE_MS = 36 * HOUR_MS
/** … and renewed when less than this is left, so that a 200 always promises as much. */
export const LEASE_PROMISE_MS = 24 * HOUR_MS

export type LinkedBlob = {
  size: number
  object: ObjectId
  path: string | undefined
  stamp: number | undefined
  repositoryId: number
  leaseUntil: number
}

const FIND: Statement = {
  name: 'find-linked-blob',
  sql: `SELECT b.size, b.object_id, o.path, o.stamp, l.repository_id, l.lease_until
        FROM repositories r
        JOIN blob_links l ON l.digest = :digest AND l.repository_id = r.id
        JOIN blobs b ON b.digest = l.digest
        JOIN objects o ON o.id = b.object_id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND l.unlinked_at IS NULL AND b.damaged_at IS NULL`,
  rows: true,
}
const FIND_SOURCES: Statement = {
  name: 'find-links',
  sql: `SELECT r.name FROM blob_links l JOIN repositories r ON r.id = l.repository_id JOIN blobs b ON b.digest = l.digest
        WHERE l.digest = :digest AND l.unlinked_at IS NULL AND b.damaged_at IS NULL AND r.deleted_at IS NULL LIMIT :limit`,
  rows: true,
}

export const objectToBytes = (id: ObjectId): Uint8Array => Buffer.from(id, 'hex')
export const objectFromBytes = (bytes: Uint8Array): ObjectId =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as ObjectId

/** The blob, where it is linked to this repository and whole. Without waiting where its row is in memory. */
export function findLinkedBlob(
  db: Pick<Db, 'cached'>,
  repository: string,
  digest: Digest,
): Waiting<LinkedBlob | undefined> {
  return db.cached(
    repository,
    digest,
    FIND,
    { repository, digest: digestToBytes(digest) },
    ([row]) =>
      row === undefined
        ? undefined
        : {
            size: row['size'] as number,
            object: objectFromBytes(row['object_id'] as Uint8Array),
            path: (row['path'] as string | null) ?? undefined,
            stamp: (row['stamp'] as number | null) ?? undefined,
            repositoryId: row['repository_id'] as number,
            leaseUntil: row['lease_until'] as number,
          },
    () => 160,
  )
}

/** Some of the repositories that have the blob, at most `limit`. */
export async function findSources(db: Db, digest: Digest, limit: number): Promise<RepositoryName[]> {
  const rows = await db.read(FIND_SOURCES, { digest: digestToBytes(digest), limit })
  return rows.map((row) => row['name'] as RepositoryName)
}

const INSERT_LIVE_OBJECT: Statement = {
  name: 'insert-live-object',
  sql: `INSERT INTO objects (id, state, digest, size, stamp, created_at) VALUES (:object, 'live', :digest, :size, :stamp, :now)
        ON CONFLICT (id) DO NOTHING`,
}
const OBJECT_TO_LIVE: Statement = {
  name: 'object-to-live',
  sql: `UPDATE objects SET state = 'live', digest = :digest, size = :size, stamp = :stamp
        WHERE id = :object AND state = 'uploading'`,
}
const INSERT_BLOB: Statement = {
  name: 'insert-blob',
  sql: 'INSERT INTO blobs (digest, size, object_id, verified_at) VALUES (:digest, :size, :object, :now) ON CONFLICT (digest) DO NOTHING',
}
/** A damaged blob takes the new object; the old one goes, unless another digest shares it. */
const DROP_DAMAGED_OBJECT: Statement = {
  name: 'drop-damaged-object',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now
        WHERE id = (SELECT object_id FROM blobs WHERE digest = :digest AND damaged_at IS NOT NULL) AND id <> :object
        AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id AND b.digest <> :digest)`,
}
const HEAL_BLOB: Statement = {
  name: 'heal-blob',
  sql: `UPDATE blobs SET object_id = :object, size = :size, verified_at = :now, damaged_at = NULL
        WHERE digest = :digest AND damaged_at IS NOT NULL`,
}
/** The blob was there already, in another object: ours goes. */
const DROP_SECOND_COPY: Statement = {
  name: 'drop-second-copy',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now
        WHERE id = :object AND NOT EXISTS (SELECT 1 FROM blobs WHERE object_id = :object)`,
}
const LINK: Statement = {
  name: 'link-blob',
  sql: `INSERT INTO blob_links (digest, repository_id, lease_until, linked_at) VALUES (:digest, :repositoryId, :leaseUntil, :now)
        ON CONFLICT (digest, repository_id) DO UPDATE SET
          lease_until = max(lease_until, excluded.lease_until), unlinked_at = NULL`,
}
const FILL_WAITING: Statement = {
  name: 'fill-waiting-blob-refs',
  sql: `UPDATE manifest_refs SET held_blob = digest
        WHERE repository_id = :repositoryId AND digest = :digest AND held_manifest IS NULL AND held_blob IS NULL`,
}
const CANDIDATE: Statement = {
  name: 'link-candidate',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at) VALUES ('link', :repositoryId, :digest, :leaseUntil)`,
}
const LOCK_SOURCE: Statement = {
  name: 'lock-mount-source',
  sql: `SELECT 1 AS there FROM repositories r
        JOIN blob_links l ON l.digest = :digest AND l.repository_id = r.id
        JOIN blobs b ON b.digest = l.digest
        WHERE r.name = :from AND r.deleted_at IS NULL AND l.unlinked_at IS NULL AND b.damaged_at IS NULL`,
  rows: true,
}
const RENEW: Statement = {
  name: 'renew-lease',
  sql: `UPDATE blob_links SET lease_until = :leaseUntil
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NULL
        AND EXISTS (SELECT 1 FROM blobs b WHERE b.digest = :digest AND b.damaged_at IS NULL)`,
}
const MARK_DAMAGED: Statement = {
  name: 'mark-damaged',
  sql: 'UPDATE blobs SET damaged_at = :now WHERE digest = :digest AND object_id = :object AND damaged_at IS NULL',
}
const RESTAMP: Statement = {
  name: 'restamp-object',
  sql: 'UPDATE objects SET stamp = :stamp WHERE id = :object',
}

/** What follows where a link serves again or for the first time: manifests that waited hold it, the collector looks later. */
export const LINKED_STEPS: readonly Step[] = [
  { statement: FILL_WAITING },
  { statement: CANDIDATE, expect: 1 },
]
const LINK_STEPS: readonly Step[] = [{ statement: LINK, expect: 1 }, ...LINKED_STEPS]

type CommittedObject = { id: ObjectId; size: number; stamp: number | undefined }

/** How T1 claims and ends the upload that a blob came by. */
export type UploadCommit = {
  claim: Step
  /** The object's row is there already, in state uploading. */
  planned: boolean
  end: readonly Step[]
  params: { uploadId: Uint8Array; version: number }
}

/**
 * T1. The object is durable under its last name when this is called.
 * @param upload steps that claim and end the upload at our version; absent: a blob pushed in one request
 * @returns not done: the upload or the repository is not as it was; decide anew
 */
export function commitBlob(
  db: Db,
  repository: RepositoryRow,
  digest: Digest,
  object: CommittedObject,
  actor: Actor,
  upload?: UploadCommit,
): Promise<Outcome> {
  const steps: Step[] = [
    ...(upload ? [upload.claim] : []),
    LOCK_REPOSITORY,
    { statement: upload?.planned ? OBJECT_TO_LIVE : INSERT_LIVE_OBJECT, expect: 1 },
    { statement: INSERT_BLOB },
    { statement: DROP_DAMAGED_OBJECT },
    { statement: HEAL_BLOB },
    { statement: DROP_SECOND_COPY },
    ...LINK_STEPS,
    ...(upload ? upload.end : []),
  ]
  return db.write({
    steps,
    params: {
      ...linkParams(repository, digest, actor),
      ...upload?.params,
      object: objectToBytes(object.id),
      size: object.size,
      stamp: object.stamp ?? null,
    },
    // Healing changes other repositories too, but what is damaged is in no cache.
    touches: [repository.name],
    journal: [
      {
        ...linkEntry(repository.name, digest, actor),
        object: object.id,
        size: object.size,
        stamp: object.stamp ?? null,
      },
    ],
  })
}

function linkParams(repository: RepositoryRow, digest: Digest, actor: Actor) {
  return {
    repositoryId: repository.id,
    digest: digestToBytes(digest),
    leaseUntil: actor.now + LEASE_MS,
    now: actor.now,
  }
}

function linkEntry(repository: string, digest: Digest, actor: Actor): JournalEntry {
  return { do: 'link', repository, digest, ...actorEntry(actor) }
}

/** T2: links what another repository has. Not done: it is not there. */
export async function mountFrom(
  db: Db,
  from: string,
  repository: RepositoryRow,
  digest: Digest,
  actor: Actor,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: LOCK_SOURCE, expect: 1 }, LOCK_REPOSITORY, ...LINK_STEPS],
    params: { ...linkParams(repository, digest, actor), from },
    touches: [repository.name],
    journal: [linkEntry(repository.name, digest, actor)],
  })
  return outcome.done
}

/** T2 again, from the journal: what was linked then is linked now. Not done: the repository is not there. */
export async function linkAgain(
  db: Db,
  repository: RepositoryRow,
  digest: Digest,
  actor: Actor,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [LOCK_REPOSITORY, ...LINK_STEPS],
    params: linkParams(repository, digest, actor),
    touches: [repository.name],
  })
  return outcome.done
}

/** T3: keeps a blob for whoever was just told that it is there. False: it is not there any more. */
export async function renewLease(
  db: Db,
  repository: string,
  blob: LinkedBlob,
  digest: Digest,
  now: number,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: RENEW, expect: 1 }],
    params: { digest: digestToBytes(digest), repositoryId: blob.repositoryId, leaseUntil: now + LEASE_MS },
    touches: [repository],
  })
  return outcome.done
}

/** What is stored is not what was pushed: reads say 404 from now on, and the next push heals it. */
export async function markDamaged(db: Db, digest: Digest, object: ObjectId, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: MARK_DAMAGED }],
    params: { digest: digestToBytes(digest), object: objectToBytes(object), now },
    touches: ['*'],
    frees: true,
  })
}

/** The bytes were hashed again and are right: remember how the store marks them now. */
export async function restampObject(db: Db, object: ObjectId, stamp: number): Promise<void> {
  await db.write({
    steps: [{ statement: RESTAMP }],
    params: { object: objectToBytes(object), stamp },
    touches: ['*'],
  })
}
