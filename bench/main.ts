/** `npm run bench`: see options.ts for what it takes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchFailure } from './failure.ts'
import { HELP, parseOptions, type Options } from './options.ts'
import { chartOf } from './report/chart.ts'
import { reportOf } from './report/report.ts'
import { verdictOf, type Results } from './results.ts'
import { allRows } from './rows/all.ts'
import { choosePeers, runBench } from './run.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args)
    if (options.isHelp) return print(HELP)
    if (options.isList) return print(listOf(options))
    const began = performance.now()
    const tell = (line: string): void => {
      const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(4)
      process.stderr.write(`${seconds} s  ${line}\n`)
    }
    const results = await runBench(options, tell)
    print(reportOf(results))
    write(options, results)
    const missed = results.rows.filter((row) => verdictOf(row, results.sides)?.isMet === false)
    return options.hasGate && missed.length > 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof BenchFailure)) throw error
    process.stderr.write(`bench: FAILED: ${error.message}\n`)
    return 1
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function listOf(options: Options): string {
  const rows = allRows().map(
    ({ name, title, quick }) => `  ${name.padEnd(26)}${title}${quick ? ' (quick)' : ''}`,
  )
  const peers = choosePeers(options).map(({ name, version }) => `  ${name.padEnd(26)}${version}`)
  return `rows\n${rows.join('\n')}\nregistries\n${peers.join('\n')}\n`
}

function write({ out }: Options, results: Results): void {
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'bench.json'), `${JSON.stringify(results, undefined, 1)}\n`)
  writeFileSync(join(out, 'bench.svg'), chartOf(results))
  process.stdout.write(`written: ${join(out, 'bench.json')}, ${join(out, 'bench.svg')}\n`)
}
