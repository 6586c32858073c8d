/** Lists what a plan names: a page of each kind in memory at a time, however long it is. */
import { PLAN_BEGIN, planPage, type PlanCursor, type PlanItem } from '../metadata/collection-plans.ts'
import type { Db } from '../metadata/database.ts'
import type { Collection } from './collection.ts'
import { writeAll } from './output.ts'

/** Writes what `textOf` makes of each item, in order of repository, what is in one together; files come last. */
export async function eachItem(
  { io, data, signal }: Collection,
  planId: number,
  textOf: (item: PlanItem) => string,
): Promise<void> {
  const { db } = data.metadata
  const [manifests, links] = (['manifest', 'link'] as const).map((kind) => itemsOf(db, planId, kind))
  for await (const item of merged(manifests as AsyncGenerator<PlanItem>, links as AsyncGenerator<PlanItem>)) {
    if (signal.aborted) return
    await writeAll(io, textOf(item))
  }
  for await (const item of itemsOf(db, planId, 'blob')) {
    if (signal.aborted) return
    await writeAll(io, textOf(item))
  }
}

/** Those of one kind, in order of repository. */
export async function* itemsOf(db: Db, planId: number, kind: PlanItem['kind']): AsyncGenerator<PlanItem> {
  let cursor: PlanCursor = PLAN_BEGIN
  for (;;) {
    const page = await planPage(db, planId, kind, undefined, cursor, 256)
    yield* page
    const last = page.at(-1)
    if (last === undefined) return
    cursor = { repositoryId: last.repositoryId ?? 0, key: last.key }
  }
}

/** Both are in order of repository; manifests come first in each. */
async function* merged(
  manifests: AsyncGenerator<PlanItem>,
  links: AsyncGenerator<PlanItem>,
): AsyncGenerator<PlanItem> {
  let link = await links.next()
  for await (const manifest of manifests) {
    while (link.done !== true && (link.value.repositoryId ?? 0) < (manifest.repositoryId ?? 0)) {
      yield link.value
      link = await links.next()
    }
    yield manifest
  }
  while (link.done !== true) {
    yield link.value
    link = await links.next()
  }
}
