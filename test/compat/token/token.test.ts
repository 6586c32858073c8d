/**
 * Tokens of another server: the same table of requests for Berth and, where its program is at hand, for CNCF
 * Distribution itself.
 */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Gate } from '../../../src/auth/authenticate.ts'
import {
  createExternalTokenGate,
  externalTokenGuard,
  type ExternalTokenSettings,
} from '../../../src/auth/external-token/gate.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLogger } from '../../../src/lib/logger.ts'
import { createGuardedRegistry } from '../../../src/registry/guarded.ts'
import { withoutOpenssl } from '../../../src/serving/certificates.fixture.ts'
import { temporaryFolder } from '../../lib/temporary.ts'
import { startProtocol } from '../../protocol/start.ts'
import { berth, findPeer, launch, type Program, type Refused, type Started } from '../launch.ts'
import { makeKeys, type Pair, tokenOf, writeKeyFiles } from './issuer.ts'
import { claimsOf, ISSUER, type Row, rowsOf, SERVICE } from './table.ts'

const skip = (await withoutOpenssl()) ?? false
const peer = findPeer()
const REALM = 'https://tokens.example.com/token'

type Shown = { status: number; challenge: string | undefined; detail?: unknown }

async function send(url: string, { ask, authorization, headers }: Row): Promise<Shown> {
  const [method = '', path = ''] = ask.split(' ')
  const answer = await fetch(new URL(path, url), {
    method,
    redirect: 'manual',
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
  })
  const text = await answer.text()
  const { status } = answer
  const challenge = answer.headers.get('www-authenticate') ?? undefined
  if (status !== 401 || text === '') return { status, challenge: sorted(challenge) }
  const { errors } = JSON.parse(text) as { errors: { code: string; detail?: unknown }[] }
  assert.equal(errors[0]?.code, 'UNAUTHORIZED')
  return {
    status,
    challenge: sorted(challenge),
    detail: Array.isArray(errors[0].detail) ? errors[0].detail : undefined,
  }
}

/** Distribution writes scopes, and the actions in each, in any order. */
function sorted(challenge: string | undefined): string | undefined {
  return challenge?.replace(/scope="([^"]*)"/, (_whole, scopes: string) => {
    const each = scopes.split(' ').map((scope) => {
      const colon = scope.lastIndexOf(':')
      return `${scope.slice(0, colon)}:${scope
        .slice(colon + 1)
        .split(',')
        .sort()
        .join(',')}`
    })
    return `scope="${each.sort().join(' ')}"`
  })
}

function expected({ status, scope, error }: Pick<Row, 'status' | 'scope' | 'error'>): Shown {
  if (status !== 401) return { status, challenge: undefined }
  const parts = [`Bearer realm="${REALM}"`, `service="${SERVICE}"`]
  if (scope !== undefined) parts.push(`scope="${scope}"`)
  if (error !== undefined) parts.push(`error="${error}"`)
  return { status, challenge: parts.join(',') }
}

async function differing(url: string, rows: readonly Row[], who: 'berth' | 'peer'): Promise<string[]> {
  const wrong: string[] = []
  for (const row of rows) {
    const { status, challenge } = await send(url, row)
    const wanted = expected(who === 'berth' && row.berth !== undefined ? row.berth : row)
    if (status === wanted.status && challenge === wanted.challenge) continue
    wrong.push(`${row.name}: ${status} ${challenge}, not ${wanted.status} ${wanted.challenge}`)
  }
  return wrong
}

function gateOf(settings: Partial<ExternalTokenSettings>): Promise<Gate> {
  return createExternalTokenGate({
    settings: {
      realm: REALM,
      service: SERVICE,
      issuer: ISSUER,
      signingalgorithms: [],
      autoredirect: false,
      autoredirectpath: '/auth/token',
      ...settings,
    },
    clock: systemClock,
    log: silentLogger,
  })
}

