/**
 * A collection planned, and a plan run. A plan is made of the same rules as the collection itself, page by page, each a
 * short transaction; it removes nothing. Its run removes what it names, if that is still so, and says what is not.
 */
import type { CandidateKind } from '../metadata/collect.ts'
import {
  beginPlanRun,
  type CollectionPlan,
  completePlan,
  countPlanItems,
  createPlan,
  findPlan,
  forgetPlan,
  nextLevel,
  PLAN_BEGIN,
  planPage,
  type PlanItem,
  plansBefore,
} from '../metadata/collection-plans.ts'
import {
  countSharedOnce,
  forgetStaying,
  lookAtBlobs,
  lookAtDue,
  lookAtFollowers,
  lookAtLinks,
  lookAtUnused,
  type Pass,
  type PlanRules,
  settle,
} from '../metadata/collection-planning.ts'
import type { Db } from '../metadata/database.ts'
import { removePlanned } from '../metadata/run-plan.ts'
import { BATCH, type Collected, countRemoved } from './collect-garbage.ts'
import { noPace, type Pace } from './pace.ts'

/** Plans that are older are forgotten when the next one is made, and all but the newest few. */
const KEEP_PLANS_MS = 7 * 86_400_000
const KEEP_PLANS = 20
/**
 * A page that takes longer is followed by a smaller one: a push may have to wait for it. Most of a small one's time is
 * the disk's, so they are not made smaller than needed.
 */
const PAGE_MS = 80
const FIRST_PAGE = 128
const LARGEST_PAGE = 1024
const SMALLEST_PAGE = 16

export type PlanOptions = {
  keepMs: number
  /** As if the trash were emptied, but for what a lease holds. */
  emptiesTrash?: boolean
  /** Also links that no manifest holds and that nobody made candidates: those that came with a takeover. */
  takesUnused?: boolean
  pace?: Pace
  /** How many rows were looked at so far. */
  onProgress?: (looked: number) => void
}

type Parts = { db: Db; now: () => number }

/** @returns undefined: told to stop; what was begun is forgotten */
export async function makePlan(
  { db, now }: Parts,
  options: PlanOptions,
  signal: AbortSignal,
): Promise<CollectionPlan | undefined> {
  const { keepMs, emptiesTrash = false, takesUnused = false } = options
  const plan = await createPlan(db, { emptiesTrash, takesUnused }, now())
  const pass = createPasses(db, options, signal)
  await forgetOldPlans(db, plan, now(), pass)
  const rules: PlanRules = { plan, now: now(), keepMs, emptiesTrash }
  const rounds = await planManifests(rules, pass)
  await planLinks(rules, takesUnused, rounds, pass)
  await pass(lookAtDue(rules, 'blob'))
  await pass(lookAtBlobs(rules))
  await pass(settle(rules, 'blob', 0))
  await pass(countSharedOnce(rules))
  for (const kind of KINDS) await pass(forgetStaying(rules, kind))
  if (signal.aborted) {
    while (!(await forgetPlan(db, plan, LARGEST_PAGE)));
    return undefined
  }
  await completePlan(db, plan, now())
  return findPlan(db, plan)
}

const KINDS: readonly CandidateKind[] = ['manifest', 'link', 'blob']

type RunPass = <Cursor>(pass: Pass<Cursor>) => Promise<number>

/** @returns how many rounds there were: each goes a step further from what is due */
async function planManifests(rules: PlanRules, pass: RunPass): Promise<number> {
  await pass(lookAtDue(rules, 'manifest'))
  let round = 0
  while ((await pass(settle(rules, 'manifest', round))) > 0) await pass(lookAtFollowers(rules, ++round))
  return round
}

async function planLinks(
  rules: PlanRules,
  takesUnused: boolean,
  rounds: number,
  pass: RunPass,
): Promise<void> {
  await pass(lookAtDue(rules, 'link'))
  for (let level = 0; level < rounds; level++) await pass(lookAtLinks(rules, level))
  if (takesUnused) await pass(lookAtUnused(rules))
  await pass(settle(rules, 'link', 0))
}

