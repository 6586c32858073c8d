/** Tokens as GitHub, GitLab and Kubernetes document them; forged ones; issuers that are away. */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FetchError, type GuardedFetch } from '../../lib/guarded-fetch.ts'
import { type Logger, silentLogger } from '../../lib/logger.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Account, IdentitySource } from '../identity.ts'
import { openWorkloads, type WorkloadIssuer } from './source.ts'

const NOW = Date.UTC(2026, 0, 1)
const SECONDS = NOW / 1000
const TIMES = { iat: SECONDS - 5, nbf: SECONDS - 5, exp: SECONDS + 300 }
const AUDIENCE = 'registry.example.com'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenOf(
  claims: unknown,
  { kid = 'ec', alg = 'ES256', key = ec.privateKey, ...more } = {} as Signing,
): string {
  const text = `${encoded({ alg, kid, typ: 'JWT', ...more })}.${encoded(claims)}`
  const signature =
    typeof key === 'string'
      ? createHmac('sha256', key).update(text).digest()
      : sign('sha256', Buffer.from(text), alg === 'RS256' ? key : { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}
type Signing = {
  kid?: string
  alg?: string
  key?: KeyObject | string
  jwk?: unknown
  crit?: unknown
  b64?: unknown
}

const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid })
const KEYS = [jwk(ec.publicKey, 'ec'), jwk(rsa.publicKey, 'rsa')]

const GITHUB: WorkloadIssuer = {
  name: 'github',
  issuer: 'https://token.actions.githubusercontent.com',
  audience: AUDIENCE,
  private: false,
  claims: [
    { name: 'releases', match: { repository: 'octo-org/*', ref: 'refs/heads/main' } },
    { name: 'octo', match: { repository_owner_id: '65' } },
  ],
}
const GITLAB: WorkloadIssuer = {
  name: 'gitlab',
  issuer: 'https://gitlab.example.com',
  audience: AUDIENCE,
  private: false,
  claims: [{ name: 'builds', match: { namespace_path: 'my-group', ref_protected: 'true' } }],
}
const KUBERNETES: WorkloadIssuer = {
  name: 'cluster',
  issuer: 'https://kubernetes.default.svc.cluster.local',
  audience: AUDIENCE,
  private: true,
  claims: [{ name: 'nodes', match: { 'kubernetes.io/namespace': 'my-namespace' } }],
}

