/** The benchmark fails where its figures would not be worth anything. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { SizeResult } from './growth/measure.ts'
import { missingPrograms } from '../test/lib/prerequisite.ts'
import { temporaryFolder } from '../test/lib/temporary.ts'
import { parseSyncs } from './machine/syncs.ts'
import { leads, verdictOf, type Outcome, type Results, type RowResult, type SideResult } from './results.ts'
import { allRows, selectRows } from './rows/all.ts'
import { prepareTools } from './tools/tools.ts'
import { parseWrk } from './tools/wrk.ts'

const MAIN = new URL('main.ts', import.meta.url).pathname
const FAKE = new URL('fake-registry.fixture.ts', import.meta.url).pathname
const skip = process.platform === 'linux' ? missingPrograms('cc') : 'SKIPPED: needs Linux'
const LIMIT_MS = 60_000

type Ended = { code: number | null; out: string; said: string }

function run(command: string, args: readonly string[], input?: Buffer): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: LIMIT_MS })
    let [out, said] = ['', '']
    child.stdout.on('data', (text: Buffer) => (out += text.toString()))
    child.stderr.on('data', (text: Buffer) => (said += text.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, said }))
    child.stdin.end(input)
  })
}

/** A file for `--peer`. */
function peerFile(folder: string, name: string, fault: string, after = 0): string {
  const file = join(folder, `${name}.json`)
  const command = [process.execPath, FAKE, '{port}', fault, String(after)]
  writeFileSync(file, JSON.stringify({ name, version: `fake, ${fault}`, command }))
  return file
}

/** How many requests the fill, the probes and the count of syncs make: the fault shows after them. */
const FILLED = 80

type Faulty = { fault: string; after?: number; rows: string; says: RegExp }

const FAULTY: readonly Faulty[] = [
  {
    fault: 'wrong-body',
    rows: 'blob-4k-c1',
    says: /odd: GET \/v2\/bench\/app\/blobs\/\S+: a wrong body: its digest is/,
  },
  { fault: 'wrong-body', after: FILLED, rows: 'manifest-tag-get-c1', says: /odd: GET \S+: a wrong body/ },
  {
    fault: 'short-body',
    after: FILLED,
    rows: 'blob-4k-c1',
    says: /odd: GET \S+: (2048 bytes where 4096|a wrong body)/,
  },
  { fault: 'wrong-status', rows: 'blob-4k-c1', says: /odd: GET \S+: status 503 where 200 was expected/ },
  {
    fault: 'wrong-status',
    after: FILLED,
    rows: 'blob-head-c1',
    says: /odd: (HEAD|GET) \S+: status 503 where 200/,
  },
  {
    fault: 'wrong-status',
    after: FILLED,
    rows: 'manifest-tag-get-c1',
    says: /odd: GET \S+: (status 503|Non-2xx)/,
  },
  { fault: 'dies', after: FILLED, rows: 'blob-4k-c1', says: /odd died \(SIGKILL\)/ },
  { fault: 'dies', after: FILLED, rows: 'manifest-tag-get-c1', says: /odd died \(SIGKILL\)/ },
  {
    fault: 'refuses-pushes',
    rows: 'image-10x4k-c1',
    says: /odd: PATCH \S+: status 500 where 202 was expected/,
  },
]

describe('what a peer can do wrong', { concurrency: 4 }, () => {
  for (const { fault, after = 0, rows, says } of FAULTY) {
    test(
      `${rows}: fails on a peer: ${fault}${after > 0 ? ', while it is timed' : ''}`,
      { skip },
      async (t) => {
        const folder = temporaryFolder(t, 'bench')
        const ended = await run(process.execPath, [
          MAIN,
          ...['--quick', '--rounds', '1', '--seconds', '0.2', '--rows', rows, '--peers', 'good,odd'],
          ...['--peer', peerFile(folder, 'good', 'none'), '--peer', peerFile(folder, 'odd', fault, after)],
          ...['--folder', folder, '--out', join(folder, 'out')],
        ])
        assert.match(ended.said, says)
        assert.equal(ended.code, 1)
        assert.equal(ended.out, '', 'no table')
      },
    )
  }
})

