/** The benchmark fails where its figures would not be worth anything. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SizeResult } from './growth/measure.ts'
import { missingPrograms } from '../test/lib/prerequisite.ts'
import { temporaryFolder } from '../test/lib/temporary.ts'
import { parseSyncs } from './machine/syncs.ts'
import { portsFor } from '../test/lib/free-port.ts'
import type { Peer } from './peers/peer.ts'
import { startPeer } from './peers/running.ts'
import {
  leads,
  roundsOf,
  verdictOf,
  type Outcome,
  type Results,
  type RowResult,
  type SideResult,
} from './results.ts'
import { allRows, selectRows } from './rows/all.ts'
import { PROBE_P99 } from './rows/row.ts'
import { createClient } from './tools/client.ts'
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

/** More requests than it takes to fill and to look at a side: the fault shows while a row is timed. */
const FILLED = 80
const QUICK = ['--quick', '--rounds', '1', '--seconds', '0.1', '--no-syncs']
const ROWS = ['manifest-tag-get-c1', 'blob-head-c1', 'blob-4k-c1', 'image-10x4k-c1']

type Faulty = {
  name: string
  fault: string
  after?: number
  /** What each of ROWS says; undefined: it has figures. */
  says: (RegExp | undefined)[]
}

const FAULTY: readonly Faulty[] = [
  { name: 'good', fault: 'none', says: [undefined, undefined, undefined, undefined] },
  {
    name: 'odd',
    fault: 'wrong-body',
    says: [
      /^GET \/v2\/bench\/app\/manifests\/latest: a wrong body: its digest is/,
      /^GET \S+: a wrong body/,
      /^GET \/v2\/bench\/app\/blobs\/\S+: a wrong body/,
      /^GET \S+: a wrong body/,
    ],
  },
  { name: 'odd-later', fault: 'wrong-body', after: FILLED, says: Array(4).fill(/^GET \S+: a wrong body/) },
  {
    name: 'short',
    fault: 'short-body',
    after: FILLED,
    says: [/^GET \S+: \d+ bytes where \d+ were/, /wrong body/, /wrong body/, /wrong body/],
  },
  { name: 'busy', fault: 'wrong-status', says: Array(4).fill(/status 503 where (200|404) was expected/) },
  {
    name: 'busy-later',
    fault: 'wrong-status',
    after: FILLED,
    says: Array(4).fill(/status 503 where (200|404) was expected/),
  },
  {
    name: 'mortal',
    fault: 'dies',
    after: FILLED,
    // Started again it has nothing: it keeps all in memory.
    says: [
      /^mortal died \(SIGKILL\)/,
      ...Array<RegExp>(2).fill(/status 404 where 200/),
      /^mortal died \(SIGKILL\)/,
    ],
  },
  {
    name: 'dead',
    fault: 'dies-for-good',
    after: FILLED,
    says: [
      /^dead died \(SIGKILL\)/,
      ...Array<RegExp>(3).fill(/^left out: dead died \(exit code 1\)[^]*the disk is gone/),
    ],
  },
  {
    name: 'full',
    fault: 'refuses-pushes',
    says: [undefined, undefined, undefined, /^PATCH \S+: status 500 where 202 was expected/],
  },
  { name: 'missing', fault: 'unknown', says: Array(4).fill(/^left out: missing died \(exit code 1\)/) },
]

