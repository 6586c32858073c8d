/**
 * Another token server with Distribution's own configuration: a client that knows nothing beforehand goes where the
 * challenge sends it, and does what the token server allows.
 */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { blobOf, imageOf } from '../lib/content.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const ISSUER = 'tokens.example.com'
const SERVICE = 'registry.example.com'
/** Who may what, by repository; the catalog is a resource like others. */
const RIGHTS: Record<string, Record<string, readonly string[]>> = {
  alice: {
    'repository:team/app': ['pull', 'push'],
    'repository:team/base': ['pull', 'push', 'delete'],
    'registry:catalog': ['*'],
  },
  bob: { 'repository:team/app': ['pull'] },
}

/** Grants of what is asked what there is, as token servers do: nothing is an answer too. */
async function startTokenServer(t: TestContext, folder: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwks = join(folder, 'keys.json')
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] }))
  const asked: string[] = []
  const answer = async (url: URL, authorization = ''): Promise<string> => {
    const [name = ''] = Buffer.from(authorization.slice(6), 'base64').toString().split(':')
    const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' '))
    asked.push(`${name} ${url.searchParams.get('service')} ${scopes.join(' ')}`)
    const access = scopes.map((scope) => {
      const [type = '', resource = '', actions = ''] = scope.split(':')
      const rights = RIGHTS[name]?.[`${type}:${resource}`] ?? []
      return { type, name: resource, actions: actions.split(',').filter((action) => rights.includes(action)) }
    })
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(ISSUER)
      .setSubject(name)
      .setAudience(url.searchParams.get('service') ?? '')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
    return JSON.stringify({ token })
  }
  const server = createServer((request, response) => {
    void answer(new URL(request.url ?? '/', 'http://x'), request.headers.authorization).then((body) =>
      response.end(body),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(t, () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  })
  return { realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`, jwks, asked }
}

type Reply = { status: number; text: string }

/** Asks; where it is told to, gets a token and asks once more. */
async function ask(url: string, name: string, line: string, init: RequestInit = {}): Promise<Reply> {
  const [method = '', path = ''] = line.split(' ')
  const send = (headers: Record<string, string>) =>
    fetch(new URL(path, url), { ...init, method, headers: { ...(init.headers as object), ...headers } })
  let answer = await send({})
  if (answer.status === 401) {
    const challenge = answer.headers.get('www-authenticate') ?? ''
    const [, realm, service, scope] =
      /^Bearer realm="([^"]*)",service="([^"]*)"(?:,scope="([^"]*)")?$/.exec(challenge) ?? []
    assert.ok(realm !== undefined && service !== undefined, challenge)
    const query = new URLSearchParams({ service, ...(scope !== undefined && { scope }) })
    const authorization = basicHeader(`${name}:secret`)
    const given = await fetch(`${realm}?${query.toString()}`, { headers: { authorization } })
    const { token } = (await given.json()) as { token: string }
    answer = await send({ authorization: `Bearer ${token}` })
  }
  return { status: answer.status, text: await answer.text() }
}

test('push, pull, mount, list and delete, by what the token server allows', async (t) => {
  const folder = temporaryFolder(t, 'token-server')
  const { realm, jwks, asked } = await startTokenServer(t, folder)
  const server = await startServer({
    root: join(folder, 'data'),
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0' },
      auth: { token: { realm, service: SERVICE, issuer: ISSUER, jwks } },
    },
  })
  afterwards(t, () => server.stop())
  const as = async (name: string, line: string, init?: RequestInit): Promise<number> =>
    (await ask(server.url, name, line, init)).status

  const blob = blobOf('base', 100)
  const image = imageOf(blob, [blob])
  const manifest = { body: image.bytes as never, headers: { 'content-type': image.mediaType } }
  const upload = `/v2/team/base/blobs/uploads/?digest=${blob.digest}`
  assert.equal(await as('alice', `POST ${upload}`, { body: blob.bytes as never }), 201)
  assert.equal(await as('alice', 'PUT /v2/team/base/manifests/v1', manifest), 201)
  const mount = `/v2/team/app/blobs/uploads/?mount=${blob.digest}&from=team/base`
  assert.equal(await as('alice', `POST ${mount}`), 201)
  assert.equal(await as('alice', 'PUT /v2/team/app/manifests/v1', manifest), 201)
  assert.deepEqual(asked.slice(0, 4), [
    `alice ${SERVICE} repository:team/base:pull,push`,
    `alice ${SERVICE} repository:team/base:pull,push`,
    `alice ${SERVICE} repository:team/app:pull,push repository:team/base:pull`,
    `alice ${SERVICE} repository:team/app:pull,push`,
  ])

  assert.equal(await as('bob', 'GET /v2/'), 200)
  assert.equal(await as('bob', 'GET /v2/team/app/manifests/v1'), 200)
  assert.equal(await as('bob', `GET /v2/team/app/blobs/${blob.digest}`), 200)
  assert.equal(await as('bob', 'PUT /v2/team/app/manifests/v2', manifest), 401)
  assert.equal(await as('bob', 'GET /v2/team/base/manifests/v1'), 401)
  assert.equal(await as('bob', 'GET /v2/team/none/manifests/v1'), 401, 'absent is as forbidden')
  assert.equal(await as('bob', `GET /v2/team/base/blobs/${blob.digest}`), 401, 'a digest grants nothing')
  assert.equal(await as('bob', 'GET /v2/_catalog'), 401)
  assert.equal(await as('alice', `DELETE /v2/team/app/manifests/${image.digest}`), 401)

  const { text } = await ask(server.url, 'alice', 'GET /v2/_catalog')
  assert.deepEqual(
    JSON.parse(text),
    { repositories: ['team/app', 'team/base'] },
    'whole, for a token of the catalog',
  )
  assert.equal(await as('alice', `DELETE /v2/team/base/manifests/${image.digest}`), 202)
  assert.ok(!server.log().includes('eyJ'), 'no token in the log')
})
