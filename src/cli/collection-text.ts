/** What the commands that collect say, in plain words. */
import type { CollectionPlan, PlanItem } from '../metadata/collection-plans.ts'
import type { PlanRun } from '../jobs/collection-plan.ts'
import type { Collected } from '../jobs/collect-garbage.ts'
import type { Emptied } from '../metadata/empty-trash.ts'
import type { Waiting } from '../metadata/waiting.ts'
import { bytesText, countText, durationText, numberText } from './quantities.ts'
import { momentText } from './times.ts'

export function collectedText({ manifests, links, blobs }: Omit<Collected, 'bytes'>): string {
  return [
    countText(manifests, 'manifest'),
    countText(links, 'link of a blob to a repository', 'links of blobs to repositories'),
    countText(blobs, 'blob'),
  ].join(', ')
}

export function planText(plan: CollectionPlan): string {
  return `${collectedText(plan)}: ${bytesText(plan.bytes)} on the disk`
}

/** What is done of what is due, how fast, and when it ends. */
export function progressText(done: number, due: number, bytes: number, seconds: number): string {
  const rate = seconds > 0 ? done / seconds : 0
  const left = Math.max(0, due - done)
  return [
    `collecting: ${numberText(done)} of ${numberText(Math.max(due, done))}`,
    `${Math.round(rate)}/s`,
    `${bytesText(bytes)} to be freed`,
    ...(rate > 0 && left > 0 ? [`${durationText(left / rate)} left`] : []),
  ].join(', ')
}

export function itemLine(item: PlanItem): string {
  const tags = item.tags.length === 0 ? '' : `  was ${item.tags.join(', ')}`
  return `  ${item.kind.padEnd(8)} ${item.digest}  ${bytesText(item.bytes)}${tags}\n`
}

export function skippedText({ skipped, firstSkipped, gone }: PlanRun): string {
  const lines = firstSkipped.map(
    ({ item, reason }) =>
      `  skipped: ${item.kind} ${item.repository === undefined ? '' : `${item.repository} `}${item.digest}: ${reason}\n`,
  )
  if (skipped > firstSkipped.length)
    lines.push(`  … and ${countText(skipped - firstSkipped.length, 'other')}\n`)
  if (gone > 0)
    lines.push(`  ${countText(gone, 'item')} had been removed already, by the registry or another run\n`)
  return lines.join('')
}

export const WAITING_SPANS = [
  { afterMs: 0, text: 'now' },
  { afterMs: 3_600_000, text: 'within an hour' },
  { afterMs: 86_400_000, text: 'within a day' },
  { afterMs: Number.MAX_SAFE_INTEGER, text: 'later' },
] as const

/** @param ends of the {@link WAITING_SPANS} */
export function waitingText(
  waiting: readonly Waiting[],
  ends: readonly number[],
  garbage: { files: number; bytes: number },
): string {
  const lines = WAITING_SPANS.map(({ text }, index) => {
    const countOf = (kind: Waiting['kind']): number =>
      waiting.find((one) => one.kind === kind && one.dueBefore === ends[index])?.count ?? 0
    const blobs = countOf('link') + countOf('blob')
    return `  ${text.padEnd(15)} ${countText(countOf('manifest'), 'manifest')}, ${countText(blobs, 'blob')}\n`
  })
  const { files, bytes } = garbage
  return [
    'To be looked at (most of it is needed and stays):\n',
    ...lines,
    ...(files === 0
      ? []
      : [`Collected already, still on the disk: ${countText(files, 'file')}, ${bytesText(bytes)}\n`]),
  ].join('')
}

export function emptiedText({ due, leased, isCut }: Emptied): string {
  const lines = leased.map(
    ({ kind, repository, digest, until }) =>
      `  stays until ${momentText(until)}, as a client was promised: ${kind} ${repository} ${digest}\n`,
  )
  return `Trash: ${countText(due, 'deletion')} can no longer be restored.\n${lines.join('')}${isCut ? '  … and others\n' : ''}`
}
