/** What the token service answers, and how clients are told of it: requests and answers as they are on the wire. */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import type { Answer } from '../lib/http-client.ts'
import { startSubject, type Subject } from './subject.ts'

type Granted = {
  token: string
  access_token: string
  expires_in: number
  issued_at: string
  refresh_token?: string
  scope?: string
}

const granted = (answer: Answer): Granted => JSON.parse(answer.body.toString()) as Granted

/** As Distribution's clients read it: `repository:a:pull,push …`. */
function accessIn(answer: Answer): string {
  const { access } = decodeJwt(granted(answer).token) as {
    access: { type: string; name: string; actions: string[] }[]
  }
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ')
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const post = (
  { ask }: Subject,
  fields: [string, string][],
  headers: Record<string, string> = {},
): Promise<Answer> =>
  ask('POST /token', {
    headers: { ...FORM, ...headers },
    body: Buffer.from(new URLSearchParams(fields).toString()),
  })

test('challenges: as Distribution writes them, for who asked', async (t) => {
  const { ask, basic, bearer, url } = await startSubject(t)
  const host = new URL(url).host
  const realm = `realm="${url}/token",service="berth"`
  const outsider = await bearer(basic('outsider'), [])
  const reader = await bearer(basic('reader'), [])
  const nobody = await bearer(undefined, [])
  const rows: [
    line: string,
    headers: Record<string, string>,
    status: number,
    challenge: string | undefined,
  ][] = [
    ['GET /v2/', {}, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: nobody }, 200, undefined],
    ['GET /v2/', { authorization: outsider }, 200, undefined],
    ['GET /v2/', { authorization: basic('outsider') }, 200, undefined],
    ['GET /v2/', { authorization: basic('disabled') }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'Bearer x.y.z' }, 401, `Bearer ${realm},error="invalid_token"`],
    ['GET /v2/', { authorization: 'Basic %%%' }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'Basic YQ==' }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'Basic YQBiOmM=' }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'Basic /////w==' }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'Digest username="a"' }, 401, `Bearer ${realm}`],
    ['GET /v2/', { authorization: 'bASIC ' + basic('reader').slice(6) }, 200, undefined],
    ['GET /v2/', { authorization: `Basic ${'A'.repeat(13_000)}` }, 401, `Bearer ${realm}`],
    ['GET /v2/private/app/manifests/v1', {}, 401, `Bearer ${realm},scope="repository:private/app:pull"`],
    ['PUT /v2/private/app/manifests/v1', {}, 401, `Bearer ${realm},scope="repository:private/app:pull,push"`],
    ['DELETE /v2/private/app/manifests/v1', {}, 401, `Bearer ${realm},scope="repository:private/app:delete"`],
    ['GET /v2/_catalog', {}, 401, `Bearer ${realm},scope="registry:catalog:*"`],
    [
      'GET /v2/_catalog',
      { authorization: reader },
      401,
      `Bearer ${realm},scope="registry:catalog:*",error="insufficient_scope"`,
    ],
    [
      'GET /v2/private/app/manifests/v1',
      { authorization: reader },
      401,
      `Bearer ${realm},scope="repository:private/app:pull",error="insufficient_scope"`,
    ],
    ['GET /v2/private/app/manifests/v1', { authorization: outsider }, 403, undefined],
    [
      'GET /v2/private/app/manifests/v1',
      { authorization: nobody },
      401,
      `Bearer ${realm},scope="repository:private/app:pull",error="insufficient_scope"`,
    ],
    ['GET /v2/', { host: 'registry.example.com' }, 401, challengeAt('http://registry.example.com')],
    [
      'GET /v2/',
      { host: 'registry.example.com:8443', 'x-forwarded-proto': 'https' },
      401,
      challengeAt('https://registry.example.com:8443'),
    ],
    ['GET /v2/', { host: '[2001:db8::1]:5000' }, 401, challengeAt('http://[2001:db8::1]:5000')],
    ['GET /v2/', { host: "a',;()" }, 401, challengeAt(`http://${host}`)],
  ]
  for (const [line, headers, status, challenge] of rows) {
    const answer = await ask(line, { headers })
    const what = `${line} ${JSON.stringify(headers).slice(0, 100)}`
    assert.deepEqual([answer.status, answer.headers['www-authenticate']], [status, challenge], what)
  }
})

const challengeAt = (origin: string): string => `Bearer realm="${origin}/token",service="berth"`

test('the realm is at http.host and below http.prefix', async (t) => {
  const { ask } = await startSubject(t, {
    REGISTRY_HTTP_HOST: 'https://registry.example.com',
    REGISTRY_HTTP_PREFIX: '/berth/',
  })
  const { status, headers } = await ask('GET /berth/v2/')
  assert.equal(status, 401)
  assert.equal(headers['www-authenticate'], challengeAt('https://registry.example.com/berth'))
  assert.equal((await ask('GET /berth/token')).status, 200)
  assert.equal((await ask('GET /token')).status, 404)
})