/** Runs a pass to its end, in pages that fit the machine. */
function createPasses(db: Db, { pace = noPace, onProgress }: PlanOptions, signal: AbortSignal): RunPass {
  let limit = FIRST_PAGE
  let looked = 0
  return async (pass) => {
    let cursor = pass.begin
    let changed = 0
    while (!signal.aborted) {
      const began = performance.now()
      const page = await pass.page(db, cursor, limit)
      if (page === undefined) break
      cursor = page.last
      changed += page.changed
      looked += page.changed
      onProgress?.(looked)
      const took = performance.now() - began
      if (took > PAGE_MS) limit = Math.max(SMALLEST_PAGE, limit >> 1)
      else if (took < PAGE_MS / 3) limit = Math.min(LARGEST_PAGE, limit << 1)
      // The time it took is what counts here, not how many rows.
      await pace.rest(0, took, signal)
    }
    return changed
  }
}

async function forgetOldPlans(db: Db, newest: number, now: number, pass: RunPass): Promise<void> {
  const plans = await plansBefore(db, newest)
  const old = plans.filter(
    ({ madeAt }, index) => madeAt < now - KEEP_PLANS_MS || index < plans.length - KEEP_PLANS,
  )
  for (const { id } of old) {
    let isGone = false
    await pass<undefined>({
      begin: undefined,
      async page(database, _, limit) {
        if (isGone) return undefined
        isGone = await forgetPlan(database, id, limit)
        return { changed: 0, last: undefined }
      },
    })
  }
}

type Skipped = { item: PlanItem; reason: string }
export type PlanRun = Collected & {
  /** Items of the plan that were there when the run began. */
  items: number
  /** Those that have been looked at. */
  looked: number
  /** Another run had taken it. */
  gone: number
  /** By reason; and the first of them. */
  skipped: number
  firstSkipped: Skipped[]
  /** Nothing is collected now: a takeover goes on. */
  isTakingOver: boolean
}

const SKIPPED_TOLD = 100

export type RunOptions = { keepMs: number; pace?: Pace; onProgress?: (run: PlanRun) => void }

/** Removes what the plan names and nothing else. What it skipped stays in the plan. Can be run again, and broken off. */
export async function runPlan(
  { db, now }: Parts,
  plan: CollectionPlan,
  { keepMs, pace = noPace, onProgress }: RunOptions,
  signal: AbortSignal,
): Promise<PlanRun> {
  const items = await countPlanItems(db, plan.id)
  const run: PlanRun = {
    ...{ manifests: 0, links: 0, blobs: 0, bytes: 0, items, looked: 0, gone: 0, skipped: 0 },
    firstSkipped: [],
    isTakingOver: false,
  }
  await beginPlanRun(db, plan.id, now())
  for (const kind of KINDS) {
    let level = await nextLevel(db, plan.id, kind, -1)
    for (; level !== undefined; level = await nextLevel(db, plan.id, kind, level)) {
      let cursor = PLAN_BEGIN
      for (;;) {
        if (signal.aborted || run.isTakingOver) return run
        const began = performance.now()
        const page = await planPage(db, plan.id, kind, level, cursor, BATCH)
        const last = page.at(-1)
        if (last === undefined) break
        cursor = { repositoryId: last.repositoryId ?? 0, key: last.key }
        await runPage(db, plan, page, now(), keepMs, run)
        onProgress?.(run)
        await pace.rest(page.length, performance.now() - began, signal)
      }
    }
  }
  return run
}

async function runPage(
  db: Db,
  plan: CollectionPlan,
  page: readonly PlanItem[],
  now: number,
  keepMs: number,
  run: PlanRun,
): Promise<void> {
  const removals = await Promise.all(
    page.map((item) => removePlanned(db, item, plan.emptiesTrash, now, keepMs)),
  )
  for (const [index, removal] of removals.entries()) {
    const item = page[index] as PlanItem
    run.looked++
    switch (removal.kind) {
      case 'removed':
        countRemoved(run, item, removal.bytes)
        break
      case 'gone':
        run.gone++
        break
      case 'not-taken-over':
        run.isTakingOver = true
        break
      case 'skipped':
        run.skipped++
        if (run.firstSkipped.length < SKIPPED_TOLD) run.firstSkipped.push({ item, reason: removal.reason })
    }
  }
}
