/** What changes: versions of rules, secrets that are shown once, and the record of all of it. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { made, populate, shareManaged, startManaged } from './management.fixture.ts'

const shared = shareManaged({ before, after })

test('a rule is changed as it was read, or not at all', async () => {
  const registry = shared()
  const { ask } = registry
  const as = 'admin'
  const path = '/rules/lib/**'
  const json = { allow: { 'signed-in': ['pull'], 'user:admin': ['admin'] } }
  const create = { 'if-none-match': '*' }

  assert.equal((await ask(`PUT ${path}`, { as, json })).status, 428)
  assert.equal((await ask(`PUT ${path}`, { as, json, headers: { 'if-match': '"x"' } })).status, 412)
  const first = await ask(`PUT ${path}`, { as, json, headers: create })
  assert.equal(first.status, 200, first.text)
  assert.equal((await ask(`PUT ${path}`, { as, json, headers: create })).status, 412)
  assert.equal((await ask('GET /me?repository=lib/x', { as: 'carol' })).body.can.join(), 'pull')

  const read = await ask(`GET ${path}`, { as })
  const etag = String(read.headers.etag)
  assert.equal(etag, first.headers.etag)
  assert.match(etag, /^"[\w-]{22}"$/)
  assert.match(String(read.headers['cache-control']), /private/)
  const same = await ask(`GET ${path}`, { as, headers: { 'if-none-match': etag } })
  assert.deepEqual([same.status, same.text], [304, ''])

  const next = { allow: { 'signed-in': ['pull', 'push'] } }
  const changed = await ask(`PUT ${path}`, { as, json: next, headers: { 'if-match': etag } })
  assert.equal(changed.status, 200, changed.text)
  assert.equal((await ask(`PUT ${path}`, { as, json, headers: { 'if-match': etag } })).status, 412)
  assert.equal((await ask(`DELETE ${path}`, { as, headers: { 'if-match': etag } })).status, 412)
  assert.equal((await ask(`DELETE ${path}`, { as })).status, 428)
  assert.equal(
    (await ask(`DELETE ${path}`, { as, headers: { 'if-match': `W/${changed.headers.etag}` } })).status,
    412,
  )
  assert.equal(
    (await ask(`DELETE ${path}`, { as, headers: { 'if-match': String(changed.headers.etag) } })).status,
    204,
  )
  assert.equal((await ask(`GET ${path}`, { as })).status, 404)

  // Of many that change it at the same time, one does.
  const again = String((await ask(`PUT ${path}`, { as, json, headers: create })).headers.etag)
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      ask(`PUT ${path}`, {
        as,
        json: { allow: { [`user:u${n}`]: ['pull'] } },
        headers: { 'if-match': again },
      }),
    ),
  )
  assert.deepEqual(all.map(({ status }) => status).toSorted(), [200, ...Array<number>(11).fill(412)])
})

test('what the configuration file has is not changed here', async () => {
  const registry = shared()
  const rule = await registry.ask('GET /rules/team-a/**', { as: 'alice' })
  assert.equal(rule.body.managedBy, 'file')
  assert.match(rule.body.source, /^config\.yml:\d+$/)
  const headers = { 'if-match': String(rule.headers.etag) }
  const json = { allow: { 'user:alice': ['admin'] } }
  for (const line of ['PUT /rules/team-a/**', 'DELETE /rules/team-a/**']) {
    const reply = await registry.ask(line, {
      as: 'alice',
      json: line.startsWith('PUT') ? json : undefined,
      headers,
    })
    assert.deepEqual([reply.status, reply.body.code], [409, 'MANAGED_BY_FILE'])
    assert.match(reply.body.detail, /stands in config\.yml:\d+: change it there/)
  }
})

test('why somebody may, or not', async () => {
  const registry = shared()
  const explain = async (as: string, query: string) =>
    (await registry.ask(`GET /access/explain?${query}`, { as })).body
  assert.deepEqual(await explain('carol', 'repository=team-a/x&action=pull'), {
    who: 'carol',
    action: 'pull',
    repository: 'team-a/x',
    allowed: true,
    pattern: 'team-a/**',
    source: (await registry.ask('GET /rules/team-a/**', { as: 'alice' })).body.source,
    why: (await explain('alice', 'repository=team-a/x&action=pull&who=user:carol')).why,
  })
  const robot = await explain('bob', 'repository=team-b/x&action=push&who=robot:ci-b')
  assert.equal(robot.allowed, true)
  assert.match(robot.why, /scopes/)
  assert.equal((await explain('bob', 'repository=team-b/x&action=pull&who=anonymous')).allowed, false)
  assert.equal((await explain('bob', 'repository=team-b/x&action=pull&who=user:never-there')).allowed, false)
  assert.equal((await explain('admin', 'repository=team-b/x&action=push&who=user:admin')).allowed, true)
  // Which names rules have is not told to who may do nothing there.
  for (const who of ['', '&who=user:carol'])
    assert.deepEqual(await explain('carol', `repository=team-b/x&action=pull${who}`), {
      ...{ who: who === '' ? 'carol' : 'user:carol', action: 'pull', repository: 'team-b/x', allowed: false },
      ...{ pattern: null, source: 'rules' },
      why: 'nothing allows you anything in team-b/x: who has admin there can see why',
    })
  assert.equal((await explain('carol', 'repository=team-a/x&action=push')).pattern, 'team-a/**')
})

test('a secret is in one answer, and nowhere else', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const { ask, log } = registry
  const secrets: string[] = ['alice-password', 'canary-password-1', 'canary-password-2']
  const answers: string[] = []
  const say = async (...asked: Parameters<typeof ask>): Promise<string> => {
    const { text } = await ask(...asked)
    answers.push(text)
    return text
  }
  const give = async (...asked: Parameters<typeof ask>): Promise<string> => {
    const { status, body, headers } = await ask(...asked)
    assert.equal(status, 201)
    assert.equal(headers['cache-control'], 'no-store')
    const secret: string = body.secret.secret ?? body.secret
    assert.match(secret, /^berth_(?:pat|robot)_[0-9A-Za-z]{46}$/)
    secrets.push(secret.slice(20))
    return secret
  }
  const scopes = [{ repositories: 'team-a/**', actions: ['pull'] }]
  const robot = await give('POST /robots', { as: 'alice', json: { name: 'canary', scopes } })
  const rotated = await give('POST /robots/canary/-/secrets', { as: 'alice', json: {} })
  const token = await give('POST /tokens', { as: 'alice', json: { name: 'canary' } })
  const session = await ask('POST /sessions', { json: { name: 'alice', password: 'alice-password' } })
  assert.equal(session.headers['cache-control'], 'no-store')
  const cookie = session.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  secrets.push(cookie.slice('berth='.length))

  for (const secret of [robot, rotated, token]) {
    const headers = { authorization: `Bearer ${secret}` }
    assert.equal((await ask('GET /me', { headers })).status, 200)
    await say('GET /me', { headers })
    await say('POST /sessions', { json: { name: 'alice', password: secret } })
    await say('GET /users', { headers: { authorization: `Bearer ${secret}x` } })
  }
  await say('PATCH /users/carol', { as: 'admin', json: { password: 'canary-password-1' } })
  await say('POST /users', { as: 'admin', json: { name: 'dan', password: 'canary-password-2' } })
  await say('POST /users', { as: 'admin', json: { name: 'Dan', password: 'canary-password-2', more: 1 } })
  await say('POST /users', { as: 'admin', raw: '{"name":"dan","password":"canary-password-2"' })
  await say('PUT /me/password', {
    as: 'alice',
    json: { current: 'canary-password-1', new: 'canary-password-2' },
  })
  for (const path of ['/robots', '/robots/canary', '/robots/canary/-/secrets', '/tokens'])
    await say(`GET ${path}`, { as: 'alice' })
  await say('GET /sessions', { headers: { cookie } })
  await sleep(1200)
  await say('GET /audit?limit=200', { as: 'admin' })
  await say('GET /users', { as: 'admin' })

  const found = secrets.filter(
    (secret) => log().includes(secret) || answers.some((text) => text.includes(secret)),
  )
  assert.deepEqual(found, [])

  // The first one that a robot has, and the second, are good until they are revoked.
  const { items } = (await ask('GET /robots/canary/-/secrets', { as: 'alice' })).body
  assert.equal(items.length, 2)
  await made(registry, `DELETE /robots/canary/-/secrets/${items[0].id}`, { as: 'alice' }, 204)
  const me = (secret: string) => ask('GET /me', { headers: { authorization: `Bearer ${secret}` } })
  assert.deepEqual([(await me(robot)).status, (await me(rotated)).status], [401, 200])
})

test('every change is recorded, with who, what, from where, and how it ended', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  const { ask } = registry
  const headers = { 'user-agent': 'tester/1', 'x-request-id': 'my-request' }
  const scopes = [{ repositories: 'team-b/**', actions: ['pull'] }]
  await ask('POST /robots', { as: 'alice', json: { name: 'r', scopes }, headers })
  await ask('PATCH /users/carol', { as: 'admin', json: { isAdministrator: true }, headers })
  await ask('DELETE /users/nobody', { as: 'admin', headers })
  await ask('PUT /groups/none/-/members/user:x', { as: 'admin', headers })
  await ask('DELETE /users/bob', { as: 'alice', headers })
  let items: { act: string; principal: { name: string }; target: string; outcome: string; detail: object }[] =
    []
  for (let tries = 0; tries < 30 && items.length < 5; tries++) {
    await sleep(100)
    items = (await ask('GET /audit?limit=200', { as: 'admin' })).body.items.filter(
      ({ client }: { client: string }) => client === 'tester/1',
    )
  }
  const lines = items.map(
    ({ act, principal, target, outcome }) => `${principal.name} ${act} ${target} ${outcome}`,
  )
  assert.deepEqual(lines.toSorted(), [
    'admin group group:none failed',
    'admin user user:carol done',
    'admin user user:nobody failed',
    'alice robot robot:r refused',
    'alice user DELETE /users/bob refused',
  ])
  for (const item of items as unknown as { address: string; requestId: string }[]) {
    assert.equal(item.address, '127.0.0.1')
    assert.match(item.requestId, /./)
  }
  const promoted = items.find(({ target }) => target === 'user:carol')
  assert.deepEqual(promoted?.detail, { route: 'changeUser', isAdministrator: true })
  const filtered = (await ask('GET /audit?act=user&outcome=refused&principal=alice', { as: 'admin' })).body
    .items
  assert.equal(filtered.length, 1)
})
