/** Two who have different parts of the registry in hand: each tries everything with everything of the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Ask,
  type Json,
  made,
  type Managed,
  populate,
  startManaged,
  TWO_TENANTS,
} from './management.fixture.ts'

/** All that an administrator sees; what changes by looking at it is left out. */
async function everything({ ask }: Managed): Promise<Json> {
  const all: Record<string, Json> = {}
  for (const path of ['/users', '/groups', '/robots', '/rules']) {
    const { items } = (await ask(`GET ${path}`, { as: 'admin' })).body
    all[path] = items.map((item: Json) => ({ ...item, lastUsedAt: null }))
  }
  for (const { name } of all['/robots']) {
    const { items } = (await ask(`GET /robots/${name}/-/secrets`, { as: 'admin' })).body
    all[`secrets of ${name}`] = items.map(({ id }: Json) => id)
  }
  for (const holder of ['user:2', 'user:3'])
    all[`tokens of ${holder}`] = (await ask(`GET /tokens?holder=${holder}`, { as: 'admin' })).body.items
  return all
}

const NOT_FOUND = [404]
const REFUSED = [403, 404]

test('C17: what is another tenant’s is not there: nothing is changed, and nothing is told', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const b = { as: 'bob' }
  const secretOfB = (await made(registry, 'GET /robots/ci-b/-/secrets', b, 200)).items[0].id
  const secretOfA = (await made(registry, 'GET /robots/ci-a/-/secrets', { as: 'alice' }, 200)).items[0].id
  const tokenOfB = (await made(registry, 'POST /tokens', { ...b, json: { name: 'of-b' } })).id
  const password = { name: 'bob', password: 'bob-password' }
  const sessionOfB = (await made(registry, 'POST /sessions', { json: password })).session.id
  const { etag } = (await registry.ask('GET /rules/team-b/sub/**', b)).headers
  const match = { 'if-match': String(etag) }
  const scopesOfB = [{ repositories: 'team-b/**', actions: ['pull'] }]
  const both = [{ repositories: 'team-a/**', actions: ['pull'] }, ...scopesOfB]
  const allow = { 'user:alice': ['admin'] }
  const before = await everything(registry)

  const tries: readonly (readonly [string, Ask, readonly number[]])[] = [
    ['GET /robots/ci-b', {}, NOT_FOUND],
    ['PATCH /robots/ci-b', { json: { disabled: true } }, NOT_FOUND],
    [
      'PATCH /robots/ci-b',
      { json: { scopes: [{ repositories: 'team-a/**', actions: ['pull'] }] } },
      NOT_FOUND,
    ],
    ['DELETE /robots/ci-b', {}, NOT_FOUND],
    ['GET /robots/ci-b/-/secrets', {}, NOT_FOUND],
    ['POST /robots/ci-b/-/secrets', { json: {} }, NOT_FOUND],
    [`DELETE /robots/ci-b/-/secrets/${secretOfB}`, {}, NOT_FOUND],
    // Another's secret under one's own robot, one's own under another's.
    [`DELETE /robots/ci-a/-/secrets/${secretOfB}`, {}, NOT_FOUND],
    [`DELETE /robots/ci-b/-/secrets/${secretOfA}`, {}, NOT_FOUND],
    [`DELETE /robots/ci-a/-/secrets/${tokenOfB}`, {}, NOT_FOUND],
    // One's own robot with another's scope.
    ['PATCH /robots/ci-a', { json: { scopes: scopesOfB } }, REFUSED],
    ['PATCH /robots/ci-a', { json: { scopes: both } }, REFUSED],
    ['PATCH /robots/ci-a', { json: { scopes: [{ repositories: '**', actions: ['pull'] }] } }, REFUSED],
    ['POST /robots', { json: { name: 'mine', scopes: scopesOfB } }, REFUSED],
    ['POST /robots', { json: { name: 'mine', scopes: both } }, REFUSED],
    [
      'POST /robots',
      {
        json: {
          name: 'mine',
          scopes: [
            { repositories: 'team-a', actions: ['pull'] },
            { repositories: '*/**', actions: ['pull'] },
          ],
        },
      },
      REFUSED,
    ],
    // A name that rules or groups give more than its scopes.
    [
      'POST /robots',
      { json: { name: 'named', scopes: [{ repositories: 'team-a/**', actions: ['pull'] }] } },
      [409],
    ],
    [
      'POST /robots',
      { json: { name: 'grouped', scopes: [{ repositories: 'team-a/**', actions: ['pull'] }] } },
      [409],
    ],
    [
      'POST /robots',
      { json: { name: 'ci-b', scopes: [{ repositories: 'team-a/**', actions: ['pull'] }] } },
      [409],
    ],
    ['GET /rules/team-b/**', {}, NOT_FOUND],
    ['GET /rules/team-b/sub/**', {}, NOT_FOUND],
    ['GET /rules/team-b%2Fsub%2F**', {}, NOT_FOUND],
    ['GET /rules/**', {}, NOT_FOUND],
    ['PUT /rules/team-b/sub/**', { json: { allow }, headers: match }, REFUSED],
    ['PUT /rules/team-b/other', { json: { allow }, headers: { 'if-none-match': '*' } }, REFUSED],
    ['PUT /rules/**', { json: { allow }, headers: { 'if-none-match': '*' } }, REFUSED],
    ['PUT /rules/*/**', { json: { allow }, headers: { 'if-none-match': '*' } }, REFUSED],
    ['PUT /rules/{user}/**', { json: { allow }, headers: { 'if-none-match': '*' } }, REFUSED],
    ['DELETE /rules/team-b/sub/**', { headers: match }, NOT_FOUND],
    ['GET /access/explain?who=user:carol&action=pull&repository=team-b/x', {}, REFUSED],
    ['GET /tokens?holder=user:3', {}, REFUSED],
    [`DELETE /tokens/${tokenOfB}`, {}, NOT_FOUND],
    [`DELETE /tokens/${secretOfB}`, {}, NOT_FOUND],
    [`DELETE /sessions/${sessionOfB}`, {}, NOT_FOUND],
    [`DELETE /sessions/${tokenOfB}`, {}, NOT_FOUND],
    // What is an administrator's.
    ['GET /users', {}, REFUSED],
    ['GET /users/bob', {}, REFUSED],
    ['POST /users', { json: { name: 'x', password: 'long enough', isAdministrator: true } }, REFUSED],
    ['PATCH /users/alice', { json: { isAdministrator: true } }, REFUSED],
    ['PATCH /users/bob', { json: { password: 'long enough' } }, REFUSED],
    ['DELETE /users/bob', {}, REFUSED],
    ['POST /groups', { json: { name: 'x' } }, REFUSED],
    ['PUT /groups/b-people/-/members/user:alice', {}, REFUSED],
    ['GET /audit', {}, REFUSED],
    // Fields that nobody is asked for.
    ['POST /tokens', { json: { name: 'x', holder: 'user:3' } }, [400]],
    ['POST /tokens', { json: { name: 'x', isAdministrator: true } }, [400]],
    ['PATCH /robots/ci-a', { json: { admin: true } }, [400]],
    ['PATCH /robots/ci-a', { json: { createdBy: 'admin' } }, [400]],
    [
      'PUT /me/password',
      { json: { current: 'alice-password', new: 'alice-password', isAdmin: true } },
      [400],
    ],
    [
      'POST /robots',
      { json: { name: 'mine', scopes: [{ repositories: 'team-a/**', actions: ['pull'], admin: true }] } },
      [400],
    ],
  ]
  for (const [line, ask, statuses] of tries) {
    const reply = await registry.ask(line, { ...ask, as: 'alice' })
    assert.ok(statuses.includes(reply.status), `${line}: ${reply.status} ${reply.text}`)
    // Beside what was asked with, nothing of the other is in the answer.
    const told = reply.text.replaceAll(decodeURIComponent(line.split(' ')[1] ?? ''), '')
    assert.doesNotMatch(told, /berth_robot_|"createdBy":"bob"|user:3"/, line)
  }
  assert.deepEqual(await everything(registry), before)

  // What is there and what is not are the same answer, but for the name.
  for (const [there, absent] of [
    ['/robots/ci-b', '/robots/ci-z'],
    ['/rules/team-b/sub/**', '/rules/team-b/none/**'],
    ['/robots/ci-b/-/secrets', '/robots/ci-z/-/secrets'],
  ] as const) {
    const [one, other] = [
      await registry.ask(`GET ${there}`, { as: 'alice' }),
      await registry.ask(`GET ${absent}`, { as: 'alice' }),
    ]
    const plain = ({ body }: { body: Json }): string =>
      JSON.stringify({ ...body, requestId: '' }).replaceAll(/ci-[bz]|team-b\/\w+/g, 'NAME')
    assert.equal(one.status, other.status)
    assert.equal(plain(one), plain(other))
  }
})

