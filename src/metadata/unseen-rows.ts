/**
 * Changes to whole tables of a database that nobody else sees yet (`sqlite/bulk.ts`): one that is made again, or
 * restored. Never for one in use.
 */
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { ObjectId } from '../blobs/blob-store.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import { LEASE_MS, LEASE_PROMISE_MS, objectFromBytes, objectToBytes } from './blob-links.ts'

/**
 * What belonged to processes: uploads under way, claims, holds. And what was given out for a while: it may have been
 * revoked since, in no line of the journal. @returns how many uploads there were
 */
export function forgetWhatRan(db: DatabaseSync): number {
  const uploads = Number(db.prepare('DELETE FROM uploads').run().changes)
  db.exec(`
    DELETE FROM objects WHERE state = 'uploading';
    UPDATE objects SET claimed_until = NULL WHERE state = 'garbage';
    UPDATE jobs SET claimed_by = NULL, claimed_until = NULL;
    UPDATE takeover SET walker = NULL, walker_until = NULL;
    DELETE FROM removal_holds;
    DELETE FROM processes;
    DELETE FROM secrets WHERE kind IN ('refresh', 'session');
    DELETE FROM signing_keys;
  `)
  return uploads
}

/** What was promised lately may be in no line: all that is there stays for as long as the latest promise could last. */
export function renewPromises(db: DatabaseSync, now: number): void {
  db.prepare('UPDATE blob_links SET lease_until = ?1 WHERE lease_until < ?1').run(now + LEASE_MS)
  db.prepare('UPDATE manifests SET expires_at = ?1 WHERE expires_at < ?1 AND deleted_at IS NULL').run(
    now + LEASE_PROMISE_MS,
  )
}

export function readSeq(db: DatabaseSync): number {
  return (db.prepare('SELECT seq FROM commits').get() as { seq: number }).seq
}

export function writeSeq(db: DatabaseSync, seq: number): void {
  db.prepare('UPDATE commits SET seq = ?').run(seq)
}

export type RowCounts = {
  repositories: number
  tags: number
  manifests: number
  blobs: number
  bytes: number
}

/** What can be read. */
export function countRows(db: DatabaseSync): RowCounts {
  const row = db
    .prepare(
      `SELECT (SELECT count(*) FROM repositories WHERE deleted_at IS NULL AND published_at IS NOT NULL) AS repositories,
       (SELECT count(*) FROM tags) AS tags, (SELECT count(*) FROM manifests WHERE deleted_at IS NULL) AS manifests,
       (SELECT count(*) FROM blobs) AS blobs, (SELECT coalesce(sum(size), 0) FROM blobs) AS bytes`,
    )
    .get() as RowCounts
  return { ...row }
}

export type ObjectRow = {
  id: ObjectId
  state: 'uploading' | 'live' | 'garbage'
  size: number | undefined
  path: string | undefined
  /** Of the blobs whose bytes it has; two may share one file that was taken over. */
  blobs: { digest: Digest; size: number }[]
}

/** All of them in order of id, a page at a time: rows may be changed between two. */
export function* objectRows(db: DatabaseSync, pageSize = 1000): Generator<ObjectRow> {
  const page = db.prepare('SELECT id, state, size, path FROM objects WHERE id > ? ORDER BY id LIMIT ?')
  const blobs = db.prepare('SELECT digest, size FROM blobs WHERE object_id = ?')
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = page.all(after, pageSize) as {
      id: Uint8Array
      state: ObjectRow['state']
      size: number | null
      path: string | null
    }[]
    for (const row of rows) {
      const named = row.state === 'live' ? (blobs.all(row.id) as { digest: Uint8Array; size: number }[]) : []
      yield {
        id: objectFromBytes(row.id),
        state: row.state,
        size: row.size ?? undefined,
        path: row.path ?? undefined,
        blobs: named.map(({ digest, size }) => ({ digest: digestFromBytes(digest), size })),
      }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageSize) return
    after = last.id
  }
}

export function findBlob(db: DatabaseSync, digest: Digest): { damaged: boolean; size: number } | undefined {
  const row = db
    .prepare('SELECT damaged_at IS NOT NULL AS damaged, size FROM blobs WHERE digest = ?')
    .get(digestToBytes(digest)) as { damaged: number; size: number } | undefined
  return row === undefined ? undefined : { damaged: row.damaged === 1, size: row.size }
}

export type LooseObject = { id: ObjectId; digest: Digest; size: number }

const LIVE_OBJECT = "INSERT INTO objects (id, state, digest, size, created_at) VALUES (?, 'live', ?, ?, ?)"

/**
 * A file that no row knew becomes the bytes of its digest: a blob in no repository, for the next push that has it. It
 * is looked at by the collector when `dueAt` has come.
 */
