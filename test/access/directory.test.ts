/** A registry with rules for groups of a directory: by Basic, by token, by refresh token and by personal token. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Attribute, Change } from 'ldapts'
import { SEARCH, startSlapd } from '../../src/auth/ldap/slapd.fixture.ts'
import { createHttpClient } from '../lib/http-client.ts'
import { missingPrograms } from '../lib/prerequisite.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { basicOf } from './subject.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const CACHE_MS = 500
const skip = missingPrograms('slapd', 'slapadd', 'openssl')

test(
  'C11: who left a group of the directory has nothing of it, by any way (CVE-2025-23208)',
  { skip },
  async (t) => {
    const slapd = await startSlapd(t)
    const folder = temporaryFolder(t, 'directory')
    const config = {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: '127.0.0.1:0' },
      auth: {
        ldap: {
          url: slapd.url,
          binddn: SEARCH.dn,
          bindpassword: SEARCH.password,
          userbase: 'ou=people,dc=example,dc=org',
          groupbase: 'ou=groups,dc=example,dc=org',
          cache: `${CACHE_MS}ms`,
        },
      },
      access: {
        'signed-in': [],
        administrators: ['group:security'],
        rules: [{ repositories: ['team/**'], allow: { 'group:devs': ['pull', 'push'] } }],
      },
    }
    const file = join(folder, 'config.yml')
    writeFileSync(file, JSON.stringify(config))
    const server = await startServer({ root: '', config })
    afterwards(t, () => server.stop())
    const http = createHttpClient(server.url)
    afterwards(t, () => http.close())
    const status = async (authorization: string, name = 'team/app'): Promise<number> =>
      (await http.ask(`/v2/${name}/blobs/uploads/`, { method: 'POST', headers: { authorization } })).status
    const got = async (authorization: string) => {
      const scope = 'repository:team/app:pull,push'
      const answer = await http.ask(`/token?offline_token=true&scope=${scope}`, {
        headers: { authorization },
      })
      assert.equal(answer.status, 200)
      return JSON.parse(answer.body.toString()) as { token: string; refresh_token: string }
    }
    const refreshed = async (refreshToken: string): Promise<string> => {
      const fields = {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        scope: 'repository:team/app:pull,push',
      }
      const body = Buffer.from(new URLSearchParams(fields).toString())
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await http.ask('/token', { method: 'POST', headers, body })
      assert.equal(answer.status, 200)
      return `Bearer ${(JSON.parse(answer.body.toString()) as { token: string }).token}`
    }

    const bob = basicOf('bob', 'bob-password')
    const command = spawn(process.execPath, [MAIN, 'token', 'add', '--user', 'ldap:bob', '-c', file])
    const secret = (await text(command.stdout)).trim()
    await once(command, 'close')
    const pat = basicOf('bob', secret)
    const { token, refresh_token } = await got(bob)
    const ways = [
      bob,
      `Bearer ${token}`,
      pat,
      `Bearer ${(await got(pat)).token}`,
      await refreshed(refresh_token),
    ]
    for (const way of ways) assert.equal(await status(way), 202)
    assert.equal(await status(bob, 'other/app'), 403)
    // An administrator by a group of the directory.
    const alice = basicOf('alice', 'alice-password')
    assert.equal(await status(alice, 'other/app'), 202)
    assert.equal(await status(basicOf('alice', 'bob-password')), 401)
    assert.equal(await status(basicOf('alice', '')), 401)

    const members = (values: string[]): Change =>
      new Change({ operation: 'replace', modification: new Attribute({ type: 'member', values }) })
    await slapd.change((client) =>
      client.modify(
        'cn=devs,ou=groups,dc=example,dc=org',
        members(['uid=alice,ou=people,dc=example,dc=org']),
      ),
    )
    await sleep(CACHE_MS + 100)
    for (const way of [...ways, await refreshed(refresh_token)]) assert.equal(await status(way), 403)

    await slapd.change((client) => client.del('uid=bob,ou=people,dc=example,dc=org'))
    await sleep(CACHE_MS + 100)
    for (const way of ways) assert.equal(await status(way), 401)

    await slapd.stop()
    await sleep(CACHE_MS + 100)
    // Nobody is let in on a guess, nor told that the password is wrong.
    for (const way of [alice, ...ways]) assert.equal(await status(way), 503)
    assert.equal((await http.ask('/v2/')).status, 401)
  },
)
