/** Each endpoint of the specification: literal request → status, headers, body. And what no endpoint is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCode, image, INDEX, MANIFEST, sha256, startProtocol } from './start.ts'

const ABSENT = `sha256:${'0'.repeat(64)}`
const CONFIG = sha256('{}')
const IMAGE = sha256(JSON.stringify(image('{}')))

/** In order, in one registry that has the blob `{}` and an image over it, tagged v1, in `a/b`. */
const ENDPOINTS: readonly (readonly [
  line: string,
  status: number,
  headers: Record<string, string>,
  body: string,
])[] = [
  ['GET /v2/', 200, { 'content-type': 'application/json', 'content-length': '2' }, '{}'],
  ['HEAD /v2/', 200, { 'content-type': 'application/json', 'content-length': '2' }, ''],
  ['GET /v2/a/b/tags/list', 200, { 'content-type': 'application/json' }, '{"name":"a/b","tags":["v1"]}'],
  ['GET /v2/_catalog', 200, { 'content-type': 'application/json' }, '{"repositories":["a/b"]}'],
  ['GET /v2/_catalog?n=0', 200, {}, '{"repositories":[]}'],
  [
    'GET /v2/a/b/manifests/v1',
    200,
    { 'content-type': MANIFEST, 'docker-content-digest': IMAGE, etag: `"${IMAGE}"` },
    JSON.stringify(image('{}')),
  ],
  [`HEAD /v2/a/b/manifests/${IMAGE}`, 200, { 'content-type': MANIFEST, 'docker-content-digest': IMAGE }, ''],
  [
    `GET /v2/a/b/blobs/${CONFIG}`,
    200,
    {
      'content-type': 'application/octet-stream',
      'content-length': '2',
      'docker-content-digest': CONFIG,
      etag: `"${CONFIG}"`,
      'accept-ranges': 'bytes',
      'cache-control': 'max-age=31536000',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    },
    '{}',
  ],
  [`HEAD /v2/a/b/blobs/${CONFIG}`, 200, { 'content-length': '2', 'docker-content-digest': CONFIG }, ''],
  [
    `GET /v2/a/b/referrers/${IMAGE}`,
    200,
    { 'content-type': INDEX },
    `{"schemaVersion":2,"mediaType":"${INDEX}","manifests":[]}`,
  ],
  ['OPTIONS /v2/a/b/manifests/v1', 204, { allow: 'GET, HEAD, PUT, DELETE, OPTIONS' }, ''],
  ['GET /v2', 301, { location: '/v2/' }, ''],
  ['GET /', 200, { 'cache-control': 'no-cache', 'content-length': '0' }, ''],
  ['DELETE /v2/a/b/manifests/v1', 202, { 'content-length': '0' }, ''],
  ['GET /v2/a/b/tags/list', 200, {}, '{"name":"a/b","tags":[]}'],
  [`DELETE /v2/a/b/manifests/${IMAGE}`, 202, { 'content-length': '0' }, ''],
  [`DELETE /v2/a/b/blobs/${CONFIG}`, 202, { 'content-length': '0' }, ''],
]

