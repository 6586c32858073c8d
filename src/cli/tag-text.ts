/** What `berth tag` says. */
import type { BroughtBack } from '../metadata/bring-back.ts'
import type { HistoryEnd, TagMove, TagRestored } from '../metadata/tag-history.ts'
import type { Named } from './named.ts'
import { countText } from './quantities.ts'
import { digestText, fit } from './table.ts'
import { cellText, isoText, zoneText } from './times.ts'

export function historyHeader(now: number, { tag }: Named, isWide: boolean): string[] {
  return [
    `WHEN (${zoneText(now)})`,
    ...(tag === undefined ? ['TAG'] : []),
    'FROM',
    'TO',
    'BY',
    'WHY',
    ...(isWide ? ['CLIENT', 'REQUEST', 'BYTES', 'MEDIA TYPE'] : []),
  ]
}

export function historyRow(move: TagMove, now: number, { tag }: Named, isWide: boolean): string[] {
  const deleted = move.deletion === undefined ? 'deleted' : `deleted (${move.deletion})`
  return [
    cellText(move.at, now),
    ...(tag === undefined ? [fit(move.tag, isWide ? Infinity : 30)] : []),
    endText(move.from, '-', isWide),
    endText(move.to, deleted, isWide),
    fit(move.principalName, isWide ? Infinity : 24),
    isWide ? fit(move.cause) : fit(move.client === '' ? move.cause : `${move.cause}, ${move.client}`, 24),
    ...(isWide
      ? [
          fit(move.client) || '-',
          fit(move.requestId) || '-',
          String(move.size ?? '-'),
          fit(move.mediaType ?? '-'),
        ]
      : []),
  ]
}

function endText(end: HistoryEnd | undefined, absent: string, isWide: boolean): string {
  if (end === undefined) return absent
  const text = digestText(end.digest, isWide)
  return end.kind === 'here' ? text : `${text} ${end.kind}`
}

export function moveJson(move: TagMove): object {
  const end = (at: HistoryEnd | undefined) =>
    at && { digest: at.digest, state: at.kind, ...(at.kind === 'trash' && { until: isoText(at.until) }) }
  const { from, to, principalName: by, principalId: byId, ...rest } = move
  return { ...rest, at: isoText(move.at), from: end(from) ?? null, to: end(to) ?? null, by, byId }
}

export function tagRestoredText(
  name: string,
  outcome: TagRestored & { kind: 'restored' | 'unchanged' },
): string {
  if (outcome.kind === 'unchanged') return `${name} points to ${outcome.digest} already: nothing was done.\n`
  const { digest, from } = outcome
  const before =
    from === undefined ? 'It was deleted' : from === digest ? 'It did before, too' : `It pointed to ${from}`
  return `${name} points to ${digest} now. ${before}.\n${broughtBackText(outcome)}`
}

export function broughtBackText({ manifests, blobs, damaged }: BroughtBack): string {
  const parts = [
    ...(manifests.length > 0 ? [countText(manifests.length, 'manifest')] : []),
    ...(blobs.length > 0 ? [countText(blobs.length, 'blob')] : []),
  ]
  const back = parts.length === 0 ? '' : `Back from the trash: ${parts.join(' and ')}.\n`
  const broken = damaged.map((digest) => `Damaged, and to be pushed again: blob ${digest}\n`)
  return back + broken.join('')
}
