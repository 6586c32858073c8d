/** Tokens and requests, and what Distribution 3.1.2 answers to each. */
import { basicHeader } from '../../lib/basic-header.ts'
import { encoded, type Keys, libtrustId, signatureOf, thumbprint, tokenOf } from './issuer.ts'

export type Row = {
  name: string
  /** `GET /v2/…` */
  ask: string
  /** The whole Authorization header. */
  authorization?: string
  headers?: Record<string, string>
  status: number
  scope?: string
  error?: 'invalid_token' | 'insufficient_scope'
  /** Berth answers otherwise, and why. */
  berth?: { status: number; scope?: string; error?: 'invalid_token' | 'insufficient_scope'; why: string }
}

export const SERVICE = 'registry.example.com'
export const ISSUER = 'tokens.example.com'
const DIGEST = `sha256:${'0'.repeat(64)}`
const MANIFEST = 'GET /v2/team/app/manifests/v1'
const PULL = 'repository:team/app:pull'
const PUSH = 'repository:team/app:pull,push'

const now = (): number => Math.floor(Date.now() / 1000)
const access = (name: string, ...actions: string[]) => ({ type: 'repository', name, actions })

export function claimsOf(more: Record<string, unknown> = {}): Record<string, unknown> {
  const time = { iat: now(), nbf: now() - 5, exp: now() + 300 }
  return { iss: ISSUER, sub: 'alice', aud: SERVICE, ...time, access: [access('team/app', 'pull')], ...more }
}