const REFUSED: readonly (readonly [
  line: string,
  status: number,
  code: string,
  headers?: Record<string, string>,
])[] = [
  ['GET /v2/none/tags/list', 404, 'NAME_UNKNOWN'],
  [`GET /v2/none/blobs/${ABSENT}`, 404, 'BLOB_UNKNOWN'],
  ['GET /v2/none/manifests/v1', 404, 'MANIFEST_UNKNOWN'],
  [`GET /v2/none/manifests/${ABSENT}`, 404, 'MANIFEST_UNKNOWN'],
  [`DELETE /v2/none/blobs/${ABSENT}`, 404, 'BLOB_UNKNOWN'],
  [`DELETE /v2/none/manifests/${ABSENT}`, 404, 'MANIFEST_UNKNOWN'],
  ['DELETE /v2/none/manifests/v1', 404, 'MANIFEST_UNKNOWN'],
  ['GET /v2/none/blobs/uploads/00000000-0000-0000-0000-000000000000', 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['PATCH /v2/none/blobs/uploads/x', 404, 'BLOB_UPLOAD_UNKNOWN'],
  [`PUT /v2/none/blobs/uploads/x?digest=${ABSENT}`, 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['DELETE /v2/none/blobs/uploads/x', 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['PUT /v2/none/blobs/uploads/x', 400, 'DIGEST_INVALID'],
  ['PUT /v2/none/manifests/v1', 400, 'MANIFEST_INVALID'],
  ['GET /v2/none/blobs/latest', 400, 'DIGEST_INVALID'],
  ['GET /v2/none/manifests/.x', 400, 'TAG_INVALID'],
  ['GET /v2/None/tags/list', 400, 'NAME_INVALID'],
  ['GET /v2/none/tags/list?last=%00', 400, 'TAG_INVALID'],
  ['GET /v2/_catalog?n=-1', 400, 'PAGINATION_NUMBER_INVALID'],
  ['PUT /v2/', 405, 'UNSUPPORTED', { allow: 'GET, HEAD' }],
  ['PUT /v2/_catalog', 405, 'UNSUPPORTED', { allow: 'GET' }],
  ['PATCH /v2/none/manifests/v1', 405, 'UNSUPPORTED', { allow: 'GET, HEAD, PUT, DELETE' }],
  [`PUT /v2/none/blobs/${ABSENT}`, 405, 'UNSUPPORTED', { allow: 'GET, HEAD, DELETE' }],
  ['GET /v2/none/blobs/uploads/', 405, 'UNSUPPORTED', { allow: 'POST' }],
  ['POST /v2/none/blobs/uploads/x', 405, 'UNSUPPORTED', { allow: 'GET, HEAD, PATCH, PUT, DELETE' }],
  ['PUT /v2/none/tags/list', 405, 'UNSUPPORTED', { allow: 'GET' }],
  ['GET /v2/none', 404, 'UNSUPPORTED'],
  ['GET /v1/_ping', 404, 'UNSUPPORTED'],
  ['GET /favicon.ico', 404, 'UNSUPPORTED'],
  ['POST /anything', 404, 'UNSUPPORTED'],
]

test('each endpoint answers as the specification says', async (t) => {
  const server = await startProtocol(t)
  await server.push('a/b', '{}')
  await server.pushManifest('a/b', 'v1', image('{}'))
  for (const [line, status, headers, body] of ENDPOINTS) {
    const reply = await server.ask(line)
    assert.deepEqual([reply.status, reply.text], [status, body], line)
    for (const [name, value] of Object.entries(headers))
      assert.equal(reply.headers[name], value, `${line}: ${name}`)
  }
})

test('each refusal is JSON with its code, whatever method and path', async (t) => {
  const server = await startProtocol(t)
  for (const [line, status, code, headers = {}] of REFUSED) {
    const reply = await server.ask(line)
    assert.deepEqual([reply.status, errorCode(reply)], [status, code], line)
    assert.equal(reply.headers['content-type'], 'application/json')
    assert.equal(reply.headers['content-length'], `${reply.body.length}`)
    for (const [name, value] of Object.entries(headers)) assert.equal(reply.headers[name], value, line)
  }
})

test('HEAD of what is not there has the headers of the error and no body', async (t) => {
  const server = await startProtocol(t)
  for (const line of [
    `HEAD /v2/r/blobs/${ABSENT}`,
    'HEAD /v2/r/manifests/v1',
    'HEAD /v2/r/blobs/uploads/x',
  ]) {
    const reply = await server.ask(line)
    assert.deepEqual(
      [reply.status, reply.text, reply.headers['content-type']],
      [404, '', 'application/json'],
      line,
    )
  }
})

test('discovery names the extension it is part of', async (t) => {
  const server = await startProtocol(t, { prefix: '/reg' })
  const { extensions } = JSON.parse((await server.ask('GET /reg/v2/_oci/ext/discover')).text)
  assert.deepEqual(
    extensions.map(({ name, endpoints }: { name: string; endpoints: string[] }) => [name, endpoints]),
    [['_oci', ['/reg/v2/_oci/ext/discover']]],
  )
})

test('with a prefix every address keeps it', async (t) => {
  const server = await startProtocol(t, { prefix: '/reg/' })
  const post = await server.ask('POST /reg/v2/r/blobs/uploads/')
  const { location = '' } = post.headers
  assert.match(location, /^\/reg\/v2\/r\/blobs\/uploads\//)
  const patch = await server.ask(`PATCH ${location}`, { body: '{}' })
  assert.equal(patch.headers.location, location)
  const put = await server.ask(`PUT ${location}?digest=${CONFIG}`)
  assert.deepEqual([put.status, put.headers.location], [201, `/reg/v2/r/blobs/${CONFIG}`])
  for (const tag of ['a', 'b']) {
    const body = JSON.stringify(image('{}'))
    const headers = { 'content-type': MANIFEST }
    const manifest = await server.ask(`PUT /reg/v2/r/manifests/${tag}`, { body, headers })
    assert.equal(manifest.headers.location, `/reg/v2/r/manifests/${IMAGE}`)
  }
  const tags = await server.ask('GET /reg/v2/r/tags/list?n=1')
  assert.equal(tags.headers.link, '</reg/v2/r/tags/list?last=a&n=1>; rel="next"')
  assert.equal((await server.ask('GET /reg/v2')).headers.location, '/reg/v2/')
  assert.equal((await server.ask('GET /v2/')).status, 404)
  assert.equal((await server.ask('GET /')).status, 200)
})

test('configured headers are on every answer of the API, once, and not on /', async (t) => {
  const server = await startProtocol(t, {
    headers: {
      'X-Content-Type-Options': ['nosniff'],
      'Access-Control-Allow-Origin': ['https://ui.example'],
      'Cache-Control': ['no-store'],
      'Content-Type': ['text/html'],
    },
  })
  await server.push('r', '{}')
  for (const line of ['GET /v2/', 'OPTIONS /v2/', 'GET /v2/none/tags/list', `GET /v2/r/blobs/${CONFIG}`]) {
    const { headers } = await server.ask(line)
    assert.equal(headers['x-content-type-options'], 'nosniff', line)
    assert.equal(headers['access-control-allow-origin'], 'https://ui.example', line)
    assert.equal(headers['cache-control'], 'no-store', line)
    assert.notEqual(headers['content-type'], 'text/html', line)
  }
  assert.equal((await server.ask('GET /')).headers['access-control-allow-origin'], undefined)
})

test('a list longer than a page comes whole, piece by piece', async (t) => {
  const names = Array.from({ length: 25_000 }, (_, i) => `t${`${i}`.padStart(6, '0')}`)
  const limits: number[] = []
  const server = await startProtocol(t, {
    wrap: (registry) => ({
      ...registry,
      listTags: (_call, _repository, { limit, after }) => {
        limits.push(limit)
        const start = after === undefined ? 0 : names.indexOf(after) + 1
        return Promise.resolve({
          names: names.slice(start, start + limit),
          more: start + limit < names.length,
        })
      },
    }),
  })
  const reply = await server.ask('GET /v2/r/tags/list')
  assert.deepEqual(JSON.parse(reply.text), { name: 'r', tags: names })
  assert.deepEqual(limits, [10_000, 10_000, 10_000])
})

test('referrers come in pages, and each Link keeps the filter', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const subject = { mediaType: MANIFEST, digest: ABSENT, size: 2 }
  const digests: string[] = []
  for (const i of [1, 2, 3]) {
    const manifest = image('{}', [], { subject, artifactType: 'a/b+c', annotations: { i: `${i}` } })
    digests.push((await server.pushManifest('r', `t${i}`, manifest)).digest)
  }
  let next: string | undefined = `/v2/r/referrers/${ABSENT}?n=2&artifactType=a%2Fb%2Bc`
  const found: string[] = []
  for (let pages = 0; next !== undefined; pages += 1) {
    assert.ok(pages < 2)
    const reply = await server.ask(`GET ${next}`)
    assert.equal(reply.headers['oci-filters-applied'], 'artifactType')
    for (const { digest } of JSON.parse(reply.text).manifests as { digest: string }[]) found.push(digest)
    next = /^<(.*)>; rel="next"$/.exec((reply.headers.link as string | undefined) ?? '')?.[1]
  }
  assert.deepEqual(found, digests.toSorted())
})
