/** Registries, and what stands between, that want what is not theirs, or never end. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { connect } from './connection.ts'
import { UpstreamError } from './failure.ts'
import { ALICE, connected, failsWith, SCOPE, start, textOf } from './registry.fixture.ts'

const BASIC = { 'www-authenticate': 'Basic realm="x"' }
const asked = { method: 'GET', at: '/v2/a/b/blobs/x', scope: SCOPE } as const
const bearer = ({ headers }: IncomingMessage): Record<string, string> => ({
  'www-authenticate': `Bearer realm="http://${headers.host}/token"`,
})

test('who is redirected to asks for a password: it is not answered', async (t) => {
  for (const credentials of [ALICE, { kind: 'identity-token', token: 'secret', from: 'it' } as const]) {
    for (const scheme of ['Basic realm="x"', 'Bearer realm="http://HOST/token",service="registry"']) {
      const seen: string[] = []
      const foreign = await start(t, ({ url, headers, method }, answer) => {
        seen.push(`${method} ${url} ${headers.authorization}`)
        answer.writeHead(401, { 'www-authenticate': scheme.replace('HOST', headers.host ?? '') }).end()
      })
      for (const status of [301, 302, 303, 307, 308]) {
        const host = await start(t, ({ url }, answer) => {
          if (url === '/v2/') answer.end()
          else answer.writeHead(status, { location: `http://${foreign}/x` }).end()
        })
        const answer = await (await connected(t, host, { credentials })).ask(asked)
        answer.resume()
        assert.equal(answer.statusCode, 401)
      }
      assert.deepEqual(seen, Array(5).fill('GET /x undefined'))
    }
  }
})

test('a redirect that comes back from elsewhere comes without the password', async (t) => {
  const seen: string[] = []
  const back: { to?: string } = {}
  const foreign = await start(t, (_request, answer) => answer.writeHead(307, { location: back.to }).end())
  const host = await start(t, ({ url, headers }, answer) => {
    if (url === '/v2/') return answer.writeHead(401, BASIC).end()
    seen.push(`${url} ${headers.authorization?.split(' ')[0]}`)
    if (url === '/v2/a/b/blobs/x') return answer.writeHead(307, { location: `http://${foreign}/` }).end()
    return answer.end()
  })
  back.to = `http://${host}/v2/other/manifests/1`
  const answer = await (await connected(t, host, { credentials: ALICE })).ask(asked)
  answer.resume()
  assert.deepEqual(seen, ['/v2/a/b/blobs/x Basic', '/v2/other/manifests/1 undefined'])
})

test('answers of a token server that are too large, cut off, or nonsense', async (t) => {
  const endless = (answer: ServerResponse): void => {
    const more = (): boolean => !answer.destroyed && answer.write(Buffer.alloc(65_536, ' ')) && more()
    answer.on('drain', more)
    more()
  }
  const rows: [name: string, answer: (answer: ServerResponse) => void, message: RegExp][] = [
    ['endless', endless, /the token server of .* gave no token/],
    [
      'cut off',
      (answer) => {
        answer.writeHead(200, { 'content-length': '100' }).write('{"token":')
        setTimeout(() => answer.destroy(), 50)
      },
      /broke the connection off/,
    ],
    ['a list', (answer) => answer.end('[]'), /gave no token/],
    ['null', (answer) => answer.end('null'), /gave no token/],
    ['a number', (answer) => answer.end('{"token":1,"access_token":{}}'), /gave no token/],
    ['a redirect', (answer) => answer.writeHead(307, { location: '/elsewhere' }).end(), /refuses .*307/],
  ]
  for (const [name, give, message] of rows) {
    const host = await start(t, (request, answer) => {
      if (request.url?.startsWith('/token') === true) give(answer)
      else answer.writeHead(401, bearer(request)).end()
    })
    const connection = await connected(t, host, { credentials: ALICE })
    await assert.rejects(connection.ask({ ...asked, tries: 1 }), (error: Error) => {
      assert.ok(error instanceof UpstreamError, `${name}: ${error.stack}`)
      assert.match(error.message, message, name)
      return true
    })
  }
})

test('what a registry says is printed without what moves the cursor', async (t) => {
  const host = await start(t, ({ url }, answer) => {
    if (url === '/v2/') answer.end()
    else answer.writeHead(401, { 'www-authenticate': 'Bearer realm="ftp://\u009b31mx"' }).end()
  })
  const connection = await connected(t, host, { credentials: ALICE })
  await assert.rejects(connection.ask(asked), (error: Error) => {
    assert.match(error.message, /cannot be asked safely/)
    assert.doesNotMatch(error.message, /\p{Cc}/u)
    return true
  })
})

test('many at once ask for one token', async (t) => {
  let tokens = 0
  const host = await start(t, (request, answer) => {
    if (request.url?.startsWith('/token') === true) answer.end(JSON.stringify({ token: `t${++tokens}` }))
    else if (request.headers.authorization === undefined) answer.writeHead(401, bearer(request)).end()
    else answer.end('yes')
  })
  const connection = await connected(t, host, { credentials: ALICE })
  const all = await Promise.all(Array.from({ length: 20 }, () => connection.ask(asked).then(textOf)))
  assert.deepEqual(new Set(all), new Set(['yes']))
  assert.equal(tokens, 1)
})

test('no HTTP after all, or another protocol', async (t) => {
  const rows: [answer: string, failure: RegExp][] = [
    [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      /changes to another protocol/,
    ],
    [`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}\r\n`, /does not speak HTTP/],
    ['HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n', /does not speak HTTP/],
    ['HTTP/1.1 200 OK\r\nx: \u001b[31m\r\n\r\n', /does not speak HTTP/],
    ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n', /does not speak HTTP/],
  ]
  for (const [text, message] of rows) {
    const host = await start(t, ({ url }, answer) => {
      if (url === '/v2/') answer.end()
      else answer.socket?.end(text)
    })
    const connection = await connected(t, host)
    const asking = connection.ask({ ...asked, tries: 1 })
    await assert.rejects(asking, (error: UpstreamError) => failsWith(error.kind, message)(error))
  }
})

test('a proxy whose URL is none: said without its password', async () => {
  const env = { HTTP_PROXY: 'http://alice:secret@[bad', HTTPS_PROXY: 'http://alice:secret@[bad' }
  for (const transport of ['plain', 'tls'] as const)
    await assert.rejects(connect('r.example', { transport, userAgent: 'tests/1', env }), (error: Error) => {
      assert.ok(error instanceof UpstreamError, String(error))
      assert.match(error.message, /^the proxy in HTTP_PROXY or HTTPS_PROXY is no URL/)
      assert.doesNotMatch(inspect(error), /secret/)
      return true
    })
})
