/** Tokens that are not this registry's, or not any more: security C7, C14, and what others got wrong besides. */
import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import { listSigningKeys } from '../../src/metadata/access/signing-keys.ts'
import { findAccessVersion } from '../../src/metadata/access/version.ts'
import { pushContent } from './content.ts'
import { startSubject } from './subject.ts'

const SCOPE = 'repository:private/app:pull'
const MANIFEST = 'GET /v2/private/app/manifests/tag-of-canary'

type Claims = Record<string, unknown>

test('C7: forged, expired, foreign, for another, of the future, too large: 401 with the challenge', async (t) => {
  const { ask, basic, bearer, db, client, url } = await startSubject(t)
  await pushContent(client, 'private/app', 'canary', 1000)
  const good = (await bearer(basic('reader'), [SCOPE])).slice('Bearer '.length)
  const [header = '', payload = '', signature = ''] = good.split('.')
  const claims = decodeJwt(good) as Claims
  const { kid = '' } = decodeProtectedHeader(good)
  const [key] = await listSigningKeys(db)
  assert.equal(key?.id, kid)
  const own = JSON.parse(key.privateKey) as JWK
  const ownKey = await importJWK(own, 'EdDSA')
  const { d: _, ...publicJwk } = own
  const other = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const otherJwk = await exportJWK(other.publicKey)
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

  const signed = (more: Claims, head: Claims = {}, by: Parameters<SignJWT['sign']>[0] = ownKey) =>
    new SignJWT({ ...claims, ...more })
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT', ...head } as never)
      .sign(by)
  const without = (name: string) => {
    const { [name]: _gone, ...rest } = claims
    return new SignJWT(rest).setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' }).sign(ownKey)
  }
  const hmac = (secret: string | Buffer, alg = 'HS256'): string => {
    const text = `${encode({ alg, kid, typ: 'JWT' })}.${payload}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }
  const pem = createPublicKey(createPrivateKey({ key: own as never, format: 'jwk' })).export({
    type: 'spki',
    format: 'pem',
  })
  const rows: [what: string, token: string | Promise<string>, isGood?: boolean][] = [
    ['as it was given', good, true],
    ['signed again', signed({}), true],
    ['of half a minute ahead', signed({ iat: now + 30, nbf: now + 30 }), true],
    ['alg none', `${encode({ alg: 'none', kid, typ: 'JWT' })}.${payload}.`],
    ['alg none, with a signature', `${encode({ alg: 'none', kid, typ: 'JWT' })}.${payload}.${signature}`],
    ['no signature', `${header}.${payload}.`],
    ['two parts', `${header}.${payload}`],
    ['HS256 with the public key', hmac(pem)],
    ['HS256 with the key of the JWK', hmac(Buffer.from(String(publicJwk.x), 'base64url'))],
    ['HS256 that says EdDSA', hmac(pem, 'EdDSA')],
    ['other claims', `${header}.${encode({ ...claims, sub: 'user:1' })}.${signature}`],
    ['another key', signed({}, {}, other.privateKey)],
    ['its own key in jwk', signed({}, { jwk: otherJwk }, other.privateKey)],
    ['its own key in jwk, without kid', signed({}, { jwk: otherJwk, kid: undefined }, other.privateKey)],
    ['its own key by jku', signed({}, { jku: 'https://example.com/keys' }, other.privateKey)],
    ['its own key in x5c', signed({}, { x5c: ['AAAA'] }, other.privateKey)],
    ['a kid that nobody has', signed({}, { kid: '0000000000000000' })],
    ['a kid that is no text', signed({}, { kid: 7 })],
    ['a kid that is a path', signed({}, { kid: '../../etc/passwd' })],
    [
      'crit',
      signed({}, { crit: ['x'], x: 1 }).catch(
        () => `${encode({ alg: 'EdDSA', kid, crit: ['x'], x: 1 })}.${payload}.${signature}`,
      ),
    ],
    ['another type', signed({}, { typ: 'at+jwt' })],
    ['another issuer', signed({ iss: 'berth:0000000000000000' })],
    ['another audience', signed({ aud: 'other' })],
    ['no audience', without('aud')],
    ['expired', signed({ exp: now - 1 })],
    ['expired within the leeway', signed({ exp: now - 30 })],
    ['not before', signed({ nbf: now + 120 })],
    ['of the future', signed({ iat: now + 120 })],
    ['no exp', without('exp')],
    ['no iat (Harbor #23270)', without('iat')],
    ['no nbf', without('nbf')],
    ['no jti', without('jti')],
    ['no sub', without('sub')],
    ['exp is text', signed({ exp: `${now + 300}` })],
    ['access is no list', signed({ access: 'all' })],
    ['nobody knows its account', signed({ sub: 'user:4711' })],
    ['another account', signed({ sub: 'user:1' })],
    ['an account of elsewhere', signed({ sub: 'ldap:reader' })],
    ['an account without a kind', signed({ sub: 'reader' })],
    ['another stamp', signed({ stp: 'AAAAAAAAAAAAAAAAAAAAAA' })],
    ['no stamp', without('stp')],
    [
      'vouched for by nobody here',
      signed({ sub: 'workload:x:y', who: { kind: 'workload', groups: [], claims: [] } }),
    ],
    ['of a secret that is not there', signed({ sid: 4711 })],
    ['too large', signed({ padding: 'x'.repeat(9000) })],
    ['nothing', '.'],
    ['JSON', '{"alg":"none"}'],
    ['deep', `${Buffer.from('['.repeat(3000)).toString('base64url')}.${payload}.${signature}`],
  ]
  for (const [what, made, isGood = false] of rows) {
    const answer = await ask(MANIFEST, { headers: { authorization: `Bearer ${await made}` } })
    assert.equal(answer.status, isGood ? 200 : 401, what)
    const challenge = `Bearer realm="${url}/token",service="berth",scope="${SCOPE}",error="invalid_token"`
    assert.equal(answer.headers['www-authenticate'], isGood ? undefined : challenge, what)
    if (!isGood) assert.match(answer.body.toString(), /"code":"UNAUTHORIZED"/, what)
  }
  // It is for this registry, by its name.
  assert.equal(claims['iss'], `berth:${(await findAccessVersion(db)).registry}`)
})

test('C14: a repository that was made again is another one', async (t) => {
  const { ask, basic, bearer, db, client } = await startSubject(t)
  await pushContent(client, 'private/app', 'canary', 1000)
  const authorization = await bearer(basic('pusher'), [
    'repository:private/app:pull,push',
    'repository:private/new:pull,push',
  ])
  const headers = { authorization }
  assert.equal((await ask(MANIFEST, { headers })).status, 200)
  await db.write({
    steps: [
      { statement: { name: 'test-gone', sql: 'UPDATE repositories SET deleted_at = 1 WHERE name = :name' } },
    ],
    params: { name: 'private/app' },
    touches: ['private/app'],
  })
  assert.equal((await ask('POST /v2/private/app/blobs/uploads/', { headers })).status, 401)
  await pushContent(client, 'private/app', 'canary', 1000)
  const refused = await ask(MANIFEST, { headers })
  assert.equal(refused.status, 401)
  assert.match(refused.headers['www-authenticate'] ?? '', /error="insufficient_scope"$/)
  const fresh = await bearer(basic('pusher'), ['repository:private/app:pull,push'])
  assert.equal((await ask(MANIFEST, { headers: { authorization: fresh } })).status, 200)
  // What was not there when the token was made may be made with it.
  assert.equal((await ask('POST /v2/private/new/blobs/uploads/', { headers })).status, 202)
})
