/** `npm run bench`: see options.ts for what it takes. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchFailure } from './failure.ts'
import { HELP, parseOptions, type Options } from './options.ts'
import { knownPeers } from './peers/known.ts'
import type { Peer } from './peers/peer.ts'
import { chartOf } from './report/chart.ts'
import { reportOf } from './report/report.ts'
import { missedGoals, type Results } from './results.ts'
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
    endWithSignals()
    const results = await runBench(options, { tell, keep: (found) => write(options, found) })
    print(`${reportOf(results)}written: ${join(options.out, 'bench.json')}, bench.md, bench.svg\n`)
    for (const failure of results.failures) process.stderr.write(`bench: FAILED: ${failure}\n`)
    return results.failures.length > 0 || (options.hasGate && missedGoals(results).length > 0) ? 1 : 0
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
  const chosen = choosePeers(options)
  const others = knownPeers().filter(({ name }) => !chosen.some((peer) => peer.name === name))
  const line = ({ name, version }: Peer): string => `  ${name.padEnd(26)}${version}`
  const peers = [...chosen.map(line), ...others.map((peer) => `${line(peer)} (only when named)`)]
  return `rows\n${rows.join('\n')}\nregistries\n${peers.join('\n')}\n`
}

/** Each file is there whole or as it was, whenever the run is ended. */
function write({ out }: Options, results: Results): void {
  mkdirSync(out, { recursive: true })
  const files = {
    'bench.json': `${JSON.stringify(results, undefined, 1)}\n`,
    'bench.md': reportOf(results),
    'bench.svg': chartOf(results),
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(out, `${name}.new`), text)
    renameSync(join(out, `${name}.new`), join(out, name))
  }
}

/** What was started ends with this process, and its folder goes, only where it ends by itself. */
function endWithSignals(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(code))
}