test('a peer that is wrong or ends loses its cell, loudly; the others keep theirs', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const files = FAULTY.map(({ name, fault, after }) => peerFile(folder, name, fault, after))
  const ended = await run(process.execPath, [
    ...[MAIN, ...QUICK, '--rows', ROWS.join(','), '--peers', FAULTY.map(({ name }) => name).join(',')],
    ...files.flatMap((file) => ['--peer', file]),
    ...['--folder', folder, '--out', join(folder, 'out')],
  ])
  assert.equal(ended.code, 1, ended.said)
  const results = JSON.parse(readFileSync(join(folder, 'out/bench.json'), 'utf8')) as Results
  assert.deepEqual(
    results.rows.map(({ name }) => name),
    ROWS,
  )
  for (const { name, says } of FAULTY) {
    for (const [index, { name: row, cells }] of results.rows.entries()) {
      const [cell, wanted] = [cells[name], says[index]]
      if (cell === undefined) assert.fail(`${row} of ${name} is missing`)
      if (wanted === undefined)
        assert.ok('rounds' in cell && (cell.rounds[0]?.value ?? 0) > 0, `${row} of ${name}`)
      else assert.match('failed' in cell ? cell.failed : JSON.stringify(cell), wanted, `${row} of ${name}`)
    }
  }
  assert.match(ended.said, /^bench: FAILED: blob-4k-c1: odd: GET \S+: a wrong body/m)
  assert.match(ended.said, /^bench: FAILED: start: missing died \(exit code 1\)/m)
  assert.match(ended.out, /^\| image-10x4k-c1 .*\| FAILED /m)
  assert.match(ended.out, /^## FAILED$/m)
})

test('what was measured is there when a run is ended, and nothing else', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const work = join(folder, 'work')
  const child = spawn(
    process.execPath,
    [
      ...[
        MAIN,
        '--quick',
        '--rounds',
        '5',
        '--seconds',
        '0.1',
        '--no-syncs',
        '--rows',
        'blob-head-c1,blob-4k-c1',
      ],
      ...['--peers', 'good', '--peer', peerFile(folder, 'good', 'none')],
      ...['--folder', work, '--out', join(folder, 'out')],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], timeout: LIMIT_MS },
  )
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString()
    if (said.includes('blob-4k-c1: ')) child.kill()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 143, said)
  const { rows, isComplete } = JSON.parse(readFileSync(join(folder, 'out/bench.json'), 'utf8')) as Results
  assert.deepEqual(
    rows.map(({ name, cells }) => [name, roundsOf(cells['good']).length]),
    [['blob-head-c1', 5]],
  )
  assert.equal(isComplete, false)
  assert.deepEqual(readdirSync(work), [])
})

test('a start that fails is told, and not the end of what ran before', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  let starts = 0
  const peer: Peer = {
    name: 'twice',
    version: '',
    configuration: '',
    hasTls: false,
    launch: ({ port }) => ({
      command: process.execPath,
      args: ++starts === 2 ? ['-e', 'throw new Error("the port is taken")'] : [FAKE, String(port), 'none'],
    }),
  }
  const running = await startPeer(peer, folder)
  t.after(() => running.stop())
  running.expectAlive()
  await assert.rejects(running.restart(), /^BenchFailure: twice died \(exit code 1\)[^]*the port is taken/)
  assert.throws(() => running.expectAlive(), /the port is taken/)
  assert.throws(() => running.pid, /the port is taken/)
  assert.ok((await running.restart()) > 0)
  running.expectAlive()
})

test('ports are not those that connections are given', () => {
  assert.deepEqual(portsFor([32_768, 60_999]), [10_000, 32_767])
  assert.deepEqual(portsFor([1024, 60_999]), [61_000, 65_535])
  assert.equal(portsFor([1024, 65_535]), undefined)
})

test('a run over peers that are right writes a table, JSON and a chart', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const rows = 'manifest-tag-get-c1,blob-4k-c4,push-64m-post-c1'
  const ended = await run(process.execPath, [
    MAIN,
    ...['--quick', '--rounds', '2', '--seconds', '0.1', '--rows', rows, '--peers', 'one,two'],
    ...['--peer', peerFile(folder, 'one', 'none'), '--peer', peerFile(folder, 'two', 'none')],
    ...['--folder', folder, '--out', join(folder, 'out')],
  ])
  assert.equal(ended.code, 0, ended.said)
  const {
    rows: found,
    failures,
    isComplete,
  } = JSON.parse(readFileSync(join(folder, 'out/bench.json'), 'utf8')) as Results
  assert.deepEqual({ failures, isComplete }, { failures: [], isComplete: true })
  assert.deepEqual(
    found.map(({ name }) => name),
    ['manifest-tag-get-c1', 'blob-4k-c4', 'push-64m-post-c1'],
  )
  for (const { name, cells } of found) {
    for (const side of ['one', 'two']) {
      const cell = cells[side]
      if (name === 'push-64m-post-c1') assert.deepEqual(cell, { skipped: 'not supported' })
      else if (cell === undefined || !('rounds' in cell)) assert.fail(`${name} of ${side} is missing`)
      else assert.ok(cell.rounds.length === 2 && cell.rounds.every(({ value }) => value > 0), name)
    }
  }
  assert.match(ended.out, /^\| blob-4k-c4 /m)
  assert.match(readFileSync(join(folder, 'out/bench.svg'), 'utf8'), /^<svg [^]*blob-4k-c4[^]*<\/svg>\n$/)
})