test('C17: lists have what is in one’s hands, and no trace of the rest', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  for (const [as, path, keys] of [
    ['alice', '/rules', ['team-a/**', 'team-a/sub/**']],
    ['bob', '/rules', ['team-b/**', 'team-b/sub/**']],
    ['carol', '/rules', []],
    ['admin', '/rules', ['team-a/**', 'team-a/sub/**', 'team-b/**', 'team-b/sub/**']],
    ['alice', '/rules?q=team-b', []],
    ['alice', '/rules?limit=1', ['team-a/**']],
    ['alice', '/robots', ['ci-a']],
    ['bob', '/robots', ['ci-b']],
    ['bob', '/robots?q=ci-a', []],
    ['carol', '/robots', []],
    ['admin', '/robots', ['ci-a', 'ci-b']],
    ['alice', '/tokens', []],
  ] as const) {
    const { body } = await registry.ask(`GET ${path}`, { as })
    assert.deepEqual(
      body.items.map(({ pattern, name }: Json) => pattern ?? name),
      keys,
      `${as} ${path}`,
    )
    // Where a page ends that is not the last one, something that may be seen comes next.
    assert.equal(body.next === null, !path.includes('limit'), `${as} ${path}`)
  }
})

test('a robot that has more than its scopes is not in the hands of who has those', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const { ask } = registry
  assert.equal((await ask('GET /robots/ci-a', { as: 'alice' })).status, 200)
  await made(registry, 'POST /groups', { as: 'admin', json: { name: 'deployers' } })
  await made(registry, 'PUT /groups/deployers/-/members/robot:ci-a', { as: 'admin' }, 204)
  assert.equal((await ask('POST /robots/ci-a/-/secrets', { as: 'alice', json: {} })).status, 404)
  assert.deepEqual((await ask('GET /robots', { as: 'alice' })).body.items, [])
  await made(registry, 'DELETE /groups/deployers/-/members/robot:ci-a', { as: 'admin' }, 204)
  assert.equal((await ask('GET /robots/ci-a', { as: 'alice' })).status, 200)
  // The same by a rule of the database.
  const allow = { 'robot:ci-a': ['push'], 'user:admin': ['admin'] }
  const create = { 'if-none-match': '*' }
  await made(registry, 'PUT /rules/prod/**', { as: 'admin', json: { allow }, headers: create }, 200)
  assert.equal((await ask('POST /robots/ci-a/-/secrets', { as: 'alice', json: {} })).status, 404)
  // In what she has in hand anyway, it may be named.
  const { etag } = (await ask('GET /rules/prod/**', { as: 'admin' })).headers
  await made(registry, 'DELETE /rules/prod/**', { as: 'admin', headers: { 'if-match': String(etag) } }, 204)
  const own = { 'robot:ci-a': ['push'], 'user:alice': ['admin'] }
  await made(registry, 'PUT /rules/team-a/more', { as: 'alice', json: { allow: own }, headers: create }, 200)
  assert.equal((await ask('POST /robots/ci-a/-/secrets', { as: 'alice', json: {} })).status, 201)
})

