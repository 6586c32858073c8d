/** T7: objects to remove. A row is claimed, the store removes by its name, the row goes; a late repeat hits nothing. */
import type { ObjectId, StoredObject } from '../blobs/blob-store.ts'
import { digestFromBytes } from '../oci/digest.ts'
import { objectFromBytes, objectToBytes } from './blob-links.ts'
import type { Db, Statement } from './database.ts'

const CLAIM_MS = 600_000

/** Nothing while a hold is in force; nothing that was taken over before all of it was. */
const CLAIM: Statement = {
  name: 'claim-garbage',
  sql: `UPDATE objects SET claimed_until = :until, version = version + 1 WHERE id IN (
          SELECT id FROM objects WHERE state = 'garbage' AND delete_after <= :now
          AND (claimed_until IS NULL OR claimed_until < :now)
          AND NOT EXISTS (SELECT 1 FROM removal_holds WHERE until > :now)
          AND (path IS NULL OR NOT EXISTS (SELECT 1 FROM takeover WHERE id = 1 AND completed_at IS NULL))
          ORDER BY delete_after LIMIT :limit)
        RETURNING id, path, size, digest`,
  rows: true,
}
const YEAR_MS = 365 * 86_400_000

/**
 * Its row stands before its file goes, and for a year after that: a push that paused between its file and its commit
 * for so long that the file was taken for a leftover finds the id taken, and is refused.
 */
const CONDEMN: Statement = {
  name: 'condemn-unknown-object',
  sql: `INSERT INTO objects (id, state, size, created_at, delete_after, claimed_until)
        SELECT :object, 'garbage', :size, :now, :now, :until
        WHERE NOT EXISTS (SELECT 1 FROM removal_holds WHERE until > :now)
        ON CONFLICT (id) DO NOTHING`,
}
const BURY: Statement = {
  name: 'bury-unknown-object',
  sql: `UPDATE objects SET delete_after = :until, claimed_until = NULL, size = NULL WHERE id = :object AND state = 'garbage'`,
}
const FORGET: Statement = {
  name: 'forget-objects',
  sql: `DELETE FROM objects WHERE state = 'garbage' AND id IN (SELECT unhex(value) FROM json_each(:ids))`,
}

/** Takes up to `limit` objects that nobody else is removing. */
export async function claimGarbage(
  db: Db,
  now: number,
  limit: number,
): Promise<(StoredObject & { size: number })[]> {
  const outcome = await db.write({
    steps: [{ statement: CLAIM }],
    params: { now, until: now + CLAIM_MS, limit },
    touches: [],
    frees: true,
  })
  if (!outcome.done) return []
  return (outcome.rows[0] ?? []).map((row) => ({
    id: objectFromBytes(row['id'] as Uint8Array),
    size: (row['size'] as number | null) ?? 0,
    ...(row['path'] !== null && { path: row['path'] as string }),
    ...(row['digest'] !== null && { digest: digestFromBytes(row['digest'] as Uint8Array) }),
  }))
}

/**
 * Takes the file of an object that no row knows, to remove it; whoever ends meanwhile leaves it to {@link claimGarbage}.
 * @returns false: a row knows it by now, or a hold is in force
 */
export async function condemnUnknown(db: Db, object: ObjectId, size: number, now: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: CONDEMN, expect: 1 }],
    params: { object: objectToBytes(object), size, now, until: now + CLAIM_MS },
    touches: [],
    frees: true,
  })
  return outcome.done
}

const GARBAGE_AT: Statement = {
  name: 'garbage-at-path',
  sql: `SELECT claimed_until > :now AS claimed FROM objects WHERE path = :path AND state = 'garbage'`,
  rows: true,
}
const DISOWN: Statement = {
  name: 'disown-garbage-at-path',
  sql: `DELETE FROM objects WHERE path = :path AND state = 'garbage' AND (claimed_until IS NULL OR claimed_until <= :now)`,
}

/**
 * The name of a file that was taken over and is to be removed is needed again, by Distribution's folder: no row removes
 * it from then on. To be called under a hold.
 * @returns false: somebody is removing it right now
 */
export async function disownGarbage(db: Db, path: string, now: number): Promise<boolean> {
  const [row] = await db.read(GARBAGE_AT, { path, now })
  if (row === undefined) return true
  if (row['claimed'] === 1) return false
  await db.write({ steps: [{ statement: DISOWN }], params: { path, now }, touches: [] })
  return (await db.read(GARBAGE_AT, { path, now })).length === 0
}

/** Its file is gone: only the id is remembered. */
export async function buryUnknown(db: Db, object: ObjectId, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: BURY }],
    params: { object: objectToBytes(object), until: now + YEAR_MS },
    touches: [],
    frees: true,
  })
}

export async function forgetObjects(db: Db, objects: readonly StoredObject[]): Promise<void> {
  if (objects.length === 0) return
  const ids = JSON.stringify(objects.map(({ id }) => Buffer.from(objectToBytes(id)).toString('hex')))
  await db.write({ steps: [{ statement: FORGET }], params: { ids }, touches: [], frees: true })
}
