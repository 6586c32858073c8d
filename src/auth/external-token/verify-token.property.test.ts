/** Whatever a token says, it is taken for what its key signed or refused with a reason; nothing else is ever thrown. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { TokenRefusedError } from './refused.ts'
import { verifyToken } from './verify-token.ts'

const NOW = Date.UTC(2026, 0, 1)
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = { byId: new Map([['ec', ec.publicKey]]), roots: [] }
const rules = { issuer: 'i', service: 's', algorithms: ['ES256', 'RS256', 'HS256', 'EdDSA'] }
const CLAIMS = { iss: 'i', aud: 's', sub: 'x', exp: NOW / 1000 + 60, access: [] }

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenOf(header: unknown, claims: unknown, key: KeyObject): string {
  const text = `${encoded(header)}.${encoded(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

async function outcome(token: string): Promise<'taken' | 'refused'> {
  try {
    await verifyToken(token, rules, keys, NOW)
    return 'taken'
  } catch (error) {
    assert.ok(error instanceof TokenRefusedError, String((error as Error).stack))
    return 'refused'
  }
}

const json = fc.jsonValue({ maxDepth: 3 })
/** Some of the names that mean something, each with anything, or with what nearly fits. */
const some = (names: readonly string[], likely: readonly unknown[]) =>
  fc.dictionary(fc.constantFrom(...names), fc.oneof(json, fc.constantFrom(...likely)))
const publicJwk = { ...stranger.publicKey.export({ format: 'jwk' }), kid: 'ec' }
const headers = some(
  ['alg', 'kid', 'jwk', 'x5c', 'x5u', 'jku', 'typ', 'crit', 'b64', 'nonce', 'zip'],
  ['ES256', 'HS256', 'none', 'ec', '', null, [], ['AAAA'], ['b64'], ['exp'], publicJwk, { x5c: ['AAAA'] }],
)
const claims = some(
  ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'access'],
  [
    'i',
    's',
    ['s'],
    CLAIMS.exp,
    0,
    -1,
    1e300,
    [],
    [{}],
    [{ type: 'repository', name: 'a', actions: ['pull'] }],
  ],
)

test('a stranger is never taken, whatever the header says', async () => {
  await fc.assert(
    fc.asyncProperty(headers, async (header) => {
      const whole = { alg: 'ES256', kid: 'ec', ...header }
      assert.equal(await outcome(tokenOf(whole, CLAIMS, stranger.privateKey)), 'refused')
    }),
    { numRuns: 1500 },
  )
})

test('claims of the key that is trusted: taken only with issuer, audience and time', async () => {
  await fc.assert(
    fc.asyncProperty(claims, async (given) => {
      const whole = { ...CLAIMS, ...given } as Record<string, unknown>
      const found = await outcome(tokenOf({ alg: 'ES256', kid: 'ec' }, whole, ec.privateKey))
      if (found === 'refused') return
      assert.equal(whole['iss'], 'i')
      assert.ok([whole['aud']].flat().includes('s'))
      assert.ok((whole['exp'] as number) * 1000 + 60_000 >= NOW)
    }),
    { numRuns: 1500 },
  )
})

test('text of any kind', async () => {
  const part = fc.oneof(fc.string(), fc.base64String(), headers.map(encoded))
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
      assert.equal(await outcome(parts.join('.')), 'refused')
    }),
    { numRuns: 1500 },
  )
})