test('a run over peers that are right writes a table, JSON and a chart', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const rows = 'manifest-tag-get-c1,blob-head-c1,blob-4k-c4,image-10x4k-c1,push-64m-post-c1'
  const ended = await run(process.execPath, [
    MAIN,
    ...['--quick', '--rounds', '2', '--seconds', '0.1', '--rows', rows, '--peers', 'one,two'],
    ...['--peer', peerFile(folder, 'one', 'none'), '--peer', peerFile(folder, 'two', 'none')],
    ...['--folder', folder, '--out', join(folder, 'out')],
  ])
  assert.equal(ended.code, 0, ended.said)
  const results = JSON.parse(readFileSync(join(folder, 'out/bench.json'), 'utf8')) as Results
  assert.deepEqual(
    results.rows.map(({ name }) => name),
    ['manifest-tag-get-c1', 'blob-head-c1', 'blob-4k-c4', 'push-64m-post-c1', 'image-10x4k-c1'],
  )
  for (const { name, cells } of results.rows) {
    for (const side of ['one', 'two']) {
      const cell = cells[side]
      if (name === 'push-64m-post-c1') assert.deepEqual(cell, { skipped: 'not supported' })
      else if (cell === undefined || 'skipped' in cell) assert.fail(`${name} of ${side} is missing`)
      else assert.ok(cell.rounds.length === 2 && cell.rounds.every(({ value }) => value > 0), name)
    }
  }
  assert.match(ended.out, /^\| blob-4k-c4 /m)
  assert.match(readFileSync(join(folder, 'out/bench.svg'), 'utf8'), /^<svg [^]*blob-4k-c4[^]*<\/svg>\n$/)
})

test('names that nothing has are refused', { skip }, async () => {
  for (const args of [
    ['--rows', 'blob-5k'],
    ['--peers', 'nobody'],
    ['--modes', 'loose'],
    ['--rounds', '0'],
    ['--fast'],
  ]) {
    const ended = await run(process.execPath, [MAIN, ...args])
    assert.match(ended.said, /^bench: FAILED: /m, args.join(' '))
    assert.equal(ended.code, 1)
  }
})

