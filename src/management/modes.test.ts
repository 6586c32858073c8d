/** The API in each way that a registry can be run, and what it costs where nobody asks it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { bcrypt } from 'hash-wasm'
import { populate, startManaged, TWO_TENANTS } from './management.fixture.ts'

async function htpasswd(t: TestContext): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-htpasswd-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'htpasswd')
  const hash = await bcrypt({
    password: 'dora-password',
    salt: randomBytes(16),
    costFactor: 5,
    outputType: 'encoded',
  })
  writeFileSync(path, `dora:${hash}\n`)
  return { htpasswd: { realm: 'berth', path } }
}

test('where who signs in may do everything, people have sessions, and the rest says what to configure', async (t) => {
  const registry = await startManaged(t, { auth: await htpasswd(t) })
  const dora = { as: 'dora:dora-password' }
  assert.deepEqual((await registry.ask('GET /system')).body, { mode: 'accounts', version: null })
  assert.deepEqual((await registry.ask('GET /system', dora)).body, { mode: 'accounts', version: '1.2.3' })
  assert.deepEqual((await registry.ask('GET /me?repository=a/b', dora)).body, {
    id: 'htpasswd:dora',
    name: 'dora',
    kind: 'user',
    groups: [],
    isAdministrator: false,
    can: ['pull', 'push', 'create', 'delete'],
  })
  const json = { name: 'dora', password: 'dora-password' }
  const session = await registry.ask('POST /sessions', { json })
  assert.equal(session.status, 201)
  const cookie = session.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  assert.equal((await registry.ask('GET /sessions', { headers: { cookie } })).body.items.length, 1)
  const tokens = await registry.ask('GET /tokens', dora)
  assert.deepEqual([tokens.status, tokens.body.code], [403, 'NOT_CONFIGURED'])
  assert.equal((await registry.ask('GET /audit', dora)).status, 403)
})

test('beside rules, accounts of a file have tokens of their own, and their password stays in the file', async (t) => {
  const registry = await startManaged(t, { access: TWO_TENANTS, auth: await htpasswd(t) })
  const dora = { as: 'dora:dora-password' }
  const made = await registry.ask('POST /tokens', { ...dora, json: { name: 'x' } })
  assert.equal(made.status, 201, made.text)
  const headers = { authorization: `Bearer ${made.body.secret}` }
  assert.equal((await registry.ask('GET /me', { headers })).body.id, 'htpasswd:dora')
  const json = { current: 'dora-password', new: 'another password' }
  const changed = await registry.ask('PUT /me/password', { ...dora, json })
  assert.deepEqual([changed.status, changed.body.code], [409, 'CONFLICT'])
})

test('below a prefix, the API is below it, and nowhere else', async (t) => {
  const registry = await startManaged(t, { access: TWO_TENANTS, http: { prefix: '/hub/' } })
  assert.equal((await registry.ask('GET //hub/api/v1/me')).status, 200)
  assert.deepEqual((await registry.ask('GET //hub/api/v1/openapi.json')).body.servers, [
    { url: '/hub/api/v1' },
  ])
  assert.equal((await registry.ask('GET //api/v1/me')).status, 404)
  assert.equal((await registry.ask('GET //hub/api/v1/hub/api/v1/me')).status, 404)
})

test('the log says what was refused, and why', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  await registry.ask('GET /users', { as: 'carol' })
  assert.match(registry.log(), /err\.code=denied err\.message="this is for administrators/)
})

test('nothing of the API is loaded before the first request to it', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    const { startRegistry } = await import(${JSON.stringify(new URL('../berth.ts', import.meta.url).href)})
    const access = JSON.stringify({ administrator: { password: 'some password' } })
    for (const settings of [{}, { REGISTRY_ACCESS: access }]) {
      const registry = await startRegistry({ settings })
      await (await fetch(registry.url + '/v2/')).text()
      if (settings.REGISTRY_ACCESS) {
        const before = loaded.filter((url) => /hono|zod|src.management/.test(url))
        await (await fetch(registry.url + '/api/v1/me')).text()
        const after = loaded.filter((url) => /hono|zod/.test(url)).length
        console.log(JSON.stringify({ before, after }))
      }
      await registry.close()
    }`
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const { before, after } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as {
    before: string[]
    after: number
  }
  assert.deepEqual(
    before.map((url) => url.split('/').at(-1)),
    ['endpoint.ts'],
  )
  assert.ok(after > 5, `${after} modules`)
})
