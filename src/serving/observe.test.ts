import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../lib/logger.ts'
import { createAccessLog } from './access-log.ts'
import { createClientAddress } from './client-address.ts'
import { createListener } from './listener.ts'
import { createLogger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createObserver } from './observe.ts'

test('each request is one log line, one access line and one count', async () => {
  const lines: string[] = []
  let access = ''
  const metrics = await createMetrics(true)
  const accessLog = createAccessLog({ write: (text) => (access += text) })
  const log = createLogger({ level: 'info', formatter: 'json', write: (line) => lines.push(line) })
  const observe = createObserver({ log, accessLog, metrics, clock: Date })
  const listener = await createListener({
    log: silentLogger,
    address: { host: '127.0.0.1' },
    handler: (req, res) => {
      const observation = observe(req, res)
      if (req.url === '/hang') return
      Object.assign(observation, {
        kind: 'tags',
        user: 'alice',
        repository: 'a/b',
        contentType: 'text/plain',
      })
      res.statusCode = Number(req.url?.slice(1, 4))
      res.setHeader('Content-Length', 5)
      req.resume().on('end', () => res.end('hello'))
    },
  })
  const ask = (path: string, method: string, headers: Record<string, string>, body = ''): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const sent = request(listener.url + path, { method, headers, agent: false }, (res) =>
        res.resume().on('end', resolve),
      )
      sent.on('error', reject).end(body)
    })
  await ask('/200?token=s3cret', 'PUT', { 'X-Request-Id': 'mine-1', 'User-Agent': 'a b' }, 'abc')
  await ask('/404', 'HEAD', { 'X-Request-Id': 'not sane' })
  await ask('/500', 'GET', {})
  const gone = connect(listener.port ?? 0, '127.0.0.1').on('error', () => undefined)
  gone.write('GET /hang HTTP/1.1\r\nHost: x\r\n\r\n')
  await sleep(50)
  gone.resetAndDestroy()
  await sleep(50)
  await listener.close(100)
  accessLog.flush()

  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  const first = {
    ...entries[0],
    time: '',
    'http.request.remoteaddr': '',
    'http.request.host': '',
    'http.response.duration': '',
  }
  assert.deepEqual(first, {
    'auth.user.name': 'alice',
    'http.request.host': '',
    'http.request.id': 'mine-1',
    'http.request.method': 'PUT',
    'http.request.remoteaddr': '',
    'http.request.uri': '/200?token=redacted',
    'http.request.useragent': 'a b',
    'http.response.contenttype': 'text/plain',
    'http.response.duration': '',
    'http.response.status': 200,
    'http.response.written': 5,
    level: 'info',
    msg: 'response completed',
    time: '',
    'vars.name': 'a/b',
  })
  assert.match(String(entries[0]?.['http.request.remoteaddr']), /^127\.0\.0\.1:\d+$/)
  assert.match(String(entries[0]?.['http.response.duration']), /^[\d.]+(µs|ms)$/)
  assert.deepEqual(
    entries
      .slice(1)
      .map((entry) => [
        entry['level'],
        entry['msg'],
        entry['http.response.written'],
        entry['http.response.aborted'],
      ]),
    [
      ['info', 'response completed with error', 0, undefined],
      ['error', 'response completed with error', 5, undefined],
      ['info', 'response completed', 0, true],
    ],
  )
  assert.equal(new Set(entries.map((entry) => entry['http.request.id'])).size, 4)
  const statuses = access
    .trim()
    .split('\n')
    .map((line) => /alice .*"(\w+) .*" (\d+) (\d+)/.exec(line)?.slice(1).join(' '))
  assert.deepEqual(statuses, ['PUT 200 5', 'HEAD 404 0', 'GET 500 5', undefined])
  assert.equal(access.includes('s3cret') || lines.join('').includes('s3cret'), false)
  const exposed = await metrics.exposition()
  assert.match(exposed, /^registry_http_requests_total\{code="404",handler="tags",method="head"\} 1$/m)
  assert.match(exposed, /^registry_http_in_flight_requests 0$/m)
  assert.match(exposed, /^registry_http_request_size_bytes_sum\{handler="tags"\} 3$/m)
})

test('behind a proxy the log and the access log show the client, and the log the proxy too', async () => {
  const lines: string[] = []
  let access = ''
  const accessLog = createAccessLog({ write: (text) => (access += text) })
  const log = createLogger({ level: 'info', formatter: 'json', write: (line) => lines.push(line) })
  const metrics = await createMetrics(false)
  const addressOf = createClientAddress(['127.0.0.1'])
  const observe = createObserver({ log, accessLog, metrics, clock: Date, addressOf })
  const listener = await createListener({
    log: silentLogger,
    address: { host: '127.0.0.1' },
    handler: (req, res) => {
      observe(req, res)
      res.end()
    },
  })
  const response = await fetch(listener.url, { headers: { 'X-Forwarded-For': '1.1.1.1, 198.51.100.7' } })
  await response.arrayBuffer()
  await listener.close(100)
  accessLog.flush()
  const entry = JSON.parse(lines[0] ?? '') as Record<string, string>
  assert.equal(entry['http.request.remoteaddr'], '198.51.100.7')
  assert.match(entry['http.request.proxy'] ?? '', /^127\.0\.0\.1:\d+$/)
  assert.match(access, /^198\.51\.100\.7 /)
})
