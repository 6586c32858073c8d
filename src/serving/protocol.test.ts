import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR_CODES } from '../oci/error.ts'
import { silentLogger } from '../lib/logger.ts'
import { createListener, type Listener } from './listener.ts'
import { converse, type RawAnswer, type Step } from './raw-request.fixture.ts'

/** What the handlers saw, for tests that look behind the answer. */
const seen: string[] = []
let listener: Listener
let port = 0

function reply(res: ServerResponse, status: number, body: string): void {
  res.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}

function handler(req: IncomingMessage, res: ServerResponse): void {
  const { method, url = '' } = req
  if (url === '/early') return reply(res, 404, 'early')
  if (url === '/late') return void setTimeout(() => reply(res, 200, 'late'), 150)
  if (url === '/throws') throw new Error('handler bug')
  let length = 0
  req.on('data', (chunk: Buffer) => (length += chunk.length))
  req.on('error', (error) => seen.push(`${url} error ${error.message}`))
  req.on('close', () => seen.push(`${url} close`))
  req.on('end', () => reply(res, 200, `${method} ${url} ${length}`))
}

before(async () => {
  const limits = { headersMs: 400, progressMs: 500, lingerMs: 300 }
  listener = await createListener({ log: silentLogger, address: { host: '127.0.0.1' }, limits, handler })
  port = listener.port ?? 0
})

after(async () => {
  await listener.close(1_000)
  assert.equal(listener.connections(), 0)
})

