/**
 * T6: what nothing names any more, a candidate at a time. Each review is one transaction that first looks whether the
 * candidate still is what it was, then removes; the foreign keys refuse what would lose something. A candidate that
 * is not ripe is put off to when it may be, one that is needed is forgotten: what needed it makes it one again.
 *
 *   manifest  past its keep, no tag, no parent: its children and referrers that nothing else names expire, its links
 *             become candidates, the row goes
 *   link      its lease is over and no manifest of the repository holds it: the row goes, the blob is a candidate
 *   blob      no link: the row goes; its object is garbage if no other digest shares it
 */
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import { LEASE_PROMISE_MS } from './blob-links.ts'
import {
  type Db,
  ForeignKeyError,
  type JournalEntry,
  type Outcome,
  type Params,
  type Statement,
  type Step,
} from './database.ts'

export type CandidateKind = 'manifest' | 'link' | 'blob'
export type Candidate = {
  id: number
  /** Its name, while the repository is there. */
  repository: string | undefined
  kind: CandidateKind
  repositoryId: number | undefined
  digest: Digest
  key: Uint8Array
}
export type Review =
  | { kind: 'removed'; bytes: number }
  /** Still needed, or gone already. */
  | { kind: 'kept' }
  /** Looked at again when its lease or its keep is over, or the takeover complete. */
  | { kind: 'put-off' }

const DUE: Statement = {
  name: 'due-candidates',
  sql: `SELECT c.id, c.kind, c.repository_id, c.digest, r.name FROM candidates c
        LEFT JOIN repositories r ON r.id = c.repository_id
        WHERE c.due_at <= :now AND NOT EXISTS (SELECT 1 FROM takeover WHERE id = 1 AND completed_at IS NULL)
        ORDER BY c.due_at LIMIT :limit`,
  rows: true,
}
/** While a takeover goes on, what names something may not be known yet. */
const TAKEN_OVER: Statement = {
  name: 'collect-when-taken-over',
  sql: 'SELECT 1 AS pending FROM takeover WHERE id = 1 AND completed_at IS NULL',
  rows: true,
}
const whenTakenOver: Step = { statement: TAKEN_OVER, expect: 0 }
const FORGET: Statement = { name: 'forget-candidate', sql: 'DELETE FROM candidates WHERE id = :candidate' }

/** Candidates whose time has come, oldest first; none before a takeover is complete. */
export async function dueCandidates(db: Db, now: number, limit: number): Promise<Candidate[]> {
  const rows = await db.read(DUE, { now, limit })
  return rows.map((row) => ({
    id: row['id'] as number,
    repository: (row['name'] as string | null) ?? undefined,
    kind: row['kind'] as CandidateKind,
    repositoryId: (row['repository_id'] as number | null) ?? undefined,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    key: row['digest'] as Uint8Array,
  }))
}

const PUT_OFF_MANIFEST: Statement = {
  name: 'put-off-manifest',
  sql: `UPDATE candidates SET due_at = (SELECT expires_at FROM manifests WHERE repository_id = :repositoryId AND digest = :digest)
        WHERE id = :candidate AND EXISTS (SELECT 1 FROM manifests
          WHERE repository_id = :repositoryId AND digest = :digest AND expires_at > :now)`,
}
const RIPE_MANIFEST: Statement = {
  name: 'ripe-manifest',
  sql: `SELECT length(bytes) AS size FROM manifests
        WHERE repository_id = :repositoryId AND digest = :digest AND expires_at <= :now
        AND NOT EXISTS (SELECT 1 FROM tags WHERE repository_id = :repositoryId AND digest = :digest)
        AND NOT EXISTS (SELECT 1 FROM manifest_refs WHERE repository_id = :repositoryId AND held_manifest = :digest)`,
  rows: true,
}
/** Those that this one alone held: its children, and its referrers. */
const ALONE = `m.repository_id = :repositoryId
  AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
  AND NOT EXISTS (SELECT 1 FROM manifest_refs p WHERE p.repository_id = m.repository_id AND p.held_manifest = m.digest
    AND p.manifest <> :digest)`