test('pages of another origin: the configured headers, and OPTIONS', async (t) => {
  const { ask, basic } = await startSubject(t, {
    REGISTRY_HTTP_HEADERS:
      '{Access-Control-Allow-Origin: ["https://ui.example.com"], Cache-Control: [max-age=9]}',
  })
  const rows: [line: string, authorization: string | undefined, status: number][] = [
    ['GET /token', basic('reader'), 200],
    ['GET /token', 'Basic x', 401],
    ['OPTIONS /token', undefined, 204],
  ]
  for (const [line, authorization, status] of rows) {
    const answer = await ask(line, { headers: authorization === undefined ? {} : { authorization } })
    assert.equal(answer.status, status)
    assert.equal(answer.headers['access-control-allow-origin'], 'https://ui.example.com')
    assert.equal(answer.headers['cache-control'], 'no-store')
  }
})

test('scopes: what is allowed of what is asked for, and no error for the rest', async (t) => {
  const subject = await startSubject(t)
  const { ask, basic } = subject
  const rows: [who: string | undefined, query: string, access: string][] = [
    [undefined, '', ''],
    [undefined, 'scope=repository:private/app:pull', ''],
    [undefined, 'scope=repository:public/app:pull,push', 'repository:public/app:pull'],
    [basic('outsider'), 'scope=repository:private/app:pull', ''],
    [basic('reader'), 'scope=repository:private/app:pull,push', 'repository:private/app:pull'],
    [basic('reader'), 'scope=repository:private/app:*', 'repository:private/app:pull'],
    [basic('pusher'), 'scope=repository:private/app:pull,push', 'repository:private/app:pull,push'],
    [basic('creator'), 'scope=repository:private/app:pull,push', 'repository:private/app:pull,push'],
    [basic('administrator'), 'scope=repository:any/one:*', 'repository:any/one:pull,push,delete'],
    // The same repository twice (helm): the union.
    [
      basic('pusher'),
      'scope=repository:private/app:pull&scope=repository:private/app:pull,push',
      'repository:private/app:pull,push',
    ],
    // Of a mount (kaniko, buildkit): the target alone, where the source is not for them.
    [
      basic('pusher'),
      'scope=repository:private/app:push,pull&scope=repository:other/app:pull',
      'repository:private/app:pull,push',
    ],
    [
      basic('reader'),
      'scope=repository:private/a:pull%20repository:private/b:pull',
      'repository:private/a:pull repository:private/b:pull',
    ],
    [basic('reader'), 'scope=registry:catalog:*', 'registry:catalog:*'],
    [basic('reader'), 'scope=registry:catalog:pull', ''],
    [basic('reader'), 'scope=repository(plugin):private/app:pull', 'repository:private/app:pull'],
    [
      basic('reader'),
      'scope=team:private/app:pull&scope=repository:private/app:pull',
      'repository:private/app:pull',
    ],
    [basic('reader'), 'scope=repository:private/app:fly,pull', 'repository:private/app:pull'],
    [basic('reader'), 'scope=repository:PRIVATE/app:pull', ''],
    [basic('reader'), 'scope=repository:private/../app:pull', ''],
    [basic('reader'), 'scope=repository:private/app', ''],
    [basic('reader'), 'scope=:::&scope=&scope=repository::pull&scope=pull', ''],
    [
      basic('reader'),
      'service=other&account=somebody&client_id=x&scope=repository:private/app:pull',
      'repository:private/app:pull',
    ],
  ]
  for (const [authorization, query, access] of rows) {
    const answer = await ask(`GET /token?${query}`, { headers: authorization ? { authorization } : {} })
    assert.equal(answer.status, 200, query)
    assert.equal(accessIn(answer), access, query)
  }
  const many = Array.from({ length: 150 }, (_, i) => `repository:private/${'x'.repeat(50)}${i}:pull`)
  const answer = await post(subject, [
    ['grant_type', 'password'],
    ['username', 'reader'],
    ['password', 'the password of reader'],
    ['scope', many.join(' ')],
  ])
  assert.equal(answer.status, 200)
  assert.ok(accessIn(answer).startsWith(many[0] ?? '-'))
  assert.ok(granted(answer).token.length < 8192, 'it fits in a header')
  assert.equal(
    (await ask('GET /v2/', { headers: { authorization: `Bearer ${granted(answer).token}` } })).status,
    200,
  )
})

test('the answer: both names of the token, its time, nothing to be kept on the way', async (t) => {
  const { ask, basic } = await startSubject(t)
  const { status, headers, body } = await ask('GET /token?service=berth', {
    headers: { authorization: basic('reader') },
  })
  assert.equal(status, 200)
  const { token, access_token, expires_in, issued_at, ...rest } = JSON.parse(body.toString()) as Granted
  assert.deepEqual(rest, {})
  assert.equal(access_token, token)
  assert.equal(expires_in, 300)
  assert.ok(Math.abs(Date.parse(issued_at) - Date.now()) < 60_000)
  assert.match(issued_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['content-length'], `${body.byteLength}`)
  const head = await ask('HEAD /token', { headers: { authorization: basic('reader') } })
  assert.deepEqual([head.status, head.body.byteLength], [200, 0])
})

