/** Programs that another issuer vouches for, with a real issuer: as Basic, for a token of ours, with rules and without. */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { decodeJwt } from 'jose'
import { blobOf, imageOf } from '../lib/content.ts'
import { createRegistryClient, expectStatus } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { type Issuer, startIssuer } from './issuer.ts'

const AUDIENCE = 'https://registry.example.com'

function workloads({ url }: Issuer) {
  return [
    {
      name: 'company',
      issuer: url,
      audience: AUDIENCE,
      private: true,
      claims: [{ name: 'platform', match: { team: 'plat*' } }],
    },
  ]
}

async function start(t: TestContext, config: Record<string, unknown>): Promise<TestServer> {
  const root = temporaryFolder(t, 'workloads')
  const server = await startServer({
    root,
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0' },
      ...config,
    },
  })
  afterwards(t, () => server.stop())
  return server
}

const basic = (token: string, name = 'oidc'): string => basicHeader(`${name}:${token}`)

async function push({ url }: TestServer, authorization: string, repository: string): Promise<number> {
  const client = createRegistryClient(url, { headers: { authorization } })
  try {
    const blob = blobOf(repository, 100)
    const answer = await client.ask('POST', `/v2/${repository}/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
    })
    if (answer.status !== 201) return answer.status
    return (await client.putManifest(repository, 'v1', imageOf(blob, [blob]))).status
  } finally {
    client.close()
  }
}

async function status({ url }: TestServer, path: string, authorization?: string): Promise<number> {
  const answer = await fetch(url + path, { headers: authorization === undefined ? {} : { authorization } })
  await answer.arrayBuffer()
  return answer.status
}

test('without rules: whoever the issuer vouches for and a claim rule means may do everything', async (t) => {
  const issuer = await startIssuer(t)
  const server = await start(t, { auth: { workloads: workloads(issuer) } })
  const token = await issuer.tokenOf('ci', AUDIENCE)
  assert.equal(decodeJwt(token).iss, issuer.url)
  assert.equal(await push(server, basic(token), 'team/app'), 201)
  assert.equal(await push(server, basic(token, 'whatever'), 'other/app'), 201)
  assert.equal(await status(server, '/v2/team/app/manifests/v1', basic(token)), 200)

  const refused: [string, string | undefined][] = [
    ['nobody', undefined],
    ['another team', basic(await issuer.tokenOf('other', AUDIENCE))],
    ['another audience', basic(await issuer.tokenOf('ci', 'https://elsewhere.example.com'))],
    [
      'one letter changed',
      basic(`${token.slice(0, -10)}${token.at(-10) === 'A' ? 'B' : 'A'}${token.slice(-9)}`),
    ],
    ['as a Bearer token', `Bearer ${token}`],
    ['a password', basic('secret')],
  ]
  for (const [what, authorization] of refused) {
    assert.equal(await status(server, '/v2/', authorization), 401, what)
    assert.equal(await status(server, '/v2/team/app/manifests/v1', authorization), 401, what)
  }
  assert.ok(!server.log().includes(token.slice(0, 40)), 'no token in the log')
  assert.match(server.log(), /a token of company was refused: \\"other\\" meets none of platform/)
})

test('with rules: claim:NAME, and a token of the token service that ends with the one it was given for', async (t) => {
  const issuer = await startIssuer(t)
  const server = await start(t, {
    auth: { workloads: workloads(issuer) },
    access: {
      'signed-in': ['pull', 'push'],
      administrator: { name: 'admin', password: 'correct horse battery' },
      rules: [{ repositories: ['team/**'], allow: { 'claim:platform': ['pull', 'push'] } }],
    },
  })
  const token = await issuer.tokenOf('ci', AUDIENCE)
  assert.equal(await push(server, basic(token), 'team/app'), 201)
  assert.equal(await push(server, basic(token), 'other/app'), 403, 'signed-in means people')

  const client = createRegistryClient(server.url, { headers: { authorization: basic(token) } })
  afterwards(t, () => client.close())
  const scope = 'repository:team/app:pull,push'
  const answer = expectStatus(await client.ask('GET', `/token?service=berth&scope=${scope}`), 200)
  const ours = JSON.parse(answer.body.toString()) as { token: string; expires_in: number }
  const [exp = 0, theirs = 0] = [decodeJwt(ours.token).exp, decodeJwt(token).exp]
  assert.ok(exp <= theirs, `${exp} ${theirs}`)
  assert.equal(await push(server, `Bearer ${ours.token}`, 'team/app'), 201)
  assert.equal(await push(server, `Bearer ${ours.token}`, 'team/else'), 401)
})

test('an issuer that is away: 503, and others sign in as before', async (t) => {
  const issuer = await startIssuer(t)
  const token = await issuer.tokenOf('ci', AUDIENCE)
  const server = await start(t, {
    auth: { workloads: workloads(issuer) },
    access: { administrator: { name: 'admin', password: 'correct horse battery' } },
  })
  await issuer.stop()
  assert.equal(await status(server, '/v2/', basic(token)), 503)
  assert.equal(await status(server, '/v2/', basic('correct horse battery', 'admin')), 200)
  assert.equal(await status(server, '/v2/', basic('wrong', 'admin')), 401)
})