test("the client's own SHA-256", { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const plain = join(folder, 'plain')
  const source = new URL('client/', import.meta.url).pathname
  const files = ['main', 'connection', 'figures', 'pull', 'push', 'sha256'].map((name) =>
    join(source, `${name}.c`),
  )
  const compiled = await run('cc', [
    '-std=gnu11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-o',
    plain,
    ...files,
    '-pthread',
  ])
  assert.equal(compiled.code, 0, compiled.said)
  const { client } = prepareTools(folder)
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 65_521, 200_000]) {
    const bytes = randomBytes(length)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}\n`
    for (const program of [plain, client]) assert.equal((await run(program, ['sha256'], bytes)).out, digest)
  }
})

const ASKED = { method: 'GET', path: '/v2/', status: 200, length: 1000 } as const
const WRK = (more: string, read: string): string =>
  `  Latency   1.00ms  2.00ms  30.00ms  90.00%\n     50%  812.00us\n     99%    2.50ms\n  1000 requests in 1.00s, ${read} read\n${more}`

test('what wrk says', () => {
  const figures = parseWrk(WRK('', '1.10MB'), ASKED, 0.5)
  assert.deepEqual(
    { units: figures.units, seconds: figures.seconds, p50: figures.p50, p99: figures.p99, max: figures.max },
    { units: 1000, seconds: 1, p50: 0.812, p99: 2.5, max: 30 },
  )
  assert.throws(() => parseWrk(WRK('  Non-2xx or 3xx responses: 1\n', '1.10MB'), ASKED, 0), /Non-2xx/)
  const broken = '  Socket errors: connect 0, read 7, write 0, timeout 0\n'
  assert.throws(() => parseWrk(WRK(broken, '1.10MB'), ASKED, 0), /Socket errors/)
  assert.throws(() => parseWrk(WRK('', '0.50MB'), ASKED, 0), /1000 expected/)
  assert.throws(() => parseWrk('', ASKED, 0), /counted no answer/)
})

test('when syncs ended, by the log of strace', () => {
  const log = [
    '100 1700000000.000100 fsync(21) = 0 <0.000500>',
    '101 1700000000.000200 fdatasync(22 <unfinished ...>',
    '100 1700000000.000300 fsync(23) = -1 EIO (Input/output error) <0.000001>',
    '101 1700000000.009000 <... fdatasync resumed>) = 0 <0.008800>',
    '100 1700000000.010000 +++ exited with 0 +++',
  ].join('\n')
  assert.deepEqual(
    parseSyncs(log).map((end) => end.toFixed(4)),
    ['1700000000.0006', '1700000000.0090'],
  )
})

const outcome = (value: number, cpu: number): Outcome => ({ value, cpu, p50: 0, p99: 0, max: 0, client: 0 })
const row = (first: Outcome[], other: Outcome[]): RowResult => ({
  name: 'x',
  title: 'x',
  mode: 'unpinned',
  unit: { value: 'req/s', cpu: 'µs', lowerIsBetter: false },
  goal: { wall: 2, cpu: 0.5 },
  cells: { berth: { rounds: first }, peer: { rounds: other } },
})
const side = (name: string, before: number): SideResult => ({
  name,
  version: '',
  configuration: '',
  syncs: { blob: { before, after: 0 }, manifest: { before, after: 0 } },
  memory: undefined,
  seeding: 0,
})

test('leads are taken within a round; a goal is missed only where both figures miss', () => {
  const sides = [side('berth', 2), side('peer', 2)]
  const uneven = row(
    [outcome(100, 1), outcome(300, 1), outcome(90, 1)],
    [outcome(10, 1), outcome(100, 1), outcome(90, 1)],
  )
  assert.deepEqual(leads(uneven, 'berth', 'peer'), [10, 3, 1])
  assert.equal(verdictOf(uneven, sides)?.isMet, true)
  assert.equal(verdictOf(row([outcome(10, 6)], [outcome(10, 10)]), sides)?.isMet, false)
  assert.equal(verdictOf(row([outcome(10, 5)], [outcome(10, 10)]), sides)?.isMet, true)
  assert.equal(verdictOf(row([outcome(20, 9)], [outcome(10, 10)]), sides)?.isMet, true)
  assert.equal(
    verdictOf(row([outcome(10, 9)], [outcome(90, 10)]), [side('berth', 2), side('peer', 0)]),
    undefined,
  )
})

test('every row has a name of its own, and a quick run some of them', () => {
  const rows = allRows()
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length)
  const quick = selectRows(rows, [], true)
  assert.ok(quick.length >= 8 && quick.length <= 16, `${quick.length} quick rows`)
  assert.deepEqual(
    selectRows(rows, ['blob-1m-*'], false).map(({ name }) => name),
    ['blob-1m-c1', 'blob-1m-c4', 'blob-1m-c16'],
  )
})

test('growth: a filled database is one that the registry serves', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const growth = new URL('growth.ts', import.meta.url).pathname
  const args = [
    growth,
    '--sizes',
    '1000,1200',
    '--rounds',
    '1',
    '--folder',
    folder,
    '--out',
    join(folder, 'out'),
  ]
  const ended = await run(process.execPath, args)
  assert.equal(ended.code, 0, ended.said)
  const { results } = JSON.parse(readFileSync(join(folder, 'out/growth.json'), 'utf8')) as {
    results: SizeResult[]
  }
  assert.deepEqual(
    results.map(({ size }) => size),
    [1000, 1200],
  )
  for (const { operations } of results)
    for (const [name, { p50 }] of Object.entries(operations)) assert.ok(p50 > 0, name)
  assert.match(readFileSync(join(folder, 'out/growth.svg'), 'utf8'), /<polyline/)
})
