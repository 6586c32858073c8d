import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields, LogLevel } from '../lib/logger.ts'
import { createAccessLog, type Access } from './access-log.ts'
import { goDuration } from './go-duration.ts'
import { createLineWriter } from './line-writer.ts'
import { createLogger, type LogFormatter } from './log.ts'
import { redactUrl } from './redact.ts'
import { createRequestIds } from './request-id.ts'

const clock = { now: () => Date.UTC(2026, 10, 22, 1, 11, 13, 909) }
const TIME = '2026-11-22T01:11:13.909Z'

function lineOf(
  formatter: LogFormatter,
  message: string,
  fields?: LogFields,
  {
    level = 'info',
    fixed = {},
    terminal = false,
  }: { level?: LogLevel; fixed?: LogFields; terminal?: boolean } = {},
): string {
  let text = ''
  const log = createLogger({
    level: 'info',
    formatter,
    fields: fixed,
    write: (line) => (text += line),
    clock,
    terminal,
  })
  log[level](message, fields)
  return text
}

/** [message, fields, the line after the time, as logrus writes it] */
const TEXT: [string, LogFields, string][] = [
  ['redis not configured', {}, 'level=info msg="redis not configured"'],
  ['started', {}, 'level=info msg=started'],
  ['', {}, 'level=info msg='],
  [
    'a',
    { environment: 'prod', 'go.version': 'go1.26.8' },
    'level=info msg=a environment=prod go.version=go1.26.8',
  ],
  ['a', { b: 1, a: 2, B: 3 }, 'level=info msg=a B=3 a=2 b=1'],
  ['a', { 'http.request.host': 'localhost:15990' }, 'level=info msg=a http.request.host="localhost:15990"'],
  [
    'a',
    { 'http.request.uri': '/v2/x/blobs/uploads/' },
    'level=info msg=a http.request.uri=/v2/x/blobs/uploads/',
  ],
  ['a', { uri: '/v2/?a=1' }, 'level=info msg=a uri="/v2/?a=1"'],
  ['a', { agent: 'te"st\\x01' }, String.raw`level=info msg=a agent="te\"st\\x01"`],
  ['a', { duration: '704.783µs' }, 'level=info msg=a duration="704.783µs"'],
  [
    'a',
    { status: 200, ok: true, none: null, gone: undefined },
    'level=info msg=a none=null ok=true status=200',
  ],
  [
    'a',
    { list: [1, 'b'], map: { k: 'v' } },
    String.raw`level=info msg=a list="[1,\"b\"]" map="{\"k\":\"v\"}"`,
  ],
  ['a', { level: 'x', msg: 'y', time: 'z' }, 'level=info msg=a fields.level=x fields.msg=y fields.time=z'],
  ['a', { 'bad key\n': 'x' }, 'level=info msg=a bad_key_=x'],
  [
    'a',
    { error: new Error('went wrong', { cause: new Error('deeper') }) },
    'level=info msg=a error="went wrong"',
  ],
  // Nothing from outside may end a line, forge one or act on a terminal.
  ['a\nb', {}, String.raw`level=info msg="a\nb"`],
  ['a', { x: 'b\r\ntime="…" level=error' }, String.raw`level=info msg=a x="b\r\ntime=\"…\" level=error"`],
  [
    'a',
    { x: '\u001b[31mred\u0000\u007f\u0007\b\f\t\v' },
    String.raw`level=info msg=a x="\x1b[31mred\x00\x7f\a\b\f\t\v"`,
  ],
  ['a', { x: 'l\u2028p\u2029n\u0085' }, String.raw`level=info msg=a x="l\u2028p\u2029n\u0085"`],
  [
    'a',
    { x: '\u202egnp.exe\u2066\ufeff\u00a0' },
    String.raw`level=info msg=a x="\u202egnp.exe\u2066\ufeff\u00a0"`,
  ],
  ['a', { x: '\ud800 \u{e0001} é 漢 😀' }, String.raw`level=info msg=a x="\ud800 \U000e0001 é 漢 😀"`],
]

test('text lines are those of logrus', () => {
  for (const [message, fields, expected] of TEXT) {
    assert.equal(lineOf('text', message, fields), `time="${TIME}" ${expected}\n`)
  }
})

