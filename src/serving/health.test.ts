import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../lib/logger.ts'
import { fileCheck, httpCheck, tcpCheck } from './health-checks.ts'
import { createHealth } from './health.ts'
import { createLogger } from './log.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Time that only moves by hand. */
function fakeTime(t: TestContext): (ms: number) => Promise<void> {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  return async (ms) => {
    t.mock.timers.tick(ms)
    await settled()
    await settled()
  }
}

test('a check fails after as many failures in a row as its threshold says', async (t) => {
  const advance = fakeTime(t)
  /** [threshold, outcomes of the runs (true is well), whether it fails after each] */
  const rows: [number | undefined, boolean[], boolean[]][] = [
    [undefined, [true, false, true, false], [false, true, false, true]],
    [0, [false, true], [true, false]],
    [1, [false, false, true], [true, true, false]],
    [
      3,
      [false, false, true, false, false, false, false, true],
      [false, false, false, false, false, true, true, false],
    ],
  ]
  for (const [threshold, outcomes, expected] of rows) {
    const health = createHealth({ clock: Date, log: silentLogger })
    const runs = [...outcomes]
    const check = (): Promise<void> =>
      runs.shift() === true ? Promise.resolve() : Promise.reject(new Error('bad'))
    health.register('one', check, { intervalMs: 1_000, ...(threshold === undefined ? {} : { threshold }) })
    health.start()
    health.start()
    assert.deepEqual(health.failing(), {})
    await advance(999)
    assert.equal(runs.length, outcomes.length)
    await advance(1)
    const got: boolean[] = []
    for (const _ of outcomes) {
      got.push(health.failing()['one'] === 'bad')
      await advance(1_000)
    }
    assert.deepEqual(got, expected, `threshold ${threshold}`)
    await health.stop()
  }
})

test('failing and passing again are logged once', async (t) => {
  const advance = fakeTime(t)
  const lines: string[] = []
  const log = createLogger({ level: 'info', formatter: 'text', write: (line) => lines.push(line) })
  const health = createHealth({ clock: Date, log })
  const runs = [false, false, false, true, true]
  health.register('disk', () => (runs.shift() ? Promise.resolve() : Promise.reject(new Error('full'))), {
    intervalMs: 1_000,
  })
  health.start()
  for (let i = 0; i < 5; i++) await advance(1_000)
  await health.stop()
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /level=error msg="health check fails; .* check=disk error=full/)
  assert.match(lines[1] ?? '', /level=info msg="health check passes again" check=disk seconds=3\n/)
})

test('a check that hangs fails by its timeout, and runs never overlap', async () => {
  const health = createHealth({ clock: Date, log: silentLogger })
  let running = 0
  let most = 0
  const hang = async (signal: AbortSignal): Promise<void> => {
    most = Math.max(most, ++running)
    await once(signal, 'abort')
    running -= 1
  }
  health.register('hangs', hang, { intervalMs: 5, timeoutMs: 20 })
  health.register('ignores its signal', () => new Promise(() => undefined), { intervalMs: 5, timeoutMs: 20 })
  health.start()
  const deadline = Date.now() + 2_000
  while (Object.keys(health.failing()).length < 2 && Date.now() < deadline) await sleep(5)
  assert.deepEqual(health.failing(), {
    hangs: 'no result within 20 ms',
    'ignores its signal': 'no result within 20 ms',
  })
  assert.equal(most, 1)
  await health.stop()
  assert.equal(running, 0)
})

test('stop ends what is running and nothing runs after it; names are taken once', async () => {
  const health = createHealth({ clock: Date, log: silentLogger })
  let runs = 0
  const check = async (signal: AbortSignal): Promise<void> => {
    runs += 1
    await sleep(10_000, undefined, { signal })
  }
  health.register('slow', check, { intervalMs: 1 })
  assert.throws(() => health.register('slow', check, { intervalMs: 1 }), /exists already/)
  assert.throws(() => health.register('manual_http_status', check, { intervalMs: 1 }), /exists already/)
  health.start()
  await sleep(30)
  assert.equal(runs, 1)
  await health.stop()
  await sleep(20)
  assert.equal(runs, 1)
  assert.deepEqual(health.failing(), {})
})

test('down and up by hand; what failing() gave does not change afterwards', () => {
  const health = createHealth({ clock: Date, log: silentLogger })
  const before = health.failing()
  health.setDown(true)
  assert.deepEqual(health.failing(), { manual_http_status: 'manual Check' })
  assert.deepEqual(before, {})
  health.setDown(false)
  assert.deepEqual(health.failing(), {})
})

const anySignal = new AbortController().signal

test('file: fails while the file exists', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'berth-health-'))
  t.after(() => rm(dir, { recursive: true }))
  const check = fileCheck(join(dir, 'down'))
  await check(anySignal)
  await writeFile(join(dir, 'down'), '')
  await assert.rejects(check(anySignal), /^Error: file exists$/)
  await rm(join(dir, 'down'))
  await check(anySignal)
  await writeFile(join(dir, 'file'), '')
  await assert.rejects(fileCheck(join(dir, 'file', 'x'))(anySignal), /ENOTDIR/)
})

test('http: method, headers, status, failures', async (t) => {
  const seen: string[] = []
  const server = createServer((req, res) => {
    seen.push(`${req.method} ${req.url} ${req.headersDistinct['x-a']?.join()} ${req.headers.authorization}`)
    if (req.url === '/hang') return
    res.statusCode = req.url === '/moved' ? 302 : Number(req.url?.slice(1))
    if (req.url === '/moved') res.setHeader('Location', '/204')
    res.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await httpCheck(`${base}/200`, { headers: { 'X-A': ['b', 'c'] } })(anySignal)
  await httpCheck(`${base}/204`, { statuscode: 204 })(anySignal)
  await httpCheck(`${base}/moved`, { statuscode: 204 })(anySignal)
  assert.equal(seen[0], 'HEAD /200 b, c undefined')
  await assert.rejects(
    httpCheck(`${base}/500`)(anySignal),
    /\/500: downstream service returned unexpected status: 500/,
  )
  await assert.rejects(
    httpCheck('http://127.0.0.1:1/')(anySignal),
    /http:\/\/127.0.0.1:1\/: error while checking/,
  )
  await assert.rejects(
    httpCheck('http://u:s3cret@127.0.0.1:1/')(anySignal),
    (error: Error) => !error.message.includes('s3cret'),
  )
  await assert.rejects(httpCheck(`${base}/hang`)(AbortSignal.timeout(50)), /error while checking/)
})

test('tcp: a connection has to come about', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.after(() => server.close())
  await tcpCheck(`127.0.0.1:${port}`)(anySignal)
  await tcpCheck(`localhost:${port}`)(anySignal)
  await assert.rejects(tcpCheck('127.0.0.1:1')(anySignal), /127.0.0.1:1: connection failed: .*ECONNREFUSED/)
  for (const bad of ['localhost', '1.2.3.4', 'a:b', '::1:80', 'h:70000'])
    assert.throws(() => tcpCheck(bad), /host:port/)
})
