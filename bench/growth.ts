/** How the cost of an operation grows with what is there: `node bench/growth.ts --help`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { BenchFailure } from './failure.ts'
import { growthChart } from './growth/chart.ts'
import { databaseFile, fill } from './growth/fill.ts'
import { DELETED } from './growth/content.ts'
import { measureRound, OPERATIONS, type Cost, type RoundResult, type SizeResult } from './growth/measure.ts'
import { describeMachine } from './machine/describe.ts'
import { knownPeers } from './peers/known.ts'
import { startPeer, type Running } from './peers/running.ts'
import { short } from './report/report.ts'
import { median } from './results.ts'
import { createClient } from './tools/client.ts'
import { prepareTools } from './tools/tools.ts'

const HELP = `Usage: node bench/growth.ts [OPTIONS]

Fills a database with as many manifests, tags (in one repository) and repositories as a size says, straight and not by
pushes, and measures Berth over it, one request at a time: a manifest, a page of tags, a page of the catalog, a push,
a deletion. Each round starts the registry anew, so "first" means that it has nothing of it in memory. Also asks SQLite for
the plan of every statement. Writes growth.json, growth.md and growth.svg, after each round.

  --sizes LIST    default 1000,10000,100000
  --rounds N      default 5, the order reversed in each other one; medians
  --million       1,000,000 as well: some minutes and about 10 GB
  --folder DIR    where the data goes (default: the system's temporary folder)
  --out DIR       where the results go (default dist/bench)
  --gate          exit code 1 where a median and the processor time at the largest size are more than twice those at the
                  smallest
`

/** A median, or the processor time, may grow by this between the smallest and the largest size. */
const LIMIT = 2

/** Asks SQLite for the plan of every statement: whether it would scan or sort a table. */
const PLANS = new URL('../src/metadata/statements.test.ts', import.meta.url).pathname

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        sizes: { type: 'string', default: '1000,10000,100000' },
        rounds: { type: 'string', default: '5' },
        million: { type: 'boolean', default: false },
        folder: { type: 'string', default: tmpdir() },
        out: { type: 'string', default: 'dist/bench' },
        gate: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      return 0
    }
    const sizes = parseSizes(values.sizes)
    if (values.million) sizes.push(1_000_000)
    const rounds = Number(values.rounds)
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new BenchFailure(`--rounds ${values.rounds}: at least 1`)
    const { out } = values
    const arePlansGood = await checkPlans()
    const results = await grow(sizes, rounds, resolve(values.folder), (known) =>
      write(out, known, arePlansGood),
    )
    process.stdout.write(
      `${tableOf(results)}${plansLine(arePlansGood)}written: ${join(out, 'growth.json')}, growth.md, growth.svg\n`,
    )
    const isAnyTooSteep = OPERATIONS.some((name) => isTooSteep(results, name))
    return !arePlansGood || (values.gate && isAnyTooSteep) ? 1 : 0
  } catch (error) {
    const isBadOption = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
    if (!(error instanceof BenchFailure) && !isBadOption) throw error
    process.stderr.write(`growth: FAILED: ${(error as Error).message}\n`)
    return 1
  }
}

/** After each round, so that what comes later takes nothing away. */
function write(out: string, results: readonly SizeResult[], arePlansGood: boolean): void {
  mkdirSync(out, { recursive: true })
  const machine = describeMachine(out)
  const text = JSON.stringify({ machine, arePlansGood, results }, undefined, 1)
  writeFileSync(join(out, 'growth.json'), `${text}\n`)
  writeFileSync(join(out, 'growth.md'), tableOf(results) + plansLine(arePlansGood))
  writeFileSync(join(out, 'growth.svg'), growthChart(results))
}

async function checkPlans(): Promise<boolean> {
  const test = spawn(process.execPath, ['--test', PLANS], { stdio: 'ignore' })
  const [code] = (await once(test, 'exit')) as [number | null]
  return code === 0
}

function plansLine(areGood: boolean): string {
  return areGood
    ? '\nPlans: no statement scans or sorts a table, but those that src/metadata/statements.test.ts names with a reason.\n'
    : '\nPlans: FAILED: a statement scans or sorts a table; see node --test src/metadata/statements.test.ts\n'
}

function parseSizes(text: string): number[] {
  return text.split(',').map((part) => {
    const size = Number(part)
    if (Number.isInteger(size) && size >= 1000) return size
    throw new BenchFailure(`--sizes ${part}: whole numbers from 1000`)
  })
}

