/** What a run found: all that bench.json holds. */
import type { Machine } from './machine/describe.ts'
import type { Mode } from './machine/pin.ts'
import type { Syncs } from './machine/syncs.ts'
import type { Goal, Unit } from './rows/row.ts'

/** One cell of one round. */
export type Outcome = {
  value: number
  /** Processor time of the server per unit; undefined where the load has no one unit. */
  cpu: number | undefined
  /** Of each unit, in milliseconds; 0 where it is not known. */
  p50: number
  p99: number
  max: number
  /** Processors that the client kept busy: near 1, the client is what was measured. */
  client: number
  /** What was measured beside it. */
  also?: Record<string, number>
}

/** A row's rounds of one side, or why there are none. */
export type Cell = { rounds: Outcome[] } | { skipped: string }

export type RowResult = {
  name: string
  title: string
  mode: Mode
  unit: Unit
  goal: Goal | undefined
  /** By the side's name. */
  cells: Record<string, Cell>
}

/** MiB, PSS. */
export type MemoryResult = { idle: number; seeded: number; peak: number; after: number }

export type SideResult = {
  name: string
  version: string
  configuration: string
  /** 'unknown': it could not be traced. */
  syncs: Syncs | 'unknown'
  memory: MemoryResult | undefined
  /** Seconds until all parts were there. */
  seeding: number
}

export type Results = {
  date: string
  seconds: number
  rounds: number
  cellSeconds: number
  isQuick: boolean
  machine: Machine
  tools: Record<string, string>
  /** Percent: in use by others before the run; taken by the hypervisor during it. */
  busyBefore: number
  steal: number
  counts: Record<string, number>
  sides: SideResult[]
  rows: RowResult[]
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}

export const roundsOf = (cell: Cell | undefined): Outcome[] =>
  cell !== undefined && 'rounds' in cell ? cell.rounds : []

/** How many times better the first is, round by round. Empty where one of them was not measured. */
export function leads(row: RowResult, first: string, other: string): number[] {
  const others = roundsOf(row.cells[other])
  return roundsOf(row.cells[first]).flatMap(({ value }, round) => {
    const against = others[round]?.value
    if (against === undefined) return []
    return [row.unit.lowerIsBetter ? against / value : value / against]
  })
}

/** The first's processor time per unit as a share of the other's, round by round. */
export function cpuShares(row: RowResult, first: string, other: string): number[] {
  const others = roundsOf(row.cells[other])
  return roundsOf(row.cells[first]).flatMap(({ cpu }, round) => {
    const against = others[round]?.cpu
    return cpu === undefined || against === undefined || against === 0 ? [] : [cpu / against]
  })
}

export const hasSynced = ({ syncs }: SideResult): boolean | undefined =>
  syncs === 'unknown' ? undefined : syncs.blob.before > 0 && syncs.manifest.before > 0

export type Verdict = { isMet: boolean; text: string }

/**
 * The goal against the best of those that sync: a registry that does not is no peer. Missed only where both wall time
 * and processor time miss. Undefined: nothing to compare with.
 */
export function verdictOf(row: RowResult, sides: readonly SideResult[]): Verdict | undefined {
  const { goal } = row
  const [first, ...others] = sides
  if (goal === undefined || first === undefined) return undefined
  if (row.unit.lowerIsBetter) {
    const value = median(roundsOf(row.cells[first.name]).map((one) => one.value))
    return Number.isNaN(value)
      ? undefined
      : { isMet: value <= goal.wall, text: `<= ${goal.wall} ${row.unit.value}` }
  }
  const rivals = others.filter((side) => hasSynced(side) !== false && !side.name.startsWith('berth'))
  const walls = rivals
    .map(({ name }) => median(leads(row, first.name, name)))
    .filter((one) => !Number.isNaN(one))
  const cpus = rivals
    .map(({ name }) => median(cpuShares(row, first.name, name)))
    .filter((one) => !Number.isNaN(one))
  if (walls.length === 0) return undefined
  const wall = Math.min(...walls)
  const cpu = cpus.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...cpus)
  const isMet = wall >= goal.wall || (goal.cpu !== undefined && cpu <= goal.cpu)
  const wanted = goal.cpu === undefined ? '' : `, CPU <= ${goal.cpu}`
  return { isMet, text: `>= ${goal.wall}x${wanted}` }
}
