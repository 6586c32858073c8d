/** What comes before any handler: health, read-only mode, who asks, what they may. */
import { anonymousPrincipal } from '../../src/auth/principal.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Permission } from '../../src/auth/permission.ts'
import { RegistryError } from '../../src/oci/error.ts'
import { createGuardedRegistry } from '../../src/registry/guarded.ts'
import { errorCode, image, sha256, startProtocol } from './start.ts'

const D = `sha256:${'0'.repeat(64)}`

/** Every route, and what it asks for. */
const ASKED: readonly (readonly [line: string, permission: string])[] = [
  ['GET /v2/', 'registry'],
  ['GET /v2/_oci/ext/discover', 'registry'],
  ['GET /v2/_catalog', 'catalog'],
  ['GET /v1/search?q=r', 'search'],
  ['GET /v2/r/tags/list', 'r pull'],
  [`GET /v2/r/referrers/${D}`, 'r pull'],
  ['GET /v2/r/manifests/v1', 'r pull'],
  ['HEAD /v2/r/manifests/v1', 'r pull'],
  [`GET /v2/r/blobs/${D}`, 'r pull'],
  [`HEAD /v2/r/blobs/${D}`, 'r pull'],
  ['PUT /v2/r/manifests/v1', 'r push'],
  [`PUT /v2/r/manifests/${D}?tag=a&tag=b`, 'r push'],
  ['POST /v2/r/blobs/uploads/', 'r push'],
  [`POST /v2/r/blobs/uploads/?digest=${D}`, 'r push'],
  [`POST /v2/r/blobs/uploads/?mount=${D}&from=s`, 'r push'],
  ['GET /v2/r/blobs/uploads/x', 'r push'],
  ['PATCH /v2/r/blobs/uploads/x', 'r push'],
  [`PUT /v2/r/blobs/uploads/x?digest=${D}`, 'r push'],
  ['DELETE /v2/r/blobs/uploads/x', 'r push'],
  ['DELETE /v2/r/manifests/v1', 'r delete'],
  [`DELETE /v2/r/blobs/${D}`, 'r delete'],
]
const FREE = ['GET /', 'GET /v2', 'GET /v1/_ping', 'OPTIONS /v2/', 'PUT /v2/', 'GET /v2/nothing']

function shown(permission: Permission): string {
  return permission.on === 'repository' ? `${permission.repository} ${permission.action}` : permission.on
}

test('no route answers without its permission: 403 to whom is known, 401 with a challenge to who is not', async (t) => {
  for (const kind of ['user', 'anonymous'] as const) {
    let asked: string[] = []
    const server = await startProtocol(t, {
      gate: {
        authenticate: async () => ({ ...anonymousPrincipal, id: 'u', name: 'u', kind }),
        authorize: async (_principal, permission) => {
          asked.push(shown(permission))
          return kind === 'user' ? ('denied' as const) : ('sign-in' as const)
        },
        challenge: (_request, { permissions }) => `Bearer scope="${permissions.map(shown).join(' ')}"`,
      },
    })
    for (const [line, permission] of ASKED) {
      asked = []
      const reply = await server.ask(line)
      assert.equal(reply.status, kind === 'user' ? 403 : 401, line)
      assert.deepEqual(asked, [permission], line)
      const challenge = kind === 'user' ? undefined : `Bearer scope="${permission}"`
      assert.equal(reply.headers['www-authenticate'], challenge, line)
      if (!line.startsWith('HEAD'))
        assert.equal(errorCode(reply), kind === 'user' ? 'DENIED' : 'UNAUTHORIZED')
    }
    asked = []
    for (const line of FREE)
      assert.ok([200, 204, 301, 404, 405].includes((await server.ask(line)).status), line)
    assert.deepEqual(asked, [])
  }
})

test('wrong credentials are 401 before anything is looked up', async (t) => {
  const server = await startProtocol(t, {
    gate: {
      authenticate: () => {
        throw new RegistryError('UNAUTHORIZED', 'no such user or a wrong password')
      },
      authorize: () => 'allowed',
      challenge: () => undefined,
    },
  })
  const reply = await server.ask('GET /v2/')
  assert.deepEqual([reply.status, errorCode(reply)], [401, 'UNAUTHORIZED'])
})

test('the catalog shows what the asker may read, in full pages', async (t) => {
  const server = await startProtocol(t, {
    gate: {
      authenticate: () => ({ ...anonymousPrincipal, id: 'u', name: 'u', kind: 'user' as const }),
      challenge: () => undefined,
      authorize: () => 'allowed',
    },
    wrap: (registry) =>
      createGuardedRegistry(registry, {
        may: () => true,
        mayMoveTags: () => true,
        mayList: (_principal, repository) => /[13579]$/.test(repository),
      }),
  })
  for (let i = 1; i <= 9; i += 1) {
    await server.push(`r${i}`, '{}')
    await server.pushManifest(`r${i}`, 'v1', image('{}'))
  }
  const first = await server.ask('GET /v2/_catalog?n=3')
  assert.deepEqual(JSON.parse(first.text), { repositories: ['r1', 'r3', 'r5'] })
  assert.equal(first.headers.link, '</v2/_catalog?last=r5&n=3>; rel="next"')
  const second = await server.ask('GET /v2/_catalog?n=3&last=r5')
  assert.deepEqual(JSON.parse(second.text), { repositories: ['r7', 'r9'] })
  assert.equal(second.headers.link, undefined)
})

