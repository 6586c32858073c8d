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
  type Row,
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
type Review =
  | { kind: 'removed'; bytes: number }
  /** Still needed, or gone already. */
  | { kind: 'kept' }
  /** Looked at again when its lease or its keep is over, or the takeover complete. */
  | { kind: 'put-off' }

/** While a takeover goes on, what names something may not be known yet. */
const TAKEN_OVER: Statement = {
  name: 'collect-when-taken-over',
  sql: 'SELECT 1 AS pending FROM takeover WHERE id = 1 AND completed_at IS NULL',
  rows: true,
}
const whenTakenOver: Step = { statement: TAKEN_OVER, expect: 0 }
/** Put off while somebody looks at it: who is ended meanwhile leaves it to others. */
const CLAIM: Statement = {
  name: 'claim-candidates',
  sql: `UPDATE candidates SET due_at = :until WHERE id IN (
          SELECT id FROM candidates WHERE due_at <= :now
          AND NOT EXISTS (SELECT 1 FROM takeover WHERE id = 1 AND completed_at IS NULL) ORDER BY due_at LIMIT :limit)
        RETURNING id, kind, repository_id, digest,
          (SELECT name FROM repositories WHERE id = candidates.repository_id) AS name`,
  rows: true,
}
const COUNT_DUE: Statement = {
  name: 'count-due-candidates',
  sql: 'SELECT count(*) AS due FROM candidates WHERE due_at <= :now',
  rows: true,
}
const FORGET: Statement = { name: 'forget-candidate', sql: 'DELETE FROM candidates WHERE id = :candidate' }

/** How long a candidate that somebody looks at is left alone by others. */
const REVIEW_CLAIM_MS = 60_000

/**
 * Candidates whose time has come, oldest first; none before a takeover is complete. Nobody else is given them for a
 * minute; whoever ends meanwhile leaves them to others.
 */
export async function claimCandidates(db: Db, now: number, limit: number): Promise<Candidate[]> {
  const outcome = await db.write({
    steps: [{ statement: CLAIM }],
    params: { now, limit, until: now + REVIEW_CLAIM_MS },
    touches: [],
    frees: true,
  })
  return outcome.done ? (outcome.rows[0] ?? []).map(candidateOf) : []
}

/** How many candidates are to be looked at now. */
export async function countDueCandidates(db: Db, now: number): Promise<number> {
  return (await db.read(COUNT_DUE, { now }))[0]?.['due'] as number
}

function candidateOf(row: Row): Candidate {
  return {
    id: row['id'] as number,
    repository: (row['name'] as string | null) ?? undefined,
    kind: row['kind'] as CandidateKind,
    repositoryId: (row['repository_id'] as number | null) ?? undefined,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    key: row['digest'] as Uint8Array,
  }
}

