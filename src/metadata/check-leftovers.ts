/** Rows that nothing needs and nobody will look at, and which files rows know. */
import type { ObjectId } from '../blobs/blob-store.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import { objectFromBytes, objectToBytes } from './blob-links.ts'
import type { CandidateKind } from './collect.ts'
import type { Db, Row, Statement } from './database.ts'

export type UnnamedObject = {
  id: ObjectId
  /** Of an upload that is not there, or live without a blob. */
  state: 'uploading' | 'live'
  digest: Digest | undefined
  size: number | undefined
  path: string | undefined
}

const OBJECTS: Statement = {
  name: 'check-objects',
  sql: `SELECT o.id, o.state, o.digest, o.size, o.path,
          o.created_at < :before AND CASE o.state WHEN 'live' THEN NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = o.id)
            WHEN 'uploading' THEN NOT EXISTS (SELECT 1 FROM uploads u WHERE u.object_id = o.id)
              AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.next_object_id = o.id) ELSE 0 END AS unnamed
        FROM objects o WHERE o.id > :after ORDER BY o.id LIMIT :limit`,
  rows: true,
}
const TO_GARBAGE: Statement = {
  name: 'unnamed-object-to-garbage',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now WHERE id = :object AND state = :state
        AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id)
        AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.object_id = objects.id)
        AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.next_object_id = objects.id)`,
}

/** @param before what was begun later may still be at work */
export async function* unnamedObjects(db: Db, before: number): AsyncGenerator<UnnamedObject> {
  const limit = 1000
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = await db.read(OBJECTS, { after, before, limit })
    for (const row of rows) if (row['unnamed'] === 1) yield unnamedOf(row)
    if (rows.length < limit) return
    after = rows.at(-1)?.['id'] as Uint8Array
  }
}

function unnamedOf(row: Row): UnnamedObject {
  const digest = row['digest'] as Uint8Array | null
  return {
    id: objectFromBytes(row['id'] as Uint8Array),
    state: row['state'] as UnnamedObject['state'],
    digest: digest === null ? undefined : digestFromBytes(digest),
    size: (row['size'] as number | null) ?? undefined,
    path: (row['path'] as string | null) ?? undefined,
  }
}

/** @returns false: something names it now, or it is gone */
export async function unnamedToGarbage(
  db: Db,
  { id, state }: Pick<UnnamedObject, 'id' | 'state'>,
  now: number,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: TO_GARBAGE, expect: 1 }],
    params: { object: objectToBytes(id), state, now },
    touches: [],
    frees: true,
  })
  return outcome.done
}

/** What the collector should have removed, or kept as a candidate. */
export type Overdue = { kind: CandidateKind; repositoryId: number | null; digest: Digest }

const OVERDUE_MANIFEST = `m.expires_at < :before
  AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
  AND NOT EXISTS (SELECT 1 FROM manifest_refs p WHERE p.repository_id = m.repository_id AND p.held_manifest = m.digest)`
/** Links that were taken over are no candidates by design: what held them may have been lost before. */
const OVERDUE_LINK = `l.linked_at >= coalesce((SELECT t.begun_at FROM takeover t WHERE t.id = 1), 0)
  AND l.lease_until < :before AND coalesce(l.unlinked_at, 0) < :before
  AND NOT EXISTS (SELECT 1 FROM manifest_refs p WHERE p.held_blob = l.digest AND p.repository_id = l.repository_id)`
const OVERDUE_BLOB = 'NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = b.digest)'
const MANIFESTS: Statement = {
  name: 'overdue-manifests',
  sql: `SELECT m.rowid AS place, m.expires_at, m.repository_id, m.digest, ${OVERDUE_MANIFEST} AS overdue FROM manifests m
        WHERE (m.expires_at, m.rowid) > (:expiresAt, :place) AND m.expires_at < :before
        ORDER BY m.expires_at, m.rowid LIMIT :limit`,
  rows: true,
}
const LINKS: Statement = {
  name: 'overdue-links',
  sql: `SELECT l.digest, l.repository_id, ${OVERDUE_LINK} AS overdue FROM blob_links l
        WHERE (l.digest, l.repository_id) > (:after, :repositoryId) ORDER BY l.digest, l.repository_id LIMIT :limit`,
  rows: true,
}
const BLOBS: Statement = {
  name: 'overdue-blobs',
  sql: `SELECT b.digest, ${OVERDUE_BLOB} AS overdue FROM blobs b WHERE b.digest > :after ORDER BY b.digest LIMIT :limit`,
  rows: true,
}
const PAGE = 1000

/** @param before what was due before this time was long seen by a collector that runs */
export async function* overdue(db: Db, before: number): AsyncGenerator<Overdue> {
  for (let [expiresAt, place] = [-1, -1]; ;) {
    const rows = await db.read(MANIFESTS, { expiresAt, place, before, limit: PAGE })
    yield* overdueOf('manifest', rows)
    if (rows.length < PAGE) break
    expiresAt = rows.at(-1)?.['expires_at'] as number
    place = rows.at(-1)?.['place'] as number
  }
  for (let [after, repositoryId] = [new Uint8Array() as Uint8Array, -1]; ;) {
    const rows = await db.read(LINKS, { after, repositoryId, before, limit: PAGE })
    yield* overdueOf('link', rows)
    if (rows.length < PAGE) break
    after = rows.at(-1)?.['digest'] as Uint8Array
    repositoryId = rows.at(-1)?.['repository_id'] as number
  }
  for (let after: Uint8Array = new Uint8Array(); ;) {
    const rows = await db.read(BLOBS, { after, limit: PAGE })
    yield* overdueOf('blob', rows)
    if (rows.length < PAGE) return
    after = rows.at(-1)?.['digest'] as Uint8Array
  }
}

function* overdueOf(kind: CandidateKind, rows: readonly Row[]): Generator<Overdue> {
  for (const row of rows) {
    if (row['overdue'] !== 1) continue
    const repositoryId = (row['repository_id'] as number | undefined) ?? null
    yield { kind, repositoryId, digest: digestFromBytes(row['digest'] as Uint8Array) }
  }
}

const STILL_MANIFEST: Statement = {
  name: 'manifest-still-overdue',
  sql: `SELECT 1 AS overdue FROM manifests m WHERE m.repository_id = :repositoryId AND m.digest = :digest AND ${OVERDUE_MANIFEST}`,
  rows: true,
}
const STILL_LINK: Statement = {
  name: 'link-still-overdue',
  sql: `SELECT 1 AS overdue FROM blob_links l WHERE l.digest = :digest AND l.repository_id = :repositoryId AND ${OVERDUE_LINK}`,
  rows: true,
}
const STILL_BLOB: Statement = {
  name: 'blob-still-overdue',
  sql: `SELECT 1 AS overdue FROM blobs b WHERE b.digest = :digest AND ${OVERDUE_BLOB}`,
  rows: true,
}
const STILL = { manifest: STILL_MANIFEST, link: STILL_LINK, blob: STILL_BLOB } as const
const CANDIDATES: Statement = {
  name: 'check-candidates',
  sql: 'SELECT id, kind, repository_id, digest FROM candidates WHERE id > :after ORDER BY id LIMIT :limit',
  rows: true,
}
const REQUEUE: Statement = {
  name: 'requeue-candidate',
  sql: 'INSERT INTO candidates (kind, repository_id, digest, due_at) VALUES (:kind, :repositoryId, :digest, :now)',
}

const keyOf = (kind: string, repositoryId: number | null, digest: Digest): string =>
  `${kind} ${repositoryId ?? ''} ${digest}`

/** Those that no candidate stands for, and that still are overdue. Reads all candidates: give it many at a time. */
export async function withoutCandidate(
  db: Db,
  found: readonly Overdue[],
  before: number,
): Promise<Overdue[]> {
  const open = new Map(
    found.map((one) => [keyOf(one.kind, one.kind === 'blob' ? null : one.repositoryId, one.digest), one]),
  )
  for (let after = 0; ;) {
    const rows = await db.read(CANDIDATES, { after, limit: 5 * PAGE })
    for (const row of rows) {
      const repositoryId = row['kind'] === 'blob' ? null : (row['repository_id'] as number | null)
      open.delete(keyOf(row['kind'] as string, repositoryId, digestFromBytes(row['digest'] as Uint8Array)))
    }
    if (rows.length < 5 * PAGE) break
    after = rows.at(-1)?.['id'] as number
  }
  const left: Overdue[] = []
  for (const one of open.values()) {
    const params = { repositoryId: one.repositoryId, digest: digestToBytes(one.digest), before }
    if ((await db.read(STILL[one.kind], params)).length > 0) left.push(one)
  }
  return left
}

/** The collector looks at it at its next turn, under its own rules. */
export async function requeue(db: Db, { kind, repositoryId, digest }: Overdue, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: REQUEUE, expect: 1 }],
    params: { kind, repositoryId, digest: digestToBytes(digest), now },
    touches: [],
  })
}

const KNOWN_OBJECTS: Statement = {
  name: 'known-objects',
  sql: 'SELECT id FROM objects WHERE id IN (SELECT unhex(value) FROM json_each(:ids))',
  rows: true,
}
const KNOWN_PATHS: Statement = {
  name: 'known-paths',
  sql: 'SELECT o.path FROM json_each(:paths) j CROSS JOIN objects o ON o.path = j.value',
  rows: true,
}

/** Which of these objects have a row, in whatever state. */
export async function knownObjects(db: Db, ids: readonly ObjectId[]): Promise<Set<ObjectId>> {
  const rows = await db.read(KNOWN_OBJECTS, { ids: JSON.stringify(ids) })
  return new Set(rows.map((row) => objectFromBytes(row['id'] as Uint8Array)))
}

/** Which of these files of what was taken over have a row. */
export async function knownPaths(db: Db, paths: readonly string[]): Promise<Set<string>> {
  const rows = await db.read(KNOWN_PATHS, { paths: JSON.stringify(paths) })
  return new Set(rows.map((row) => row['path'] as string))
}
