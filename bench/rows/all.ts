/** Every row, in the order in which they run: what disturbs most comes last. */
import { BenchFailure } from '../failure.ts'
import { bodyRows, bodyTlsRows } from './bodies.ts'
import { listingRows } from './listings.ts'
import { otherRows } from './others.ts'
import { pushRows, pushTlsRows } from './pushes.ts'
import type { Row } from './row.ts'
import { smallRows, smallTlsRows } from './small.ts'

export function allRows(): Row[] {
  return [
    ...smallRows(),
    ...listingRows(),
    ...bodyRows(),
    ...pushRows(),
    ...otherRows(),
    ...smallTlsRows(),
    ...bodyTlsRows(),
    ...pushTlsRows(),
  ]
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