const PUT_OFF_MANIFEST: Statement = {
  name: 'put-off-manifest',
  sql: `UPDATE candidates SET due_at = (SELECT expires_at FROM manifests WHERE repository_id = :repositoryId AND digest = :digest)
        WHERE id = :candidate AND EXISTS (SELECT 1 FROM manifests
          WHERE repository_id = :repositoryId AND digest = :digest AND expires_at > :now)`,
}
/** It was named in a deletion itself, not only taken along. */
const DELETED_ITSELF = 'EXISTS (SELECT 1 FROM deletions d WHERE d.id = m.deletion_id AND d.digest = m.digest)'
/** A referrer that was only taken along does not go before its subject: while that can be restored, both can. */
const RIPE_MANIFEST: Statement = {
  name: 'ripe-manifest',
  sql: `SELECT length(m.bytes) AS size FROM manifests m
        WHERE m.repository_id = :repositoryId AND m.digest = :digest AND m.expires_at <= :now
        AND (m.deleted_at IS NOT NULL OR ${DELETED_ITSELF} OR NOT EXISTS (SELECT 1 FROM manifests s
          WHERE s.repository_id = m.repository_id AND s.digest = m.subject AND (s.expires_at IS NULL OR s.expires_at > :now)))
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
  sql: `UPDATE manifests AS m SET expires_at = :followersExpireAt, lease_until = :followersExpireAt
        WHERE m.digest IN (${FOLLOWERS}) AND m.expires_at IS NULL AND ${ALONE}`,
}
/** What was taken along with this one can no longer be restored with it: only a lease keeps it on. */
const RELEASE_FOLLOWERS: Statement = {
  name: 'release-followers',
  sql: `UPDATE manifests AS m SET expires_at = max(:now, coalesce(m.lease_until, 0))
        WHERE m.digest IN (${FOLLOWERS}) AND m.expires_at > :now AND m.deleted_at IS NULL AND m.deletion_id IS NOT NULL
        AND NOT ${DELETED_ITSELF} AND ${ALONE}`,
}
const FOLLOWERS_TO_CANDIDATES: Statement = {
  name: 'followers-to-candidates',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'manifest', m.repository_id, m.digest, m.expires_at FROM manifests m
        WHERE m.digest IN (${FOLLOWERS}) AND m.expires_at IS NOT NULL AND ${ALONE}`,
}
/** What another manifest still holds becomes one when that goes: a base that thousands share is not looked at for each. */
const LINKS_TO_CANDIDATES: Statement = {
  name: 'links-to-candidates',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'link', l.repository_id, l.digest, max(l.lease_until, :now)
        FROM (SELECT DISTINCT held_blob AS digest FROM manifest_refs
          WHERE repository_id = :repositoryId AND manifest = :digest AND +held_blob IS NOT NULL) h
        CROSS JOIN blob_links l ON l.digest = h.digest AND l.repository_id = :repositoryId
        WHERE NOT EXISTS (SELECT 1 FROM manifest_refs o WHERE o.held_blob = h.digest
          AND o.repository_id = :repositoryId AND o.manifest <> :digest)`,
}
const REMOVE_MANIFEST: Statement = {
  name: 'remove-manifest',
  sql: 'DELETE FROM manifests WHERE repository_id = :repositoryId AND digest = :digest',
}

/** When its lease is over, and what was deleted can no longer be restored. */
const LINK_DUE = 'max(lease_until, iif(unlinked_at IS NULL, 0, coalesce(kept_until, unlinked_at + :keepMs)))'
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
      { statement: RELEASE_FOLLOWERS },
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

/** What may be removed, and how it is called. */
export type Removable = Pick<Candidate, 'repository' | 'kind' | 'repositoryId' | 'digest' | 'key'>

/** Either what it freed, or why it stays. */
type Removal = { bytes: number } | 'not-taken-over' | 'needed'

/**
 * T6 for one thing that may be collected: looked at once more, and removed if nothing names it.
 * @param around steps of the same transaction: `before` the look, and `after` the removal
 */
export async function removeIfRipe(
  db: Db,
  what: Removable,
  now: number,
  keepMs: number,
  around: { before?: readonly Step[]; after: readonly Step[]; params: Params },
): Promise<Removal> {
  const plan = PLANS[what.kind]
  const first: Step[] = what.kind === 'link' ? [{ statement: FILL_WAITING }] : []
  const begin = [whenTakenOver, ...(around.before ?? []), ...first]
  const params: Params = {
    ...around.params,
    repositoryId: what.repositoryId ?? null,
    digest: what.key,
    now,
    keepMs,
    followersExpireAt: now + LEASE_PROMISE_MS,
  }
  const removed = await attempt(
    db,
    [...begin, plan.ripe, ...plan.steps, ...around.after],
    params,
    what.repository === undefined ? [] : [what.repository],
    [{ do: 'collect', t: now, what: what.kind, repository: what.repository ?? null, digest: what.digest }],
  )
  if (removed?.done !== true) return removed?.missed === 0 ? 'not-taken-over' : 'needed'
  // Where another digest shares the file, nothing is freed yet.
  const frees = what.kind === 'blob' && removed.changes[begin.length + 1] === 1
  return { bytes: frees ? (removed.rows[begin.length]?.[0]?.['size'] as number) : 0 }
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
  const own = { candidate: candidate.id }
  const removal = await removeIfRipe(db, candidate, now, keepMs, { after: [forget], params: own })
  if (removal === 'not-taken-over') return { kind: 'put-off' }
  if (removal !== 'needed') return { kind: 'removed', bytes: removal.bytes }
  const { putOff } = PLANS[candidate.kind]
  const params: Params = {
    ...own,
    repositoryId: candidate.repositoryId ?? null,
    digest: candidate.key,
    now,
    keepMs,
  }
  if (putOff !== undefined && (await attempt(db, [one(putOff)], params, []))?.done === true)
    return { kind: 'put-off' }
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
    return await db.write({ steps, params, touches, journal, frees: true, background: true })
  } catch (error) {
    if (error instanceof ForeignKeyError) return undefined
    throw error
  }
}
