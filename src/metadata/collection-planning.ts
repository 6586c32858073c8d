/**
 * What a collection would remove, found without removing it: the same rules as T6 (`collect.ts`), run to their end over
 * rows of a plan. Everything goes page by page, in proportion to what would go:
 *
 *   manifests  what is due is looked at, and goes if all that name it go; then what those name is looked at, and so on
 *   links      of manifests that go, and due ones: go if no manifest that stays holds them
 *   blobs      of links that go, and due ones: go if no link stays
 *
 * What was looked at and stays is marked by a negative level, and taken out at the end.
 */
import type { CandidateKind } from './collect.ts'
import { PLAN_BEGIN, type PlanCursor } from './collection-plans.ts'
import type { Db, Params, Row, Statement } from './database.ts'
import { MOST_FINDINGS } from './import-rows.ts'

/** As T6 has it: named in a deletion itself, not only taken along by one. */
const DELETED_ITSELF = 'EXISTS (SELECT 1 FROM deletions d WHERE d.id = m.deletion_id AND d.digest = m.digest)'
const UNTAGGED =
  'NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)'
/** `:empties`: as if the trash were emptied. A lease holds what can still be read. */
const EXPIRED = `(m.expires_at <= :now OR :empties = 1 AND m.expires_at IS NOT NULL AND ${DELETED_ITSELF}
  AND (m.deleted_at IS NOT NULL OR coalesce(m.lease_until, 0) <= :now))`
/** What was taken along with something goes with it. */
const EXPIRES_WITH = `(${EXPIRED} OR m.expires_at IS NOT NULL AND m.deleted_at IS NULL AND m.deletion_id IS NOT NULL
  AND NOT ${DELETED_ITSELF} AND coalesce(m.lease_until, 0) <= :now)`
const LINK_OVER = `l.lease_until <= :now
  AND (l.unlinked_at IS NULL OR :empties = 1 OR coalesce(l.kept_until, l.unlinked_at + :keepMs) <= :now)
  AND (l.unlinked_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM manifest_refs w WHERE w.repository_id = l.repository_id
    AND w.digest = l.digest AND w.held_manifest IS NULL AND w.held_blob IS NULL))`

const ITEM = 'INSERT INTO collection_plan_items (plan_id, kind, repository_id, digest, bytes, level)'
/** Looked at once more, since something else that names it goes. */
const AGAIN = `ON CONFLICT (plan_id, kind, repository_id, digest) DO UPDATE SET level = excluded.level WHERE level < 0`

/** A page of candidates, and one of the plan's own items. */
const DUE_PAGE = 'json_each(:ids) j CROSS JOIN candidates c ON c.id = j.value'
const ITEM_PAGE = `i.plan_id = :plan AND i.kind = :kind AND i.level = :level
  AND (i.repository_id, i.digest) > (:afterRepository, :afterDigest)
  AND (i.repository_id, i.digest) <= (:toRepository, :toDigest)`

/** Two statements for the rest of a page and for what follows: no index is entered by a pair of which one is the row's id. */
const DUE_THEN: Statement = {
  name: 'plan-due-at-once',
  sql: 'SELECT id, due_at FROM candidates WHERE due_at = :afterDue AND id > :afterId ORDER BY id LIMIT :limit',
  rows: true,
}
const DUE_LATER: Statement = {
  name: 'plan-due-later',
  sql: `SELECT id, due_at FROM candidates WHERE due_at > :afterDue AND due_at <= :until
        ORDER BY due_at, id LIMIT :limit`,
  rows: true,
}
const ITEMS: Statement = {
  name: 'plan-items-page',
  sql: `SELECT repository_id, digest FROM collection_plan_items
        WHERE plan_id = :plan AND kind = :kind AND level = :level
        AND (repository_id, digest) > (:afterRepository, :afterDigest) ORDER BY repository_id, digest LIMIT :limit`,
  rows: true,
}
const ALL_LINKS: Statement = {
  name: 'plan-links-page',
  sql: `SELECT repository_id, digest FROM blob_links
        WHERE (repository_id, digest) > (:afterRepository, :afterDigest) ORDER BY repository_id, digest LIMIT :limit`,
  rows: true,
}

