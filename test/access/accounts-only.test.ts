/** Without rules, as with CNCF Distribution's htpasswd: who signs in may do everything, nobody else anything. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { bcrypt } from 'hash-wasm'
import { createHttpClient } from '../lib/http-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { basicOf } from './subject.ts'

const lineOf = async (name: string, password: string): Promise<string> =>
  `${name}:${await bcrypt({ password, salt: Buffer.alloc(16, name), costFactor: 5, outputType: 'encoded' })}\n`

test('htpasswd alone: Basic, the token service beside it, and a file that changes', async (t) => {
  const folder = temporaryFolder(t, 'accounts-only')
  const path = join(folder, 'htpasswd')
  const bob = await lineOf('bob', 'of bob')
  writeFileSync(path, (await lineOf('alice', 'of alice')) + bob)
  const server = await startServer({
    root: '',
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: '127.0.0.1:0' },
      auth: { htpasswd: { realm: 'the "tests"', path } },
    },
  })
  afterwards(t, () => server.stop())
  const http = createHttpClient(server.url)
  afterwards(t, () => http.close())
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
