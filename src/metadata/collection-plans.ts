/**
 * Plans of collections: what a dry run found, kept so that exactly this can be run later. An item's row goes in the
 * transaction that removes what it names; what is left of a plan that was run is what it skipped.
 */
import { type Digest, digestFromBytes } from '../oci/digest.ts'
import type { CandidateKind, Removable } from './collect.ts'
import type { Db, Row, Statement } from './database.ts'

export type CollectionPlan = {
  id: number
  madeAt: number
  emptiesTrash: boolean
  takesUnused: boolean
  /** Undefined: it was broken off while it was made, and cannot be run. */
  completedAt: number | undefined
  manifests: number
  links: number
  blobs: number
  /** Of the files that go, each counted once. */
  bytes: number
  runAt: number | undefined
}

export type PlanItem = Removable & {
  planId: number
  /** Of a manifest: its own; of a link: the blob's; of a blob: what its file frees. */
  bytes: number
  /** Manifests that name others come before them. */
  level: number
  /** Of a manifest: the tags that were deleted with it, or before it. */
  tags: readonly string[]
}

const INSERT: Statement = {
  name: 'insert-collection-plan',
  sql: `INSERT INTO collection_plans (made_at, empties_trash, takes_unused) VALUES (:now, :emptiesTrash, :takesUnused)
        RETURNING id`,
  rows: true,
}
const COLUMNS = `id, made_at, empties_trash, takes_unused, completed_at, manifests, links, blobs, bytes, run_at`
const FIND: Statement = {
  name: 'find-collection-plan',
  sql: `SELECT ${COLUMNS} FROM collection_plans WHERE id = :plan`,
  rows: true,
}
const BEFORE: Statement = {
  name: 'collection-plans-before',
  sql: `SELECT ${COLUMNS} FROM collection_plans WHERE id < :plan ORDER BY id LIMIT 100`,
  rows: true,
}
const SUMS: Statement = {
  name: 'collection-plan-sums',
  sql: `SELECT kind, count(*) AS items, sum(bytes) AS bytes FROM collection_plan_items WHERE plan_id = :plan GROUP BY kind`,
  rows: true,
}
const COMPLETE: Statement = {
  name: 'complete-collection-plan',
  sql: `UPDATE collection_plans SET completed_at = :now, manifests = :manifests, links = :links, blobs = :blobs,
          bytes = :bytes WHERE id = :plan`,
}
const BEGIN_RUN: Statement = {
  name: 'run-collection-plan',
  sql: 'UPDATE collection_plans SET run_at = :now WHERE id = :plan',
}
const PAGE: Statement = {
  name: 'collection-plan-page',
  sql: `SELECT i.kind, i.repository_id, i.digest, i.bytes, i.level, r.name,
          (SELECT json_group_array(DISTINCT t.name) FROM manifests m JOIN tag_moves t ON t.deletion_id = m.deletion_id
            WHERE m.repository_id = i.repository_id AND m.digest = i.digest AND t.from_digest = m.digest
            AND i.kind = 'manifest') AS tags
        FROM collection_plan_items i INDEXED BY collection_plan_items_by_level
        LEFT JOIN repositories r ON r.id = i.repository_id
        WHERE i.plan_id = :plan AND i.kind = :kind AND i.level = :level
        AND (i.repository_id, i.digest) > (:afterRepository, :afterDigest)
        ORDER BY i.repository_id, i.digest LIMIT :limit`,
  rows: true,
}
/** In order of repository, whatever the level: to be read by people. */
const LIST: Statement = {
  name: 'list-collection-plan',
  sql: `SELECT i.kind, i.repository_id, i.digest, i.bytes, i.level, r.name,
          (SELECT json_group_array(DISTINCT t.name) FROM manifests m JOIN tag_moves t ON t.deletion_id = m.deletion_id
            WHERE m.repository_id = i.repository_id AND m.digest = i.digest AND t.from_digest = m.digest
            AND i.kind = 'manifest') AS tags
        FROM collection_plan_items i LEFT JOIN repositories r ON r.id = i.repository_id
        WHERE i.plan_id = :plan AND i.kind = :kind AND (i.repository_id, i.digest) > (:afterRepository, :afterDigest)
        ORDER BY i.repository_id, i.digest LIMIT :limit`,
  rows: true,
}
const LEVELS: Statement = {
  name: 'collection-plan-next-level',
  sql: `SELECT level FROM collection_plan_items WHERE plan_id = :plan AND kind = :kind AND level > :level
        ORDER BY level LIMIT 1`,
  rows: true,
}
const FORGET_ITEMS: Statement = {
  name: 'forget-collection-plan-items',
  sql: `DELETE FROM collection_plan_items WHERE plan_id = :plan AND (kind, repository_id, digest) IN (
          SELECT kind, repository_id, digest FROM collection_plan_items WHERE plan_id = :plan LIMIT :limit)`,
}
const FORGET_PLAN: Statement = {
  name: 'forget-collection-plan',
  sql: `DELETE FROM collection_plans WHERE id = :plan
        AND NOT EXISTS (SELECT 1 FROM collection_plan_items WHERE plan_id = :plan)`,
}
/** The last step of a removal that a plan named. */
export const FORGET_ITEM: Statement = {
  name: 'forget-collection-plan-item',
  sql: `DELETE FROM collection_plan_items
        WHERE plan_id = :plan AND kind = :kind AND repository_id = :itemRepository AND digest = :digest`,
}