const DUE_MANIFESTS: Statement = {
  name: 'plan-due-manifests',
  sql: `${ITEM} SELECT :plan, 'manifest', m.repository_id, m.digest, length(m.bytes), :looked
        FROM ${DUE_PAGE} CROSS JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest
        WHERE c.kind = 'manifest' AND ${EXPIRED} AND ${UNTAGGED} ${AGAIN}`,
}
const CHILDREN: Statement = {
  name: 'plan-children',
  sql: `${ITEM} SELECT :plan, 'manifest', m.repository_id, m.digest, length(m.bytes), :looked
        FROM collection_plan_items i
        CROSS JOIN manifest_refs r ON r.repository_id = i.repository_id AND r.manifest = i.digest AND +r.held_manifest IS NOT NULL
        CROSS JOIN manifests m ON m.repository_id = r.repository_id AND m.digest = r.held_manifest
        WHERE ${ITEM_PAGE} AND ${EXPIRES_WITH} AND ${UNTAGGED} ${AGAIN}`,
}
const REFERRERS: Statement = {
  name: 'plan-referrers',
  sql: `${ITEM} SELECT :plan, 'manifest', m.repository_id, m.digest, length(m.bytes), :looked
        FROM collection_plan_items i CROSS JOIN manifests m ON m.repository_id = i.repository_id AND m.subject = i.digest
        WHERE ${ITEM_PAGE} AND ${EXPIRES_WITH} AND ${UNTAGGED} ${AGAIN}`,
}
/** A referrer that was only taken along does not go before its subject. */
const SETTLE_MANIFESTS: Statement = {
  name: 'plan-settle-manifests',
  sql: `UPDATE collection_plan_items AS i INDEXED BY collection_plan_items_by_level SET level = :settled
        WHERE ${ITEM_PAGE} AND NOT EXISTS (SELECT 1 FROM manifest_refs r
          WHERE r.repository_id = i.repository_id AND r.held_manifest = i.digest AND NOT EXISTS (
            SELECT 1 FROM collection_plan_items p WHERE p.plan_id = :plan AND p.kind = 'manifest'
            AND p.repository_id = r.repository_id AND p.digest = r.manifest AND p.level >= 0 AND p.level < :settled))
        AND NOT EXISTS (SELECT 1 FROM manifests m CROSS JOIN manifests s
          ON s.repository_id = m.repository_id AND s.digest = m.subject AND (s.expires_at IS NULL OR s.expires_at > :now)
          WHERE m.repository_id = i.repository_id AND m.digest = i.digest
          AND m.deleted_at IS NULL AND NOT ${DELETED_ITSELF} AND NOT EXISTS (
            SELECT 1 FROM collection_plan_items p WHERE p.plan_id = :plan AND p.kind = 'manifest'
            AND p.repository_id = s.repository_id AND p.digest = s.digest AND p.level >= 0 AND p.level < :settled))`,
}

const DUE_LINKS: Statement = {
  name: 'plan-due-links',
  sql: `${ITEM} SELECT :plan, 'link', l.repository_id, l.digest, b.size, :looked FROM ${DUE_PAGE}
        CROSS JOIN blob_links l ON l.digest = c.digest AND l.repository_id = c.repository_id
        CROSS JOIN blobs b ON b.digest = l.digest WHERE c.kind = 'link' AND ${LINK_OVER} ${AGAIN}`,
}
const LINKS_OF: Statement = {
  name: 'plan-links',
  sql: `${ITEM} SELECT :plan, 'link', l.repository_id, l.digest, b.size, :looked FROM collection_plan_items i
        CROSS JOIN manifest_refs r ON r.repository_id = i.repository_id AND r.manifest = i.digest
        CROSS JOIN blob_links l ON l.digest = r.held_blob AND l.repository_id = r.repository_id
        CROSS JOIN blobs b ON b.digest = l.digest WHERE ${ITEM_PAGE} AND ${LINK_OVER} ${AGAIN}`,
}
/**
 * Manifests that are there, and could not be taken over: CNCF Distribution may still serve them, and what they name is
 * not known. The kinds are those of `takeover/finding-kinds.ts`.
 */
const NOT_TAKEN = `EXISTS (SELECT 1 FROM repositories q CROSS JOIN takeover_findings f
          ON f.repository = q.name AND f.kind IN ('schema1', 'unreadable-manifest', 'damaged-manifest', 'bad-link')
          WHERE q.id = l.repository_id AND q.imported_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM takeover_findings f WHERE f.id >= :mostFindings)`