/** docs.github.com, "OpenID Connect reference" */
const OF_GITHUB = {
  jti: 'example-id',
  sub: 'repo:octo-org/octo-repo:environment:prod',
  environment: 'prod',
  aud: AUDIENCE,
  ref: 'refs/heads/main',
  sha: 'example-sha',
  repository: 'octo-org/octo-repo',
  repository_owner: 'octo-org',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '74',
  repository_owner_id: '65',
  run_id: 'example-run-id',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'example-workflow',
  head_ref: '',
  base_ref: '',
  event_name: 'workflow_dispatch',
  ref_type: 'branch',
  job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main',
  iss: 'https://token.actions.githubusercontent.com',
  ...TIMES,
}
/** docs.gitlab.com, "OpenID Connect (OIDC) Authentication Using ID Tokens" */
const OF_GITLAB = {
  namespace_id: '72',
  namespace_path: 'my-group',
  project_id: '20',
  project_path: 'my-group/my-project',
  user_id: '1',
  user_login: 'sample-user',
  user_email: 'sample-user@example.com',
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'feature-branch-1',
  ref_type: 'branch',
  ref_path: 'refs/heads/feature-branch-1',
  ref_protected: 'true',
  groups_direct: ['mygroup/mysubgroup', 'myothergroup/myothersubgroup'],
  runner_id: 1,
  runner_environment: 'self-hosted',
  jti: '235b3a54-b797-45c7-ae9a-f72d7bc6ef5b',
  iss: 'https://gitlab.example.com',
  sub: 'project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1',
  aud: AUDIENCE,
  ...TIMES,
}
/** kubernetes.io, "Managing Service Accounts", bound tokens */
const OF_KUBERNETES = {
  aud: [AUDIENCE],
  iss: 'https://kubernetes.default.svc.cluster.local',
  jti: 'aed34954-b33a-4142-b1ec-389d6bbb4936',
  'kubernetes.io': {
    namespace: 'my-namespace',
    node: { name: 'my-node', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
    pod: { name: 'my-pod', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3' },
    serviceaccount: { name: 'my-serviceaccount', uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
  },
  sub: 'system:serviceaccount:my-namespace:my-serviceaccount',
  ...TIMES,
}

function discovery(asked: string[] = [], keys: () => unknown = () => KEYS): GuardedFetch {
  return async (address) => {
    asked.push(address)
    const { origin, pathname } = new URL(address)
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: origin, jwks_uri: `${origin}/keys` },
      '/keys': { keys: keys() },
    }
    if (!(pathname in answers)) throw new FetchError('answered 404')
    return Buffer.from(JSON.stringify(answers[pathname]))
  }
}

type Surroundings = { issuers?: WorkloadIssuer[]; fetch?: GuardedFetch; log?: Logger }

async function open({
  issuers = [GITHUB, GITLAB, KUBERNETES],
  fetch = discovery(),
  log = silentLogger,
}: Surroundings = {}) {
  const clock = { time: NOW, now: () => clock.time }
  const source = await openWorkloads({ issuers, clock, log, fetch })
  return { clock, source, give: (password: string) => give(source, password) }
}

function give(source: IdentitySource, password: string): Promise<Account | 'unknown' | 'wrong'> {
  return source.verify({ name: 'oidc', password, address: '192.0.2.1' })
}

const outcome = (found: Account | 'unknown' | 'wrong'): unknown =>
  typeof found === 'string' ? found : 'taken'

test('who GitHub, GitLab and Kubernetes vouch for', async () => {
  const { give, source } = await open()
  const found = await Promise.all([
    give(tokenOf(OF_GITHUB, { alg: 'RS256', kid: 'rsa', key: rsa.privateKey })),
    give(tokenOf(OF_GITLAB)),
    give(tokenOf(OF_KUBERNETES)),
  ])
  const nothing = { kind: 'workload', groups: [], isAdmin: false, grants: [] }
  const of = (name: string, claims: string[]) => ({ id: `workload:${name}`, name, claims, ...nothing })
  assert.deepEqual(
    found.map((account) => typeof account === 'object' && { ...account.principal }),
    [
      of('github:repo:octo-org/octo-repo:environment:prod', ['releases', 'octo']),
      of('gitlab:project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1', ['builds']),
      of('cluster:system:serviceaccount:my-namespace:my-serviceaccount', ['nodes']),
    ],
  )
  for (const account of found) assert.equal(typeof account === 'object' && account.expiresAt, NOW + 300_000)
  const [first] = found
  assert.ok(typeof first === 'object')
  const again = await source.find(first.principal.id)
  assert.equal(again?.stamp, first.stamp)
  assert.deepEqual(again?.principal, { ...first.principal, claims: [] })
  for (const id of ['workload:other:x', 'workload:github', 'user:1', ''])
    assert.equal(await source.find(id), undefined)
})

test('a long name is shortened, its id is not', async () => {
  const { give } = await open()
  const sub = `repo:octo-org/${'a'.repeat(300)}:ref:refs/heads/main`
  const found = await give(tokenOf({ ...OF_GITHUB, sub }))
  assert.ok(typeof found === 'object')
  assert.equal(found.principal.id, `workload:github:${sub}`)
  assert.equal(found.principal.name.length, 128)
  assert.match(found.principal.name, /^github:repo:octo-org\/a+…a+:ref:refs\/heads\/main$/)
})

const without = (name: string): Record<string, unknown> => ({ ...OF_GITHUB, [name]: undefined })
const signed = (claims: Record<string, unknown>, how: Signing = {}): string =>
  tokenOf({ ...OF_GITHUB, ...claims }, how)
const [head, body, signature] = signed({}).split('.') as [string, string, string]
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' })

const TOKENS: readonly [what: string, token: string, outcome: 'taken' | 'wrong' | 'unknown'][] = [
  ['as it is', signed({}), 'taken'],
  ['audience in a list', signed({ aud: ['x', AUDIENCE] }), 'taken'],
  ['the clock of the issuer is ahead', signed({ iat: SECONDS + 50, nbf: SECONDS + 50 }), 'taken'],
  ['no nbf', tokenOf(without('nbf')), 'taken'],
  ['a password', 'correct horse battery', 'unknown'],
  ['three words', 'ey.b.c', 'unknown'],
  ['another issuer', signed({ iss: 'https://issuer.example.com' }), 'unknown'],
  ['an issuer that begins alike', signed({ iss: `${GITHUB.issuer}/` }), 'unknown'],
  ['an issuer that is no text', signed({ iss: [GITHUB.issuer] }), 'unknown'],
  ['no issuer', tokenOf(without('iss')), 'unknown'],
  ['larger than any', signed({ more: 'x'.repeat(9000) }), 'unknown'],
  ['another audience', signed({ aud: 'https://github.com/octo-org' }), 'wrong'],
  ['no audience', tokenOf(without('aud')), 'wrong'],
  ['expired', signed({ exp: SECONDS - 1 }), 'wrong'],
  ['expires now', signed({ exp: SECONDS }), 'wrong'],
  ['no exp', tokenOf(without('exp')), 'wrong'],
  ['exp is text', signed({ exp: `${SECONDS + 300}` }), 'wrong'],
  ['no iat', tokenOf(without('iat')), 'wrong'],
  ['made in the future', signed({ iat: SECONDS + 90 }), 'wrong'],
  ['not valid yet', signed({ nbf: SECONDS + 90 }), 'wrong'],
  ['no sub', tokenOf(without('sub')), 'wrong'],
  ['an empty sub', signed({ sub: '' }), 'wrong'],
  ['a sub with a line break', signed({ sub: 'a\nb' }), 'wrong'],
  ['a sub that is too long', signed({ sub: 'a'.repeat(1025) }), 'wrong'],
  ['no rule is met', signed({ repository: 'evil/octo-org', repository_owner_id: '66' }), 'wrong'],
  [
    'another owner of the same name',
    signed({ repository: 'octo-orgs/x', repository_owner_id: '66' }),
    'wrong',
  ],
  ['signed by a stranger', signed({}, { key: stranger.privateKey }), 'wrong'],
  [
    'with a key of its own',
    signed({}, { key: stranger.privateKey, kid: 'x', jwk: jwk(stranger.publicKey, 'x') }),
    'wrong',
  ],
  [
    'with a key of its own, called as one that is known',
    signed({}, { key: stranger.privateKey, jwk: jwk(stranger.publicKey, 'ec') }),
    'wrong',
  ],
  ['claims changed', `${head}.${encoded({ ...OF_GITHUB, sub: 'other' })}.${signature}`, 'wrong'],
  ['no signature', `${head}.${body}.`, 'wrong'],
  ['alg none', `${encoded({ alg: 'none' })}.${body}.`, 'wrong'],
  ['alg none, with a kid', `${encoded({ alg: 'none', kid: 'ec' })}.${body}.${signature}`, 'wrong'],
  ['HS256 with the public key', signed({}, { alg: 'HS256', kid: 'rsa', key: publicPem }), 'wrong'],
  ['HS256 with the public key, no kid', signed({}, { alg: 'HS256', kid: '', key: publicPem }), 'wrong'],
  [
    'an algorithm that is not that of the key',
    signed({}, { alg: 'RS256', kid: 'ec', key: rsa.privateKey }),
    'wrong',
  ],
  ['a critical extension', signed({}, { crit: ['b64'], b64: false }), 'wrong'],
  ['of another issuer, signed by its key', tokenOf({ ...OF_GITLAB, namespace_path: 'other' }), 'wrong'],
]

test('forged, foreign, expired, future and huge tokens', async () => {
  const { give } = await open()
  for (const [what, token, expected] of TOKENS) assert.equal(outcome(await give(token)), expected, what)
  for (const [what, token, expected] of TOKENS)
    assert.equal(outcome(await give(token)), expected, `${what}, again`)
})

test('what was verified ends with the token', async () => {
  const { give, clock } = await open()
  const token = signed({})
  assert.equal(outcome(await give(token)), 'taken')
  clock.time += 299_000
  assert.equal(outcome(await give(token)), 'taken')
  clock.time += 1000
  assert.equal(outcome(await give(token)), 'wrong')
})

test('keys: asked for once, again when they are old, and for a key that is new, at most each half minute', async () => {
  const asked: string[] = []
  let keys: unknown[] = [jwk(ec.publicKey, 'ec')]
  const { give, clock } = await open({ issuers: [GITHUB], fetch: discovery(asked, () => keys) })
  const far = { exp: SECONDS + 100_000 }
  const [old, fresh] = [signed(far), signed(far, { alg: 'RS256', kid: 'rsa', key: rsa.privateKey })]
  assert.deepEqual(asked, [], 'not before they are needed')
  await Promise.all([give(old), give(signed({ ...far, jti: '2' })), give(signed({ ...far, jti: '3' }))])
  assert.deepEqual(asked, [
    'https://token.actions.githubusercontent.com/.well-known/openid-configuration',
    'https://token.actions.githubusercontent.com/keys',
  ])

  keys = KEYS
  assert.equal(outcome(await give(fresh)), 'wrong', 'it was asked a moment ago')
  assert.equal(asked.length, 2)
  clock.time += 30_000
  assert.equal(outcome(await give(fresh)), 'taken')
  assert.equal(asked.length, 4)
  for (let count = 0; count < 20; count += 1) {
    clock.time += 1000
    assert.equal(outcome(await give(signed(far, { kid: `unknown-${count}` }))), 'wrong')
  }
  assert.equal(asked.length, 4)

  keys = [jwk(rsa.publicKey, 'rsa')]
  clock.time += 580_000
  assert.equal(outcome(await give(old)), 'wrong', 'its key was withdrawn, though it was verified before')
  assert.equal(asked.length, 6)
})

test('an issuer that is away: 503 without its keys, its old keys for an hour', async () => {
  const said: string[] = []
  const tell = (text: string): void => void said.push(text)
  const log = { ...silentLogger, error: tell, info: tell }
  let isAway = true
  const fetch = discovery()
  const { give, clock } = await open({
    issuers: [GITHUB],
    log,
    fetch: async (address) => {
      if (isAway) throw new FetchError('cannot be reached')
      return fetch(address)
    },
  })
  const away = (error: unknown): boolean =>
    error instanceof RegistryError && error.code === 'UNAVAILABLE' && error.retryAfter === 30
  const token = signed({ exp: SECONDS + 100_000 })
  await assert.rejects(give(token), away)
  isAway = false
  await assert.rejects(give(token), away, 'it was asked a moment ago')
  clock.time += 30_000
  assert.equal(outcome(await give(token)), 'taken')

  isAway = true
  clock.time += 69 * 60_000
  assert.equal(outcome(await give(token)), 'taken')
  await assert.rejects(
    give(signed({}, { kid: 'new' })),
    away,
    'its key may be one that could not be asked for',
  )
  clock.time += 60_000
  await assert.rejects(give(token), away)
  assert.equal(outcome(await give('a password')), 'unknown')
  assert.deepEqual(said, [
    'auth.workloads: github cannot be asked for its keys',
    'auth.workloads: github can be asked for its keys again',
    'auth.workloads: github cannot be asked for its keys',
  ])
})

const ANSWERS: readonly [what: string, documents: Record<string, unknown>][] = [
  [
    'another issuer',
    { '/.well-known/openid-configuration': { issuer: 'https://x', jwks_uri: 'https://x/keys' } },
  ],
  ['no issuer', { '/.well-known/openid-configuration': { jwks_uri: `${GITHUB.issuer}/keys` } }],
  ['no place of keys', { '/.well-known/openid-configuration': { issuer: GITHUB.issuer } }],
  ['a list', { '/.well-known/openid-configuration': [] }],
  ['null', { '/.well-known/openid-configuration': null }],
  ['no keys', { '/keys': {} }],
  ['an empty set', { '/keys': { keys: [] } }],
  ['shared secrets', { '/keys': { keys: [{ kty: 'oct', k: 'AAAA', kid: 'ec' }] } }],
  ['very many keys', { '/keys': { keys: Array.from({ length: 101 }, () => KEYS[0]) } }],
]

test('an issuer that answers something else is as one that is away, and the log says what', async () => {
  const inner = discovery()
  for (const [what, documents] of ANSWERS) {
    const said: unknown[] = []
    const log = { ...silentLogger, error: (_text: string, fields: unknown) => void said.push(fields) }
    const fetch: GuardedFetch = async (address) => {
      const { pathname } = new URL(address)
      return pathname in documents ? Buffer.from(JSON.stringify(documents[pathname])) : inner(address)
    }
    const { give } = await open({ issuers: [GITHUB], fetch, log })
    await assert.rejects(give(signed({})), /cannot be asked for its keys/, what)
    assert.equal(said.length, 1, what)
  }
})

test('without private, an issuer on this machine is never asked', async () => {
  const said: { error?: Error }[] = []
  const log = { ...silentLogger, error: (_text: string, fields = {}) => void said.push(fields) }
  const issuer = 'https://localhost:1'
  const source = await openWorkloads({ issuers: [{ ...GITHUB, issuer }], clock: { now: () => NOW }, log })
  await assert.rejects(give(source, signed({ iss: issuer })), /cannot be asked for its keys/)
  assert.match(said[0]?.error?.message ?? '', /leads to an address of this machine or of a private network/)
})

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-workloads-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('keys from a file: read at start, and again when they change', async (t) => {
  const jwks = join(folderOf(t), 'keys.json')
  writeFileSync(jwks, JSON.stringify({ keys: [jwk(ec.publicKey, 'ec')] }))
  const fetch: GuardedFetch = async () => assert.fail('nobody is asked')
  const { give, clock } = await open({ issuers: [{ ...GITHUB, jwks }], fetch })
  assert.equal(outcome(await give(signed({}))), 'taken')
  assert.equal(outcome(await give(signed({}, { kid: 'other' }))), 'wrong')
  writeFileSync(jwks, JSON.stringify({ keys: [jwk(stranger.publicKey, 'ec')] }))
  clock.time += 3000
  assert.equal(outcome(await give(signed({}))), 'wrong')
  assert.equal(outcome(await give(signed({}, { key: stranger.privateKey }))), 'taken')
})

test('files that cannot be used keep it from starting', async (t) => {
  const folder = folderOf(t)
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const cases: [Partial<WorkloadIssuer>, RegExp][] = [
    [{ jwks: join(folder, 'none') }, /jwks of github: cannot read .*none: there is no such file/],
    [{ jwks: file('text', 'text') }, /the keys of github, .*text: it is no JSON/],
    [{ jwks: file('empty', '{"keys":[]}') }, /no public key/],
    [{ ca: join(folder, 'none') }, /ca of github: cannot read .*none: there is no such file/],
  ]
  for (const [settings, message] of cases)
    await assert.rejects(open({ issuers: [{ ...GITHUB, ...settings }] }), message)
})

test('what is logged of a refused token: why, and nothing of it but whom its issuer vouches for', async () => {
  const said: string[] = []
  const log = { ...silentLogger, info: (text: string) => void said.push(text) }
  const { give } = await open({ log })
  const tokens = [
    signed({ aud: 'x' }),
    signed({}, { key: stranger.privateKey }),
    signed({ repository: 'x', repository_owner_id: '1' }),
  ]
  for (const token of tokens) await give(token)
  assert.deepEqual(said, [
    'auth.workloads: a token of github was refused: its claim aud is missing or wrong',
    'auth.workloads: a token of github was refused: its signature is wrong',
    'auth.workloads: a token of github was refused: "repo:octo-org/octo-repo:environment:prod" meets none of releases, octo',
  ])
})