test('a line of CNCF Distribution 3.1.2, field by field', () => {
  const fields = {
    'http.response.written': 109,
    'http.response.status': 404,
    'http.response.duration': '704.783µs',
    'http.response.contenttype': 'application/json',
    'http.request.useragent': 'curl/7.88.1',
    'http.request.uri': '/v2/x/tags/list?a=1',
    'http.request.remoteaddr': '127.0.0.1:47406',
    'http.request.method': 'GET',
    'http.request.id': '01a200ce-aafc-78c4-8175-ca6a8afcd145',
    'http.request.host': 'localhost:15990',
    'vars.name': 'x',
    'err.code': 'name unknown',
  }
  const expected =
    'msg="response completed with error" environment=prod err.code="name unknown" http.request.host="localhost:15990" ' +
    'http.request.id=01a200ce-aafc-78c4-8175-ca6a8afcd145 http.request.method=GET http.request.remoteaddr="127.0.0.1:47406" ' +
    'http.request.uri="/v2/x/tags/list?a=1" http.request.useragent=curl/7.88.1 http.response.contenttype=application/json ' +
    'http.response.duration="704.783µs" http.response.status=404 http.response.written=109 vars.name=x\n'
  const line = lineOf('text', 'response completed with error', fields, {
    level: 'error',
    fixed: { environment: 'prod' },
  })
  assert.equal(line, `time="${TIME}" level=error ${expected}`)
})

test('json and logstash', () => {
  const fields = { b: 'x\ny\u2028\u202e', a: 1, error: new Error('no'), level: 'mine', nested: { k: [1] } }
  assert.equal(
    lineOf('json', 'a "b"', fields, { level: 'warn', fixed: { z: true } }),
    `{"time":"${TIME}","level":"warning","msg":"a \\"b\\"","a":1,"b":"x\\ny\\u2028\\u202e","error":"no","fields.level":"mine","nested":{"k":[1]},"z":true}\n`,
  )
  assert.equal(
    lineOf('logstash', 'm', { message: 'mine', none: undefined }),
    `{"@timestamp":"${TIME}","@version":"1","level":"info","message":"m","fields.message":"mine"}\n`,
  )
  for (const formatter of ['json', 'logstash'] as const) {
    for (const [message, fields] of TEXT) {
      const line = lineOf(formatter, message, fields)
      assert.equal(/^[ -~\u00a1-\u2027\u3000-\uffff]*\n$/.test(line), true, line)
      assert.equal(Object.values(JSON.parse(line) as object).includes(message), true)
    }
  }
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  assert.match(lineOf('json', 'm', { circular }), /"circular":"unprintable"/)
  assert.match(lineOf('json', 'm', { big: 10n }), /"big":"10"/)
})

test('on a terminal: short and coloured', () => {
  assert.equal(
    lineOf('text', 'listening on :5000', { environment: 'prod' }, { terminal: true }),
    '\u001b[36mINFO\u001b[0m[0000] listening on :5000                            \u001b[36menvironment\u001b[0m=prod\n',
  )
  assert.equal(
    lineOf('text', 'a\u001b[2Jb', {}, { terminal: true, level: 'warn' }).trimEnd(),
    '\u001b[33mWARN\u001b[0m[0000] a\\x1b[2Jb',
  )
})

test('levels', () => {
  for (const [level, expected] of [
    ['error', 'error'],
    ['warn', 'error warn'],
    ['info', 'error warn info'],
    ['debug', 'error warn info debug'],
  ] as const) {
    const written: string[] = []
    const log = createLogger({ level, formatter: 'text', write: (line) => written.push(line), clock })
    const all = ['error', 'warn', 'info', 'debug'] as const
    for (const at of all) log.with({ a: 1 })[at](at)
    assert.equal(all.filter((at) => log.enabled(at)).join(' '), expected)
    assert.equal(written.map((line) => /msg=(\w+) a=1/.exec(line)?.[1]).join(' '), expected)
  }
})

test('causes and stacks are for error lines, and for all where debugging is on', () => {
  const error = new Error('top', { cause: new Error('middle', { cause: 'bottom' }) })
  assert.match(
    lineOf('text', 'm', { error }, { level: 'error' }),
    /error=top error\.cause="middle: bottom" error\.stack="Error: top\\n/,
  )
  assert.doesNotMatch(lineOf('text', 'm', { error }, { level: 'warn' }), /stack|cause/)
})

test('long values are cut', () => {
  const line = lineOf('text', 'm', { x: 'y'.repeat(100_000) })
  assert.ok(line.length < 9_000)
  assert.match(line, /100000 characters/)
})

test('lines of one turn are one write, and flush writes at once', async () => {
  const writes: string[] = []
  const lines = createLineWriter({ write: (text) => writes.push(text), maxWaiting: 10 })
  lines.write('a\n')
  lines.write('b\n')
  assert.deepEqual(writes, [])
  await new Promise(setImmediate)
  assert.deepEqual(writes, ['a\nb\n'])
  lines.write('c\n')
  lines.flush()
  lines.flush()
  lines.write('0123456789\n')
  assert.deepEqual(writes, ['a\nb\n', 'c\n', '0123456789\n'])
})

