/** What bad input gets: always application/problem+json that says what to do, never a 500. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { basic, made, type Reply, shareManaged } from './management.fixture.ts'

const shared = shareManaged({ before, after })

function isProblem(reply: Reply, status: number, code: string, what: string): void {
  assert.equal(reply.status, status, `${what}: ${reply.text}`)
  assert.equal(reply.headers['content-type'], 'application/problem+json', what)
  const { type, title, detail, requestId } = reply.body
  assert.equal(reply.body.status, status, what)
  assert.equal(reply.body.code, code, what)
  for (const text of [type, title, detail, requestId])
    assert.ok(typeof text === 'string' && text !== '', what)
  assert.equal(reply.headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'")
  assert.equal(reply.headers['x-content-type-options'], 'nosniff')
  assert.equal(reply.headers['cross-origin-resource-policy'], 'same-origin')
  assert.equal(reply.headers['cross-origin-opener-policy'], 'same-origin')
  assert.equal(reply.headers['referrer-policy'], 'no-referrer')
  assert.doesNotMatch(reply.text, /node_modules|\.ts:|at \w+ \(/)
}

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const LONG = 'x'.repeat(70_000)

test('C20: bodies that are too large, too deep, broken or not what they should be', async () => {
  const registry = shared()
  for (const [raw, status, code] of [
    ['', 400, 'INVALID'],
    ['{', 400, 'INVALID'],
    ['{"name":"x",}', 400, 'INVALID'],
    ['null', 400, 'INVALID'],
    ['[]', 400, 'INVALID'],
    ['"text"', 400, 'INVALID'],
    ['{"name":1}', 400, 'INVALID'],
    ['{}', 400, 'INVALID'],
    ['{"name":""}', 400, 'INVALID'],
    ['{"name":"Upper"}', 400, 'INVALID'],
    ['{"name":"a b"}', 400, 'INVALID'],
    ['{"name":"x","password":"short"}', 400, 'INVALID'],
    ['{"name":"x","admin":true}', 400, 'INVALID'],
    ['{"name":"x","role":"administrator"}', 400, 'INVALID'],
    ['{"name":"x","isAdministrator":"true"}', 400, 'INVALID'],
    ['{"name":"x","__proto__":{"isAdministrator":true}}', 400, 'INVALID'],
    ['{"name":"x","\\u005f_proto__":{"isAdministrator":true}}', 400, 'INVALID'],
    ['{"name":"x","constructor":{"prototype":{}}}', 400, 'INVALID'],
    ['{"name":"x","password":{"length":9}}', 400, 'INVALID'],
    [deep(30_000), 400, 'INVALID'],
    [deep(100_000), 413, 'BODY_TOO_LARGE'],
    [`{"a":`.repeat(10_000), 400, 'INVALID'],
    [`{"name":"${LONG}"}`, 413, 'BODY_TOO_LARGE'],
    [new Uint8Array([0x22, 0xff, 0xfe, 0x22]), 400, 'INVALID'],
    ['{"name":"\\ud800"}', 400, 'INVALID'],
    ['{"name":"a\\u0000b"}', 400, 'INVALID'],
  ] as const) {
    const reply = await registry.ask('POST /users', { as: 'admin', raw })
    isProblem(reply, status, code, String(raw).slice(0, 60))
  }
  const { errors } = (
    await registry.ask('POST /robots', {
      as: 'admin',
      json: { name: 'x', scopes: [{ repositories: 'Team', actions: ['pull', 'fly'] }], 'a/b~c': 1 },
    })
  ).body
  assert.deepEqual(errors.map(({ pointer }: { pointer: string }) => pointer).toSorted(), [
    '/a~1b~0c',
    '/scopes/0/actions/1',
    '/scopes/0/repositories',
  ])
  // Announced or not.
  const chunked = { 'transfer-encoding': 'chunked' }
  isProblem(
    await registry.ask('POST /users', { as: 'admin', raw: LONG, headers: chunked }),
    413,
    'BODY_TOO_LARGE',
    'chunked',
  )
  assert.equal((await registry.ask('GET /users', { as: 'admin' })).body.items.length, 4)
})

test('C24: paths, methods, queries and cursors that there are none of', async () => {
  const registry = shared()
  for (const [line, status, code] of [
    ['GET /', 404, 'NOT_FOUND'],
    ['GET /nothing', 404, 'NOT_FOUND'],
    ['GET //api/', 404, 'NOT_FOUND'],
    ['GET //api/v2/users', 404, 'NOT_FOUND'],
    ['GET //api/v1', 404, 'NOT_FOUND'],
    ['GET /../v2/_catalog', 404, 'NOT_FOUND'],
    ['GET /%2e%2e/%2e%2e/v2/', 404, 'NOT_FOUND'],
    ['GET /users/%', 404, 'NOT_FOUND'],
    ['GET /users/%ff', 404, 'NOT_FOUND'],
    ['GET /users/..%2f..%2fetc', 404, 'NOT_FOUND'],
    ['GET /users/a%00b', 404, 'NOT_FOUND'],
    [`GET /users/${'x'.repeat(300)}`, 400, 'INVALID'],
    ['GET /robots/x/-/nothing', 404, 'NOT_FOUND'],
    ['DELETE /sessions/1%20or%201=1', 400, 'INVALID'],
    ['DELETE /tokens/-1', 400, 'INVALID'],
    ['DELETE /tokens/99999999999999999999', 400, 'INVALID'],
    ['GET /rules/Team', 400, 'INVALID'],
    ['GET /rules/a//b', 400, 'INVALID'],
    ['GET /rules/../x', 404, 'NOT_FOUND'],
    ['GET /users?limit=0', 400, 'INVALID'],
    ['GET /users?limit=201', 400, 'INVALID'],
    ['GET /users?limit=-1', 400, 'INVALID'],
    ['GET /users?limit=1e3', 400, 'INVALID'],
    ['GET /users?limit=2147483648', 400, 'INVALID'],
    ['GET /users?limit=1&limit=2', 400, 'INVALID'],
    ['GET /users?cursor=%00', 400, 'INVALID'],
    ['GET /users?cursor=', 400, 'INVALID'],
    ['GET /tokens?cursor=YWJj', 400, 'INVALID'],
    ['GET /users?sort=name', 400, 'INVALID'],
    ['GET /users?__proto__=1', 400, 'INVALID'],
    ['GET /me?repository=UPPER', 400, 'INVALID'],
    ['GET /audit?act=fly', 400, 'INVALID'],
    ['GET /audit?since=yesterday', 400, 'INVALID'],
    ['GET /access/explain?repository=a/b&action=fly', 400, 'INVALID'],
    ['PUT /groups/g/-/members/group:x', 400, 'INVALID'],
    ['DELETE /users', 405, 'METHOD_NOT_ALLOWED'],
    ['PUT /users/alice', 405, 'METHOD_NOT_ALLOWED'],
    ['POST /me', 405, 'METHOD_NOT_ALLOWED'],
    ['OPTIONS /users', 405, 'METHOD_NOT_ALLOWED'],
    ['PROPFIND /users', 405, 'METHOD_NOT_ALLOWED'],
  ] as const)
    isProblem(await registry.ask(line, { as: 'admin' }), status, code, line)
  assert.equal((await registry.ask('DELETE /users', { as: 'admin' })).headers.allow, 'GET, HEAD, POST')
  const head = await registry.ask('HEAD /users', { as: 'admin' })
  assert.deepEqual([head.status, head.text], [200, ''])
})

test('credentials that are none are refused, and no browser is told to ask for a password', async () => {
  const registry = shared()
  for (const authorization of [
    'Basic',
    'Basic !!!',
    'Basic YWxpY2U=',
    `Basic ${Buffer.from('alice:wrong').toString('base64')}`,
    `Basic ${Buffer.from('nobody:wrong').toString('base64')}`,
    'Bearer',
    'Bearer x.y.z',
    `Bearer berth_pat_${'a'.repeat(46)}`,
    `Bearer berth_robot_${'a'.repeat(46)}`,
    `Bearer berth_session_${'a'.repeat(46)}`,
    `Bearer ${'a'.repeat(9000)}`,
    'Negotiate abc',
  ]) {
    for (const line of ['GET /users', 'GET /me', 'POST /tokens']) {
      const reply = await registry.ask(line, { headers: { authorization } })
      isProblem(reply, 401, 'UNAUTHENTICATED', `${line} ${authorization.slice(0, 30)}`)
      assert.equal(reply.headers['www-authenticate'], 'Bearer realm="berth"')
    }
  }
})

test('a Host that is none is refused as well', async () => {
  const { port } = shared()
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let all = ''
    socket.on('data', (piece: Buffer) => (all += piece.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(all))
    socket.end('GET /api/v1/me HTTP/1.1\r\nHost: a b<script>\r\nConnection: close\r\n\r\n')
  })
  assert.match(text, /^HTTP\/1\.1 400 /)
  assert.doesNotMatch(text, /<script>/)
})

test('who leaves in the middle of a body is no error of the server', async () => {
  const { port, log, ask } = shared()
  const head =
    'POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n' +
    `Authorization: ${basic('admin')}\r\n\r\n{"name":`
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(head, () => setTimeout(() => socket.destroy(), 100)),
    )
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
  await ask('GET /me')
  await sleep(100)
  assert.doesNotMatch(log(), /level=error msg="a request to the management/)
})

test('who is no administrator any more when the body is there is none', async () => {
  const { port, ask } = shared()
  await ask('PATCH /users/bob', { as: 'admin', json: { isAdministrator: true } })
  assert.equal((await ask('GET /users', { as: 'bob' })).status, 200)
  const slow = async (meanwhile: object, body: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('data', (piece: Buffer) => (text += piece.toString()))
    socket.write(
      'PATCH /api/v1/users/carol HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${body.length}\r\nAuthorization: ${basic('bob')}\r\n\r\n${body.slice(0, 5)}`,
    )
    await sleep(200)
    assert.equal((await ask('PATCH /users/bob', { as: 'admin', json: meanwhile })).status, 200)
    socket.write(body.slice(5))
    await closed
    return text.split('\r\n')[0] ?? ''
  }
  assert.match(await slow({}, '{"isAdministrator":false}'), / 200 /)
  assert.match(await slow({ isAdministrator: false }, '{"isAdministrator":true}'), / 403 /)
  await ask('PATCH /users/bob', { as: 'admin', json: { isAdministrator: true } })
  assert.match(await slow({ disabled: true }, '{"isAdministrator":true}'), / 401 /)
  assert.equal((await ask('GET /users/carol', { as: 'admin' })).body.isAdministrator, false)
  await ask('PATCH /users/bob', { as: 'admin', json: { disabled: false } })
})

test('lists come in pages that are whole, in order, and say where they go on', async () => {
  const registry = shared()
  for (let n = 0; n < 7; n++) await made(registry, 'POST /groups', { as: 'admin', json: { name: `g${n}` } })
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Reply = await registry.ask(`GET /groups?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`, {
      as: 'admin',
    })
    seen.push(...page.body.items.map(({ name }: { name: string }) => name))
    cursor = page.body.next
  }
  assert.deepEqual(seen, ['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6'])
  const found = await registry.ask('GET /users?q=LI', { as: 'admin' })
  assert.deepEqual(
    found.body.items.map(({ name }: { name: string }) => name),
    ['alice'],
  )
  // A page of what one may see tells nothing of what lies between.
  for (const [as, tenant] of [
    ['alice', 'a'],
    ['bob', 'b'],
  ] as const)
    for (const n of [1, 2, 3])
      await made(registry, 'POST /robots', {
        as,
        json: { name: `p${n}-${tenant}`, scopes: [{ repositories: `team-${tenant}/x`, actions: ['pull'] }] },
      })
  const page = (await registry.ask('GET /robots?limit=2', { as: 'alice' })).body
  assert.deepEqual(
    page.items.map(({ name }: { name: string }) => name),
    ['ci-a', 'p1-a'],
  )
  assert.equal(Buffer.from(page.next, 'base64url').toString(), 'p1-a')
  const rest = (await registry.ask(`GET /robots?cursor=${page.next}`, { as: 'alice' })).body
  assert.deepEqual(
    rest.items.map(({ name }: { name: string }) => name),
    ['p2-a', 'p3-a'],
  )
  assert.equal(rest.next, null)
})
