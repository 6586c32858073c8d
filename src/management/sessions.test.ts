import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ABSOLUTE_MS, createSessions, IDLE_MS } from './sessions.ts'
import { readCookie } from './cookie.ts'
import { type Ask, made, type Managed, PASSWORDS, type Reply, shareManaged } from './management.fixture.ts'
import { actorAt, withMetadata } from '../metadata/metadata-fixtures.ts'
import type { Account } from '../auth/identity.ts'
import { anonymousPrincipal } from '../auth/principal.ts'

const shared = shareManaged({ before, after })

const cookieOf = ({ headers }: Reply): string => headers['set-cookie']?.[0]?.split(';')[0] ?? ''

async function signIn({ ask }: Managed, name: string, more: Ask = {}): Promise<Reply> {
  return ask('POST /sessions', { json: { name, password: PASSWORDS[name] }, ...more })
}

test('a session signs in with its cookie, and ends when it is signed out', async () => {
  const registry = shared()
  const { ask, url } = registry
  const reply = await signIn(registry, 'alice')
  assert.equal(reply.status, 201)
  assert.match(
    String(reply.headers['set-cookie']),
    /^berth=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/,
  )
  const cookie = cookieOf(reply)
  const me = await ask('GET /me', { headers: { cookie } })
  assert.equal(me.body.name, 'alice')
  const { items } = (await ask('GET /sessions', { headers: { cookie } })).body
  assert.deepEqual(
    items.map(({ id, isCurrent }: { id: number; isCurrent: boolean }) => [id, isCurrent]),
    [[reply.body.session.id, true]],
  )
  assert.equal((await ask('DELETE /sessions/current', { headers: { cookie } })).status, 403)
  const out = await ask('DELETE /sessions/current', { headers: { cookie, origin: url } })
  assert.equal(out.status, 204)
  assert.match(String(out.headers['set-cookie']), /^berth=; .*Max-Age=0/)
  const over = await ask('GET /tokens', { headers: { cookie } })
  assert.equal(over.status, 401)
  assert.match(over.body.detail, /session is over/)
  assert.match(String(over.headers['set-cookie']), /Max-Age=0/)
  assert.equal((await ask('GET /me', { headers: { cookie } })).body.kind, 'anonymous')
})

test('over TLS the cookie is bound to the host', async () => {
  const registry = shared()
  const tls = { 'x-forwarded-proto': 'https' }
  const reply = await signIn(registry, 'alice', { headers: tls })
  assert.match(
    String(reply.headers['set-cookie']),
    /^__Host-berth=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/,
  )
  const cookie = cookieOf(reply)
  assert.equal((await registry.ask('GET /me', { headers: { cookie, ...tls } })).body.name, 'alice')
  // The name without the prefix is what any neighbour can set.
  const tossed = cookie.replace('__Host-', '')
  assert.equal(
    (await registry.ask('GET /me', { headers: { cookie: tossed, ...tls } })).body.kind,
    'anonymous',
  )
})

test('C21: a change with a cookie comes from a page of this registry', async () => {
  const registry = shared()
  const cookie = cookieOf(await signIn(registry, 'alice'))
  const { url, port } = registry
  for (const [headers, status] of [
    [{ 'sec-fetch-site': 'same-origin' }, 201],
    [{ 'sec-fetch-site': 'same-origin', origin: url }, 201],
    [{ origin: url }, 201],
    [{}, 403],
    [{ 'sec-fetch-site': 'none' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'cross-site', origin: url }, 403],
    [{ origin: 'https://evil.test' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: `http://127.0.0.1:${port + 1}` }, 403],
    [{ origin: url, 'content-type': 'text/plain' }, 415],
    [{ origin: url, 'content-type': 'application/x-www-form-urlencoded' }, 415],
    [{ origin: url, 'content-type': 'multipart/form-data; boundary=x' }, 415],
    [{ origin: url, 'content-type': 'application/json; charset=utf-8' }, 201],
  ] as const) {
    const reply = await registry.ask('POST /tokens', { json: {}, headers: { cookie, ...headers } })
    assert.equal(reply.status, status, `${JSON.stringify(headers)}: ${reply.text}`)
    assert.ok(!Object.keys(reply.headers).some((name) => name.startsWith('access-control-')))
  }
  // Nobody is signed in by a page of another site either.
  const forged = await signIn(registry, 'alice', { headers: { origin: 'https://evil.test' } })
  assert.equal(forged.status, 403)
  // No preflight is answered with a yes.
  const preflight = await registry.ask('OPTIONS /tokens', {
    headers: { origin: 'https://evil.test', 'access-control-request-method': 'POST' },
  })
  assert.equal(preflight.status, 405)
})

test('Authorization decides alone: a cookie beside it is not looked at', async () => {
  const registry = shared()
  const cookie = cookieOf(await signIn(registry, 'alice'))
  assert.equal((await registry.ask('GET /me', { as: 'bob', headers: { cookie } })).body.name, 'bob')
  assert.equal((await registry.ask('GET /me', { as: 'bob:wrong', headers: { cookie } })).status, 401)
})

test('the protocol and the token service do not know cookies', async () => {
  const registry = shared()
  const cookie = cookieOf(await signIn(registry, 'admin'))
  assert.equal((await registry.ask('GET /me', { headers: { cookie } })).body.isAdministrator, true)
  assert.equal((await registry.ask('GET //v2/', { headers: { cookie } })).status, 401)
  assert.equal((await registry.ask('GET //v2/_catalog', { headers: { cookie } })).status, 401)
  const asked = '//token?service=berth&scope=repository:team-a/x:pull'
  const token = await registry.ask(`GET ${asked}`, { headers: { cookie } })
  assert.equal(token.status, 200)
  const payload = JSON.parse(Buffer.from(token.body.token.split('.')[1], 'base64url').toString())
  assert.doesNotMatch(JSON.stringify(payload), /admin|user:/)
})

