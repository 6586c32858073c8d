/**
 * Emptying the trash: what was deleted is due now and can no longer be restored. The collector does the rest; what a
 * lease promised to a reader waits for its time. What was taken along follows when what it hung on is collected.
 */
import { digestFromBytes, digestToBytes, type Digest } from '../oci/digest.ts'
import { type Actor, actorParams } from './actor.ts'
import type { Db, Row, Statement, Step } from './database.ts'
import { type Deletion, deletionEntry, deletionFromRow } from './deletion-rows.ts'

type EmptyOptions = {
  /** Only deletions in this repository. */
  repository?: string
  /** Only this one. */
  deletion?: number
  actor: Actor
  /** Milliseconds since 1970. */
  now: number
  signal?: AbortSignal
  /** Called after each page. */
  onProgress?: (due: number) => void
}

/** Kept on for a reader who was told that it is there. */
type Leased = { repository: string; digest: Digest; kind: 'manifest' | 'blob'; until: number }

export type Emptied = {
  /** Deletions of which something is due now. */
  due: number
  leased: Leased[]
  /** More than {@link MAX_LEASED} are leased. */
  isCut: boolean
}

const MAX_LEASED = 1000
const PAGE = 256

const COLUMNS = 'd.id, d.kind, d.what, d.digest, d.at, d.until, d.repository_id, r.name'
const OPEN: Statement = {
  name: 'open-deletions',
  sql: `SELECT ${COLUMNS}
        FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) > (:afterUntil, :afterId)
        ORDER BY d.until, d.id LIMIT :limit`,
  rows: true,
}
const OPEN_OF_REPOSITORY: Statement = {
  name: 'open-deletions-of-repository',
  sql: `SELECT ${COLUMNS}
        FROM repositories r CROSS JOIN deletions d ON d.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL
        AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.until > :now AND (d.until, d.id) > (:afterUntil, :afterId)
        ORDER BY d.until, d.id LIMIT :limit`,
  rows: true,
}
const OPEN_ONE: Statement = {
  name: 'open-deletion',
  sql: `SELECT ${COLUMNS}
        FROM deletions d CROSS JOIN repositories r ON r.id = d.repository_id
        WHERE d.id = :deletion AND d.restored_at IS NULL AND d.emptied_at IS NULL AND d.digest IS NOT NULL`,
  rows: true,
}
const CLAIM_EMPTY: Statement = {
  name: 'claim-deletion-to-empty',
  sql: 'UPDATE deletions SET emptied_at = :now WHERE id = :deletion AND restored_at IS NULL AND emptied_at IS NULL',
}
/** A manifest that is not served any more can be promised to nobody. */
const RELEASE_MANIFEST: Statement = {
  name: 'release-deleted-manifest',
  sql: `UPDATE manifests SET expires_at = iif(deleted_at IS NULL, max(:now, coalesce(lease_until, 0)), :now)
        WHERE repository_id = :repositoryId AND digest = :digest AND deletion_id = :deletion AND expires_at > :now`,
}
const RELEASED_CANDIDATE: Statement = {
  name: 'released-manifest-candidate',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'manifest', repository_id, digest, expires_at FROM manifests
        WHERE repository_id = :repositoryId AND digest = :digest AND deletion_id = :deletion AND expires_at IS NOT NULL`,
}
/** Not where it was pushed and deleted again since: that deletion is another one. */
const RELEASE_LINK: Statement = {
  name: 'release-unlinked',
  sql: `UPDATE blob_links SET kept_until = :now
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.repository_id = :repositoryId AND d.digest = :digest
          AND d.kind = 'blob' AND d.id > :deletion)`,
}
const RELEASED_LINK_CANDIDATE: Statement = {
  name: 'released-link-candidate',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'link', repository_id, digest, max(lease_until, :now) FROM blob_links
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NOT NULL`,
}
/** What the deleted manifest named and its followers, as far as a lease keeps them on when nothing else does. */
const FOLLOWS = `WITH RECURSIVE follows (digest) AS (
          SELECT digest FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND expires_at IS NOT NULL
          UNION SELECT r.held_manifest FROM follows f CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = f.digest AND +r.held_manifest IS NOT NULL
          UNION SELECT m.digest FROM follows f CROSS JOIN manifests m
            ON m.repository_id = :repositoryId AND m.subject = f.digest AND m.expires_at IS NOT NULL)`
