/** The table, as text and as Markdown at once. */
import {
  cpuShares,
  hasSynced,
  leads,
  median,
  MEMORY_GOALS,
  missedGoals,
  missedMemory,
  roundsOf,
  verdictOf,
  type Cell,
  type Outcome,
  type Phase,
  type Results,
  type RowResult,
  type SideResult,
} from '../results.ts'

const PHASES: Record<Phase, string> = { plain: '', tls: 'TLS, ', own: 'Berth with itself, ' }

export function reportOf(results: Results): string {
  const groups = Map.groupBy(results.rows, ({ phase, mode }) => `${PHASES[phase]}${mode}`)
  return [
    ...head(results),
    ...[...groups].flatMap(([title, rows]) => [
      `## ${title[0]?.toUpperCase()}${title.slice(1)}`,
      '',
      ...table(valueTable(rows, results)),
      '',
      ...latencyPart(rows),
    ]),
    '## Memory (PSS, MiB), seconds to fill, syncs of one push',
    '',
    ...table(sideTable(results)),
    '',
    ...ending(results),
    '',
  ].join('\n')
}

function head(results: Results): string[] {
  const { machine, tools } = results
  const [first] = results.sides
  return [
    `# Benchmark of ${results.date.slice(0, 10)}${results.isQuick ? ', quick' : ''}${results.isComplete ? '' : ', NOT COMPLETE'}`,
    '',
    `- machine: ${machine.processors}, ${machine.memoryGiB} GiB, ${machine.kernel}, data on ${machine.filesystem}`,
    `- ${results.rounds} rounds of ${results.cellSeconds} s a cell, medians; the whole run took ${results.seconds.toFixed(0)} s`,
    `- others used ${results.busyBefore.toFixed(0)} % of the machine before, the hypervisor took ${results.steal.toFixed(1)} % during it`,
    `- content: ${Object.entries(results.counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
    ...Object.entries(tools).map(([name, version]) => `- ${name}: ${version}`),
    ...results.sides.map(
      ({ name, version, configuration }) => `- **${name}**: ${version} (${configuration})`,
    ),
    '',
    `A cell: the value; how many times better ${first?.name ?? 'the first'} is (median of the rounds; least to most); processor time of the server per unit, and ${first?.name ?? 'the first'}'s share of it.`,
    '',
  ]
}

/** Those that rows have cells of; all rows of one table have the same. */
const namesOf = ([row]: readonly RowResult[]): string[] => Object.keys(row?.cells ?? {})

function valueTable(rows: readonly RowResult[], { sides }: Results): string[][] {
  const names = namesOf(rows)
  const [first = ''] = names
  const lines = rows.map((row) => {
    const cells = names.map((name) => valueCell(row, first, name))
    return [row.name, row.unit.value, ...cells, goalCell(row, sides)]
  })
  return [['row', 'unit', ...names, 'goal'], ...lines]
}

function valueCell(row: RowResult, first: string, name: string): string {
  const cell = row.cells[name]
  const rounds = roundsOf(cell)
  if (rounds.length === 0) return whySkipped(cell)
  const value = short(median(rounds.map((one) => one.value)))
  const cpus = rounds.flatMap(({ cpu }) => (cpu === undefined ? [] : [cpu]))
  const cpu = cpus.length === 0 ? '' : ` · ${short(median(cpus))} ${row.unit.cpu}`
  if (name === first) return `${value}${cpu}`
  const lead = leads(row, first, name)
  const share = cpuShares(row, first, name)
  const times = lead.length === 0 ? '' : ` ${median(lead).toFixed(2)}x (${span(lead)})`
  const shared = share.length === 0 ? '' : ` (${median(share).toFixed(2)})`
  return `${value}${times}${cpu}${shared}`
}

function whySkipped(cell: Cell | undefined): string {
  if (cell === undefined || 'rounds' in cell) return '-'
  return 'failed' in cell ? 'FAILED' : cell.skipped
}

const span = (numbers: readonly number[]): string =>
  `${Math.min(...numbers).toFixed(1)}-${Math.max(...numbers).toFixed(1)}`

function goalCell(row: RowResult, sides: readonly SideResult[]): string {
  const verdict = verdictOf(row, sides)
  return verdict === undefined ? '' : `${verdict.text} ${verdict.isMet ? 'ok' : 'MISSED'}`
}