/** Where a page ended. */
export type PlanCursor = { repositoryId: number; key: Uint8Array }
export const PLAN_BEGIN: PlanCursor = { repositoryId: -1, key: new Uint8Array(0) }

/** @returns the id of a plan that has nothing in it yet */
export async function createPlan(
  db: Db,
  options: { emptiesTrash: boolean; takesUnused: boolean },
  now: number,
): Promise<number> {
  const params = { now, emptiesTrash: Number(options.emptiesTrash), takesUnused: Number(options.takesUnused) }
  const outcome = await db.write({
    steps: [{ statement: INSERT, expect: 1 }],
    params,
    touches: [],
    frees: true,
  })
  if (!outcome.done) throw new Error('a row that was to be inserted was not')
  return outcome.rows[0]?.[0]?.['id'] as number
}

export async function findPlan(db: Db, plan: number): Promise<CollectionPlan | undefined> {
  const [row] = await db.read(FIND, { plan })
  return row === undefined ? undefined : planOf(row)
}

/** Older plans than this one. At most 100. */
export async function plansBefore(db: Db, plan: number): Promise<CollectionPlan[]> {
  return (await db.read(BEFORE, { plan })).map(planOf)
}

function planOf(row: Row): CollectionPlan {
  const number = (name: string): number => row[name] as number
  return {
    id: number('id'),
    madeAt: number('made_at'),
    emptiesTrash: row['empties_trash'] === 1,
    takesUnused: row['takes_unused'] === 1,
    completedAt: (row['completed_at'] as number | null) ?? undefined,
    manifests: number('manifests'),
    links: number('links'),
    blobs: number('blobs'),
    bytes: number('bytes'),
    runAt: (row['run_at'] as number | null) ?? undefined,
  }
}

/** It has all its items now: sums them up. */
export async function completePlan(db: Db, plan: number, now: number): Promise<void> {
  const rows = await db.read(SUMS, { plan })
  const of = (kind: CandidateKind, field: string): number =>
    (rows.find((row) => row['kind'] === kind)?.[field] as number | undefined) ?? 0
  const params = {
    plan,
    now,
    manifests: of('manifest', 'items'),
    links: of('link', 'items'),
    blobs: of('blob', 'items'),
    bytes: of('blob', 'bytes'),
  }
  await db.write({ steps: [{ statement: COMPLETE, expect: 1 }], params, touches: [], frees: true })
}

/** What is still to be removed, by kind. */
export async function countPlanItems(db: Db, plan: number): Promise<number> {
  let count = 0
  for (const row of await db.read(SUMS, { plan })) count += row['items'] as number
  return count
}

export async function beginPlanRun(db: Db, plan: number, now: number): Promise<void> {
  await db.write({ steps: [{ statement: BEGIN_RUN }], params: { plan, now }, touches: [], frees: true })
}

/** The next level of a kind after this one; undefined: there is none. Levels begin with 0. */
export async function nextLevel(
  db: Db,
  plan: number,
  kind: CandidateKind,
  level: number,
): Promise<number | undefined> {
  const [row] = await db.read(LEVELS, { plan, kind, level })
  return row?.['level'] as number | undefined
}

/** @param level undefined: all, in order of repository */
export async function planPage(
  db: Db,
  planId: number,
  kind: CandidateKind,
  level: number | undefined,
  after: PlanCursor,
  limit: number,
): Promise<PlanItem[]> {
  const cursor = { afterRepository: after.repositoryId, afterDigest: after.key }
  const params = { plan: planId, kind, ...cursor, limit }
  const rows = await (level === undefined ? db.read(LIST, params) : db.read(PAGE, { ...params, level }))
  return rows.map((row) => itemOf(planId, kind, row))
}

function itemOf(planId: number, kind: CandidateKind, row: Row): PlanItem {
  const repositoryId = row['repository_id'] as number
  const digest: Digest = digestFromBytes(row['digest'] as Uint8Array)
  return {
    planId,
    kind,
    repositoryId: repositoryId === 0 ? undefined : repositoryId,
    repository: (row['name'] as string | null) ?? undefined,
    digest,
    key: row['digest'] as Uint8Array,
    bytes: row['bytes'] as number,
    level: row['level'] as number,
    tags: JSON.parse(row['tags'] as string) as string[],
  }
}

/** Removes a plan, some items at a time. @returns whether all of it is gone */
export async function forgetPlan(db: Db, plan: number, limit: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: FORGET_ITEMS }, { statement: FORGET_PLAN }],
    params: { plan, limit },
    touches: [],
    frees: true,
  })
  return outcome.done && outcome.changes[1] === 1
}