const UNUSED_LINKS: Statement = {
  name: 'plan-unused-links',
  sql: `${ITEM} SELECT :plan, 'link', l.repository_id, l.digest, b.size, :looked
        FROM blob_links l CROSS JOIN blobs b ON b.digest = l.digest
        WHERE (l.repository_id, l.digest) > (:afterRepository, :afterDigest)
        AND (l.repository_id, l.digest) <= (:toRepository, :toDigest) AND ${LINK_OVER}
        AND NOT EXISTS (SELECT 1 FROM manifest_refs h WHERE h.held_blob = l.digest AND h.repository_id = l.repository_id)
        AND NOT (${NOT_TAKEN}) ${AGAIN}`,
}
const SETTLE_LINKS: Statement = {
  name: 'plan-settle-links',
  sql: `UPDATE collection_plan_items AS i INDEXED BY collection_plan_items_by_level SET level = :settled
        WHERE ${ITEM_PAGE} AND NOT EXISTS (SELECT 1 FROM manifest_refs r
          WHERE r.held_blob = i.digest AND r.repository_id = i.repository_id AND NOT EXISTS (
            SELECT 1 FROM collection_plan_items p WHERE p.plan_id = :plan AND p.kind = 'manifest'
            AND p.repository_id = r.repository_id AND p.digest = r.manifest AND p.level >= 0))`,
}

const DUE_BLOBS: Statement = {
  name: 'plan-due-blobs',
  sql: `${ITEM} SELECT :plan, 'blob', 0, b.digest, b.size, :looked FROM ${DUE_PAGE} CROSS JOIN blobs b ON b.digest = c.digest
        WHERE c.kind = 'blob' ${AGAIN}`,
}
const BLOBS_OF: Statement = {
  name: 'plan-blobs',
  sql: `${ITEM} SELECT :plan, 'blob', 0, b.digest, b.size, :looked FROM collection_plan_items i
        CROSS JOIN blobs b ON b.digest = i.digest WHERE ${ITEM_PAGE} ${AGAIN}`,
}
const SETTLE_BLOBS: Statement = {
  name: 'plan-settle-blobs',
  sql: `UPDATE collection_plan_items AS i INDEXED BY collection_plan_items_by_level SET level = :settled
        WHERE ${ITEM_PAGE} AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = i.digest AND NOT EXISTS (
          SELECT 1 FROM collection_plan_items p WHERE p.plan_id = :plan AND p.kind = 'link'
          AND p.repository_id = l.repository_id AND p.digest = l.digest AND p.level >= 0))`,
}
/** Two digests may share a file that was taken over: it is freed with the last of them, and counted there. */
const COUNT_SHARED_ONCE: Statement = {
  name: 'plan-count-shared-once',
  sql: `UPDATE collection_plan_items AS i INDEXED BY collection_plan_items_by_level SET bytes = 0
        WHERE ${ITEM_PAGE} AND EXISTS (SELECT 1 FROM blobs b JOIN blobs o ON o.object_id = b.object_id
          WHERE b.digest = i.digest AND o.digest <> b.digest AND (o.digest > b.digest OR NOT EXISTS (
            SELECT 1 FROM collection_plan_items p WHERE p.plan_id = :plan AND p.kind = 'blob' AND p.repository_id = 0
            AND p.digest = o.digest AND p.level >= 0)))`,
}
const FORGET_STAYING: Statement = {
  name: 'plan-forget-staying',
  sql: `DELETE FROM collection_plan_items WHERE plan_id = :plan AND kind = :kind AND (repository_id, digest) IN (
          SELECT repository_id, digest FROM collection_plan_items
          WHERE plan_id = :plan AND kind = :kind AND level < 0 LIMIT :limit)`,
}

/** The rules of one plan, as its statements take them. */
export type PlanRules = { plan: number; now: number; keepMs: number; emptiesTrash: boolean }

/**
 * One pass over something, page by page.
 * @returns how many rows the page changed, and where it ended; undefined: there was nothing more
 */
export type Pass<Cursor> = {
  begin: Cursor
  page(db: Db, after: Cursor, limit: number): Promise<{ changed: number; last: Cursor } | undefined>
}

type DueCursor = { due: number; id: number }
/** A level that says: looked at in this round. */
const lookedIn = (round: number): number => -1 - round

const BEGIN_DUE: DueCursor = { due: -1, id: -1 }
const DUE_OF: Readonly<Record<CandidateKind, Statement>> = {
  manifest: DUE_MANIFESTS,
  link: DUE_LINKS,
  blob: DUE_BLOBS,
}

