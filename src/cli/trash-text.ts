/** What `berth trash` says. */
import type { Emptied } from '../metadata/empty-trash.ts'
import type { Restored } from '../metadata/restore-deletion.ts'
import type { TrashEntry } from '../metadata/trash-entry.ts'
import type { TrashTotals } from '../metadata/trash.ts'
import { bytesText, countText, numberText } from './quantities.ts'
import { digestText, fit } from './table.ts'
import { broughtBackText } from './tag-text.ts'
import { cellText, isoText, momentText, zoneText } from './times.ts'

export const TRASH_HEADER = (now: number, isWide: boolean): string[] => [
  'ID',
  `DELETED (${zoneText(now)})`,
  'RESTORABLE UNTIL',
  'FREES',
  'BY',
  ...(isWide ? ['CLIENT', 'REQUEST'] : []),
  'WHAT',
]

export function entryRow(entry: TrashEntry, now: number, isWide: boolean): string[] {
  return [
    String(entry.id),
    cellText(entry.at, now),
    cellText(entry.until, now),
    `~${bytesText(entry.bytes)}`,
    fit(entry.deletedBy, isWide ? Infinity : 20),
    ...(isWide ? [fit(entry.client) || '-', fit(entry.requestId) || '-'] : []),
    whatText(entry, isWide),
  ]
}

const MOST_TAGS = 3

function whatText(
  { kind, what, repository, digest, tags, taken, tagCount }: TrashEntry,
  isWide: boolean,
): string {
  if (kind === 'tag') return `${repository}:${what.slice('tag '.length)}`
  const name = `${repository}@${digestText(digest, isWide)}`
  if (kind === 'blob') return `${name} (blob)`
  const all = [...tags, ...taken]
  const some = all.slice(0, isWide ? all.length : MOST_TAGS)
  const more = tagCount > some.length ? ` and ${numberText(tagCount - some.length)} more` : ''
  return tagCount === 0 ? name : `${name} (${tagCount === 1 ? 'tag' : 'tags'} ${some.join(', ')}${more})`
}

/** `bytes` is an estimate, and called so. */
export function entryJson(entry: TrashEntry): object {
  const { id, repository, kind, digest, what, deletedBy, client, requestId, cause } = entry
  const { tags, taken, tagCount, manifests, blobs, bytes } = entry
  return {
    ...{ id, repository, kind, digest },
    ...(kind === 'tag' && { tag: what.slice('tag '.length) }),
    ...{
      deletedAt: isoText(entry.at),
      restorableUntil: isoText(entry.until),
      by: deletedBy,
      client,
      requestId,
      cause,
    },
    ...{ tags, tagsElsewhere: taken, tagCount, manifests, blobs, bytesEstimated: bytes },
  }
}

export function restoredText(outcome: Restored & { kind: 'restored' }): string {
  const { deletion, tags, taken } = outcome
  const { repository, id, kind, what } = deletion
  const lines = [`Restored ${what} in ${repository} (deletion ${id}).\n`]
  lines.push(broughtBackText(outcome))
  if (tags.length > 0) lines.push(`Tags that point to it again: ${listText(tags)}.\n`)
  if (taken.length > 0) {
    const names = listText(taken.map(({ tag }) => tag))
    lines.push(
      `Left alone, since they point elsewhere by now: ${names}.\n`,
      `To point one back as well: berth tag restore ${repository}:${taken[0]?.tag} --to ${deletion.digest}\n`,
    )
  }
  const nothing = outcome.manifests.length + outcome.blobs.length + tags.length + taken.length === 0
  if (nothing && kind !== 'blob') lines.push('All of it was there already.\n')
  return lines.join('')
}

function listText(names: readonly string[]): string {
  const more = names.length > 20 ? ` and ${numberText(names.length - 20)} more` : ''
  return names.slice(0, 20).join(', ') + more
}

export function refusedText(id: number, outcome: Exclude<Restored, { kind: 'restored' }>): string {
  switch (outcome.kind) {
    case 'unknown':
      return `there is no deletion ${id}: see "berth trash list"`
    case 'restored-before':
      return `deletion ${id} (${outcome.deletion.what}) was restored already, on ${momentText(outcome.at)}`
    case 'emptied':
      return (
        `deletion ${id} cannot be restored: the trash was emptied on ${momentText(outcome.at)}, and ` +
        `${outcome.deletion.what} is gone or going. It has to be pushed again`
      )
    case 'gone': {
      const { kind, digest, repository, until } = outcome.deletion
      const lost = `${kind === 'blob' ? 'blob' : 'manifest'} ${digest} of ${repository}`
      return (
        `deletion ${id} cannot be restored: ${lost} is gone. It could be restored until ${momentText(until)} ` +
        '(trash.keep). It has to be pushed again'
      )
    }
    case 'repository-gone':
      return `deletion ${id} cannot be restored: its repository ${outcome.deletion.repository} was deleted`
  }
}

export function emptyingText({ deletions, manifests, bytes, isCut }: TrashTotals, shown: number): string {
  const more = deletions > shown ? `… and ${countText(deletions - shown, 'other deletion')}\n` : ''
  return (
    `${more}${countText(deletions, 'deletion')} with ${countText(manifests, 'manifest')} can then no longer be restored. ` +
    `That frees about ${bytesText(bytes)}${isCut ? ' or more' : ''}.\n`
  )
}

const MOST_LEASED = 20

export function emptiedText(deletions: number, { leased, isCut }: Emptied): string {
  const lines = [
    `${countText(deletions, 'deletion')} given up. The running registry frees the ` +
      'space within a minute or two; "berth gc" does it now.\n',
  ]
  if (leased.length > 0) lines.push('Kept for now, since a client was told that it is there:\n')
  for (const { kind, repository, digest, until } of leased.slice(0, MOST_LEASED))
    lines.push(`  until ${momentText(until)}  ${kind} ${repository}@${digest}\n`)
  const others = leased.length - MOST_LEASED
  if (others > 0 || isCut) lines.push(`  … and ${isCut ? 'more' : numberText(others)} others\n`)
  return lines.join('')
}