/** Three digits, whatever the size. */
export function short(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`
  if (size >= 1e4) return `${(value / 1e3).toPrecision(3)}k`
  if (size >= 100) return value.toFixed(0)
  return size === 0 ? '0' : value.toPrecision(3)
}

function latencyPart(rows: readonly RowResult[]): string[] {
  const names = namesOf(rows)
  const lines = rows
    .filter(({ cells }) => Object.values(cells).some((cell) => roundsOf(cell).some(tellsMore)))
    .map((row) => [row.name, ...names.map((name) => latencyCell(row.cells[name]))])
  if (lines.length === 0) return []
  return [...table([['latency, ms: p50 / p99', ...names], ...lines]), '']
}

const tellsMore = ({ p50, also }: Outcome): boolean => p50 > 0 || also !== undefined

function latencyCell(cell: Cell | undefined): string {
  const rounds = roundsOf(cell)
  if (rounds.length === 0) return whySkipped(cell)
  const [p50, p99] = [median(rounds.map((one) => one.p50)), median(rounds.map((one) => one.p99))]
  const latency = p50 > 0 ? [`${short(p50)} / ${short(p99)}`] : []
  const also = Object.keys(rounds[0]?.also ?? {}).map(
    (name) => `${name} ${short(median(rounds.map((round) => round.also?.[name] ?? Number.NaN)))}`,
  )
  return [...latency, ...also].join('; ')
}

function sideTable(results: Results): string[][] {
  const titles = ['', 'idle', 'filled', 'peak under load', 'after', 'filled in']
  const syncs = ['blob: syncs before / after its 201', 'manifest: the same', 'syncs first']
  const lines = results.sides.flatMap((side) =>
    side.phases.map(({ phase, memory, seeding }, index) => {
      const numbers = [memory.idle, memory.seeded, memory.peak, memory.after].map((one) => one.toFixed(0))
      const counted = index === 0 ? [...syncCells(side), synced(side)] : ['', '', '']
      const name = phase === 'plain' ? side.name : `${side.name} (${phase === 'tls' ? 'TLS' : 'with itself'})`
      return [name, ...numbers, seeding.toFixed(1), ...counted]
    }),
  )
  return [[...titles, ...syncs], ...lines, ...memoryGoals(results)]
}

function syncCells({ syncs }: SideResult): string[] {
  if (syncs === 'unknown') return ['not counted', 'not counted']
  return [syncs.blob, syncs.manifest].map(({ before, after }) => `${before} / ${after}`)
}

function memoryGoals(results: Results): string[][] {
  if (results.isQuick || results.sides[0]?.name !== 'berth') return []
  const missed = missedMemory(results)
  const cell = (when: keyof typeof MEMORY_GOALS): string =>
    `<= ${MEMORY_GOALS[when]} ${missed.includes(when) ? 'MISSED' : 'ok'}`
  return [['goal of berth', cell('idle'), '', '', cell('after')]]
}

function synced(side: SideResult): string {
  const is = hasSynced(side)
  return is === undefined ? 'unknown' : is ? 'yes' : 'NO'
}

/** What must not be overlooked. */
function ending(results: Results): string[] {
  // Where the client was busy, the figure is the client's.
  const busy = results.rows.flatMap((row) =>
    Object.entries(row.cells).flatMap(([name, cell]) => {
      const share = median(roundsOf(cell).map(({ client }) => client))
      return share >= 0.9 ? [`${row.name} of ${name} (${share.toFixed(2)})`] : []
    }),
  )
  const missed = missedGoals(results)
  return [
    ...(busy.length === 0 ? [] : [`The client kept 0.9 processors or more busy in: ${busy.join(', ')}.`, '']),
    missed.length === 0
      ? 'Every goal is met that could be looked at.'
      : `Goals missed: ${missed.join(', ')}.`,
    ...(results.failures.length === 0 ? [] : ['', '## FAILED', '', ...results.failures.map(asItem)]),
  ]
}

/** Logs have lines of their own. */
const asItem = (text: string): string => `- ${text.replaceAll('\n', '\n  ')}`

function table(lines: readonly string[][]): string[] {
  const [titles = [], ...rest] = lines
  const widths = titles.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] ?? '').length)))
  const text = (line: readonly string[]): string =>
    `| ${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join(' | ')} |`
  return [text(titles), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(text)]
}