/** Looks at the candidates that are due; where the trash is emptied, at all. */
export function lookAtDue(rules: PlanRules, kind: CandidateKind): Pass<DueCursor> {
  const until = rules.emptiesTrash ? Number.MAX_SAFE_INTEGER : rules.now
  return {
    begin: BEGIN_DUE,
    async page(db, after, limit) {
      const from = { until, afterDue: after.due, afterId: after.id }
      const rows = [...(await db.read(DUE_THEN, { ...from, limit }))]
      if (rows.length < limit)
        rows.push(...(await db.read(DUE_LATER, { ...from, limit: limit - rows.length })))
      const last = rows.at(-1)
      if (last === undefined) return undefined
      const ids = JSON.stringify(rows.map(({ id }) => id as number))
      const changed = await write(db, [DUE_OF[kind]], rules, { ids, looked: lookedIn(0) })
      return { changed, last: { due: last['due_at'] as number, id: last['id'] as number } }
    },
  }
}

function overItems(
  rules: PlanRules,
  kind: CandidateKind,
  level: number,
  statements: readonly Statement[],
  more: Params,
): Pass<PlanCursor> {
  return over(ITEMS, { plan: rules.plan, kind, level }, rules, statements, more)
}

function over(
  pages: Statement,
  which: Params,
  rules: PlanRules,
  statements: readonly Statement[],
  more: Params,
): Pass<PlanCursor> {
  return {
    begin: PLAN_BEGIN,
    async page(db, after, limit) {
      const from = { ...which, afterRepository: after.repositoryId, afterDigest: after.key }
      const row: Row | undefined = (await db.read(pages, { ...from, limit })).at(-1)
      if (row === undefined) return undefined
      const last = { repositoryId: row['repository_id'] as number, key: row['digest'] as Uint8Array }
      const params = { ...from, toRepository: last.repositoryId, toDigest: last.key, ...more }
      return { changed: await write(db, statements, rules, params), last }
    },
  }
}

/** Looks at the children and the referrers of manifests that went in the round before. */
export const lookAtFollowers = (rules: PlanRules, round: number): Pass<PlanCursor> =>
  overItems(rules, 'manifest', round - 1, [CHILDREN, REFERRERS], { looked: lookedIn(round) })

/** Looks at the links that manifests of a level hold. */
export const lookAtLinks = (rules: PlanRules, level: number): Pass<PlanCursor> =>
  overItems(rules, 'manifest', level, [LINKS_OF], { looked: lookedIn(0) })

/** Looks at every link there is: for those that no manifest ever held, and that nobody made candidates. */
export const lookAtUnused = (rules: PlanRules): Pass<PlanCursor> =>
  over(ALL_LINKS, {}, rules, [UNUSED_LINKS], { looked: lookedIn(0) })

export const lookAtBlobs = (rules: PlanRules): Pass<PlanCursor> =>
  overItems(rules, 'link', 0, [BLOBS_OF], { looked: lookedIn(0) })

const SETTLE: Readonly<Record<CandidateKind, Statement>> = {
  manifest: SETTLE_MANIFESTS,
  link: SETTLE_LINKS,
  blob: SETTLE_BLOBS,
}

/** Of what was looked at in this round, what goes. */
export const settle = (rules: PlanRules, kind: CandidateKind, round: number): Pass<PlanCursor> =>
  overItems(rules, kind, lookedIn(round), [SETTLE[kind]], { settled: round })

export const countSharedOnce = (rules: PlanRules): Pass<PlanCursor> =>
  overItems(rules, 'blob', 0, [COUNT_SHARED_ONCE], {})

/** Takes out what was looked at and stays. */
export function forgetStaying(rules: PlanRules, kind: CandidateKind): Pass<undefined> {
  return {
    begin: undefined,
    async page(db, _, limit) {
      const changed = await write(db, [FORGET_STAYING], rules, { kind, limit })
      return changed === 0 ? undefined : { changed, last: undefined }
    },
  }
}

async function write(
  db: Db,
  statements: readonly Statement[],
  { plan, now, keepMs, emptiesTrash }: PlanRules,
  params: Params,
): Promise<number> {
  const outcome = await db.write({
    steps: statements.map((statement) => ({ statement })),
    params: { ...params, plan, now, keepMs, empties: Number(emptiesTrash), mostFindings: MOST_FINDINGS },
    touches: [],
    frees: true,
  })
  if (!outcome.done) throw new Error('a statement without an expectation was missed')
  return outcome.changes.reduce((sum, one) => sum + one, 0)
}