const FOLLOWERS = `
  SELECT r.held_manifest AS digest FROM manifest_refs r
    WHERE r.repository_id = :repositoryId AND r.manifest = :digest AND +r.held_manifest IS NOT NULL
  UNION ALL SELECT s.digest FROM manifests s WHERE s.repository_id = :repositoryId AND s.subject = :digest`
/** Whoever was told by a HEAD that one of them is there has a day to name it. */
const EXPIRE_FOLLOWERS: Statement = {
  name: 'expire-followers',
  sql: `UPDATE manifests AS m SET expires_at = :followersExpireAt
        WHERE m.digest IN (${FOLLOWERS}) AND m.expires_at IS NULL AND ${ALONE}`,
}
const FOLLOWERS_TO_CANDIDATES: Statement = {
  name: 'followers-to-candidates',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'manifest', m.repository_id, m.digest, m.expires_at FROM manifests m
        WHERE m.digest IN (${FOLLOWERS}) AND m.expires_at IS NOT NULL AND ${ALONE}`,
}
const LINKS_TO_CANDIDATES: Statement = {
  name: 'links-to-candidates',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT DISTINCT 'link', l.repository_id, l.digest, max(l.lease_until, :now) FROM manifest_refs r
        JOIN blob_links l ON l.digest = r.held_blob AND l.repository_id = r.repository_id
        WHERE r.repository_id = :repositoryId AND r.manifest = :digest`,
}
const REMOVE_MANIFEST: Statement = {
  name: 'remove-manifest',
  sql: 'DELETE FROM manifests WHERE repository_id = :repositoryId AND digest = :digest',
}

/** When its lease is over, and what was deleted can no longer be restored. */
const LINK_DUE = 'max(lease_until, coalesce(unlinked_at + :keepMs, 0))'
const PUT_OFF_LINK: Statement = {
  name: 'put-off-link',
  sql: `UPDATE candidates SET due_at = (SELECT ${LINK_DUE} FROM blob_links WHERE digest = :digest AND repository_id = :repositoryId)
        WHERE id = :candidate AND EXISTS (SELECT 1 FROM blob_links
          WHERE digest = :digest AND repository_id = :repositoryId AND ${LINK_DUE} > :now)`,
}
const FILL_WAITING: Statement = {
  name: 'fill-waiting-before-collect',
  sql: `UPDATE manifest_refs SET held_blob = digest
        WHERE repository_id = :repositoryId AND digest = :digest AND held_manifest IS NULL AND held_blob IS NULL
        AND EXISTS (SELECT 1 FROM blob_links l
          WHERE l.digest = :digest AND l.repository_id = :repositoryId AND l.unlinked_at IS NULL)`,
}
const RIPE_LINK: Statement = {
  name: 'ripe-link',
  sql: `SELECT 1 AS ripe FROM blob_links WHERE digest = :digest AND repository_id = :repositoryId AND ${LINK_DUE} <= :now
        AND NOT EXISTS (SELECT 1 FROM manifest_refs WHERE held_blob = :digest AND repository_id = :repositoryId)`,
  rows: true,
}
const REMOVE_LINK: Statement = {
  name: 'remove-link',
  sql: 'DELETE FROM blob_links WHERE digest = :digest AND repository_id = :repositoryId',
}
const BLOB_TO_CANDIDATE: Statement = {
  name: 'blob-to-candidate',
  sql: `INSERT INTO candidates (kind, digest, due_at) SELECT 'blob', :digest, :now
        WHERE NOT EXISTS (SELECT 1 FROM blob_links WHERE digest = :digest)`,
}

const RIPE_BLOB: Statement = {
  name: 'ripe-blob',
  sql: 'SELECT size FROM blobs WHERE digest = :digest AND NOT EXISTS (SELECT 1 FROM blob_links WHERE digest = :digest)',
  rows: true,
}
/** The object goes first on paper, while the row that names it can still be seen. */
const OBJECT_TO_GARBAGE: Statement = {
  name: 'collected-object-to-garbage',
  sql: `UPDATE objects SET state = 'garbage', delete_after = :now
        WHERE id = (SELECT object_id FROM blobs WHERE digest = :digest) AND state = 'live'
        AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = objects.id AND b.digest <> :digest)`,
}
const REMOVE_BLOB: Statement = { name: 'remove-blob', sql: 'DELETE FROM blobs WHERE digest = :digest' }

