/** The table, as text and as Markdown at once. */
import {
  cpuShares,
  hasSynced,
  leads,
  median,
  roundsOf,
  verdictOf,
  type Cell,
  type Results,
  type RowResult,
  type SideResult,
} from '../results.ts'

export function reportOf(results: Results): string {
  const modes = [...new Set(results.rows.map(({ mode }) => mode))]
  return [
    ...head(results),
    ...modes.flatMap((mode) => {
      const rows = results.rows.filter((row) => row.mode === mode)
      return [`## ${mode}`, '', ...table(valueTable(rows, results)), '', ...latencyPart(rows, results)]
    }),
    '## Memory (PSS, MiB), syncs of one push, seconds to fill',
    '',
    ...table(sideTable(results.sides)),
    '',
    ...warnings(results),
    '',
  ].join('\n')
}

function head(results: Results): string[] {
  const { machine, tools } = results
  const [first] = results.sides
  return [
    `# Benchmark of ${results.date.slice(0, 10)}${results.isQuick ? ', quick' : ''}`,
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
    `Value; how many times better ${first?.name ?? 'the first'} is, round by round (least to most); processor time of the server per unit, and ${first?.name ?? 'the first'}'s share of it.`,
    '',
  ]
}

function valueTable(rows: readonly RowResult[], { sides }: Results): string[][] {
  const [first] = sides
  const titles = sides.map(({ name }) => name)
  const lines = rows.map((row) => {
    const cells = sides.map(({ name }) => valueCell(row, first?.name ?? '', name))
    return [row.name, row.unit.value, ...cells, goalCell(row, sides)]
  })
  return [['row', 'unit', ...titles, 'goal'], ...lines]
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

const whySkipped = (cell: Cell | undefined): string =>
  cell !== undefined && 'skipped' in cell ? cell.skipped : '-'

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

function latencyPart(rows: readonly RowResult[], { sides }: Results): string[] {
  const lines = rows
    .filter((row) => Object.values(row.cells).some((cell) => roundsOf(cell).some(({ p50 }) => p50 > 0)))
    .map((row) => [row.name, ...sides.map(({ name }) => latencyCell(row.cells[name]))])
  if (lines.length === 0) return []
  const titles = ['latency, ms: p50 / p99', ...sides.map(({ name }) => name)]
  return [...table([titles, ...lines]), '']
}

function latencyCell(cell: Cell | undefined): string {
  const rounds = roundsOf(cell)
  if (rounds.length === 0) return whySkipped(cell)
  const text = `${short(median(rounds.map(({ p50 }) => p50)))} / ${short(median(rounds.map(({ p99 }) => p99)))}`
  const also = Object.keys(rounds[0]?.also ?? {}).map(
    (name) => `; ${name} ${short(median(rounds.map((round) => round.also?.[name] ?? Number.NaN)))}`,
  )
  return text + also.join('')
}

function sideTable(sides: readonly SideResult[]): string[][] {
  const titles = ['', 'idle', 'filled', 'peak under load', 'after', 'blob: syncs before / after its 201']
  const lines = sides.map((side) => {
    const { memory, syncs } = side
    const numbers = [memory?.idle, memory?.seeded, memory?.peak, memory?.after].map(
      (one) => one?.toFixed(0) ?? '-',
    )
    const counted =
      syncs === 'unknown'
        ? ['not counted', 'not counted']
        : [syncs.blob, syncs.manifest].map(({ before, after }) => `${before} / ${after}`)
    return [side.name, ...numbers, ...counted, synced(side), side.seeding.toFixed(1)]
  })
  return [[...titles, 'manifest: the same', 'syncs first', 'filled in'], ...lines]
}

function synced(side: SideResult): string {
  const is = hasSynced(side)
  return is === undefined ? 'unknown' : is ? 'yes' : 'NO'
}

/** Where the client was busy, the figure is the client's. */
function warnings(results: Results): string[] {
  const busy = results.rows.flatMap((row) =>
    Object.entries(row.cells).flatMap(([name, cell]) => {
      const share = median(roundsOf(cell).map(({ client }) => client))
      return share >= 0.9 ? [`${row.name} of ${name} (${share.toFixed(2)})`] : []
    }),
  )
  return busy.length === 0 ? [] : [`The client kept 0.9 processors or more busy in: ${busy.join(', ')}.`]
}

function table(lines: readonly string[][]): string[] {
  const [titles = [], ...rest] = lines
  const widths = titles.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] ?? '').length)))
  const text = (line: readonly string[]): string =>
    `| ${widths.map((width, column) => (line[column] ?? '').padEnd(width)).join(' | ')} |`
  return [text(titles), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(text)]
}