/** Rows whose token is refused or taken for what it is; all ask for a manifest that is not there: 404 is a yes. */
function tokenRows(keys: Keys): Row[] {
  const { ec } = keys
  const ES = { alg: 'ES256', kid: 'ec', typ: 'JWT' }
  const good = (claims: Record<string, unknown> = {}, header: object = ES): string =>
    tokenOf({ ...header } as Record<string, unknown>, claimsOf(claims), ec.privateKey)
  const taken = (name: string, token: string): Row => ({
    name,
    ask: MANIFEST,
    authorization: `Bearer ${token}`,
    status: 404,
  })
  const invalid = (name: string, token: string): Row => ({
    ...taken(name, token),
    status: 401,
    scope: PULL,
    error: 'invalid_token',
  })
  /** Distribution says nothing of the error where the signature, or the type of a claim, is wrong. */
  const unverified = (name: string, token: string): Row => ({
    ...taken(name, token),
    status: 401,
    scope: PULL,
  })
  const by = (algorithm: string, kid: string, key: keyof Pick<Keys, 'ec384' | 'rsa' | 'short' | 'ed'>) =>
    tokenOf({ alg: algorithm, kid }, claimsOf(), keys[key].privateKey)
  const chain = (
    ...names: (keyof Pick<
      Keys,
      'root' | 'direct' | 'intermediate' | 'leaf' | 'expired' | 'usurped' | 'foreign'
    >)[]
  ) => names.map((name) => keys[name].der)
  const withChain = (x5c: unknown, key: { key: Keys['leaf']['key'] }) =>
    tokenOf({ alg: 'ES256', x5c }, claimsOf(), key.key)
  const jwk = (key: Keys['ec']['publicKey'], more: object = {}) => ({
    ...key.export({ format: 'jwk' }),
    ...more,
  })
  const [head = '', body = '', signature = ''] = good().split('.')
  const pem = keys.rsa.publicKey.export({ type: 'spki', format: 'pem' })

  return [
    taken('ES256 of the key set', good()),
    taken('ES384', by('ES384', 'ec384', 'ec384')),
    taken('RS256', by('RS256', 'rsa', 'rsa')),
    taken('RS512', by('RS512', 'rsa', 'rsa')),
    taken('PS256', by('PS256', 'rsa', 'rsa')),
    taken('EdDSA', by('EdDSA', 'ed', 'ed')),
    {
      ...taken('a short RSA key', by('RS256', 'short', 'short')),
      berth: { status: 401, scope: PULL, why: 'RSA keys below 2,048 bits are too short to be trusted today' },
    },
    taken('no typ', good({}, { alg: 'ES256', kid: 'ec' })),
    taken('another typ', good({}, { ...ES, typ: 'at+jwt' })),
    taken('audience in a list', good({ aud: ['elsewhere', SERVICE] })),
    invalid('audience of others', good({ aud: ['elsewhere'] })),
    invalid('no audience', good({ aud: undefined })),
    invalid('audience null', good({ aud: null })),
    unverified('audience a number', good({ aud: 7 })),
    unverified('audience with a number', good({ aud: [SERVICE, 7] })),
    invalid('another issuer', good({ iss: `${ISSUER}/` })),
    invalid('no issuer', good({ iss: undefined })),
    unverified('issuer a list', good({ iss: [ISSUER] })),
    taken('no subject', good({ sub: undefined })),
    unverified('subject a number', good({ sub: 7 })),
    taken('no nbf, no iat', good({ nbf: undefined, iat: undefined })),
    taken('expired within the leeway', good({ exp: now() - 30 })),
    invalid('expired', good({ exp: now() - 90 })),
    invalid('no exp', good({ exp: undefined })),
    unverified('exp text', good({ exp: `${now() + 300}` })),
    unverified('exp with a fraction', good({ exp: now() + 300.5 })),
    taken('not before, within the leeway', good({ nbf: now() + 30 })),
    invalid('not before', good({ nbf: now() + 90 })),
    taken('iat in the future', good({ iat: now() + 9000 })),
    {
      ...taken('no access', good({ access: undefined })),
      status: 401,
      scope: PULL,
      error: 'insufficient_scope',
    },
    {
      ...taken('access null', good({ access: null })),
      status: 401,
      scope: PULL,
      error: 'insufficient_scope',
    },
    unverified('access an object', good({ access: access('team/app', 'pull') })),
    unverified('actions text', good({ access: [{ type: 'repository', name: 'team/app', actions: 'pull' }] })),
    invalid('an unknown key', good({}, { alg: 'ES256', kid: 'ec2' })),
    invalid('no key named', good({}, { alg: 'ES256' })),
    invalid('kid a number', good({}, { alg: 'ES256', kid: 7 })),
    unverified('signed by a stranger', tokenOf(ES, claimsOf(), keys.stranger.privateKey)),
    unverified('claims changed', `${head}.${encoded(claimsOf({ sub: 'root' }))}.${signature}`),
    unverified('no signature', `${head}.${body}.`),
    invalid('alg none', `${encoded({ alg: 'none' })}.${body}.`),
    invalid('alg none with a kid', `${encoded({ alg: 'none', kid: 'ec' })}.${body}.`),
    unverified('HS256 with the public key', tokenOf({ alg: 'HS256', kid: 'rsa' }, claimsOf(), pem)),
    {
      ...unverified(
        'HS256 with the secret of the key set',
        tokenOf({ alg: 'HS256', kid: 'oct' }, claimsOf(), 'a secret that is shared by nobody'),
      ),
      berth: {
        status: 401,
        scope: PULL,
        error: 'invalid_token',
        why: 'a shared secret among the keys is left out',
      },
    },
    invalid('HS256 with a key of its own', tokenOf({ alg: 'HS256' }, claimsOf(), 'x')),
    unverified(
      'an algorithm of another key',
      tokenOf({ alg: 'RS256', kid: 'ec' }, claimsOf(), keys.rsa.privateKey),
    ),
    unverified('a critical extension', good({}, { ...ES, crit: ['exp'], exp: 1 })),
    invalid(
      'key by its thumbprint, of a stranger',
      tokenOf({ alg: 'ES256', kid: thumbprint(keys.foreign) }, claimsOf(), keys.foreign.key),
    ),
    taken(
      'key of the bundle by its thumbprint',
      tokenOf({ alg: 'ES256', kid: thumbprint(keys.direct) }, claimsOf(), keys.direct.key),
    ),
    {
      ...invalid(
        'key of the bundle as registry:2 named it',
        tokenOf({ alg: 'ES256', kid: libtrustId(keys.direct) }, claimsOf(), keys.direct.key),
      ),
      berth: { status: 404, why: 'token servers that were made for registry:2 name their keys so' },
    },
    taken('x5c: a certificate of the bundle', withChain(chain('direct'), keys.direct)),
    taken('x5c: under the bundle', withChain(chain('leaf', 'intermediate'), keys.leaf)),
    taken('x5c: with the root', withChain(chain('leaf', 'intermediate', 'root'), keys.leaf)),
    invalid('x5c: a link is missing', withChain(chain('leaf'), keys.leaf)),
    invalid('x5c: expired', withChain(chain('expired'), keys.expired)),
    invalid(
      'x5c: signed by what is no authority',
      withChain(chain('usurped', 'leaf', 'intermediate'), keys.usurped),
    ),
    invalid('x5c: of another authority', withChain(chain('foreign'), keys.foreign)),
    unverified('x5c: of somebody else', withChain(chain('leaf', 'intermediate'), keys.foreign)),
    invalid('x5c: not base64', withChain(['!!'], keys.leaf)),
    invalid('x5c: text', withChain('text', keys.leaf)),
    invalid('x5c: empty', withChain([], keys.leaf)),
    taken('x5c: empty, with a kid', tokenOf({ ...ES, x5c: [] }, claimsOf(), ec.privateKey)),
    invalid(
      'jwk of a stranger',
      tokenOf({ alg: 'ES256', jwk: jwk(keys.stranger.publicKey) }, claimsOf(), keys.stranger.privateKey),
    ),
    unverified(
      'jwk of a stranger that calls itself ec',
      tokenOf(
        { alg: 'ES256', jwk: jwk(keys.stranger.publicKey, { kid: 'ec' }) },
        claimsOf(),
        keys.stranger.privateKey,
      ),
    ),
    taken(
      'jwk that is known',
      tokenOf({ alg: 'ES256', jwk: jwk(ec.publicKey, { kid: 'ec' }) }, claimsOf(), ec.privateKey),
    ),
    invalid(
      'jwk private',
      tokenOf({ alg: 'ES256', jwk: jwk(ec.privateKey, { kid: 'ec' }) }, claimsOf(), ec.privateKey),
    ),
    invalid('jwk without a key', tokenOf({ alg: 'ES256', jwk: { kid: 'ec' } }, claimsOf(), ec.privateKey)),
    taken(
      'jwk with certificates',
      tokenOf(
        { alg: 'ES256', jwk: jwk(keys.leaf.certificate.publicKey, { x5c: chain('leaf', 'intermediate') }) },
        claimsOf(),
        keys.leaf.key,
      ),
    ),
    invalid(
      'jwk with certificates of others',
      tokenOf(
        { alg: 'ES256', jwk: jwk(keys.stranger.publicKey, { x5c: chain('leaf', 'intermediate') }) },
        claimsOf(),
        keys.stranger.privateKey,
      ),
    ),
    invalid('two parts', `${head}.${body}`),
    invalid('four parts', `${good()}.x`),
    invalid('not base64', `!!.${body}.${signature}`),
    invalid('a header that is no JSON', `${encoded('{')}.${body}.${signature}`),
    unverified(
      'claims that are no JSON',
      `${head}.${encoded('{')}.${signatureOf('ES256', ec.privateKey, `${head}.${encoded('{')}`)}`,
    ),
    invalid('a word', 'token'),
    invalid('two spaces', ` ${good()}`),
    { ...taken('lower case', ''), authorization: `bearer ${good()}` },
    {
      ...taken('Basic', ''),
      authorization: basicHeader('alice:secret'),
      status: 401,
      scope: PULL,
    },
    { ...taken('Bearer and nothing', ''), authorization: 'Bearer', status: 401, scope: PULL },
  ]
}

