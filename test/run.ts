/**
 * Runs tests and ends with a line that counts them.
 *
 *   node test/run.ts                everything that `npm test` promises, cheap clients included
 *   node test/run.ts unit           only what stands beside the sources
 *   node test/run.ts conformance    the protocol, as its users can check any registry
 *   node test/run.ts access         who may do what
 *   node test/run.ts takeover       folders of CNCF Distribution, there and back
 *   node test/run.ts deploy         the image, compose files, Kubernetes manifests, documented commands
 *   node test/run.ts clients        real clients
 *   node test/run.ts slow           the full counts: kills, power cuts, fuzzing
 *   node test/run.ts FILE...        these files
 */
import { globSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const GROUPS: Record<string, readonly string[]> = {
  unit: ['src/**/*.test.ts', 'test/*.test.ts'],
  protocol: ['test/protocol/**/*.test.ts'],
  access: ['test/access/**/*.test.ts'],
  conformance: ['test/conformance/**/*.test.ts'],
  clients: ['test/clients/**/*.test.ts'],
  durability: ['test/durability/**/*.test.ts'],
  package: ['test/package/**/*.test.ts'],
  compat: ['test/compat/**/*.test.ts'],
  takeover: ['test/takeover/**/*.test.ts'],
  bench: ['bench/**/*.test.ts'],
  // The image, compose files, Kubernetes manifests, and what the pages tell readers to type.
  deploy: ['deploy/**/*.test.ts', 'test/deploy/**/*.test.ts'],
}
const ALL = [
  'unit',
  'protocol',
  'access',
  'conformance',
  'compat',
  'takeover',
  'bench',
  'package',
  'deploy',
  'clients',
  'durability',
]
/** Heavy tests share one machine's disk and cores: one file at a time there. */
const ALONE: ReadonlySet<string> = new Set(['clients', 'durability'])

const asked = process.argv.slice(2)
const isSlow = asked[0] === 'slow'
if (isSlow) {
  process.env['BERTH_SLOW'] = '1'
  process.env['BERTH_CLIENTS'] ??= 'all'
}
const groups = asked.length === 0 || isSlow ? ALL : asked.every((name) => name in GROUPS) ? asked : undefined

const began = Date.now()
const total = { passed: 0, failed: 0, skipped: 0 }
if (groups === undefined) await runFiles(asked, true)
else {
  for (const group of groups) {
    const files = (GROUPS[group] as readonly string[]).flatMap((pattern) => globSync(pattern)).sort()
    if (files.length === 0) continue
    process.stdout.write(`\n# ${group}: ${files.length} files\n`)
    await runFiles(files, ALONE.has(group))
  }
}
const seconds = Math.round((Date.now() - began) / 1000)
process.stdout.write(
  `\ntook ${seconds} s\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0

function runFiles(files: readonly string[], isAlone: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = run({
      files: [...files],
      concurrency: isAlone ? 1 : 2,
      timeout: isSlow ? 3_600_000 : 600_000,
    })
    stream.on('test:pass', ({ skip, details }) => {
      if (details.type === 'suite') return
      if (skip === undefined || skip === false) total.passed++
      else total.skipped++
    })
    stream.on('test:fail', ({ details }) => {
      if (details.type !== 'suite') total.failed++
    })
    stream.on('error', reject)
    const told = stream.compose(new spec())
    told.on('end', resolve)
    told.on('error', reject)
    told.pipe(process.stdout, { end: false })
  })
}