test('a search shows what the asker may read, and names nothing else', async (t) => {
  const server = await startProtocol(t, {
    gate: {
      authenticate: (request) =>
        request.headers.authorization === undefined
          ? anonymousPrincipal
          : { ...anonymousPrincipal, id: 'u', name: 'u', kind: 'user' as const },
      challenge: () => 'Basic realm="r"',
      authorize: () => 'allowed',
    },
    wrap: (registry) =>
      createGuardedRegistry(registry, {
        may: () => true,
        mayMoveTags: () => true,
        mayList: ({ kind }, repository) =>
          repository === 'open/app' || (kind === 'user' && repository !== 'hidden/app'),
      }),
  })
  for (const name of ['hidden/app', 'open/app', 'team/app']) {
    await server.push(name, '{}')
    await server.pushManifest(name, 'v1', image('{}'))
  }
  const found = async (query: string, headers: Record<string, string> = {}) => {
    const reply = await server.ask(`GET /v1/search?${query}`, { headers })
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.headers['content-type'], 'application/json')
    return JSON.parse(reply.text) as { num_results: number; query: string; results: { name: string }[] }
  }
  const authorization = 'Basic dTp1'
  const result = { description: '', star_count: 0, is_official: false, is_automated: false }
  assert.deepEqual(await found('q=APP&n=25', { authorization }), {
    num_results: 2,
    query: 'APP',
    results: [
      { name: 'open/app', ...result },
      { name: 'team/app', ...result },
    ],
  })
  for (const [query, count] of [
    ['q=app&n=1', 1],
    ['q=app&n=0', 1],
    ['q=app&n=99999999999999999999', 2],
    ['', 2],
    ['q=hidden', 0],
    ['q=%25', 0],
    ['q=a_p', 0],
  ] as const) {
    assert.equal((await found(query, { authorization })).num_results, count, query)
  }
  assert.deepEqual(
    (await found('q=app', { 'x-docker-token': 'true' })).results.map(({ name }) => name),
    ['open/app'],
  )
  // podman asks without its credentials first: told to sign in, it goes on with the catalog.
  const headers = { 'docker-distribution-api-version': 'registry/2.0' }
  const refused = await server.ask('GET /v1/search?q=app', { headers })
  assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Basic realm="r"'])
  for (const [line, status] of [
    ['GET /v1/search?q=%00', 400],
    ['GET /v1/search?q=a&n=many', 400],
    ['DELETE /v1/search?q=a', 405],
    ['GET /v1/_ping', 404],
  ] as const) {
    const reply = await server.ask(line)
    assert.equal(reply.status, status, line)
    errorCode(reply)
  }
  const ping = await server.ask('GET /v1/_ping')
  assert.equal(ping.headers['x-docker-registry-standalone'], 'false')
})

test('while a health check fails every address is 503, and names no path of the server', async (t) => {
  let failing: Record<string, string> | undefined = { '/srv/data': 'is gone' }
  const server = await startProtocol(t, { health: () => failing })
  for (const line of [
    'GET /',
    'GET /v2/',
    'GET /v2/r/tags/list',
    'POST /v2/r/blobs/uploads/',
    'GET /nothing',
  ]) {
    const reply = await server.ask(line)
    assert.deepEqual([reply.status, errorCode(reply)], [503, 'UNAVAILABLE'], line)
    assert.doesNotMatch(reply.text, /srv/)
  }
  failing = undefined
  assert.equal((await server.ask('GET /v2/')).status, 200)
})

test('read-only: reads go on, everything that writes is 405 with Allow', async (t) => {
  const server = await startProtocol(t, { readOnly: true })
  for (const [line] of ASKED) {
    const reply = await server.ask(line)
    const writes = !line.startsWith('GET') && !line.startsWith('HEAD')
    assert.equal(reply.status === 405, writes, line)
    if (writes) assert.deepEqual([errorCode(reply), reply.headers.allow], ['UNSUPPORTED', 'GET, HEAD'], line)
  }
})

test('deletes that are off are 405 UNSUPPORTED in every form, and nothing is deleted; an upload can be cancelled', async (t) => {
  const server = await startProtocol(t, { rules: { deletes: false } })
  await server.push('r', '{}')
  const { digest } = await server.pushManifest('r', 'v1', image('{}'))
  for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${sha256('{}')}`]) {
    const reply = await server.ask(`DELETE /v2/r/${path}`)
    assert.deepEqual([reply.status, errorCode(reply)], [405, 'UNSUPPORTED'], path)
    assert.equal((await server.ask(`GET /v2/r/${path}`)).status, 200, path)
  }
  const { location } = (await server.ask('POST /v2/r/blobs/uploads/')).headers
  assert.equal((await server.ask(`DELETE ${location}`)).status, 204)
})

test('each request is told once: its route, who asked, the status, the error', async (t) => {
  const server = await startProtocol(t)
  for (const line of ['GET /', 'GET /v2/', 'GET /v2/r/tags/list', 'GET /v2/R/tags/list', 'PUT /v2/'])
    await server.ask(line)
  assert.deepEqual(
    server.events.map(({ route, principal, status, error }) => [
      route?.kind,
      principal?.id,
      status,
      error?.code,
    ]),
    [
      ['root', 'anonymous', 200, undefined],
      ['ping', 'open', 200, undefined],
      ['listTags', 'open', 404, 'NAME_UNKNOWN'],
      [undefined, undefined, 400, 'NAME_INVALID'],
      ['otherMethod', undefined, 405, 'UNSUPPORTED'],
    ],
  )
})