const ACCESS: Access = {
  startedAt: Date.UTC(2026, 10, 2, 1, 11, 13, 999),
  remoteAddress: '127.0.0.1',
  method: 'GET',
  url: '/v2/',
  httpVersion: '1.1',
  status: 200,
  bytes: 2,
}

test('the access log is that of Distribution', () => {
  const rows: [Partial<Access>, string][] = [
    [
      { userAgent: 'te"st\\x01' },
      String.raw`127.0.0.1 - - [02/Nov/2026:01:11:13 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "te\"st\\x01"`,
    ],
    [
      {
        url: '/v2/x/tags/list?a=1',
        status: 404,
        bytes: 109,
        referer: 'http://r/"q',
        userAgent: 'curl/7.88.1',
      },
      String.raw`127.0.0.1 - - [02/Nov/2026:01:11:13 +0000] "GET /v2/x/tags/list?a=1 HTTP/1.1" 404 109 "http://r/\"q" "curl/7.88.1"`,
    ],
    [
      { user: 'al ice\n', remoteAddress: '::1' },
      String.raw`::1 - al\x20ice\n [02/Nov/2026:01:11:13 +0000] "GET /v2/ HTTP/1.1" 200 2 "" ""`,
    ],
    [{ remoteAddress: '' }, '- - - [02/Nov/2026:01:11:13 +0000] "GET /v2/ HTTP/1.1" 200 2 "" ""'],
    [
      { url: '/t?scope=x&token=s3cret', referer: 'https://u:p@h/?password=s3cret' },
      '127.0.0.1 - - [02/Nov/2026:01:11:13 +0000] "GET /t?scope=x&token=redacted HTTP/1.1" 200 2 "https://h/?password=redacted" ""',
    ],
    [
      { userAgent: 'a\r\n1.2.3.4 - -' },
      String.raw`127.0.0.1 - - [02/Nov/2026:01:11:13 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "a\r\n1.2.3.4 - -"`,
    ],
  ]
  for (const [access, expected] of rows) {
    let text = ''
    const log = createAccessLog({ write: (line) => (text += line) })
    log.record({ ...ACCESS, ...access })
    log.flush()
    assert.equal(text, `${expected}\n`)
  }
})

test('secrets in request targets', () => {
  const rows: [string, string][] = [
    ['/v2/', '/v2/'],
    ['/v2/a?n=1&last=b', '/v2/a?n=1&last=b'],
    ['/t?account=a&ACCESS_TOKEN=x&b=1', '/t?account=a&ACCESS_TOKEN=redacted&b=1'],
    ['/t?%74oken=x;sig=y&empty', '/t?%74oken=redacted;sig=redacted&empty'],
    ['/t?%zz=1&code=', '/t?%zz=1&code=redacted'],
    ['/b?X-Amz-Signature=abc&X-Amz-Date=1', '/b?X-Amz-Signature=redacted&X-Amz-Date=1'],
    ['http://user:pw@host/a', 'http://host/a'],
  ]
  for (const [given, expected] of rows) assert.equal(redactUrl(given), expected)
})

test('request ids: taken over when sane, else fresh', () => {
  const idFor = createRequestIds()
  for (const sane of ['a', '01a200ce-aafc-78c4-8175-ca6a8afcd145', 'A.b_c-9', 'x'.repeat(128)])
    assert.equal(idFor(sane), sane)
  const fresh = ['', 'a b', 'a\nb', 'x'.repeat(129), 'ü', '<script>', undefined, ['a', 'b']].map((given) =>
    idFor(given),
  )
  assert.equal(new Set(fresh).size, fresh.length)
  for (const id of fresh) assert.match(id, /^[0-9a-f]{16}-[0-9a-z]{6,}$/)
  assert.notEqual(createRequestIds()(undefined).slice(0, 16), fresh[0]?.slice(0, 16))
})

test('durations as Go writes them', () => {
  const rows: [number, string][] = [
    [0, '0s'],
    [0.000_5, '500ns'],
    [0.704783, '704.783µs'],
    [0.295, '295µs'],
    [1.2932, '1.2932ms'],
    [10, '10ms'],
    [1_500, '1.5s'],
    [60_000, '1m0s'],
    [63_200, '1m3.2s'],
    [3_723_500, '1h2m3.5s'],
  ]
  for (const [ms, expected] of rows) assert.equal(goDuration(ms), expected)
})