test('what is not a good request, and who is nobody', async (t) => {
  const subject = await startSubject(t)
  const { ask, basic } = subject
  const reader: [string, string][] = [
    ['username', 'reader'],
    ['password', 'the password of reader'],
  ]
  const bearer = await subject.bearer(basic('reader'), [])
  const rows: [what: string, answer: Promise<Answer>, status: number, error: string][] = [
    ['wrong', ask('GET /token', { headers: { authorization: 'Basic cmVhZGVyOng=' } }), 401, 'invalid_grant'],
    ['malformed', ask('GET /token', { headers: { authorization: 'Basic x' } }), 401, 'invalid_grant'],
    ['a token', ask('GET /token', { headers: { authorization: bearer } }), 401, 'invalid_grant'],
    ['no type', ask('POST /token', { body: Buffer.from('grant_type=password') }), 400, 'invalid_request'],
    ['JSON', post(subject, [], { 'content-type': 'application/json' }), 400, 'invalid_request'],
    ['nothing', post(subject, []), 400, 'invalid_request'],
    ['a code', post(subject, [['grant_type', 'authorization_code']]), 400, 'unsupported_grant_type'],
    ['no password', post(subject, [['grant_type', 'password']]), 400, 'invalid_request'],
    ['no token', post(subject, [['grant_type', 'refresh_token']]), 400, 'invalid_request'],
    [
      'wrong password',
      post(subject, [
        ['grant_type', 'password'],
        ['username', 'reader'],
        ['password', 'x'],
      ]),
      401,
      'invalid_grant',
    ],
    [
      'NUL',
      post(subject, [
        ['grant_type', 'password'],
        ['username', 'rea\0der'],
        ['password', 'x'],
      ]),
      401,
      'invalid_grant',
    ],
    [
      'another refresh token',
      post(subject, [
        ['grant_type', 'refresh_token'],
        ['refresh_token', `berth_refresh_${'0'.repeat(46)}`],
      ]),
      401,
      'invalid_grant',
    ],
    [
      'too large',
      post(subject, [['grant_type', 'password'], ...reader, ['x', 'x'.repeat(20_000)]]),
      413,
      'invalid_request',
    ],
    ['PUT', ask('PUT /token'), 405, 'invalid_request'],
  ]
  for (const [what, asked, status, error] of rows) {
    const answer = await asked
    const body = JSON.parse(answer.body.toString()) as {
      error: string
      error_description: string
      errors: { code: string; message: string }[]
    }
    assert.deepEqual([answer.status, body.error], [status, error], what)
    assert.equal(body.errors[0]?.message, body.error_description, what)
    assert.equal(answer.headers['www-authenticate'], status === 401 ? 'Basic realm="berth"' : undefined, what)
    assert.equal(answer.headers['cache-control'], 'no-store', what)
  }
})

test('POST: passwords and refresh tokens, as docker login uses them', async (t) => {
  const subject = await startSubject(t)
  const password = await post(subject, [
    ['grant_type', 'password'],
    ['username', 'pusher'],
    ['password', 'the password of pusher'],
    ['service', 'berth'],
    ['client_id', 'test'],
    ['access_type', 'offline'],
    ['scope', 'repository:private/app:pull,push repository:other:pull'],
    ['scope', 'repository:public/app:pull'],
  ])
  assert.equal(password.status, 200)
  assert.equal(accessIn(password), 'repository:private/app:pull,push repository:public/app:pull')
  assert.equal(granted(password).scope, 'repository:private/app:pull,push repository:public/app:pull')
  const refresh = granted(password).refresh_token ?? ''
  assert.match(refresh, /^berth_refresh_[0-9A-Za-z]{46}$/)
  const again = await post(subject, [
    ['grant_type', 'refresh_token'],
    ['refresh_token', refresh],
    ['scope', 'repository:private/app:pull'],
  ])
  assert.equal(accessIn(again), 'repository:private/app:pull')
  assert.equal(granted(again).refresh_token, refresh)
  // It is no password, and no token.
  const { ask } = subject
  const asPassword = basicHeader(`pusher:${refresh}`)
  for (const authorization of [asPassword, `Bearer ${refresh}`]) {
    assert.equal((await ask('GET /v2/', { headers: { authorization } })).status, 401)
  }
  const offline = await ask('GET /token?offline_token=true', {
    headers: { authorization: subject.basic('pusher') },
  })
  assert.match(granted(offline).refresh_token ?? '', /^berth_refresh_/)
  const nobodys = await ask('GET /token?offline_token=true')
  assert.equal(granted(nobodys).refresh_token, undefined)
})