export function adoptObject(
  db: DatabaseSync,
  { id, digest, size }: LooseObject,
  now: number,
  dueAt: number,
): void {
  const [object, key] = [objectToBytes(id), digestToBytes(digest)]
  db.prepare(LIVE_OBJECT).run(object, key, size, now)
  db.prepare('INSERT INTO blobs (digest, size, object_id) VALUES (?, ?, ?)').run(key, size, object)
  db.prepare(`INSERT INTO candidates (kind, digest, due_at) VALUES ('blob', ?, ?)`).run(key, dueAt)
}

/** A file that no row knew has the bytes that a blob lacks. They are to be compared with its digest first of all. */
export function giveBytes(db: DatabaseSync, { id, digest, size }: LooseObject, now: number): void {
  const [object, key] = [objectToBytes(id), digestToBytes(digest)]
  db.prepare(LIVE_OBJECT).run(object, key, size, now)
  db.prepare(
    `UPDATE objects SET state = 'garbage', delete_after = ?2 WHERE id = (SELECT object_id FROM blobs WHERE digest = ?1)
     AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id AND b.digest <> ?1)`,
  ).run(key, now)
  db.prepare(
    'UPDATE blobs SET object_id = ?, size = ?, verified_at = NULL, damaged_at = NULL WHERE digest = ?',
  ).run(object, size, key)
}

/** Its bytes are gone: reads say 404, and the next push heals it. */
export function markLost(db: DatabaseSync, digest: Digest, now: number): void {
  db.prepare('UPDATE blobs SET damaged_at = ? WHERE digest = ? AND damaged_at IS NULL').run(
    now,
    digestToBytes(digest),
  )
}

/**
 * Rows of a backup become those of a registry whose blobs are all objects of its own: nothing lies where Distribution
 * put it, no digest shares its bytes with another, and nothing waits to be removed. Until its bytes are there each
 * object has no stamp.
 */
export function prepareRestored(db: DatabaseSync, now: number): void {
  forgetWhatRan(db)
  db.exec(`
    UPDATE objects SET path = NULL, stamp = NULL;
    DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id);
    DELETE FROM takeover;
  `)
  const shared = db
    .prepare(
      `SELECT b.digest, b.size FROM blobs b JOIN objects o ON o.id = b.object_id WHERE o.digest IS NOT b.digest ORDER BY b.digest`,
    )
    .all() as { digest: Uint8Array; size: number }[]
  for (const { digest, size } of shared) {
    // The same at each try, so that a restore goes on where it was.
    const object = createHash('sha256').update('restored ').update(digest).digest().subarray(0, 16)
    db.prepare(`INSERT INTO objects (id, state, digest, size, created_at) VALUES (?, 'live', ?, ?, ?)`).run(
      object,
      digest,
      size,
      now,
    )
    db.prepare('UPDATE blobs SET object_id = ? WHERE digest = ?').run(object, digest)
  }
  db.exec('DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id)')
}

/** The object that a restored blob's bytes go to. Undefined: no row knows the digest. */
export function restoredObject(db: DatabaseSync, digest: Digest): { id: ObjectId; size: number } | undefined {
  const row = db.prepare('SELECT object_id, size FROM blobs WHERE digest = ?').get(digestToBytes(digest)) as
    { object_id: Uint8Array; size: number } | undefined
  return row === undefined ? undefined : { id: objectFromBytes(row.object_id), size: row.size }
}

/** Its bytes are there, and have been compared with its digest. */
export function recordRestored(db: DatabaseSync, digest: Digest, stamp: number, now: number): void {
  const key = digestToBytes(digest)
  db.prepare(
    'UPDATE objects SET stamp = ?, digest = ?2 WHERE id = (SELECT object_id FROM blobs WHERE digest = ?2)',
  ).run(stamp, key)
  db.prepare('UPDATE blobs SET verified_at = ?, damaged_at = NULL WHERE digest = ?').run(now, key)
}

/** Blobs whose bytes did not come; they are marked as damaged. */
export function* markUnrestored(db: DatabaseSync, now: number): Generator<{ digest: Digest; size: number }> {
  const missing = db
    .prepare(
      'SELECT b.digest, b.size FROM blobs b JOIN objects o ON o.id = b.object_id WHERE o.stamp IS NULL',
    )
    .all() as { digest: Uint8Array; size: number }[]
  db.prepare(
    `UPDATE blobs SET damaged_at = ? WHERE damaged_at IS NULL
     AND EXISTS (SELECT 1 FROM objects o WHERE o.id = blobs.object_id AND o.stamp IS NULL)`,
  ).run(now)
  for (const { digest, size } of missing) yield { digest: digestFromBytes(digest), size }
}