type Plan = { putOff?: Statement; ripe: Step; steps: readonly Step[] }

const one = (statement: Statement): Step => ({ statement, expect: 1 })
const forget = one(FORGET)

const PLANS: Readonly<Record<CandidateKind, Plan>> = {
  manifest: {
    putOff: PUT_OFF_MANIFEST,
    ripe: one(RIPE_MANIFEST),
    steps: [
      { statement: EXPIRE_FOLLOWERS },
      { statement: FOLLOWERS_TO_CANDIDATES },
      { statement: LINKS_TO_CANDIDATES },
      one(REMOVE_MANIFEST),
    ],
  },
  link: {
    putOff: PUT_OFF_LINK,
    ripe: one(RIPE_LINK),
    steps: [one(REMOVE_LINK), { statement: BLOB_TO_CANDIDATE }],
  },
  blob: { ripe: one(RIPE_BLOB), steps: [{ statement: OBJECT_TO_GARBAGE }, one(REMOVE_BLOB)] },
}

/**
 * Looks at one candidate and removes it if nothing names it.
 * @param keepMs how long what was deleted can be restored
 */
export async function reviewCandidate(
  db: Db,
  candidate: Candidate,
  now: number,
  keepMs: number,
): Promise<Review> {
  const plan = PLANS[candidate.kind]
  const params: Params = {
    candidate: candidate.id,
    repositoryId: candidate.repositoryId ?? null,
    digest: candidate.key,
    now,
    keepMs,
    followersExpireAt: now + LEASE_PROMISE_MS,
  }
  const first: Step[] = candidate.kind === 'link' ? [{ statement: FILL_WAITING }] : []
  const touches = candidate.repository === undefined ? [] : [candidate.repository]
  const removed = await attempt(
    db,
    [whenTakenOver, ...first, plan.ripe, ...plan.steps, forget],
    params,
    touches,
    [
      {
        do: 'collect',
        t: now,
        what: candidate.kind,
        repository: candidate.repository ?? null,
        digest: candidate.digest,
      },
    ],
  )
  if (removed?.done === false && removed.missed === 0) return { kind: 'put-off' }
  if (removed?.done === true) {
    const size = removed.rows[first.length + 1]?.[0]?.['size'] as number | undefined
    return { kind: 'removed', bytes: candidate.kind === 'link' ? 0 : (size ?? 0) }
  }
  if (plan.putOff !== undefined) {
    const putOff = await attempt(db, [one(plan.putOff)], params, [])
    if (putOff?.done === true) return { kind: 'put-off' }
  }
  await attempt(db, [{ statement: FORGET }], params, [])
  return { kind: 'kept' }
}

/** What the journal says was removed, removed again; candidates stay, to be looked at. False: it is needed, or gone. */
export async function collectAgain(
  db: Db,
  kind: CandidateKind,
  repositoryId: number | undefined,
  digest: Digest,
  now: number,
): Promise<boolean> {
  const plan = PLANS[kind]
  const params: Params = {
    repositoryId: repositoryId ?? null,
    digest: digestToBytes(digest),
    now,
    // Its time had come then; what had put it off since is not known here.
    keepMs: 0,
    followersExpireAt: now + LEASE_PROMISE_MS,
  }
  const outcome = await attempt(db, [whenTakenOver, plan.ripe, ...plan.steps], params, [])
  return outcome?.done === true
}

/** Undefined: something names it after all. */
async function attempt(
  db: Db,
  steps: readonly Step[],
  params: Params,
  touches: readonly string[],
  journal: readonly JournalEntry[] = [],
): Promise<Outcome | undefined> {
  try {
    return await db.write({ steps, params, touches, journal, frees: true })
  } catch (error) {
    if (error instanceof ForeignKeyError) return undefined
    throw error
  }
}