test('what a token may is no more than what it was made for', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const { ask } = registry
  const scoped = { name: 't', scopes: [{ repositories: 'team-a/**', actions: ['pull'] }] }
  const narrow = (await made(registry, 'POST /tokens', { as: 'alice', json: scoped })).secret
  const wide = (await made(registry, 'POST /tokens', { as: 'alice', json: {} })).secret
  const ofAdmin = (await made(registry, 'POST /tokens', { as: 'admin', json: scoped })).secret
  const robot = (await made(registry, 'POST /robots/ci-a/-/secrets', { as: 'alice', json: {} })).secret
  const robots = { name: 'r', scopes: [{ repositories: 'team-a/x', actions: ['pull'] }] }
  for (const [secret, line, json, status] of [
    [narrow, 'GET /me', undefined, 200],
    [narrow, 'POST /robots', robots, 403],
    [narrow, 'POST /tokens', {}, 403],
    [narrow, 'GET /tokens', undefined, 403],
    [narrow, 'PUT /me/password', { current: 'alice-password', new: 'something else' }, 403],
    [narrow, 'GET /robots', undefined, 200],
    [wide, 'POST /tokens', {}, 403],
    [wide, 'GET /sessions', undefined, 403],
    [wide, 'GET /tokens', undefined, 200],
    [wide, 'POST /robots', robots, 201],
    [ofAdmin, 'GET /users', undefined, 403],
    [ofAdmin, 'GET /audit', undefined, 403],
    [ofAdmin, 'POST /robots', { ...robots, name: 'r2' }, 403],
    [robot, 'GET /me', undefined, 200],
    [robot, 'POST /tokens', {}, 403],
    [robot, 'POST /robots', { ...robots, name: 'r3' }, 403],
    [robot, 'GET /tokens', undefined, 200],
  ] as const) {
    const reply = await ask(line, { json, headers: { authorization: `Bearer ${secret}` } })
    assert.equal(reply.status, status, `${line} with ${secret.slice(0, 14)}: ${reply.text}`)
  }
  assert.deepEqual(
    (await ask('GET /robots', { headers: { authorization: `Bearer ${narrow}` } })).body.items,
    [],
  )
})