/** Rows that say what each kind of request needs. */
function requestRows(keys: Keys): Row[] {
  const token = (...list: object[]): string =>
    `Bearer ${tokenOf({ alg: 'ES256', kid: 'ec' }, claimsOf({ access: list }), keys.ec.privateKey)}`
  const pull = token(access('team/app', 'pull'))
  const push = token(access('team/app', 'pull', 'push'))
  const onlyPush = token(access('team/app', 'push'))
  const all = token(access('team/app', '*'))
  const insufficient = { status: 401, error: 'insufficient_scope' } as const
  const upload = 'POST /v2/team/app/blobs/uploads/'
  const mount = `${upload}?mount=${DIGEST}&from=team/base`
  const both = 'repository:team/app:pull,push repository:team/base:pull'
  return [
    { name: 'no token: /v2/', ask: 'GET /v2/', status: 401 },
    { name: 'no token: manifest', ask: MANIFEST, status: 401, scope: PULL },
    { name: 'no token: HEAD', ask: 'HEAD /v2/team/app/manifests/v1', status: 401, scope: PULL },
    { name: 'no token: tags', ask: 'GET /v2/team/app/tags/list', status: 401, scope: PULL },
    { name: 'no token: blob', ask: `GET /v2/team/app/blobs/${DIGEST}`, status: 401, scope: PULL },
    { name: 'no token: upload', ask: upload, status: 401, scope: PUSH },
    { name: 'no token: put', ask: 'PUT /v2/team/app/manifests/v1', status: 401, scope: PUSH },
    {
      name: 'no token: delete',
      ask: `DELETE /v2/team/app/manifests/${DIGEST}`,
      status: 401,
      scope: 'repository:team/app:delete',
    },
    {
      name: 'no token: delete blob',
      ask: `DELETE /v2/team/app/blobs/${DIGEST}`,
      status: 401,
      scope: 'repository:team/app:delete',
    },
    { name: 'no token: catalog', ask: 'GET /v2/_catalog', status: 401, scope: 'registry:catalog:*' },
    { name: 'no token: mount', ask: mount, status: 401, scope: both },
    {
      name: 'no token: mount from itself',
      ask: `${upload}?mount=${DIGEST}&from=team/app`,
      status: 401,
      scope: PUSH,
    },
    { name: 'no token: root', ask: 'GET /', status: 200 },
    { name: '/v2/ with any token', ask: 'GET /v2/', authorization: token(), status: 200 },
    {
      name: '/v2/ with a token for everybody',
      ask: 'GET /v2/',
      authorization: `Bearer ${tokenOf({ alg: 'ES256', kid: 'ec' }, claimsOf({ sub: '', access: [] }), keys.ec.privateKey)}`,
      status: 200,
    },
    { name: 'upload with pull', ask: upload, authorization: pull, ...insufficient, scope: PUSH },
    { name: 'upload with push alone', ask: upload, authorization: onlyPush, ...insufficient, scope: PUSH },
    { name: 'upload with pull and push', ask: upload, authorization: push, status: 202 },
    { name: 'upload with *', ask: upload, authorization: all, status: 202 },
    {
      name: 'delete with push',
      ask: `DELETE /v2/team/app/manifests/${DIGEST}`,
      authorization: push,
      ...insufficient,
      scope: 'repository:team/app:delete',
    },
    {
      name: 'delete with delete',
      ask: `DELETE /v2/team/app/manifests/${DIGEST}`,
      authorization: token(access('team/app', 'delete')),
      status: 404,
    },
    {
      name: 'delete with *',
      ask: `DELETE /v2/team/app/manifests/${DIGEST}`,
      authorization: all,
      status: 404,
    },
    {
      name: 'catalog with pull',
      ask: 'GET /v2/_catalog',
      authorization: pull,
      ...insufficient,
      scope: 'registry:catalog:*',
    },
    {
      name: 'catalog with the catalog',
      ask: 'GET /v2/_catalog',
      authorization: token({ type: 'registry', name: 'catalog', actions: ['*'] }),
      status: 200,
    },
    {
      name: 'catalog with a repository called catalog',
      ask: 'GET /v2/_catalog',
      authorization: token(access('catalog', '*')),
      ...insufficient,
      scope: 'registry:catalog:*',
    },
    {
      name: 'a name that begins alike',
      ask: 'GET /v2/team/app2/manifests/v1',
      authorization: pull,
      ...insufficient,
      scope: 'repository:team/app2:pull',
    },
    {
      name: 'a name below',
      ask: 'GET /v2/team/app/x/manifests/v1',
      authorization: pull,
      ...insufficient,
      scope: 'repository:team/app/x:pull',
    },
    {
      name: 'a pattern is none',
      ask: MANIFEST,
      authorization: token(access('team/*', 'pull'), access('*', '*')),
      ...insufficient,
      scope: PULL,
    },
    {
      name: 'actions over two entries',
      ask: upload,
      authorization: token(access('team/app', 'pull'), access('team/app', 'push')),
      status: 202,
    },
    {
      name: 'another type',
      ask: MANIFEST,
      authorization: token({ type: 'repo', name: 'team/app', actions: ['pull'] }),
      ...insufficient,
      scope: PULL,
    },
    {
      name: 'a class',
      ask: MANIFEST,
      authorization: token({ type: 'repository', class: 'plugin', name: 'team/app', actions: ['pull'] }),
      status: 404,
    },
    { name: 'mount, source not in the token', ask: mount, authorization: push, ...insufficient, scope: both },
    {
      name: 'mount, source in the token',
      ask: mount,
      authorization: token(access('team/app', 'pull', 'push'), access('team/base', 'pull')),
      status: 202,
    },
    {
      name: 'status of an upload asks for push',
      ask: 'GET /v2/team/app/blobs/uploads/11111111-1111-4111-8111-111111111111',
      authorization: pull,
      status: 404,
      berth: {
        ...insufficient,
        scope: PUSH,
        why: "an upload is its pusher's: who may only pull has nothing to look for there",
      },
    },
    {
      name: 'cancelling an upload asks for push',
      ask: 'DELETE /v2/team/app/blobs/uploads/11111111-1111-4111-8111-111111111111',
      authorization: push,
      ...insufficient,
      scope: 'repository:team/app:delete',
      berth: { status: 404, why: 'who may push may give up what they pushed' },
    },
  ]
}

export function rowsOf(keys: Keys): Row[] {
  return [...tokenRows(keys), ...requestRows(keys)]
}
