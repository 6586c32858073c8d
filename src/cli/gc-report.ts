/** What `berth gc` says of a plan and of what was done, as text or JSON. */
import type { PlanRun } from '../jobs/collection-plan.ts'
import type { CollectionPlan, PlanItem } from '../metadata/collection-plans.ts'
import type { Emptied } from '../metadata/empty-trash.ts'
import { type Collection, type Freed, holdText, removeFiles } from './collection.ts'
import { eachItem } from './collection-list.ts'
import { collectedText, itemLine, planText, skippedText } from './collection-text.ts'
import { bytesText, countText } from './quantities.ts'
import { refuse } from './refusal.ts'

type Done = {
  removed: { manifests: number; links: number; blobs: number; bytes: number }
  emptied: Emptied | undefined
  plan?: CollectionPlan
  run?: PlanRun
}

/** Removes the files, and says what was done. @returns the exit code */
export async function finish(collection: Collection, isJson: boolean, done: Done): Promise<number> {
  const { io, signal } = collection
  const { manifests, links, blobs, bytes } = done.removed
  const freed = await removeFiles(collection)
  const hold = await holdText(collection)
  if (done.run?.isTakingOver === true) {
    return refuse(io, 'gc', 'a takeover has begun; nothing more is removed before it is complete')
  }
  if (isJson) {
    const { firstSkipped = [], skipped = 0, gone = 0 } = done.run ?? {}
    const text = {
      ...(done.plan !== undefined && { plan: done.plan.id, planned: sumsOf(done.plan) }),
      removed: { manifests, links, blobs, bytes },
      freed,
      ...(done.emptied !== undefined && { emptied: done.emptied }),
      skipped: {
        count: skipped,
        gone,
        first: firstSkipped.map(({ item, reason }) => ({ ...jsonItem(item), reason })),
      },
      ...(hold !== undefined && { hold }),
      interrupted: signal.aborted,
    }
    io.stdout.write(`${JSON.stringify(text, undefined, 2)}\n`)
  } else {
    io.stdout.write(doneText(done, freed))
    if (hold !== undefined) io.stdout.write(`${hold[0]?.toUpperCase()}${hold.slice(1)}.\n`)
  }
  return signal.aborted ? interrupted(collection, done.plan?.id) : 0
}

function doneText({ removed, run: result }: Done, freed: Freed): string {
  const skipped = result === undefined ? '' : skippedText(result)
  return `Removed ${collectedText(removed)}. Freed ${bytesText(freed.bytes)} in ${countText(freed.files, 'file')}.\n${skipped}`
}

/** @param id of the plan that was run @returns the exit code */
export function interrupted({ io, signal }: Collection, id?: number): number {
  const left = id === undefined ? 'the next run' : `"berth gc --plan ${id}"`
  if (signal.aborted)
    io.stderr.write(`berth gc: ended early; everything is whole. The registry or ${left} goes on.\n`)
  return 1
}

const sumsOf = ({ manifests, links, blobs, bytes }: CollectionPlan) => ({ manifests, links, blobs, bytes })
const jsonItem = ({ kind, repository, digest, bytes, tags }: PlanItem) => ({
  ...{ kind, repository, digest, bytes },
  ...(tags.length > 0 && { tags }),
})

/** All that a plan names, in the order in which people look for it, and what to do with it. */
export async function listPlan(collection: Collection, isJson: boolean, made: CollectionPlan): Promise<void> {
  const { io } = collection
  if (isJson) {
    io.stdout.write(`{"plan":${made.id},"planned":${JSON.stringify(sumsOf(made))},"items":[`)
    let isFirst = true
    await eachItem(collection, made.id, (item) => {
      const text = `${isFirst ? '' : ','}\n${JSON.stringify(jsonItem(item))}`
      isFirst = false
      return text
    })
    io.stdout.write('\n]}\n')
    return
  }
  let heading: string | undefined
  await eachItem(collection, made.id, (item) => {
    const next = item.repository ?? 'Files that go'
    const text = next === heading ? '' : `${next}\n`
    heading = next
    return text + itemLine(item)
  })
  const hold = await holdText(collection)
  io.stdout.write(
    `Would remove ${planText(made)}. Nothing was removed.\n` +
      (made.manifests + made.links + made.blobs === 0
        ? ''
        : `To remove exactly this: berth gc --plan ${made.id}\n`) +
      (hold === undefined ? '' : `Note: ${hold}.\n`),
  )
}
