/**
 * Authorization headers and token requests that nobody should send, many of them nearly right: never an answer 5xx,
 * never a connection that breaks, and never a yes that was not due. A seeded tenth in `npm test`; all with BERTH_SLOW.
 */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { blobOf, imageOf } from '../lib/content.ts'
import { createRegistryClient, expectStatus } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { createMutator, type Mutator } from './mutator.ts'
import { exchange } from './raw-exchange.ts'

const IS_SLOW = process.env['BERTH_SLOW'] !== undefined
const ADMIN = { name: 'admin', password: 'correct horse battery' }
/** The administrator's, of the cheapest kind: what is tried is what stands around it. */
const HTPASSWD = 'admin:$2a$04$GrCJvB6y/f4WYBLACWeOM.B3a.J527f2rUdwo5jFVGIsz2pRL3va.\n'
const SECRET = '/v2/secret/app/manifests/v1'
const SCOPE = 'repository:secret/app:pull'

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Whether a header says exactly what the administrator would, however it is written. */
function isRight(header: string, tokens: ReadonlySet<string>): boolean {
  const [, scheme = '', rest = ''] = /^\s*(\w+)\s+(.*?)\s*$/s.exec(header) ?? []
  if (scheme.toLowerCase() === 'basic')
    return Buffer.from(rest, 'base64').toString() === `${ADMIN.name}:${ADMIN.password}`
  return scheme.toLowerCase() === 'bearer' && tokens.has(canonical(rest))
}

