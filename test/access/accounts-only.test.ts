/** Without rules, as with CNCF Distribution's htpasswd: who signs in may do everything, nobody else anything. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestContext, test } from 'node:test'
import { bcrypt } from 'hash-wasm'
import { createHttpClient } from '../lib/http-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { basicOf } from './subject.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- what came is looked at, not relied on
type Answered = any
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

const lineOf = async (name: string, password: string): Promise<string> =>
  `${name}:${await bcrypt({ password, salt: Buffer.alloc(16, name), costFactor: 5, outputType: 'encoded' })}\n`

async function startWith(t: TestContext, folder: string, more: Record<string, unknown>) {
  const server = await startServer({
    root: '',
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: '127.0.0.1:0' },
      ...more,
    },
  })
  afterwards(t, () => server.stop())
  const http = createHttpClient(server.url)
  afterwards(t, () => http.close())
  return { server, http }
}

test('htpasswd alone: Basic, the token service beside it, and a file that changes', async (t) => {
  const folder = temporaryFolder(t, 'accounts-only')
  const path = join(folder, 'htpasswd')
  const bob = await lineOf('bob', 'of bob')
  writeFileSync(path, (await lineOf('alice', 'of alice')) + bob)
  const { server, http } = await startWith(t, folder, { auth: { htpasswd: { realm: 'the "tests"', path } } })
  assert.match(server.log(), /who signs in may do everything, nobody else anything/)

  const status = async (line: string, authorization?: string): Promise<number> => {
    const [method = '', at = ''] = line.split(' ')
    const headers = authorization === undefined ? {} : { authorization }
    return (await http.ask(at, { method, headers })).status
  }
  const alice = basicOf('alice', 'of alice')
  const UPLOAD = 'POST /v2/any/thing/blobs/uploads/'
  const { headers, status: first } = await http.ask('/v2/')
  assert.deepEqual([first, headers['www-authenticate']], [401, 'Basic realm="the \\"tests\\""'])
  for (const line of [
    'GET /v2/',
    UPLOAD,
    'GET /v2/any/thing/tags/list',
    'GET /v2/_catalog',
    'GET /v1/search?q=',
  ]) {
    assert.equal(await status(line), 401, line)
    assert.equal(await status(line, basicOf('alice', 'of bob')), 401, line)
    assert.notEqual(await status(line, alice), 401, line)
  }
  assert.equal(await status(UPLOAD, alice), 202)

  const token = async (authorization?: string): Promise<string> => {
    const answer = await http.ask('/token?scope=repository:any/thing:pull,push', {
      headers: authorization === undefined ? {} : { authorization },
    })
    assert.equal(answer.status, 200)
    return `Bearer ${(JSON.parse(answer.body.toString()) as { token: string }).token}`
  }
  const [own, nobodys] = [await token(alice), await token()]
  assert.equal(await status(UPLOAD, own), 202)
  assert.equal(await status('POST /v2/other/blobs/uploads/', own), 401)
  assert.equal(await status('GET /v2/', nobodys), 200)
  assert.equal(await status(UPLOAD, nobodys), 401)

  // The file is looked at again after a second, and without it nobody comes in.
  writeFileSync(path, bob)
  await sleep(1100)
  for (const authorization of [alice, own]) assert.equal(await status(UPLOAD, authorization), 401)
  assert.equal(await status(UPLOAD, basicOf('bob', 'of bob')), 202)
  rmSync(path)
  await sleep(1100)
  assert.equal(await status(UPLOAD, basicOf('bob', 'of bob')), 503)
  assert.equal(await status(UPLOAD), 401)
})

test('what robots and personal tokens were given while there were rules is worth nothing without them', async (t) => {
  const folder = temporaryFolder(t, 'rules-gone')
  const path = join(folder, 'htpasswd')
  writeFileSync(path, await lineOf('alice', 'of alice'))
  const shared = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: '127.0.0.1:0' },
    auth: { htpasswd: { realm: 'tests', path } },
  }
  const start = async (config: Record<string, unknown>) => {
    const server = await startServer({ root: '', config: { ...shared, ...config } })
    afterwards(t, () => server.stop())
    const http = createHttpClient(server.url)
    afterwards(t, () => http.close())
    const post = async (at: string, body: unknown, headers: Record<string, string>) => {
      const text = body instanceof URLSearchParams ? body.toString() : JSON.stringify(body)
      const answer = await http.ask(at, { method: 'POST', headers, body: Buffer.from(text) })
      return { status: answer.status, body: JSON.parse(answer.body.toString() || '{}') as Answered }
    }
    const token = (fields: Record<string, string>) =>
      post('/token', new URLSearchParams({ scope: 'repository:other:pull,push', ...fields }), FORM)
    return { server, http, post, token }
  }
  const rules = await start({ access: { administrator: { password: 'of the administrator' } } })
  const json = (authorization: string) => ({ authorization, 'content-type': 'application/json' })
  const scopes = [{ repositories: 'team/app', actions: ['pull'] }]
  const robot = await rules.post(
    '/api/v1/robots',
    { name: 'ci', scopes },
    json(basicOf('admin', 'of the administrator')),
  )
  const personal = await rules.post('/api/v1/tokens', { scopes }, json(basicOf('alice', 'of alice')))
  const given: { whose: string; access: string; refresh: string }[] = []
  for (const [username, password] of [
    ['ci', robot.body.secret.secret],
    ['alice', personal.body.secret],
  ] as [string, string][]) {
    const { status, body } = await rules.token({
      ...{ grant_type: 'password', username, password, access_type: 'offline' },
    })
    assert.equal(status, 200)
    given.push({ whose: username, access: body.token, refresh: body.refresh_token })
  }
  await rules.server.stop()

  const without = await start({})
  for (const { whose, access, refresh } of given) {
    const { status } = await without.token({ grant_type: 'refresh_token', refresh_token: refresh })
    assert.equal(status, 401, `the refresh token of ${whose}`)
    const ping = await without.http.ask('/v2/', { headers: { authorization: `Bearer ${access}` } })
    assert.equal(ping.status, 401, `the token of ${whose}`)
  }
})

test('a name that a user of the database has is nobody’s in the file, whatever was given out before', async (t) => {
  const folder = temporaryFolder(t, 'taken-name')
  const path = join(folder, 'htpasswd')
  writeFileSync(path, await lineOf('alice', 'of the file'))
  const { http } = await startWith(t, folder, {
    auth: { htpasswd: { realm: 'tests', path } },
    access: { administrator: { password: 'of the administrator' } },
  })
  const inFile = basicOf('alice', 'of the file')
  const post = async (at: string, authorization: string, body: unknown): Promise<Answered> => {
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = await http.ask(at, { method: 'POST', headers, body: Buffer.from(JSON.stringify(body)) })
    assert.equal(answer.status, 201)
    return JSON.parse(answer.body.toString()) as Answered
  }
  const { secret } = await post('/api/v1/tokens', inFile, {})
  const { body } = await http.ask('/token', { headers: { authorization: inFile } })
  const { token } = JSON.parse(body.toString()) as Answered
  const given = [inFile, basicOf('alice', secret), `Bearer ${token}`]
  const statuses = () =>
    Promise.all(
      given.map(async (authorization) => (await http.ask('/v2/', { headers: { authorization } })).status),
    )
  assert.deepEqual(await statuses(), [200, 200, 200])
  const user = { name: 'alice', password: 'of the database' }
  await post('/api/v1/users', basicOf('admin', 'of the administrator'), user)
  assert.deepEqual(await statuses(), [401, 401, 401])
  const { status } = await http.ask('/v2/', {
    headers: { authorization: basicOf('alice', 'of the database') },
  })
  assert.equal(status, 200)
})
