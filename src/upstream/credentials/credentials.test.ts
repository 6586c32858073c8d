/** Files and helpers of credentials that are broken, or meant to do harm. What is right is tested with the real tools. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { CredentialsError } from './credentials.ts'
import { findCredentials } from './find-credentials.ts'

const HOST = 'r.example:5000'
const auth = Buffer.from('alice:secret').toString('base64')

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-credentials-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const env = { HOME: folder, DOCKER_CONFIG: folder, PATH: `${folder}:/usr/bin:/bin` }
  return {
    find(text: string) {
      writeFileSync(join(folder, 'config.json'), text)
      return findCredentials(HOST, 'team/app', env)
    },
    helper(name: string, script: string) {
      const path = join(folder, `docker-credential-${name}`)
      writeFileSync(path, `#!/bin/sh\n${script}\n`)
      chmodSync(path, 0o755)
    },
  }
}

test('fields of other types than they should have', async (t) => {
  const { find } = place(t)
  const nothing = [
    '{"auths":null}',
    '{"auths":"x"}',
    '{"auths":[1]}',
    '{"auths":7}',
    `{"auths":{"${HOST}":null}}`,
    `{"auths":{"${HOST}":"alice:secret"}}`,
    `{"auths":{"${HOST}":{"auth":7,"identitytoken":{},"registrytoken":[]}}}`,
    `{"auths":{"__proto__":{"auth":"${auth}"}}}`,
    '{"credHelpers":7,"credsStore":{}}',
    '{"credsStore":""}',
  ]
  for (const text of nothing) assert.equal(await find(text), undefined, text)
  const found = await find(`{"credHelpers":{"${HOST}":{}},"auths":{"${HOST}":{"auth":"${auth}"}}}`)
  assert.deepEqual(found && { ...found, from: '' }, {
    kind: 'password',
    username: 'alice',
    password: 'secret',
    from: '',
  })
  const wrong: [text: string, message: RegExp][] = [
    ['[]', /is no JSON object/],
    ['{', /is no JSON object/],
    [`{"auths":{"${HOST}":{"auth":"c2VjcmV0"}}}`, /is not NAME:PASSWORD in base64/],
    [`{"auths":{"${HOST}":{"registrytoken":"secret\\r\\nx: y"}}}`, /"registrytoken" of .* is no token/],
    [`{"auths":{"${HOST}":{"registrytoken":"secr\u0416t"}}}`, /"registrytoken" of .* is no token/],
  ]
  for (const [text, message] of wrong)
    await assert.rejects(find(text), (error: Error) => {
      assert.ok(error instanceof CredentialsError, String(error))
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
})

test(
  'helpers: no name leads elsewhere, and what a broken one says is no password',
  { timeout: 20_000 },
  async (t) => {
    const { find, helper } = place(t)
    for (const name of ['../../bin/sh', 'a;id', 'a b', '$(id)', 'a\nb', 'a/b', '\u0000'])
      await assert.rejects(find(JSON.stringify({ credsStore: name })), /is no name of a credential helper/)
    await assert.rejects(find('{"credsStore":".."}'), /docker-credential-\.\. is not on the PATH/)
    const answer = '{"ServerURL":"r","Username":"alice","Secret":"secret"}'
    const rows: [name: string, script: string, message: RegExp][] = [
      ['fails', `echo '${answer}'; exit 1`, /gives no password for .*: it ended with 1/],
      ['complains', 'echo "the key is locked"; exit 1', /: the key is locked$/],
      ['endless', 'yes secret', /gives no password for .*: it ended with SIGKILL/],
      ['odd', 'echo "[1]"', /answers what is no credentials/],
      ['null', 'echo null', /answers what is no credentials/],
    ]
    for (const [name, script, message] of rows) {
      helper(name, script)
      await assert.rejects(find(JSON.stringify({ credsStore: name })), (error: Error) => {
        assert.ok(error instanceof CredentialsError, String(error))
        assert.match(error.message, message, name)
        assert.doesNotMatch(error.message, /secret/, name)
        return true
      })
    }
  },
)