/** The last character of base64 has bits that mean nothing. */
function canonical(token: string): string {
  const [head, body, signature = ''] = token.split('.')
  return `${head}.${body}.${Buffer.from(signature, 'base64url').toString('base64url')}`
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

/** Tokens that are right but for one thing, and signed by a stranger. */
function forge(token: string, m: Mutator): string {
  const stranger = generateKeyPairSync('ed25519')
  const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as object
  const claims = claimsOf(token)
  const heads = [
    header,
    { ...header, alg: 'none' },
    { ...header, alg: 'HS256' },
    { ...header, jwk: stranger.publicKey.export({ format: 'jwk' }) },
    { ...header, kid: m.text(8) },
    { ...header, crit: ['exp'] },
    { ...header, b64: false, crit: ['b64'] },
  ]
  const bodies = [
    claims,
    { ...claims, exp: 9_999_999_999 },
    { ...claims, exp: undefined },
    { ...claims, exp: 'soon' },
    { ...claims, aud: 'another' },
    { ...claims, sub: 'root' },
    { ...claims, access: [{ type: 'repository', name: 'secret/app', actions: ['*'] }] },
    [],
    null,
    'text',
  ]
  const text = `${encoded(m.pick(heads))}.${encoded(m.pick(bodies) ?? null)}`
  const own = token.split('.')[2] ?? ''
  const signatures = [
    own,
    '',
    sign(null, Buffer.from(text), stranger.privateKey).toString('base64url'),
    m.text(86),
  ]
  return `${text}.${m.pick(signatures)}`
}

type Asked = { path: string; method: string; body?: string }

function headerFrom(m: Mutator, token: string): string {
  const right = basicHeader(`${ADMIN.name}:${ADMIN.password}`)
  switch (m.below(8)) {
    case 0:
      return m.mutate(right)
    case 1:
      return basicHeader(m.mutate(`${ADMIN.name}:${ADMIN.password}`))
    case 2:
      return basicHeader(`${m.text(m.below(40))}:${m.text(m.below(200))}`)
    case 3:
      return m.mutate(`Bearer ${token}`)
    case 4:
      return `Bearer ${forge(token, m)}`
    case 5:
      return `${m.pick(['Basic', 'Bearer', 'bearer', 'Digest', 'Negotiate', ''])} ${m.text(m.below(300))}`
    case 6:
      return basicHeader(
        `${m.pick(['admin', 'x', ''])}:${m.pick(['berth_pat_', 'berth_robot_', 'berth_refresh_', 'eyJ'])}${m.text(46)}`,
      )
    default:
      return m.text(m.below(m.below(20) === 0 ? 6000 : 400))
  }
}

function tokenRequest(m: Mutator): Asked {
  const scope = m.pick([
    SCOPE,
    m.mutate(SCOPE),
    'repository:secret/app:*',
    'registry:catalog:*',
    `repository:${m.text(30)}:pull,push`,
    Array.from({ length: m.below(60) }, () => SCOPE).join(' '),
    m.text(m.below(400)),
  ])
  const fields = new URLSearchParams({ service: m.pick(['berth', '', m.text(20)]), scope })
  if (m.below(3) === 0) fields.append('scope', m.mutate(SCOPE))
  if (m.below(3) === 0) fields.set('account', m.text(10))
  if (m.below(4) === 0) fields.set('offline_token', 'true')
  if (m.below(2) === 0)
    return {
      method: 'GET',
      path: `/token?${m.below(4) === 0 ? m.mutate(fields.toString()) : fields.toString()}`,
    }
  fields.set('grant_type', m.pick(['password', 'refresh_token', '', m.text(10)]))
  fields.set('username', m.pick([ADMIN.name, m.text(12)]))
  fields.set('password', m.mutate(ADMIN.password))
  fields.set('refresh_token', `berth_refresh_${m.text(46)}`)
  return {
    method: 'POST',
    path: '/token',
    body: m.below(4) === 0 ? m.mutate(fields.toString()) : fields.toString(),
  }
}

const MODES = {
  'accounts of a file': { count: IS_SLOW ? 180_000 : 18_000, access: undefined },
  'rules, and accounts of the database': {
    // Its hashes are as slow as they should be.
    count: IS_SLOW ? 20_000 : 500,
    access: {
      administrator: { password: ADMIN.password },
      rules: [{ repositories: ['secret/**'], allow: { 'user:admin': ['pull', 'push'] } }],
    },
  },
} as const

for (const [mode, { count, access }] of Object.entries(MODES))
  test(
    `${count} headers and token requests, ${mode}: no crash, no wrong yes`,
    { timeout: 3_000_000 },
    (context) => fuzz(context, count, access),
  )

async function fuzz(context: TestContext, count: number, access: object | undefined): Promise<void> {
  const root = temporaryFolder(context, 'fuzz')
  const htpasswd = join(root, 'htpasswd')
  writeFileSync(htpasswd, HTPASSWD)
  const server = await startServer({
    root,
    config: {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(root, 'data') } },
      // Each request from another address: who guesses from one place has to wait.
      http: { addr: '127.0.0.1:0', trustedproxies: ['127.0.0.0/8'] },
      ...(access === undefined ? { auth: { htpasswd: { realm: 'fuzz', path: htpasswd } } } : { access }),
    },
  })
  afterwards(context, () => server.stop())
  const authorization = basicHeader(`${ADMIN.name}:${ADMIN.password}`)
  const client = createRegistryClient(server.url, { headers: { authorization } })
  afterwards(context, () => client.close())
  const [config, layer] = [blobOf('config', 100), blobOf('layer', 100)]
  for (const blob of [config, layer]) expectStatus(await client.pushBlob('secret/app', blob, 'post'), 201)
  expectStatus(await client.putManifest('secret/app', 'v1', imageOf(config, [layer])), 201)
  const issued = await client.ask('GET', `/token?service=berth&scope=${SCOPE}`)
  const { token } = JSON.parse(issued.body.toString()) as { token: string }

  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  afterwards(context, () => agent.destroy())
  const counts = new Map<number, number>()
  const tokens = new Set([canonical(token)])
  const one = async (seed: number): Promise<void> => {
    const m = createMutator(seed)
    const from = { 'x-forwarded-for': `10.${m.below(256)}.${m.below(256)}.${m.below(256)}` }
    const header = headerFrom(m, token)
    const asksToken = m.below(3) === 0
    const asked: Asked = asksToken ? tokenRequest(m) : { method: 'GET', path: SECRET }
    const sendsHeader = !asksToken || m.below(2) === 0
    const answer = await exchange(agent, server.url, {
      ...asked,
      headers: { ...from, ...(sendsHeader && { authorization: header }) },
    })
    const what = `seed ${seed}: ${JSON.stringify(asked)} ${sendsHeader ? JSON.stringify(header) : ''} → ${answer.status}`
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1)
    assert.ok(answer.status < 500, what)
    if (answer.status !== 200 || (sendsHeader && isRight(header, tokens))) return
    assert.ok(asksToken, `${what}: a wrong yes`)
    // Some mutations change nothing.
    if (new URLSearchParams(asked.body).get('password') === ADMIN.password) return
    const claims = claimsOf((JSON.parse(answer.text) as { token: string }).token)
    assert.deepEqual(claims['access'] ?? [], [], `${what}: a token for more than nothing`)
  }
  for (let seed = 0; seed < count; seed += 64)
    await Promise.all(Array.from({ length: Math.min(64, count - seed) }, (_, index) => one(seed + index)))
  context.diagnostic(`answers: ${JSON.stringify(Object.fromEntries(counts))}`)
  assert.ok((counts.get(401) ?? 0) > count / 4, 'most of them were never looked at')
  assert.equal((await client.getManifest('secret/app', 'v1')).status, 200, 'the right one still comes in')
}