test('the last administrator stays', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const admin = { as: 'admin' }
  for (const [line, json] of [
    ['DELETE /users/admin', undefined],
    ['PATCH /users/admin', { disabled: true }],
    ['PATCH /users/admin', { isAdministrator: false }],
    ['PATCH /users/admin', { isAdministrator: false, password: 'another password' }],
  ] as const) {
    const reply = await registry.ask(line, { ...admin, json })
    assert.equal(reply.status, 409, `${line}: ${reply.text}`)
    assert.match(reply.body.detail, /last administrator/)
  }
  assert.equal((await registry.ask('GET /users', admin)).status, 200)
  // One that is disabled does not count.
  await made(
    registry,
    'PATCH /users/carol',
    { ...admin, json: { isAdministrator: true, disabled: true } },
    200,
  )
  assert.equal((await registry.ask('DELETE /users/admin', admin)).status, 409)
  await made(registry, 'PATCH /users/carol', { ...admin, json: { disabled: false } }, 200)
  // Two that remove each other at the same time: one is left.
  const [one, other] = await Promise.all([
    registry.ask('DELETE /users/carol', admin),
    registry.ask('PATCH /users/admin', { as: 'carol', json: { isAdministrator: false } }),
  ])
  const left = (await Promise.all(['admin', 'carol'].map((as) => registry.ask('GET /users', { as })))).filter(
    ({ status }) => status === 200,
  )
  assert.equal(left.length, 1, `${one.status} ${other.status}`)
})

test('a rule that would leave its maker out is refused', async (t) => {
  const registry = await startManaged(t, { access: { ...TWO_TENANTS, groups: { leads: ['alice'] } } })
  await populate(registry)
  const headers = { 'if-none-match': '*' }
  const put = (allow: object) =>
    registry.ask('PUT /rules/team-a/x', { as: 'alice', json: { allow }, headers })
  const refused = await put({ 'user:carol': ['pull'] })
  assert.equal(refused.status, 400)
  assert.match(refused.body.errors[0].detail, /"user:alice": \["admin"\]/)
  assert.equal((await put({ 'user:carol': ['pull'], 'group:leads': ['admin'] })).status, 200)
})

test('who has a part in hand cannot keep others waiting by rules that are hard to look through', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const { ask } = registry
  // At each of three places one of many words: whether alice has all of it is a question of 35 × 35 × 35 names.
  for (const stars of ['', '*/', '*/*/'])
    for (let word = 0; word < 34; word++) {
      const json = { allow: { 'user:alice': ['admin'] } }
      const headers = { 'if-none-match': '*' }
      await made(registry, `PUT /rules/team-a/${stars}w${word}/x`, { as: 'admin', json, headers }, 200)
    }
  const scopes = Array.from({ length: 100 }, (_, index) => ({
    repositories: `team-a/*/*/*/y${index}`,
    actions: ['pull'],
  }))
  const robot = ask('POST /robots', { as: 'alice', json: { name: 'ci', scopes } })
  let isOver = false
  const over = robot.then(() => (isOver = true))
  let longest = 0
  while (!isOver) {
    const began = performance.now()
    await ask('GET /system')
    longest = Math.max(longest, performance.now() - began)
  }
  await over
  assert.equal((await robot).status, 201)
  assert.ok(longest < 1000, `somebody waited for ${Math.round(longest)} ms`)
})