type Sized = { size: number; running: Running; rounds: RoundResult[] }

async function grow(
  sizes: readonly number[],
  rounds: number,
  parent: string,
  keep: (results: readonly SizeResult[]) => void,
): Promise<SizeResult[]> {
  const folder = mkdtempSync(join(parent, 'berth-growth-'))
  const tell = (line: string): void => void process.stderr.write(`${line}\n`)
  const all: Sized[] = []
  try {
    const client = createClient(prepareTools(folder).client, undefined)
    const [berth] = knownPeers()
    if (berth === undefined) throw new BenchFailure('Berth is not there')
    for (const size of sizes.toSorted((a, b) => a - b)) {
      const began = performance.now()
      const place = join(folder, `of-${size}`)
      fill(join(place, 'data'), size, rounds * DELETED)
      tell(`filled with ${size} after ${((performance.now() - began) / 1000).toFixed(1)} s`)
      all.push({ size, running: await startPeer(berth, place), rounds: [] })
    }
    for (let round = 0; round < rounds; round++) {
      tell(`round ${round + 1} of ${rounds}`)
      for (const { size, running, rounds } of round % 2 === 0 ? all : all.toReversed()) {
        rounds.push(await measureRound(size, round, running, client, folder))
        running.expectAlive()
      }
      keep(resultsOf(all))
    }
    for (const { running } of all) refuseStatistics(databaseFile(join(running.folder, 'data')))
    return resultsOf(all)
  } finally {
    for (const { running } of all) await running.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function resultsOf(all: readonly Sized[]): SizeResult[] {
  return all.map(({ size, rounds }) => ({ size, ...medianOf(rounds) }))
}

/** Plans are those of an empty database only while nothing tells SQLite how many rows there are. */
function refuseStatistics(file: string): void {
  const db = new DatabaseSync(file, { readOnly: true })
  const found = db.prepare("SELECT 1 FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'").get()
  db.close()
  if (found !== undefined)
    throw new BenchFailure('the database has statistics: plans may change with the size')
}

function medianOf(rounds: readonly RoundResult[]): RoundResult {
  const operations = OPERATIONS.map((name): [string, Cost] => {
    const all = rounds.map((round) => round.operations[name])
    const of = (figure: keyof Cost): number => median(all.map((cost) => cost[figure]))
    return [name, { p50: of('p50'), p99: of('p99'), cpu: of('cpu') }]
  })
  return {
    start: median(rounds.map(({ start }) => start)),
    databaseMiB: rounds[0]?.databaseMiB ?? 0,
    operations: Object.fromEntries(operations) as RoundResult['operations'],
  }
}

function growthOf(
  results: readonly SizeResult[],
  name: (typeof OPERATIONS)[number],
  figure: 'p50' | 'cpu',
): number {
  const [first, last] = [results[0], results.at(-1)]
  if (first === undefined || last === undefined) return Number.NaN
  return last.operations[name][figure] / first.operations[name][figure]
}

/** Missed only where both miss: a latency of a tenth of a millisecond is mostly two programs waking each other up. */
function isTooSteep(results: readonly SizeResult[], name: (typeof OPERATIONS)[number]): boolean {
  return growthOf(results, name, 'p50') > LIMIT && growthOf(results, name, 'cpu') > LIMIT
}

function tableOf(results: readonly SizeResult[]): string {
  const sizes = results.map(({ size }) => size.toLocaleString('en-US'))
  const lines = [
    ['p50 / p99, ms · CPU, µs', ...sizes, 'p50, last to first', 'CPU'],
    ['---', ...sizes.map(() => '---'), '---', '---'],
    ...OPERATIONS.map((name) => {
      const cells = results.map(
        ({ operations: { [name]: cost } }) => `${short(cost.p50)} / ${short(cost.p99)} · ${short(cost.cpu)}`,
      )
      const growth = `${growthOf(results, name, 'p50').toFixed(2)}x`
      const cpu = `${growthOf(results, name, 'cpu').toFixed(2)}x`
      return [name, ...cells, growth, `${cpu}${isTooSteep(results, name) ? ' TOO STEEP' : ''}`]
    }),
    ['start, ms', ...results.map(({ start }) => start.toFixed(0)), '', ''],
    ['database, MiB', ...results.map(({ databaseMiB }) => short(databaseMiB)), '', ''],
  ]
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('')
}
