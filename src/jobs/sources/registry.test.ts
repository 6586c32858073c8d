/** Another registry as a source: what is asked of it, literally, and what is made of its answers. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { digestOf } from '../../oci/digest.ts'
import { parseSource } from './parse-source.ts'
import { readAnswer, SourceError, type Source } from './source.ts'

const BYTES = Buffer.from('right bytes')
const DIGEST = digestOf('sha256', BYTES)
const BLOB = `/v2/team/app/blobs/${DIGEST}`
const never = new AbortController().signal
const wanted = { digest: DIGEST, kind: 'blob', size: BYTES.length, repositories: ['team/app'] } as const

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serving(
  t: TestContext,
  answer: Answer,
): Promise<{ url: string; host: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? '-'}`)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `http://${host}`, host, asked }
}

async function readAll(source: Source): Promise<string[]> {
  const copies: string[] = []
  for await (const copy of source.copies(wanted, never))
    copies.push((await readAnswer(copy, 1000)).toString())
  return copies
}

const send = (
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body: string | Buffer = '',
) => response.writeHead(status, headers).end(body)

test('a registry that anyone may read', async (t) => {
  const { host, asked } = await serving(t, (_, response) => send(response, 200, {}, BYTES))
  assert.deepEqual(await readAll(parseSource(host, {})), ['right bytes'])
  assert.deepEqual(asked, [`${BLOB} -`])
})

test('names there begin with the prefix; a password stands in no name', async (t) => {
  const { url, asked } = await serving(t, (_, response) => send(response, 404))
  const source = parseSource(`${url.replace('//', '//me:secret@')}/mirror/hub/`, {})
  assert.deepEqual(await readAll(source), [])
  assert.deepEqual(asked, [`${BLOB.replace('/v2/', '/v2/mirror/hub/')} -`])
  assert.equal(source.name, `${url}/mirror/hub`)
})

test('basic credentials are sent when they are asked for', async (t) => {
  const { url, asked } = await serving(t, (request, response) =>
    request.headers.authorization === undefined
      ? send(response, 401, { 'WWW-Authenticate': 'Basic realm="x"' })
      : send(response, 200, {}, BYTES),
  )
  assert.deepEqual(await readAll(parseSource(url.replace('//', '//me:s%20t@'), {})), ['right bytes'])
  assert.deepEqual(asked, [`${BLOB} -`, `${BLOB} Basic ${Buffer.from('me:s t').toString('base64')}`])
})

test("the passwords of docker login are found in docker's file", async (t) => {
  const { host, url, asked } = await serving(t, (request, response) =>
    request.headers.authorization === undefined
      ? send(response, 401, { 'WWW-Authenticate': 'Basic realm="x"' })
      : send(response, 200, {}, BYTES),
  )
  const folder = mkdtempSync(join(tmpdir(), 'berth-docker-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const auth = Buffer.from('you:pass').toString('base64')
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
  assert.deepEqual(await readAll(parseSource(url, { DOCKER_CONFIG: folder })), ['right bytes'])
  assert.equal(asked[1], `${BLOB} Basic ${auth}`)
})

test('a token is fetched once a repository, and sent nowhere else', async (t) => {
  const store = await serving(t, (_, response) => send(response, 200, {}, BYTES))
  const registry = await serving(t, (request, response) => {
    if (request.url?.startsWith('/token') === true) return send(response, 200, {}, '{"token":"T"}')
    if (request.headers.authorization !== 'Bearer T') {
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="reg",scope="x"`
      return send(response, 401, { 'WWW-Authenticate': challenge })
    }
    return send(response, 307, { Location: `${store.url}/stored?signature=1` })
  })
  const source = parseSource(registry.url, {})
  assert.deepEqual(await readAll(source), ['right bytes'])
  assert.deepEqual(await readAll(source), ['right bytes'])
  assert.deepEqual(registry.asked, [
    `${BLOB} -`,
    '/token?service=reg&scope=repository%3Ateam%2Fapp%3Apull -',
    `${BLOB} Bearer T`,
    `${BLOB} Bearer T`,
  ])
  assert.deepEqual(store.asked, ['/stored?signature=1 -', '/stored?signature=1 -'])
})

test('who is redirected to asks for a password: it is not answered', async (t) => {
  for (const scheme of ['Basic realm="x"', 'Bearer realm="http://HOST/token",service="reg"']) {
    const foreign = await serving(t, ({ headers }, response) =>
      send(response, 401, { 'WWW-Authenticate': scheme.replace('HOST', headers.host ?? '') }),
    )
    const { url } = await serving(t, (_, response) => send(response, 307, { Location: `${foreign.url}/x` }))
    assert.deepEqual(await readAll(parseSource(url.replace('//', '//me:secret@'), {})), [])
    assert.deepEqual(foreign.asked, ['/x -'])
  }
})

const FAILURES: [name: string, answer: Answer, message: RegExp][] = [
  ['an error', (_, response) => send(response, 500), /answers 500/],
  [
    'redirects without end',
    (_, response) => send(response, 302, { Location: '/v2/again' }),
    /more than 5 times/,
  ],
  [
    'a redirect to a file',
    (_, response) => send(response, 302, { Location: 'file:///etc/passwd' }),
    /cannot be followed/,
  ],
  [
    'a password is needed',
    (_, response) => send(response, 401, { 'WWW-Authenticate': 'Basic realm="x"' }),
    /asks for a password/,
  ],
  [
    'a token server that gives none',
    (request, response) =>
      request.url?.startsWith('/token') === true
        ? send(response, 200, {}, '{}')
        : send(response, 401, { 'WWW-Authenticate': `Bearer realm="http://${request.headers.host}/token"` }),
    /no token/,
  ],
  [
    'a token server that sends too much',
    (request, response) =>
      request.url?.startsWith('/token') === true
        ? send(response, 200, {}, 'x'.repeat(100_000))
        : send(response, 401, { 'WWW-Authenticate': `Bearer realm="http://${request.headers.host}/token"` }),
    /more than 65536 bytes/,
  ],
  ['too busy, for good', (_, response) => send(response, 503, { 'Retry-After': '0.01' }), /answers 503/],
]
for (const [name, answer, message] of FAILURES) {
  test(`${name} is told`, async (t) => {
    const { url } = await serving(t, answer)
    await assert.rejects(readAll(parseSource(url, {})), (error: Error) => {
      assert.ok(error instanceof SourceError, String(error))
      assert.match(error.message, message)
      return true
    })
  })
}

test('nobody there is told, with the address', async (t) => {
  const { url } = await serving(t, () => undefined)
  const port = Number(new URL(url).port)
  await assert.rejects(
    readAll(parseSource(`127.0.0.1:${port === 1 ? 2 : 1}`, {})),
    /127\.0\.0\.1:.* cannot be reached/,
  )
})

test('what is no source is refused', () => {
  for (const text of ['', 'what is this', 'http://', 'ftp://host/x', 'https://host/?x=1'])
    assert.throws(() => parseSource(text, {}), SourceError, text)
  assert.equal(parseSource('registry.example.com', {}).name, 'https://registry.example.com')
  assert.equal(parseSource('localhost:5000', {}).name, 'http://localhost:5000')
  assert.equal(parseSource('/srv/registry', {}).name, '/srv/registry')
})