const LEASED_MANIFESTS: Statement = {
  name: 'leased-manifests-of-deletion',
  sql: `${FOLLOWS} SELECT m.digest, m.lease_until AS until FROM follows f
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = f.digest
        WHERE m.expires_at IS NOT NULL AND m.deleted_at IS NULL AND m.lease_until > :now LIMIT :limit`,
  rows: true,
}
/** A blob that many hold (the first 20 tell) is not there for its lease. */
const LEASED_LINKS: Statement = {
  name: 'leased-links-of-deletion',
  sql: `${FOLLOWS} SELECT DISTINCT l.digest, l.lease_until AS until FROM follows f
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = f.digest AND m.expires_at IS NOT NULL
        CROSS JOIN manifest_refs r ON r.repository_id = :repositoryId AND r.manifest = f.digest AND +r.held_blob IS NOT NULL
        CROSS JOIN blob_links l ON l.digest = r.held_blob AND l.repository_id = :repositoryId AND l.lease_until > :now
        WHERE NOT EXISTS (SELECT 1 FROM (SELECT h.manifest FROM manifest_refs h
            WHERE h.held_blob = r.held_blob AND h.repository_id = :repositoryId LIMIT 20) h
          CROSS JOIN manifests x ON x.repository_id = :repositoryId AND x.digest = h.manifest AND x.expires_at IS NULL)
        LIMIT :limit`,
  rows: true,
}
const LEASED_LINK: Statement = {
  name: 'leased-link-of-deletion',
  sql: `SELECT digest, lease_until AS until FROM blob_links
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NOT NULL AND lease_until > :now`,
  rows: true,
}

const RELEASE = {
  manifest: [RELEASE_MANIFEST, RELEASED_CANDIDATE],
  blob: [RELEASE_LINK, RELEASED_LINK_CANDIDATE],
}

/** A page of deletions at a time, so that its cost and its memory follow the trash; ended early, it may be said again. */
export async function emptyTrash(db: Db, options: EmptyOptions): Promise<Emptied> {
  const emptied: Emptied = { due: 0, leased: [], isCut: false }
  const seen = new Set<string>()
  for await (const page of pagesOf(db, options)) {
    const done = await Promise.all(page.map((deletion) => emptyOne(db, deletion, options)))
    for (const [index, isDue] of done.entries()) {
      if (!isDue) continue
      emptied.due++
      if (!emptied.isCut) await nameLeased(db, page[index] as Deletion, options.now, emptied, seen)
    }
    options.onProgress?.(emptied.due)
    if (options.signal?.aborted === true) break
  }
  return emptied
}

async function* pagesOf(
  db: Db,
  { repository, deletion, now }: EmptyOptions,
): AsyncGenerator<Deletion[], void> {
  if (deletion !== undefined) {
    yield (await db.read(OPEN_ONE, { deletion })).map(deletionFromRow)
    return
  }
  let after = { afterUntil: now, afterId: 0 }
  for (;;) {
    const rows: readonly Row[] = await (repository === undefined
      ? db.read(OPEN, { ...after, now, limit: PAGE })
      : db.read(OPEN_OF_REPOSITORY, { ...after, repository, now, limit: PAGE }))
    const page = rows.map(deletionFromRow)
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    after = { afterUntil: last.until, afterId: last.id }
  }
}

/** @returns false: it was restored or emptied meanwhile, or nothing of it is in the trash any more */
async function emptyOne(db: Db, deletion: Deletion, { actor, now }: EmptyOptions): Promise<boolean> {
  const release = RELEASE[deletion.kind === 'blob' ? 'blob' : 'manifest']
  const steps: Step[] = [
    { statement: CLAIM_EMPTY, expect: 1 },
    ...release.map((statement) => ({ statement })),
  ]
  const outcome = await db.write({
    steps,
    params: { ...actorParams(actor), ...rowParams(deletion), now },
    touches: [deletion.repository],
    journal: [deletionEntry('empty', deletion, actor)],
    frees: true,
  })
  return outcome.done && (outcome.changes[1] ?? 0) > 0
}

async function nameLeased(
  db: Db,
  deletion: Deletion,
  now: number,
  emptied: Emptied,
  seen: Set<string>,
): Promise<void> {
  const params = { ...rowParams(deletion), now, limit: MAX_LEASED }
  const isBlob = deletion.kind === 'blob'
  const manifests = isBlob ? [] : await db.read(LEASED_MANIFESTS, params)
  const blobs = await db.read(isBlob ? LEASED_LINK : LEASED_LINKS, params)
  for (const row of [...manifests, ...blobs]) {
    const digest = digestFromBytes(row['digest'] as Uint8Array)
    const { repository } = deletion
    const key = `${deletion.repositoryId} ${digest}`
    if (seen.has(key)) continue
    emptied.isCut = emptied.leased.length === MAX_LEASED
    if (emptied.isCut) return
    seen.add(key)
    const kind = manifests.includes(row) ? 'manifest' : 'blob'
    emptied.leased.push({ repository, digest, kind, until: row['until'] as number })
  }
}

function rowParams({ id, repositoryId, digest }: Deletion) {
  return { deletion: id, repositoryId, digest: digestToBytes(digest) }
}
