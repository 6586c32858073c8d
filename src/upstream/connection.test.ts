/** What a connection does where the registry leads it elsewhere, stays silent, or changes its mind about tokens. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer as createTcp } from 'node:net'
import { test } from 'node:test'
import { ALICE, connected, failsWith, SCOPE, start, textOf } from './registry.fixture.ts'

test('a redirect to another host: followed, and the password stays behind', async (t) => {
  const seen: (string | undefined)[] = []
  const elsewhere = await start(t, ({ headers }, answer) => {
    seen.push(headers.authorization, headers['user-agent'])
    answer.end('bytes')
  })
  const host = await start(t, ({ url, headers }, answer) => {
    if (url === '/v2/') answer.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    else if (headers.authorization === undefined)
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    else answer.writeHead(307, { location: `http://${elsewhere}/blob?signature=1` }).end()
  })
  const connection = await connected(t, host, { credentials: ALICE })
  const answer = await connection.ask({ method: 'GET', at: '/v2/a/b/blobs/x', scope: SCOPE })
  assert.equal(await textOf(answer), 'bytes')
  assert.deepEqual(seen, [undefined, 'tests/1'])
  // An upload that goes on elsewhere: the same.
  await connection
    .ask({ method: 'PUT', at: connection.locate(`http://${elsewhere}/upload`), scope: SCOPE })
    .then(textOf)
  assert.deepEqual(seen[2], undefined)
})

test('where an upload goes on: relative, with a query, never from TLS into the open', async (t) => {
  const host = await start(t, (_request, answer) => answer.end())
  const { locate, origin } = await connected(t, host)
  assert.equal(locate('/v2/a/b?_state=x&y=%2F').href, `${origin.origin}/v2/a/b?_state=x&y=%2F`)
  assert.equal(locate('c?d', new URL('/v2/a/b/', origin)).href, `${origin.origin}/v2/a/b/c?d`)
  const tls = new URL('https://r.example:8443/v2/')
  // A proxy that ends TLS and does not say so to the registry behind it.
  assert.equal(locate('http://r.example/v2/x?y', tls).href, 'https://r.example:8443/v2/x?y')
  assert.equal(locate('https://store.example/x', tls).href, 'https://store.example/x')
  assert.throws(
    () => locate('http://store.example/x', tls),
    failsWith('odd', /without TLS, which is not followed/),
  )
  assert.throws(() => locate(undefined), failsWith('odd', /does not say where to go on/))
  assert.throws(() => locate('file:///etc/passwd'), failsWith('odd', /does not say where to go on/))
})

test('redirects that never end', async (t) => {
  const host = await start(t, ({ url }, answer) => {
    if (url === '/v2/') answer.end()
    else answer.writeHead(302, { location: '/v2/again' }).end()
  })
  const connection = await connected(t, host)
  const asked = connection.ask({ method: 'GET', at: '/v2/x', scope: SCOPE })
  await assert.rejects(asked, failsWith('odd', /redirects again and again/))
})

test('tokens: one for a scope, a new one when the registry does not take it any more', async (t) => {
  const asked: string[] = []
  let good = 'token-1'
  const host = await start(t, (request, answer) => {
    const url = new URL(request.url ?? '', `http://${request.headers.host}`)
    if (url.pathname === '/token') {
      asked.push(
        `${request.headers.authorization === undefined ? 'nobody' : 'alice'} ${url.searchParams.getAll('scope').join(' + ')}`,
      )
      answer.end(JSON.stringify({ access_token: good, expires_in: 300 }))
    } else if (request.headers.authorization === `Bearer ${good}`) answer.end('yes')
    else {
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="tests"`
      answer.writeHead(401, { 'www-authenticate': challenge }).end()
    }
  })
  const connection = await connected(t, host, { credentials: ALICE })
  const ask = async (scope: string): Promise<string> =>
    textOf(await connection.ask({ method: 'GET', at: '/v2/a/b/tags/list', scope }))
  assert.deepEqual(await Promise.all([ask(SCOPE), ask(SCOPE)]), ['yes', 'yes'])
  assert.ok(asked.length <= 2 && asked.every((one) => one === `alice ${SCOPE}`), asked.join('; '))
  asked.length = 0
  assert.equal(await ask(SCOPE), 'yes')
  assert.equal(asked.length, 0)
  good = 'token-2'
  assert.equal(await ask(SCOPE), 'yes')
  assert.deepEqual(asked, [`alice ${SCOPE}`])
  assert.equal(await ask(`${SCOPE} repository:c:pull`), 'yes')
  assert.equal(asked[1], `alice ${SCOPE} + repository:c:pull`)
})

test('a token server that gives no token, or cannot be asked: told of', async (t) => {
  const host = await start(t, (request, answer) => {
    if (request.url?.startsWith('/token') === true) answer.end('{"token":"a\\nb"}')
    else
      answer
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` })
        .end()
  })
  const connection = await connected(t, host, { credentials: ALICE })
  const asked = connection.ask({ method: 'GET', at: '/v2/x', scope: SCOPE })
  await assert.rejects(asked, failsWith('odd', /the token server of .* gave no token/))
  const ftp = await start(t, (_request, answer) => {
    answer.writeHead(401, { 'www-authenticate': 'Bearer realm="ftp://r/token"' }).end()
  })
  const odd = (await connected(t, ftp, { credentials: ALICE })).ask({
    method: 'GET',
    at: '/v2/x',
    scope: SCOPE,
  })
  await assert.rejects(odd, failsWith('odd', /names a token server that cannot be asked safely/))
})

test('silence counts as a lost connection, and what is no HTTP is told of', async (t) => {
  const silent = await start(t, ({ url }, answer) => {
    if (url === '/v2/') answer.end()
  })
  const connection = await connected(t, silent, { silenceMs: 100 })
  const asked = connection.ask({ method: 'GET', at: '/v2/x', scope: SCOPE, tries: 2 })
  await assert.rejects(asked, failsWith('lost', /has not answered for a while/))
  const other = createTcp((socket) => socket.end('220 mail.example ESMTP\r\n'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const host = `127.0.0.1:${(other.address() as AddressInfo).port}`
  await assert.rejects(connected(t, host), failsWith('odd', /does not speak HTTP: is this a registry\?/))
})

test('a signal ends a request, a wait and a body', async (t) => {
  const host = await start(t, ({ url, method }, answer) => {
    if (url === '/v2/') answer.end()
    else if (method === 'GET') answer.writeHead(429, { 'retry-after': '60' }).end()
  })
  const connection = await connected(t, host)
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(65_536)
  }
  const body = { length: Number.MAX_SAFE_INTEGER, open: endless }
  for (const asked of [{ method: 'GET' } as const, { method: 'PATCH', body } as const]) {
    const controller = new AbortController()
    const asking = connection.ask({ ...asked, at: '/v2/x', scope: SCOPE, signal: controller.signal })
    setTimeout(() => controller.abort(), 100)
    await assert.rejects(asking, { name: 'AbortError' })
  }
})
