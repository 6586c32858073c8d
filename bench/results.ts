/** What a run found: all that bench.json holds. */
import type { Machine } from './machine/describe.ts'
import type { Mode } from './machine/pin.ts'
import type { Syncs } from './machine/syncs.ts'
import type { Goal, LeadGoal, MostGoal, Unit } from './rows/row.ts'

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

/** A row's rounds of one side, or why there are none: it cannot do that, or it was wrong or has ended. */
export type Cell = { rounds: Outcome[] } | { skipped: string } | { failed: string }

export type RowResult = {
  name: string
  title: string
  mode: Mode
  /** Whom it compares. */
  phase: Phase
  unit: Unit
  goal: Goal | undefined
  /** By the side's name, the first one first. */
  cells: Record<string, Cell>
}

/** Rows of one phase run on the same processes. `own`: Berth with itself. */
export type Phase = 'plain' | 'own' | 'tls'

/** MiB, PSS. */
export type MemoryResult = { idle: number; seeded: number; peak: number; after: number }

export type SideResult = {
  name: string
  version: string
  configuration: string
  /** 'unknown': it could not be traced. */
  syncs: Syncs | 'unknown'
  phases: PhaseOfSide[]
}

export type PhaseOfSide = {
  phase: Phase
  memory: MemoryResult
  /** Seconds until all parts were there. */
  seeding: number
}

export type Results = {
  date: string
  seconds: number
  rounds: number
  cellSeconds: number
  isQuick: boolean
  /** False while rows are missing that were asked for. */
  isComplete: boolean
  machine: Machine
  tools: Record<string, string>
  /** Percent: in use by others before the run; taken by the hypervisor during it. */
  busyBefore: number
  steal: number
  counts: Record<string, number>
  sides: SideResult[]
  rows: RowResult[]
  /** What was wrong, of whom, in which row. */
  failures: string[]
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

/** Undefined: there is no goal, or nothing to say whether it is met. */
export function verdictOf(row: RowResult, sides: readonly SideResult[]): Verdict | undefined {
  const { goal, cells } = row
  const [first, ...others] = Object.keys(cells)
  if (goal === undefined || first === undefined) return undefined
  if ('most' in goal) return verdictOfMost(row, first, goal)
  if ('loss' in goal) {
    const meant = others.filter((name) => name !== goal.besides)
    return verdictOfLoss(row, first, meant, goal.loss)
  }
  const noRival = sides.filter((side) => hasSynced(side) === false).map(({ name }) => name)
  const rivals = others.filter((name) => !noRival.includes(name) && !name.startsWith('berth'))
  return verdictOfLead(row, first, rivals, goal)
}

function verdictOfMost(row: RowResult, first: string, { most, figure }: MostGoal): Verdict | undefined {
  const rounds = roundsOf(row.cells[first])
  const value = median(
    rounds.map((one) => (figure === undefined ? one.value : (one.also?.[figure] ?? Number.NaN))),
  )
  if (Number.isNaN(value)) return undefined
  return {
    isMet: value <= most,
    text: figure === undefined ? `<= ${most} ${row.unit.value}` : `${figure} <= ${most}`,
  }
}

/** Missed only where both wall time and processor time miss, of any of them. */
function verdictOfLoss(
  row: RowResult,
  first: string,
  others: readonly string[],
  loss: number,
): Verdict | undefined {
  const measured = others.filter((name) => leads(row, first, name).length > 0)
  if (measured.length === 0) return undefined
  const isMet = measured.every(
    (name) =>
      median(leads(row, first, name)) <= 1 / (1 - loss) ||
      median(cpuShares(row, first, name)) >= 1 / (1 + loss),
  )
  return { isMet, text: `costs <= ${100 * loss} %` }
}

/**
 * The goal against the best of those that sync: a registry that does not is no peer. Missed only where both wall time
 * and processor time miss.
 */
function verdictOfLead(
  row: RowResult,
  first: string,
  rivals: readonly string[],
  goal: LeadGoal,
): Verdict | undefined {
  const medians = (of: typeof leads): number[] =>
    rivals.map((name) => median(of(row, first, name))).filter((one) => !Number.isNaN(one))
  const [walls, cpus] = [medians(leads), medians(cpuShares)]
  if (walls.length === 0) return undefined
  const wall = Math.min(...walls)
  const cpu = cpus.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...cpus)
  const isMet = wall >= goal.wall || (goal.cpu !== undefined && cpu <= goal.cpu)
  const wanted = goal.cpu === undefined ? '' : `, CPU <= ${goal.cpu}`
  return { isMet, text: `>= ${goal.wall}x${wanted}` }
}

/** MiB of the first side, in plain HTTP with the whole content. */
export const MEMORY_GOALS = { idle: 70, after: 128 } as const

/** Names of the goals of memory that are missed. */
export function missedMemory({ sides: [first], isQuick }: Results): string[] {
  const memory = first?.phases.find(({ phase }) => phase === 'plain')?.memory
  if (memory === undefined || isQuick || first?.name !== 'berth') return []
  return (['idle', 'after'] as const).filter((when) => memory[when] > MEMORY_GOALS[when])
}

/** Names of rows, and of what memory misses. */
export function missedGoals(results: Results): string[] {
  const rows = results.rows.filter((row) => verdictOf(row, results.sides)?.isMet === false)
  return [
    ...rows.map(({ name, mode }) => `${name} (${mode})`),
    ...missedMemory(results).map((when) => `memory ${when}`),
  ]
}
