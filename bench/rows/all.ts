/** Every row, in the order in which they run: what disturbs most comes last. */
import { BenchFailure } from '../failure.ts'
import { WITH_INFO } from '../peers/known.ts'
import { bodyRows } from './bodies.ts'
import { listingRows } from './listings.ts'
import { otherRows } from './others.ts'
import { pushRows } from './pushes.ts'
import { overTls, pick, type Row } from './row.ts'
import { smallRows } from './small.ts'

const OVER_TLS = [
  'manifest-tag-get-c1',
  'manifest-tag-get-c16',
  'manifest-tag-get-c64',
  'blob-head-c16',
  'blob-4k-c16',
  'blob-1m-c16',
  'blob-64m-c1',
  'blob-64m-c4',
  'push-64m-patch-c1',
  'push-64m-patch-c4',
  'push-64m-put-c1',
  'image-10x4k-c16',
  'mixed-c16',
]

/** What the log of requests, metrics and rules of access cost: where much is done per request, and where little. */
const WITH_ITSELF = ['manifest-tag-get-c16', 'blob-4k-c16', 'blob-1m-c16', 'image-10x4k-c16']
/** Of the value or of the processor time, of the worst. */
const MOST_LOST = 0.1

export function allRows(): Row[] {
  const rows = [...smallRows(), ...listingRows(), ...bodyRows(), ...pushRows(), ...otherRows()]
  const own = pick(rows, WITH_ITSELF).map((row): Row => ({
    ...row,
    name: `own-${row.name}`,
    title: `Berth with itself: ${row.title}`,
    isOwn: true,
    quick: false,
    goal: { loss: MOST_LOST, besides: WITH_INFO },
  }))
  return [...rows, ...own, ...pick(rows, OVER_TLS).map(overTls)]
}

/**
 * @param patterns names, where `*` stands for anything; none: all rows, or those of a quick run
 * @throws BenchFailure for a pattern that fits no row
 */
export function selectRows(rows: readonly Row[], patterns: readonly string[], isQuick: boolean): Row[] {
  if (patterns.length === 0) return rows.filter(({ quick }) => !isQuick || quick)
  const chosen = new Set<Row>()
  for (const pattern of patterns) {
    const fits = new RegExp(`^${pattern.split('*').map(escapeRegExp).join('.*')}$`)
    const found = rows.filter(({ name }) => fits.test(name))
    if (found.length === 0) throw new BenchFailure(`no row is called ${pattern}; --list names them`)
    for (const row of found) chosen.add(row)
  }
  return rows.filter((row) => chosen.has(row))
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