const CLOSE = 'Host: x\r\nConnection: close\r\n'
const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${CLOSE}\r\n`
const head = (line: string, ...headers: string[]): string =>
  `${line}\r\n${headers.map((one) => `${one}\r\n`).join('')}\r\n`
const put = (...headers: string[]): string => head('PUT /a HTTP/1.1', 'Host: x', ...headers)
const chunked = (...parts: Step[]): Step[] => [put('Transfer-Encoding: chunked'), 20, ...parts]

/** [what, what is sent, the statuses that come back, the code or message of the last one where it is an error] */
type Row = [what: string, sent: Step[], statuses: number[], says?: RegExp | string]

const TABLE: Row[] = [
  // What is right must stay right.
  ['plain GET', [get('/a')], [200], 'GET /a 0'],
  ['HTTP/1.0 without Host', ['GET /a HTTP/1.0\r\n\r\n'], [200], 'GET /a 0'],
  [
    'absolute request target',
    [head('GET http://h:5000/a?b=c HTTP/1.1', 'Host: y', 'Connection: close')],
    [200],
    'GET /a?b=c 0',
  ],
  [
    'absolute target without a path',
    [head('GET http://h HTTP/1.1', 'Host: y', 'Connection: close')],
    [200],
    'GET / 0',
  ],
  ['OPTIONS *', [head('OPTIONS * HTTP/1.1', CLOSE.trim())], [200], 'OPTIONS * 0'],
  ['empty line before the request', [`\r\n${get('/a')}`], [200], 'GET /a 0'],
  ['body with a length', [put('Content-Length: 3', 'Connection: close') + 'abc'], [200], 'PUT /a 3'],
  [
    'chunked body',
    [put('Transfer-Encoding: chunked', 'Connection: close') + '3\r\nabc\r\n0\r\n\r\n'],
    [200],
    'PUT /a 3',
  ],
  [
    'chunked body, upper case',
    [put('Transfer-Encoding: Chunked', 'Connection: close') + 'A\r\n0123456789\r\n0\r\n\r\n'],
    [200],
    'PUT /a 10',
  ],
  [
    'chunk extension and trailer',
    [put('Transfer-Encoding: chunked', 'Connection: close') + '3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n'],
    [200],
    'PUT /a 3',
  ],
  [
    'two requests on one connection',
    [head('GET /a HTTP/1.1', 'Host: x') + get('/b')],
    [200, 200],
    'GET /b 0',
  ],
  [
    'pipelined behind a slow one',
    [head('GET /late HTTP/1.1', 'Host: x') + get('/b')],
    [200, 200],
    'GET /b 0',
  ],
  ['IPv6 host', [head('GET /a HTTP/1.1', 'Host: [::1]:5000', 'Connection: close')], [200], 'GET /a 0'],
  [
    'header of 60 KiB',
    [head('GET /a HTTP/1.1', CLOSE.trim(), `A: ${'a'.repeat(60_000)}`)],
    [200],
    'GET /a 0',
  ],
  [
    'h2c is not taken up',
    [
      head(
        'GET /a HTTP/1.1',
        'Host: x',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABk',
      ),
    ],
    [200],
    'GET /a 0',
  ],
  [
    'websocket is not taken up',
    [head('GET /a HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket') + get('/b')],
    [200],
    'GET /a 0',
  ],
  [
    'h2c with a body',
    [put('Connection: Upgrade', 'Upgrade: h2c', 'Content-Length: 3') + 'abc'],
    [200],
    'PUT /a 3',
  ],
  [
    'Expect: 100-continue',
    [put('Expect: 100-continue', 'Content-Length: 3'), 30, 'abc', 30, get('/b')],
    [100, 200, 200],
    'GET /b 0',
  ],
  [
    'Expect in other letters',
    [put('Expect: 100-Continue', 'Content-Length: 3', 'Connection: close'), 30, 'abc'],
    [100, 200],
    'PUT /a 3',
  ],
  [
    'Expect from HTTP/1.0 is ignored',
    [head('PUT /a HTTP/1.0', 'Expect: 100-continue', 'Content-Length: 3') + 'abc'],
    [200],
    'PUT /a 3',
  ],
  ['bytes after Connection: close', [`${get('/a')}garbage\r\n\r\n`], [200], 'GET /a 0'],
  ['client that ends its side', [head('GET /late HTTP/1.1', 'Host: x'), 'FIN'], [200], 'late'],
  ['body, then the end', [put('Content-Length: 3') + 'abc', 'FIN'], [200], 'PUT /a 3'],
  // The request line.
  ['binary garbage', ['\x00\x01\x02\x03\r\n\r\n'], [400], /HTTP method/],
  ['TLS on the plain port', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc'], [400], /use http:\/\//],
  ['HTTP/2 preface', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], [505], /HTTP\/2/],
  ['HTTP/2 preface in two packets', ['PRI', 20, ' * HTTP/2.0\r\n\r\nSM\r\n\r\n'], [505], /HTTP/],
  ['HTTP/2.0 on a request', [head('GET /a HTTP/2.0', 'Host: x')], [505], /HTTP\/1.1/],
  ['HTTP/1.2', [head('GET /a HTTP/1.2', 'Host: x')], [505], /HTTP\/1.1/],
  ['HTTP/3.0', [head('GET /a HTTP/3.0', 'Host: x')], [505], /HTTP\/1.1/],
  ['HTTP/0.9', ['GET /a\r\n\r\n'], [505], /HTTP\/1.1/],
  ['HTTP/1', [head('GET /a HTTP/1', 'Host: x')], [505]],
  ['http in small letters', [head('GET /a http/1.1', 'Host: x')], [400]],
  ['another protocol', [head('GET /a GOPHER/1.0', 'Host: x')], [400]],
  ['unknown method', [head('GRAB /a HTTP/1.1', 'Host: x')], [400], /method/],
  ['method in small letters', [head('get /a HTTP/1.1', 'Host: x')], [400], /method/],
  ['no method', [head(' /a HTTP/1.1', 'Host: x')], [400]],
  ['no target', [head('GET HTTP/1.1', 'Host: x')], [400]],
  ['target with a space', [head('GET /a b HTTP/1.1', 'Host: x')], [400]],
  ['target with NUL', [head('GET /a\x00b HTTP/1.1', 'Host: x')], [400]],
  ['target with a tab', [head('GET /a\tb HTTP/1.1', 'Host: x')], [400]],
  ['target that is no path', [head('GET a HTTP/1.1', 'Host: x')], [400]],
  ['GET *', [head('GET * HTTP/1.1', 'Host: x')], [400], /begins with/],
  ['target of another scheme', [head('GET ftp://h/a HTTP/1.1', 'Host: x')], [400], /begins with/],
  ['lines that end with LF', ['GET /a HTTP/1.1\nHost: x\n\n'], [400], /CR LF/],
  ['URL of 20 kB', [head(`GET /${'a'.repeat(20_000)} HTTP/1.1`, 'Host: x')], [414], /shorter/],
  ['URL of 100 kB', [head(`GET /${'a'.repeat(100_000)} HTTP/1.1`, 'Host: x')], [431], /too long/],
  ['URL that never ends', [`GET /${'a'.repeat(300_000)}`], [431], /too long/],
  ['CONNECT', [head('CONNECT example.org:443 HTTP/1.1', 'Host: x')], [405], /not a proxy/],
  // Host.
  ['HTTP/1.1 without Host', ['GET /a HTTP/1.1\r\n\r\n'], [400], /Host/],
  ['absolute target without Host', [head('GET http://h/a HTTP/1.1')], [400], /Host/],
  ['Host twice', [head('GET /a HTTP/1.1', 'Host: x', 'host: y')], [400], /host was sent twice/],
  ['Host with a space', [head('GET /a HTTP/1.1', 'Host: x y')], [400], /Host/],
  ['Host with a path', [head('GET /a HTTP/1.1', 'Host: x/y')], [400], /Host/],
  ['Host with credentials', [head('GET /a HTTP/1.1', 'Host: u:p@x')], [400], /Host/],
  ['Host with quotes', [head('GET /a HTTP/1.1', 'Host: "x"')], [400], /Host/],
  // Headers.
  ['header without a colon', [head('GET /a HTTP/1.1', 'Host: x', 'nonsense')], [400], /header/],
  ['space before the colon', [head('GET /a HTTP/1.1', 'Host: x', 'A : b')], [400], /header/],
  ['space in the name', [head('GET /a HTTP/1.1', 'Host: x', 'A B: c')], [400], /header/],
  ['no name', [head('GET /a HTTP/1.1', 'Host: x', ': c')], [400], /header/],
  ['folded header', [head('GET /a HTTP/1.1', 'Host: x', 'A: b', ' c')], [400]],
  ['folded first header', ['GET /a HTTP/1.1\r\n Host: x\r\n\r\n'], [400]],
  ['NUL in a value', [head('GET /a HTTP/1.1', 'Host: x', 'A: b\x00c')], [400]],
  ['CR alone in a value', [head('GET /a HTTP/1.1', 'Host: x', 'A: b\rc')], [400]],
  [
    'Authorization twice',
    [head('GET /a HTTP/1.1', 'Host: x', 'Authorization: Basic eA==', 'Authorization: Basic eQ==')],
    [400],
    /authorization/,
  ],
  [
    'Content-Range twice',
    [put('Content-Range: 0-1', 'Content-Range: 2-3', 'Content-Length: 2') + 'ab'],
    [400],
    /content-range/,
  ],
  [
    'one header of 100 kB',
    [head('GET /a HTTP/1.1', 'Host: x', `A: ${'a'.repeat(100_000)}`)],
    [431],
    /too long/,
  ],
  [
    'one header that never ends',
    [`GET /a HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(300_000)}`],
    [431],
    /too long/,
  ],
  [
    '300 headers',
    [head('GET /a HTTP/1.1', 'Host: x', ...Array.from({ length: 300 }, (_, i) => `A${i}: b`))],
    [431],
    /256/,
  ],
  ['200,000 headers', [`GET /a HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(200_000)}`], [431]],
  ['headers cut off', ['GET /a HTTP/1.1\r\nHost: x\r\n', 'FIN'], [400], /closed before/],
  ['Expect of something else', [put('Expect: 200-ok', 'Content-Length: 3')], [417], /100-continue/],
  // Lengths.
  ['Content-Length twice', [put('Content-Length: 3', 'Content-Length: 4') + 'abc'], [400], /given once/],
  [
    'Content-Length twice the same',
    [put('Content-Length: 3', 'Content-Length: 3') + 'abc'],
    [400],
    /given once/,
  ],
  ['Content-Length as a list', [put('Content-Length: 3, 3') + 'abc'], [400], /given once/],
  ['Content-Length below zero', [put('Content-Length: -1')], [400], /decimal/],
  ['Content-Length with a plus', [put('Content-Length: +3') + 'abc'], [400], /decimal/],
  ['Content-Length in hex', [put('Content-Length: 0x3') + 'abc'], [400], /decimal/],
  ['Content-Length with a space', [put('Content-Length: 1 2') + 'abc'], [400], /decimal/],
  [
    'Content-Length that overflows',
    [put('Content-Length: 99999999999999999999999') + 'abc'],
    [400],
    /decimal/,
  ],
  ['Content-Length empty', [put('Content-Length:') + 'abc'], [400]],
  // Smuggling.
  ['length and chunks', [put('Content-Length: 3', 'Transfer-Encoding: chunked') + '0\r\n\r\n'], [400]],
  ['chunks and length', [put('Transfer-Encoding: chunked', 'Content-Length: 3') + '0\r\n\r\n'], [400]],
  ['another coding', [put('Transfer-Encoding: gzip') + 'abc'], [501], /chunked/],
  [
    'another coding before chunked',
    [put('Transfer-Encoding: gzip, chunked') + '0\r\n\r\n'],
    [501],
    /chunked/,
  ],
  [
    'chunked before another coding',
    [put('Transfer-Encoding: chunked, gzip') + '0\r\n\r\n'],
    [400],
    /chunked/,
  ],
  [
    'chunked twice',
    [put('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
    [400],
    /chunked/,
  ],
  ['chunked with a prefix', [put('Transfer-Encoding: xchunked') + '0\r\n\r\n'], [501], /chunked/],
  [
    'Transfer-Encoding in HTTP/1.0',
    [head('PUT /a HTTP/1.0', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
    [400],
    /HTTP\/1.1/,
  ],
  // Chunk framing, in a body that a handler reads already.
  ['chunk size that is no number', chunked('zz\r\nabc\r\n'), [400], /chunks/],
  ['chunk size below zero', chunked('-1\r\nabc\r\n'), [400], /chunks/],
  ['chunk size empty', chunked('\r\nabc\r\n'), [400], /chunks/],
  ['chunk size with 0x', chunked('0x3\r\nabc\r\n0\r\n\r\n'), [400], /chunks/],
  ['chunk size that overflows', chunked('fffffffffffffffff\r\nabc\r\n'), [400], /chunks/],
  ['chunk longer than said', chunked('3\r\nabcd\r\n0\r\n\r\n'), [400], /chunks/],
  ['chunk without its CRLF', chunked('3\r\nabc3\r\nabc\r\n0\r\n\r\n'), [400], /chunks/],
  ['good chunks, then a bad one', chunked('3\r\nabc\r\n', 20, '3\r\nabc\r\n', 20, 'x\r\n'), [400], /chunks/],
  ['chunks that end with LF', chunked('3\nabc\n0\n\n'), [400], /chunks/],
  ['chunk extension of 100 kB', chunked(`3;a=${'b'.repeat(100_000)}\r\nabc\r\n`), [413], /extensions/],
  ['chunk extension that is malformed', chunked('3;\x00\r\nabc\r\n0\r\n\r\n'), [400], /chunks/],
  ['malformed trailer', chunked('3\r\nabc\r\n0\r\nbad trailer\r\n\r\n'), [400], /chunks/],
  ['trailer of 100 kB', chunked(`3\r\nabc\r\n0\r\nA: ${'b'.repeat(100_000)}\r\n\r\n`), [400]],
  ['chunked body cut off', chunked('3\r\nab', 'FIN'), [400], /closed before/],
  ['body of a length cut off', [put('Content-Length: 10'), 20, 'abc', 20, 'FIN'], [400], /closed before/],
  // After a good request.
  [
    'garbage as second request',
    [head('GET /a HTTP/1.1', 'Host: x'), 'garbage\r\n\r\n'],
    [200, 400],
    /HTTP method/,
  ],
  [
    'garbage behind a slow request',
    [head('GET /late HTTP/1.1', 'Host: x'), 'garbage\r\n\r\n'],
    [200, 400],
    /HTTP method/,
  ],
  [
    'CONNECT behind a slow request',
    [head('GET /late HTTP/1.1', 'Host: x') + head('CONNECT a:1 HTTP/1.1', 'Host: x')],
    [200, 405],
  ],
  [
    'bad chunk behind a slow request',
    [head('GET /late HTTP/1.1', 'Host: x') + put('Transfer-Encoding: chunked'), 20, 'x\r\n'],
    [200, 400],
    /chunks/,
  ],
  // Time.
  ['headers that do not come', ['GET /a HTTP/1.1\r\nHo'], [408], /in time/],
  [
    'headers that drip',
    ['GET /a HTTP/1.1\r\n', 150, 'A: b\r\n', 150, 'B: c\r\n', 150, 'C: d\r\n', 150, 'D: e\r\n'],
    [408],
    /in time/,
  ],
  ['nothing at all', [], []],
  ['body that stalls', [put('Content-Length: 10'), 'abc'], [408], /no byte/],
  ['chunked body that stalls', chunked('3\r\nabc\r\n'), [408], /no byte/],
  // The handler.
  ['handler that throws', [get('/throws')], [500]],
  [
    'early answer, no body sent',
    [head('PUT /early HTTP/1.1', 'Host: x', 'Expect: 100-continue', 'Content-Length: 3000')],
    [404],
    'early',
  ],
  [
    'early answer, short body',
    [head('PUT /early HTTP/1.1', 'Host: x', 'Content-Length: 3') + 'abc', 20, get('/b')],
    [404, 200],
    'GET /b 0',
  ],
  [
    'early answer, chunked body',
    [head('PUT /early HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'), 20, '3\r\nabc\r\n'],
    [404],
    'early',
  ],
  [
    'early answer, then bad chunk',
    [head('PUT /early HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked') + 'zz\r\n'],
    [404],
    'early',
  ],
]

function assertError(answer: RawAnswer, what: string): string {
  assert.equal(answer.headers['content-type'], 'application/json', what)
  assert.equal(answer.headers['connection'], 'close', what)
  assert.equal(answer.headers['content-length'], String(Buffer.byteLength(answer.body)), what)
  const { errors } = JSON.parse(answer.body) as { errors: { code: string; message: string }[] }
  const [error] = errors
  assert.ok(error !== undefined && errors.length === 1, what)
  assert.ok(error.code in ERROR_CODES, `${what}: ${error.code}`)
  assert.ok(error.message.length > 8, what)
  return error.message
}

test(`${TABLE.length} raw requests`, { concurrency: 16 }, async (t) => {
  assert.equal(new Set(TABLE.map(([what]) => what)).size, TABLE.length)
  await Promise.all(
    TABLE.map(([what, sent, statuses, says]) =>
      t.test(what, async () => {
        const { answers, error, bytes } = await converse(port, sent)
        assert.notEqual(error, 'NEVER CLOSED', bytes)
        assert.deepEqual(
          answers.map(({ status }) => status),
          statuses,
          bytes.slice(0, 600),
        )
        const last = answers.at(-1)
        if (last === undefined) return
        if (typeof says === 'string') return assert.equal(last.body, says)
        const message = assertError(last, what)
        if (says !== undefined) assert.match(message, says)
      }),
    ),
  )
})

test('mutated requests: always an answer of this server or a closed connection, never a hang', async () => {
  const random = seeded(20_261_122)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  const requests = TABLE.flatMap(([, sent]) =>
    typeof sent[0] === 'string' && sent[0].length < 2_000 ? [sent[0]] : [],
  )
  const odd = [
    '\r\n',
    '\n',
    '\r',
    '\0',
    ':',
    ' ',
    '\t',
    '\xff',
    '0',
    '-',
    'HTTP/1.1',
    'Content-Length: 5\r\n',
    'Host: y\r\n',
    '\r\n\r\n',
  ]
  const mutate = (text: string): string => {
    const at = Math.floor(random() * text.length)
    const until = at + Math.floor(random() * 4)
    return text.slice(0, at) + (random() < 0.7 ? pick(odd) : '') + text.slice(until)
  }
  for (let round = 0; round < 25; round++) {
    const batch = Array.from({ length: 40 }, () =>
      mutate(random() < 0.5 ? mutate(pick(requests)) : pick(requests)),
    )
    const results = await Promise.all(batch.map((bytes) => converse(port, [bytes, 1, 'FIN'])))
    results.forEach(({ answers, error, bytes }, i) => {
      assert.notEqual(error, 'NEVER CLOSED', JSON.stringify(batch[i]))
      for (const answer of answers) {
        if (answer.status >= 400 && answer.body !== 'early')
          assertError(answer, `${JSON.stringify(batch[i])} ${bytes}`)
        assert.ok(answer.status !== 500 || batch[i]?.includes('/throws'), JSON.stringify(batch[i]))
      }
    })
  }
})

/** The same numbers in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('a body that breaks ends the stream of its handler with the reason', async () => {
  seen.length = 0
  await converse(port, [
    head('PUT /broken HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'),
    20,
    '3\r\nabc\r\nzz\r\n',
  ])
  assert.deepEqual(
    seen.map((line) => line.slice(0, 20)),
    ['/broken error the ch', '/broken close'],
  )
})

test('an early answer reaches a client that goes on sending', async () => {
  const { answers } = await converse(port, [
    head('PUT /early HTTP/1.1', 'Host: x', 'Content-Length: 90000000'),
    ...Array.from({ length: 40 }, () => 'a'.repeat(50_000)),
    5,
    ...Array.from({ length: 40 }, () => 'a'.repeat(50_000)),
  ])
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body]),
    [[404, 'early']],
  )
})

test('clients that reset at any point leave nothing behind', async () => {
  const starts = [
    get('/late'),
    'GET /a HT',
    put('Content-Length: 9') + 'abc',
    put('Transfer-Encoding: chunked') + '3\r\na',
    'x\r\n\r\n',
  ]
  await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(starts[i % starts.length] ?? '')
      await sleep(i)
      socket.resetAndDestroy()
    }),
  )
  const { answers } = await converse(port, [get('/a')])
  assert.equal(answers[0]?.status, 200)
  const deadline = Date.now() + 3_000
  while (listener.connections() > 0 && Date.now() < deadline) await sleep(20)
  assert.equal(listener.connections(), 0)
})