/** What follows `token:` in Distribution's file. */
function startWith(program: Program, token: string): Promise<Started | Refused> {
  return launch(program, {
    file: `version: 0.1\nstorage: {inmemory: {}, delete: {enabled: true}}\nhttp: {addr: '127.0.0.1:0'}\nauth: {token: ${token}}\n`,
    env: ({ port }) => ({ REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` }),
  })
}

test('each token and request of the table is answered as Distribution 3.1.2 does', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'token')
  const keys = await makeKeys(folder)
  const { bundle, jwks } = writeKeyFiles(folder, keys)
  const rows = rowsOf(keys)
  const gate = await gateOf({ rootcertbundle: bundle, jwks })
  const server = await startProtocol(t, {
    gate,
    wrap: (inner) => createGuardedRegistry(inner, externalTokenGuard),
  })
  assert.deepEqual(await differing(server.url, rows, 'berth'), [])
  assert.deepEqual(await differing(server.url, rows, 'berth'), [], 'once more, with what is kept of them')

  await t.test('and by the whole program', async () => {
    const started = await startWith(
      berth,
      `{realm: '${REALM}', service: ${SERVICE}, issuer: ${ISSUER}, rootcertbundle: ${bundle}, jwks: ${jwks}}`,
    )
    assert.ok('place' in started, 'it should have started')
    try {
      assert.deepEqual(await differing(started.place.url, rows, 'berth'), [])
      assert.ok(!started.log().includes('eyJ'), 'no token in the log')
    } finally {
      await started.stop()
    }
  })

  await t.test('and by Distribution itself', { skip: noPeer() }, async () => {
    if (peer === undefined) return
    const started = await startWith(
      peer,
      `{realm: '${REALM}', service: ${SERVICE}, issuer: ${ISSUER}, rootcertbundle: ${bundle}, jwks: ${jwks}}`,
    )
    assert.ok('place' in started, 'log' in started && typeof started.log === 'string' ? started.log : '')
    try {
      await beside(started, server.url, rows)
    } finally {
      await started.stop()
    }
  })
})

async function beside(distribution: Started, berth: string, rows: readonly Row[]): Promise<void> {
  assert.deepEqual(await differing(distribution.place.url, rows, 'peer'), [])
  for (const row of rows.filter((one) => one.berth === undefined)) {
    const [theirs, ours] = [await send(distribution.place.url, row), await send(berth, row)]
    assert.deepEqual(ours.detail, theirs.detail, row.name)
  }
}

function notNow(): string | false {
  return process.env['BERTH_SLOW'] === '1'
    ? noPeer() || skip
    : 'SKIPPED: starts many times, with BERTH_SLOW=1'
}

function noPeer(): string | false {
  return peer === undefined
    ? 'SKIPPED: Distribution 3.1 is not on this machine (BERTH_COMPAT_PEER, or registry on the PATH)'
    : false
}

const REDIRECTS: readonly [headers: Record<string, string>, path: string | undefined, realm: string][] = [
  [{}, undefined, 'https://HOST/auth/token'],
  [{}, '/v2token', 'https://HOST/v2token'],
  [{ 'x-forwarded-proto': 'http' }, undefined, 'http://HOST/auth/token'],
  [{ 'x-forwarded-proto': 'https' }, undefined, 'https://HOST/auth/token'],
]

test('autoredirect: the realm is on the host that was asked', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'token')
  const { jwks } = writeKeyFiles(folder, await makeKeys(folder))
  for (const [headers, path, realm] of REDIRECTS) {
    const row = { name: realm, ask: 'GET /v2/', headers, status: 401 }
    const wanted = (url: string): string =>
      `Bearer realm="${realm.replace('HOST', new URL(url).host)}",service="${SERVICE}"`
    const gate = await gateOf({
      jwks,
      autoredirect: true,
      ...(path !== undefined && { autoredirectpath: path }),
    })
    const { url } = await startProtocol(t, { gate })
    assert.equal((await send(url, row)).challenge, wanted(url))
    if (peer === undefined) continue
    const started = await startWith(
      peer,
      `{realm: x, service: ${SERVICE}, issuer: i, jwks: ${jwks}, autoredirect: true${path === undefined ? '' : `, autoredirectpath: ${path}`}}`,
    )
    assert.ok('place' in started)
    const theirs = started.place.url
    assert.equal((await send(theirs, row)).challenge, wanted(theirs))
    await started.stop()
  }
})

test('signingalgorithms: others are refused as unreadable', { skip }, async (t) => {
  const folder = temporaryFolder(t, 'token')
  const keys = await makeKeys(folder)
  const { jwks } = writeKeyFiles(folder, keys)
  const { url } = await startProtocol(t, { gate: await gateOf({ jwks, signingalgorithms: ['RS256'] }) })
  const by = (alg: string, kid: 'rsa' | 'ec') => ({
    name: alg,
    ask: 'GET /v2/',
    authorization: `Bearer ${tokenOf({ alg, kid }, claimsOf(), keys[kid].privateKey)}`,
  })
  const rows = [
    { ...by('RS256', 'rsa'), status: 200 },
    { ...by('RS512', 'rsa'), status: 401, error: 'invalid_token' as const },
    { ...by('ES256', 'ec'), status: 401, error: 'invalid_token' as const },
  ]
  assert.deepEqual(await differing(url, rows, 'berth'), [])
})

test(
  'keys that are put in place are in use a moment later; a file that is damaged changes nothing',
  { skip },
  async (t) => {
    const folder = temporaryFolder(t, 'token')
    const keys = await makeKeys(folder)
    const { jwks } = writeKeyFiles(folder, keys)
    const clock = { time: Date.now(), now: () => clock.time }
    const said: string[] = []
    const log = {
      ...silentLogger,
      error: (text: string) => void said.push(text),
      info: (text: string) => void said.push(text),
    }
    const settings = {
      realm: REALM,
      service: SERVICE,
      issuer: ISSUER,
      jwks,
      signingalgorithms: [],
      autoredirect: false,
      autoredirectpath: '/auth/token',
    }
    const { url } = await startProtocol(t, { gate: await createExternalTokenGate({ settings, clock, log }) })
    const of = (pair: Pair) => ({
      name: 'a token',
      ask: 'GET /v2/',
      authorization: `Bearer ${tokenOf({ alg: 'ES256', kid: 'ec' }, claimsOf(), pair.privateKey)}`,
      status: 200,
    })
    const [old, next] = [of(keys.ec), of(keys.stranger)]
    const statuses = async (): Promise<number[]> => [
      (await send(url, old)).status,
      (await send(url, next)).status,
    ]
    assert.deepEqual(await statuses(), [200, 401])

    writeFileSync(
      jwks,
      JSON.stringify({ keys: [{ ...keys.stranger.publicKey.export({ format: 'jwk' }), kid: 'ec' }] }),
    )
    clock.time += 3000
    assert.deepEqual(await statuses(), [401, 200])
    writeFileSync(jwks, 'damaged')
    clock.time += 3000
    assert.deepEqual(await statuses(), [401, 200])
    rmSync(jwks)
    clock.time += 3000
    assert.deepEqual(await statuses(), [401, 200])
    assert.deepEqual(said, [
      'auth.token: its keys changed and are in use',
      'auth.token: the changed files of keys cannot be used; the old keys stay in use',
      'auth.token: the changed files of keys cannot be used; the old keys stay in use',
    ])
    clock.time += 600_000
    assert.deepEqual(await statuses(), [401, 401], 'what is kept ends with the token')
  },
)

const MISTAKES: readonly [what: string, settings: Partial<ExternalTokenSettings>, message: RegExp][] = [
  ['no file', {}, /there is no key to check tokens with: rootcertbundle must hold a certificate, or jwks/],
  [
    'a file that is not there',
    { jwks: '/nowhere.json' },
    /auth\.token\.jwks: cannot read .*: there is no such file/,
  ],
  ['an empty set', { jwks: 'empty.json' }, /there is no key/],
  ['only secrets', { jwks: 'secret.json' }, /there is no key/],
  ['not JSON', { jwks: 'text.json' }, /is not JSON/],
  ['no set', { jwks: 'key.json' }, /must be \{"keys": \[\.\.\.\]\}/],
  ['a damaged key', { jwks: 'damaged.json' }, /its 1\. key is damaged/],
  ['a bundle without a certificate', { rootcertbundle: 'text.json' }, /there is no key/],
  ['a damaged certificate', { rootcertbundle: 'damaged.pem' }, /certificate 1 in .* is damaged/],
]

test('files of keys that cannot be used keep it from starting', async (t) => {
  const folder = temporaryFolder(t, 'token')
  const files: Record<string, string> = {
    'empty.json': '{"keys":[]}',
    'secret.json': '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"x"}]}',
    'text.json': 'text',
    'key.json': '{"kty":"EC"}',
    'damaged.json': '{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}',
    'damaged.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  for (const [what, settings, message] of MISTAKES) {
    const entries = Object.entries(settings).map(([key, value]) => [key, join(folder, String(value))])
    await assert.rejects(gateOf(Object.fromEntries(entries)), message, what)
  }
})

const KEYS = 'realm: r, service: s, issuer: i'

/** What follows `token:`; `peer` says what Distribution does where Berth does otherwise, and `why`. */
const STARTS: readonly { token: string; starts: boolean; peer?: boolean; why?: string }[] = [
  { token: `{${KEYS}, jwks: JWKS}`, starts: true },
  { token: `{${KEYS}, rootcertbundle: BUNDLE}`, starts: true },
  { token: `{${KEYS}, jwks: JWKS, signingalgorithms: [RS256, HS256]}`, starts: true },
  { token: `{${KEYS}, jwks: JWKS, signingalgorithms: [RS128]}`, starts: false },
  { token: `{${KEYS}, jwks: JWKS, signingalgorithms: [none]}`, starts: false },
  { token: `{${KEYS}, jwks: JWKS, signingalgorithms: RS256}`, starts: false },
  { token: `{${KEYS}, jwks: JWKS, autoredirect: maybe}`, starts: false },
  { token: `{${KEYS}}`, starts: false },
  { token: `{${KEYS}, jwks: /nowhere}`, starts: false },
  { token: `{${KEYS}, rootcertbundle: /nowhere}`, starts: false },
  { token: `{${KEYS}, jwks: BUNDLE}`, starts: false },
  { token: `{${KEYS}, rootcertbundle: JWKS}`, starts: false },
  { token: '{service: s, issuer: i, jwks: JWKS}', starts: false },
  { token: '{realm: r, issuer: i, jwks: JWKS}', starts: false },
  { token: '{realm: r, service: s, jwks: JWKS}', starts: false },
  {
    token: "{realm: r, service: s, issuer: '', jwks: JWKS}",
    starts: false,
    peer: true,
    why: 'a token without an issuer would do',
  },
  {
    token: '{autoredirect: true, service: s, issuer: i, jwks: JWKS}',
    starts: true,
    peer: false,
    why: 'the realm is not used',
  },
]

test('what it starts with, and what not', { skip: notNow() }, async (t) => {
  const folder = temporaryFolder(t, 'token')
  const { bundle, jwks } = writeKeyFiles(folder, await makeKeys(folder))
  for (const { token, starts, peer: theirs = starts } of STARTS) {
    const text = token.replace('JWKS', jwks).replace('BUNDLE', bundle)
    assert.equal(await startsWith(berth, text), starts, token)
    if (peer !== undefined) assert.equal(await startsWith(peer, text), theirs, `Distribution: ${token}`)
  }
})

async function startsWith(program: Program, token: string): Promise<boolean> {
  const started = await startWith(program, token)
  if (!('place' in started)) return false
  await started.stop()
  return true
}
