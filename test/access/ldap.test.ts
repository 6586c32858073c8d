/** The whole server with a real directory: passwords, groups in rules, tokens that follow the directory, and its absence. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { Attribute, Change } from 'ldapts'
import { SEARCH, startSlapd } from '../../src/auth/ldap/slapd.fixture.ts'
import { createHttpClient } from '../lib/http-client.ts'
import { missingPrograms } from '../lib/prerequisite.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { basicOf } from './subject.ts'

const skip = missingPrograms('slapd', 'slapadd', 'openssl')
const UPLOAD = 'POST /v2/team/app/blobs/uploads/'

test('people and groups of a directory, by Basic and by token', { skip }, async (t) => {
  const slapd = await startSlapd(t)
  const server = await startServer({
    root: '',
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(temporaryFolder(t, 'ldap-server'), 'data') } },
      http: { addr: '127.0.0.1:0' },
      auth: {
        ldap: {
          url: slapd.tlsUrl,
          ca: slapd.ca,
          binddn: SEARCH.dn,
          bindpassword: SEARCH.password,
          userbase: 'ou=people,dc=example,dc=org',
          groupbase: 'ou=groups,dc=example,dc=org',
          timeout: '2s',
          cache: '1s',
        },
      },
      access: {
        administrator: { password: 'of the administrator' },
        rules: [{ repositories: ['team/**'], allow: { 'group:security': ['pull', 'push'] } }],
      },
    },
  })
  afterwards(t, () => server.stop())
  const http = createHttpClient(server.url)
  afterwards(t, () => http.close())
  const status = async (line: string, authorization: string): Promise<number> => {
    const [method = '', at = ''] = line.split(' ')
    return (await http.ask(at, { method, headers: { authorization } })).status
  }
  const alice = basicOf('alice', 'alice-password')
  assert.equal(await status('GET /v2/', alice), 200)
  assert.equal(await status('GET /v2/', basicOf('alice', 'bob-password')), 401)
  assert.equal(await status('GET /v2/', basicOf('alice', '')), 401)
  assert.equal(await status('GET /v2/', basicOf('*', 'alice-password')), 401)
  assert.equal(await status(UPLOAD, alice), 202)
  assert.equal(await status(UPLOAD, basicOf('bob', 'bob-password')), 403)

  const answer = await http.ask('/token?scope=repository:team/app:pull,push', {
    headers: { authorization: alice },
  })
  const bearer = `Bearer ${(JSON.parse(answer.body.toString()) as { token: string }).token}`
  assert.equal(await status(UPLOAD, bearer), 202)
  // security.md, C11: out of the group, out of the repository, whatever one holds.
  await slapd.change((client) =>
    client.modify(
      'cn=security,ou=groups,dc=example,dc=org',
      new Change({
        operation: 'replace',
        modification: new Attribute({ type: 'member', values: ['uid=bob,ou=people,dc=example,dc=org'] }),
      }),
    ),
  )
  await sleep(1100)
  assert.equal(await status(UPLOAD, alice), 403)
  assert.equal(await status(UPLOAD, bearer), 403)
  assert.equal(await status(UPLOAD, basicOf('bob', 'bob-password')), 202)
  // Away: nobody of it is let in on a guess; Berth's own users are not in its hands.
  await slapd.stop()
  await sleep(1100)
  assert.equal(await status(UPLOAD, bearer), 503)
  assert.equal(await status(UPLOAD, alice), 503)
  assert.equal(await status(UPLOAD, basicOf('bob', 'bob-password')), 503)
  assert.equal(await status('GET /v2/', basicOf('admin', 'of the administrator')), 200)
  assert.match(server.log(), /the directory cannot be asked/)
  assert.ok(!/alice-password|bob-password|search-password/.test(server.log()))
})