test('Berth with itself: rules of access are asked, with a token', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const ended = await run(process.execPath, [
    ...[
      MAIN,
      ...QUICK,
      '--rows',
      'own-manifest-tag-get-c16,own-image-10x4k-c16',
      '--peers',
      'berth,berth+all',
    ],
    ...['--modes', 'unpinned', '--folder', folder, '--out', join(folder, 'out')],
  ])
  assert.equal(ended.code, 0, ended.said)
  const { rows } = JSON.parse(readFileSync(join(folder, 'out/bench.json'), 'utf8')) as Results
  assert.equal(rows.length, 2)
  for (const { cells } of rows)
    for (const name of ['berth', 'berth+all']) assert.equal(roundsOf(cells[name]).length, 1, name)
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

test(
  'a probe counts a server that stands still as often as it would have been asked',
  { skip },
  async (t) => {
    let asked = 0
    const server = createServer((_, response) => {
      if (++asked === 10) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      response.end('{}')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.after(() => server.close())
    const { port } = server.address() as AddressInfo
    const client = createClient(prepareTools(temporaryFolder(t, 'bench')).client, undefined)
    const figures = await client.probe({ port, isTls: false }, { everyMs: 5, seconds: 0.5 })
    assert.equal(figures.units, 100)
    assert.ok(figures.max >= 200 && figures.p99 >= 190, JSON.stringify(figures))
  },
)

test("the client's own SHA-256", { skip }, async (t) => {
  const folder = temporaryFolder(t, 'bench')
  const plain = join(folder, 'plain')
  const source = new URL('client/', import.meta.url).pathname
  const files = globSync('*.c', { cwd: source }).map((name) => join(source, name))
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
  phase: 'plain',
  unit: { value: 'req/s', cpu: 'µs', lowerIsBetter: false },
  goal: { wall: 2, cpu: 0.5 },
  cells: { berth: { rounds: first }, peer: { rounds: other } },
})
const side = (name: string, before: number): SideResult => ({
  name,
  version: '',
  configuration: '',
  syncs: { blob: { before, after: 0 }, manifest: { before, after: 0 } },
  phases: [],
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

test('goals of one side, and of Berth with itself', () => {
  const own = (value: number, cpu: number): RowResult => ({
    ...row([outcome(100, 10)], [outcome(value, cpu)]),
    goal: { loss: 0.1 },
  })
  const isMet = (one: RowResult): boolean | undefined => verdictOf(one, [])?.isMet
  assert.equal(isMet(own(91, 20)), true)
  assert.equal(isMet(own(80, 10.9)), true)
  assert.equal(isMet(own(80, 11.1)), false)
  const beside = (p99: number): RowResult => ({
    ...row([{ ...outcome(1, 1), also: { [PROBE_P99]: p99 } }], []),
    goal: { most: 10, figure: PROBE_P99 },
  })
  assert.equal(isMet(beside(9.9)), true)
  assert.equal(isMet(beside(10.1)), false)
  assert.equal(isMet({ ...row([outcome(149, 1)], []), goal: { most: 150 } }), true)
  assert.equal(isMet({ ...row([outcome(151, 1)], []), goal: { most: 150 } }), false)
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
    for (const [name, { p50, cpu }] of Object.entries(operations)) assert.ok(p50 > 0 && cpu > 0, name)
  assert.match(readFileSync(join(folder, 'out/growth.svg'), 'utf8'), /<polyline/)
})