test('tokens of the token service are not for this API', async () => {
  const registry = shared()
  const { body } = await registry.ask('GET //token?service=berth&scope=repository:team-a/x:pull', {
    as: 'alice',
  })
  const reply = await registry.ask('GET /me', { headers: { authorization: `Bearer ${body.token}` } })
  assert.equal(reply.status, 401)
  assert.match(reply.body.detail, /pulling and pushing only/)
})

test('a session ends with the password, the account, and the hand of its owner', async () => {
  const registry = shared()
  const { ask, url } = registry
  const isGood = async (cookie: string): Promise<boolean> =>
    (await ask('GET /tokens', { headers: { cookie } })).status === 200
  const admin = { as: 'admin' }

  const [one, two] = [cookieOf(await signIn(registry, 'carol')), await signIn(registry, 'carol')]
  await made(
    registry,
    `DELETE /sessions/${two.body.session.id}`,
    { headers: { cookie: one, origin: url } },
    204,
  )
  assert.deepEqual([await isGood(one), await isGood(cookieOf(two))], [true, false])

  // Who changes the password in a session keeps that one, by another cookie.
  const other = cookieOf(await signIn(registry, 'carol'))
  const json = { current: PASSWORDS['carol'], new: 'carol-password-2' }
  const changed = await ask('PUT /me/password', { json, headers: { cookie: one, origin: url } })
  assert.equal(changed.status, 204, changed.text)
  const next = cookieOf(changed)
  assert.deepEqual([await isGood(one), await isGood(other), await isGood(next)], [false, false, true])
  assert.equal((await ask('PUT /me/password', { json, headers: { cookie: next, origin: url } })).status, 401)

  await made(registry, 'PATCH /users/carol', { ...admin, json: { disabled: true } }, 200)
  assert.equal(await isGood(next), false)
  await made(registry, 'PATCH /users/carol', { ...admin, json: { disabled: false } }, 200)
  assert.equal(await isGood(next), false)

  const last = cookieOf(await signIn(registry, 'bob'))
  assert.equal(await isGood(last), true)
  await made(registry, 'DELETE /users/bob', admin, 204)
  assert.equal(await isGood(last), false)
})

test('a session is for people: no secret of a program opens one', async () => {
  const registry = shared()
  const { secret } = await made(registry, 'POST /tokens', { as: 'alice', json: {} })
  for (const json of [
    { name: 'alice', password: secret },
    { name: 'alice', password: 'wrong password' },
    { name: 'nobody', password: 'wrong password' },
  ]) {
    const reply = await registry.ask('POST /sessions', { json })
    assert.equal(reply.status, 401, reply.text)
    assert.equal(reply.headers['set-cookie'], undefined)
  }
})

test('two cookies of one name are none', () => {
  const value = 'a'.repeat(43)
  assert.equal(readCookie(`x=1; berth=${value}; y=2`, false), value)
  assert.equal(readCookie(`berth=${value}`, true), undefined)
  assert.equal(readCookie('berth=short', false), undefined)
  assert.equal(readCookie(`berth=${value}x`, false), undefined)
  assert.equal(readCookie(undefined, false), undefined)
  assert.throws(() => readCookie(`berth=${value}; berth=${value}`, false), { code: 'INVALID' })
})

test('a session ends when it is idle, and in any case after a week', () =>
  withMetadata(['one'], async ({ db }) => {
    let at = 1_800_000_000_000
    const principal = { ...anonymousPrincipal, id: 'user:1', name: 'alice', kind: 'user' } as const
    const account: Account = { principal, stamp: 's' }
    const sessions = createSessions({ db, now: () => at, accounts: { find: () => account } })
    const began = at
    const { value } = await sessions.open(account, actorAt(at))
    const look = async (): Promise<boolean> => (await sessions.find(value, '192.0.2.1')) !== undefined
    at += IDLE_MS - 1
    assert.equal(await look(), true)
    at += IDLE_MS - 1
    assert.equal(await look(), true, 'used in time, it goes on')
    at += IDLE_MS
    assert.equal(await look(), false)

    at = began
    const { value: busy } = await sessions.open(account, actorAt(at))
    for (; at < began + ABSOLUTE_MS; at += IDLE_MS / 2)
      assert.ok(await sessions.find(busy, ''), String(at - began))
    assert.equal(await sessions.find(busy, ''), undefined)
    // An account with another stamp has another password.
    at = began
    const { value: old } = await sessions.open({ ...account, stamp: 'before' }, actorAt(at))
    assert.equal(await sessions.find(old, ''), undefined)
    assert.equal(await sessions.find('x'.repeat(43), ''), undefined)
  }))

test('who changes their password again and again keeps nobody from signing in', async () => {
  const { ask } = shared()
  await made(shared(), 'POST /users', { as: 'admin', json: { name: 'hasty', password: 'hasty-password' } })
  const changes = Array.from({ length: 20 }, (_, index) =>
    ask('PUT /me/password', {
      as: 'hasty:hasty-password',
      json: { current: 'hasty-password', new: `another-password-${index}` },
    }),
  )
  const replies = await Promise.all(changes)
  assert.equal(replies.filter(({ status }) => status === 204).length, 1)
  const late = replies.filter(({ status }) => status === 409)
  assert.ok(late.length > 0)
  // No hash was made for any of them.
  for (const { body } of late) assert.match(body.detail, /is being changed/)
})
