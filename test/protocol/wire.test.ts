/** What clients rely on, one test for each point; which client, and where it says so, is in the point's name. */
import { anonymousPrincipal } from '../../src/auth/principal.ts'
import { createGuardedRegistry } from '../../src/registry/guarded.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  errorCode,
  image,
  INDEX,
  MANIFEST,
  sha256,
  sha512,
  startProtocol,
  type Protocol,
  type Reply,
} from './start.ts'

const ABSENT = `sha256:${'0'.repeat(64)}`

async function openUpload(server: Protocol, query = ''): Promise<string> {
  const reply = await server.ask(`POST /v2/r/blobs/uploads/${query}`)
  assert.equal(reply.status, 202)
  return locationOf(reply)
}

function locationOf(reply: Reply): string {
  const { location } = reply.headers
  assert.ok(location !== undefined && location.startsWith('/v2/'), `relative Location: ${location}`)
  return location
}

test('1: 201 of a blob and of a manifest carry Docker-Content-Digest (containerd, buildkit)', async (t) => {
  const server = await startProtocol(t)
  const location = await openUpload(server)
  const put = await server.ask(`PUT ${location}?digest=${sha256('{}')}`, { body: '{}' })
  assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, sha256('{}')])
  const bytes = JSON.stringify(image('{}'))
  const manifest = await server.ask('PUT /v2/r/manifests/v1', {
    body: bytes,
    headers: { 'content-type': MANIFEST },
  })
  assert.deepEqual([manifest.status, manifest.headers['docker-content-digest']], [201, sha256(bytes)])
})

test('2: HEAD of a manifest by tag has digest, true length, exact type (containerd)', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const { digest, bytes } = await server.pushManifest('r', 'v1', image('{}'))
  for (const reference of ['v1', digest]) {
    const head = await server.ask(`HEAD /v2/r/manifests/${reference}`)
    assert.equal(head.status, 200)
    assert.equal(head.headers['docker-content-digest'], digest)
    assert.equal(head.headers['content-length'], `${bytes.length}`)
    assert.equal(head.headers['content-type'], MANIFEST)
    assert.equal(head.body.length, 0)
  }
})

test('3: no parameters on Content-Type, even if they were pushed (ggcr, cosign)', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const body = JSON.stringify(image('{}'))
  const type = `${MANIFEST}; charset=utf-8`
  assert.equal(
    (await server.ask('PUT /v2/r/manifests/v1', { body, headers: { 'content-type': type } })).status,
    201,
  )
  assert.equal((await server.ask('GET /v2/r/manifests/v1')).headers['content-type'], MANIFEST)
  assert.equal((await server.ask(`GET /v2/r/referrers/${ABSENT}`)).headers['content-type'], INDEX)
  assert.equal((await server.ask('GET /v2/r/tags/list')).headers['content-type'], 'application/json')
  assert.equal((await server.ask('GET /v2/R/tags/list')).headers['content-type'], 'application/json')
})

test('4: referrers are 200 and empty for what is unknown, 400 for a bad digest; the filter is told (oras)', async (t) => {
  const server = await startProtocol(t)
  const empty = { schemaVersion: 2, mediaType: INDEX, manifests: [] }
  const unknown = await server.ask(`GET /v2/never/used/referrers/${ABSENT}`)
  assert.deepEqual([unknown.status, JSON.parse(unknown.text)], [200, empty])
  assert.equal(unknown.headers['oci-filters-applied'], undefined)
  const filtered = await server.ask(`GET /v2/never/used/referrers/${ABSENT}?artifactType=a/b`)
  assert.deepEqual([filtered.status, filtered.headers['oci-filters-applied']], [200, 'artifactType'])
  const bad = await server.ask('GET /v2/r/referrers/sha256:short')
  assert.deepEqual([bad.status, errorCode(bad)], [400, 'DIGEST_INVALID'])
})

test('5: OCI-Subject on a push with a subject, also of one that does not exist (sigstore-js)', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const subject = { mediaType: MANIFEST, digest: ABSENT, size: 2 }
  const body = JSON.stringify(image('{}', [], { subject, artifactType: 'a/b' }))
  const put = await server.ask(`PUT /v2/r/manifests/${sha256(body)}`, {
    body,
    headers: { 'content-type': MANIFEST },
  })
  assert.deepEqual([put.status, put.headers['oci-subject']], [201, ABSENT])
  const list = await server.ask(`GET /v2/r/referrers/${ABSENT}?artifactType=a%2Fb`)
  assert.deepEqual(JSON.parse(list.text).manifests, [
    { mediaType: MANIFEST, digest: sha256(body), size: body.length, artifactType: 'a/b' },
  ])
  const other = await server.ask(`GET /v2/r/referrers/${ABSENT}?artifactType=x/y`)
  assert.deepEqual(JSON.parse(other.text).manifests, [])
  const plain = await server.ask('PUT /v2/r/manifests/v1', {
    body: JSON.stringify(image('{}')),
    headers: { 'content-type': MANIFEST },
  })
  assert.equal(plain.headers['oci-subject'], undefined)
})

test('6: every Location is a relative path, whatever the host is called (oras, ggcr, containerd)', async (t) => {
  const server = await startProtocol(t)
  const headers = { host: 'evil.example', 'x-forwarded-host': 'other.example', 'x-forwarded-proto': 'https' }
  const post = await server.ask('POST /v2/r/blobs/uploads/', { headers })
  assert.match(post.headers.location ?? '', /^\/v2\/r\/blobs\/uploads\/[A-Za-z0-9-]+$/)
  const put = await server.ask(`PUT ${post.headers.location}?digest=${sha256('{}')}`, { headers, body: '{}' })
  assert.equal(put.headers.location, `/v2/r/blobs/${sha256('{}')}`)
})

test('7: digest in any place of the query, escaped or not, beside other parameters (regclient)', async (t) => {
  const server = await startProtocol(t)
  const digest = sha256('x')
  for (const query of [
    `digest=${digest}`,
    `digest=${digest.replace(':', '%3A')}`,
    `_state=abc&digest=${digest.replace(':', '%3a')}&etag=1&ns=docker.io`,
    `&ns=a/b&&digest=${digest}&digest=other`,
  ]) {
    const location = await openUpload(server)
    assert.equal((await server.ask(`PUT ${location}?${query}`, { body: 'x' })).status, 201, query)
  }
})

test('8: POST, one PATCH in chunks without lengths, empty PUT (docker, podman)', async (t) => {
  const server = await startProtocol(t)
  const location = await openUpload(server)
  const patch = await server.ask(`PATCH ${location}`, { body: ['hello ', 'world'] })
  assert.equal(patch.status, 202)
  assert.equal(patch.headers.range, '0-10')
  assert.equal(patch.headers['docker-upload-uuid'], location.split('/').at(-1))
  const put = await server.ask(`PUT ${locationOf(patch)}?digest=${sha256('hello world')}`)
  assert.equal(put.status, 201)
  assert.equal((await server.ask(`GET ${put.headers.location}`)).text, 'hello world')
})

test('9: POST, then one PUT with everything (containerd, buildkit, oras)', async (t) => {
  const server = await startProtocol(t)
  const big = Buffer.alloc(3_000_000, 'abcdefg')
  const location = await openUpload(server)
  const put = await server.ask(`PUT ${location}?digest=${sha256(big)}`, { body: big })
  assert.equal(put.status, 201)
  assert.ok((await server.ask(`GET ${put.headers.location}`)).body.equals(big))
})

test('10: POST with Content-Type application/json and no body; with and without the last slash (ggcr)', async (t) => {
  const server = await startProtocol(t)
  const headers = { 'content-type': 'application/json' }
  assert.equal((await server.ask('POST /v2/r/blobs/uploads/', { headers })).status, 202)
  assert.equal((await server.ask('POST /v2/r/blobs/uploads', { headers })).status, 202)
})

test('11: POST with digest and body is the whole push; without a body it begins one', async (t) => {
  const server = await startProtocol(t)
  const post = await server.ask(`POST /v2/r/blobs/uploads/?digest=${sha256('abc')}`, { body: 'abc' })
  assert.deepEqual([post.status, post.headers.location], [201, `/v2/r/blobs/${sha256('abc')}`])
  assert.equal(post.headers['docker-content-digest'], sha256('abc'))
  const chunked = await server.ask(`POST /v2/r/blobs/uploads/?digest=${sha512('abc')}`, { body: ['a', 'bc'] })
  assert.deepEqual([chunked.status, chunked.headers['docker-content-digest']], [201, sha512('abc')])
  const wrong = await server.ask(`POST /v2/r/blobs/uploads/?digest=${sha256('abc')}`, { body: 'abd' })
  assert.deepEqual([wrong.status, errorCode(wrong)], [400, 'DIGEST_INVALID'])
  const none = await server.ask(`POST /v2/r/blobs/uploads/?digest=${sha256('later')}`)
  assert.equal(none.status, 202)
  assert.equal(
    (await server.ask(`PUT ${locationOf(none)}?digest=${sha256('later')}`, { body: 'later' })).status,
    201,
  )
  const empty = await server.ask(`POST /v2/r/blobs/uploads/?digest=${sha256('')}`)
  assert.equal(empty.status, 201)
  const head = await server.ask(`HEAD /v2/r/blobs/${sha256('')}`)
  assert.deepEqual([head.status, head.headers['content-length']], [200, '0'])
  assert.equal((await server.ask(`GET /v2/r/blobs/${sha256('')}`)).text, '')
})

test('12: a mount is 201, or 202 and an upload: never an error (containerd, jib, regctl)', async (t) => {
  const server = await startProtocol(t, {
    gate: {
      authenticate: () => ({ ...anonymousPrincipal, id: 'u', name: 'u', kind: 'user' as const }),
      challenge: () => undefined,
      authorize: () => 'allowed',
    },
    wrap: (registry) =>
      createGuardedRegistry(registry, {
        may: (_principal, action, repository) => action !== 'pull' || repository !== 'secret',
        mayMoveTags: () => true,
        mayList: () => true,
      }),
  })
  const digest = await server.push('source', 'layer')
  const hidden = await server.push('secret', 'hidden')
  const mounted = await server.ask(`POST /v2/r/blobs/uploads/?mount=${digest}&from=source`)
  assert.deepEqual([mounted.status, mounted.headers.location], [201, `/v2/r/blobs/${digest}`])
  assert.equal(mounted.headers['docker-content-digest'], digest)
  assert.equal((await server.ask(`GET /v2/r/blobs/${digest}`)).text, 'layer')
  assert.equal((await server.ask(`POST /v2/r2/blobs/uploads/?mount=${digest}`)).status, 201)
  for (const query of [
    `mount=${ABSENT}&from=source`,
    `mount=${ABSENT}`,
    `mount=${digest}&from=nowhere`,
    `mount=${digest}&from=NOT%20A%20NAME`,
    `mount=${hidden}&from=secret`,
    `mount=${hidden}`,
    'mount=nonsense&from=source',
  ]) {
    const reply = await server.ask(`POST /v2/r/blobs/uploads/?${query}`)
    assert.equal(reply.status, 202, query)
    const put = await server.ask(`PUT ${locationOf(reply)}?digest=${sha256(query)}`, { body: query })
    assert.equal(put.status, 201, query)
  }
  assert.equal((await server.ask(`HEAD /v2/r/blobs/${hidden}`)).status, 404)
})

test('13: DELETE of an upload is 204 and needs the right to push only (podman)', async (t) => {
  const server = await startProtocol(t, {
    gate: {
      authenticate: () => ({ ...anonymousPrincipal, id: 'u', name: 'u', kind: 'user' as const }),
      challenge: () => undefined,
      authorize: (_principal, permission) =>
        permission.on === 'repository' && permission.action === 'push' ? 'allowed' : 'denied',
    },
  })
  const location = await openUpload(server)
  const gone = await server.ask(`DELETE ${location}`)
  assert.deepEqual([gone.status, gone.text], [204, ''])
  for (const method of ['DELETE', 'GET', 'PATCH']) {
    assert.equal((await server.ask(`${method} ${location}`)).status, 404, method)
  }
})

test('14: GET of an upload is 204 with Range, 0-0 when empty; a wrong offset is 416 and says where it stands', async (t) => {
  const server = await startProtocol(t)
  const location = await openUpload(server)
  const id = location.split('/').at(-1)
  const status = async (): Promise<unknown> => {
    const reply = await server.ask(`GET ${location}`)
    return [reply.status, reply.headers.range, reply.headers.location, reply.headers['docker-upload-uuid']]
  }
  assert.deepEqual(await status(), [204, '0-0', location, id])
  const patch = async (range: string, body: string): Promise<Reply> =>
    server.ask(`PATCH ${location}`, { body, headers: { 'content-range': range } })
  assert.equal((await patch('0-4', 'hello')).status, 202)
  assert.deepEqual(await status(), [204, '0-4', location, id])
  for (const range of ['0-4', '4-8', '6-10', '10-14', 'nonsense', '9-5', '99999999999999999999-5', '-5']) {
    const reply = await patch(range, 'hello')
    assert.deepEqual([reply.status, errorCode(reply)], [416, 'RANGE_INVALID'], range)
    assert.deepEqual([reply.headers.range, reply.headers.location], ['0-4', location], range)
    assert.equal(reply.headers['docker-upload-uuid'], id)
  }
  const late = await server.ask(`PUT ${location}?digest=${sha256('hello')}`, {
    body: 'hello',
    headers: { 'content-range': '9-13' },
  })
  assert.deepEqual([late.status, late.headers.range, late.headers.location], [416, '0-4', location])
  const uneven = await patch('5-20', 'world')
  assert.deepEqual([uneven.status, errorCode(uneven)], [400, 'SIZE_INVALID'])
  assert.equal((await patch('bytes 5-5/*', ' ')).status, 202)
  const put = await server.ask(`PUT ${location}?digest=${sha256('hello world')}`, {
    body: 'world',
    headers: { 'content-range': '6-10' },
  })
  assert.equal(put.status, 201)
})

test('22: nothing is compressed, whatever the client offers (containerd, oras)', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const { bytes } = await server.pushManifest(
    'r',
    'v1',
    image('{}', [], { annotations: { a: 'a'.repeat(5000) } }),
  )
  const headers = { 'accept-encoding': 'zstd, gzip' }
  for (const path of ['/v2/r/manifests/v1', `/v2/r/blobs/${sha256('{}')}`, '/v2/r/tags/list']) {
    const get = await server.ask(`GET ${path}`, { headers })
    assert.equal(get.headers['content-encoding'], undefined)
    assert.equal(get.headers['content-length'], `${get.body.length}`)
  }
  assert.ok((await server.ask('GET /v2/r/manifests/v1', { headers })).body.equals(bytes))
})

test('23: ranges of a blob: 206 with Content-Range and Accept-Ranges; 416 past the end (docker, ollama)', async (t) => {
  const server = await startProtocol(t)
  const content = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 251))
  const digest = await server.push('r', content)
  for (const [range, first, last] of [
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2999],
    ['bytes=-500', 2500, 2999],
    ['bytes=2000-5000', 2000, 2999],
    ['bytes=-5000', 0, 2999],
    ['bytes=0-0', 0, 0],
    ['bytes=2999-2999', 2999, 2999],
  ] as const) {
    const reply = await server.ask(`GET /v2/r/blobs/${digest}`, { headers: { range } })
    assert.equal(reply.status, 206, range)
    assert.equal(reply.headers['content-range'], `bytes ${first}-${last}/3000`)
    assert.equal(reply.headers['content-length'], `${last - first + 1}`)
    assert.equal(reply.headers['accept-ranges'], 'bytes')
    assert.ok(reply.body.equals(content.subarray(first, last + 1)), range)
  }
  for (const range of [
    'bytes=500-0',
    'bytes=5000-10000',
    'bytes=3000-',
    'bytes=-0',
    'bytes=x-y',
    'bytes=-',
  ]) {
    const reply = await server.ask(`GET /v2/r/blobs/${digest}`, { headers: { range } })
    assert.deepEqual([reply.status, reply.headers['content-range']], [416, 'bytes */3000'], range)
    assert.equal(errorCode(reply), 'RANGE_INVALID')
  }
  for (const range of ['bytes=0-1,5-6', 'lines=0-1', 'nonsense']) {
    const reply = await server.ask(`GET /v2/r/blobs/${digest}`, { headers: { range } })
    assert.deepEqual([reply.status, reply.body.length], [200, 3000], range)
  }
  const conditional = async (etag: string): Promise<number> =>
    (await server.ask(`GET /v2/r/blobs/${digest}`, { headers: { range: 'bytes=0-1', 'if-range': etag } }))
      .status
  assert.deepEqual([await conditional(`"${digest}"`), await conditional('"other"')], [206, 200])
  const head = await server.ask(`HEAD /v2/r/blobs/${digest}`, { headers: { range: 'bytes=0-1' } })
  assert.deepEqual([head.status, head.headers['content-length']], [200, '3000'])
})

test('25: the stored type whatever Accept says; ETag and If-None-Match', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const { digest } = await server.pushManifest('r', 'v1', image('{}'))
  for (const accept of ['*/*', 'application/vnd.docker.distribution.manifest.v1+json', 'text/html', '']) {
    const reply = await server.ask('GET /v2/r/manifests/v1', { headers: accept === '' ? {} : { accept } })
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, MANIFEST])
    assert.equal(reply.headers.etag, `"${digest}"`)
  }
  for (const path of ['/v2/r/manifests/v1', `/v2/r/manifests/${digest}`, `/v2/r/blobs/${sha256('{}')}`]) {
    const etag = path.endsWith(sha256('{}')) ? sha256('{}') : digest
    for (const method of ['GET', 'HEAD']) {
      for (const given of [`"${etag}"`, `W/"${etag}"`, `"x", "${etag}"`, '*']) {
        const reply = await server.ask(`${method} ${path}`, { headers: { 'if-none-match': given } })
        assert.deepEqual(
          [reply.status, reply.text, reply.headers.etag],
          [304, '', `"${etag}"`],
          `${path} ${given}`,
        )
      }
      assert.equal(
        (await server.ask(`${method} ${path}`, { headers: { 'if-none-match': '"x"' } })).status,
        200,
      )
    }
  }
  const absent = await server.ask(`GET /v2/r/blobs/${ABSENT}`, { headers: { 'if-none-match': '*' } })
  assert.equal(absent.status, 404)
})

test('26: errors are JSON with the code of the specification, and 4xx where a retry would be pointless', async (t) => {
  const full = Object.assign(new Error('/srv/secret/path: no space'), { code: 'ENOSPC' })
  const server = await startProtocol(t, {
    wrap: (registry) => ({
      ...registry,
      startUpload: () => Promise.reject(full),
      deleteBlob: () => Promise.reject(new Error('SELECT * FROM /srv/secret/path')),
    }),
  })
  const denied = await server.ask('POST /v2/r/blobs/uploads/')
  assert.deepEqual([denied.status, errorCode(denied)], [403, 'DENIED'])
  assert.match(denied.text, /no space left on device/)
  const unknown = await server.ask(`DELETE /v2/r/blobs/${ABSENT}`)
  assert.deepEqual([unknown.status, errorCode(unknown)], [500, 'UNKNOWN'])
  assert.doesNotMatch(denied.text + unknown.text, /secret|SELECT/)
  assert.equal(unknown.headers['x-request-id'], 'request-2')
  assert.deepEqual(JSON.parse(unknown.text).errors[0].detail, { requestId: 'request-2' })
})

test('27: tags is never null, Link leads on, too large an n is cut, n=0 is empty', async (t) => {
  const server = await startProtocol(t, { limits: { manifestBytes: 4_194_304, tagsMax: 3, catalogMax: 2 } })
  await server.push('r', '{}')
  const names = ['0.1.2', '0.1.20', 'A', 'a', 'b']
  for (const name of names) await server.pushManifest('r', name, image('{}'))
  const list = async (query: string): Promise<unknown[]> => {
    const reply = await server.ask(`GET /v2/r/tags/list${query}`)
    const { name, tags } = JSON.parse(reply.text) as { name: string; tags: string[] }
    assert.deepEqual([reply.status, name], [200, 'r'])
    return [tags, reply.headers.link]
  }
  const next = (last: string, n: number): string => `</v2/r/tags/list?last=${last}&n=${n}>; rel="next"`
  assert.deepEqual(await list(''), [names, undefined])
  assert.deepEqual(await list('?n=2'), [['0.1.2', '0.1.20'], next('0.1.20', 2)])
  assert.deepEqual(await list('?n=2&last=A'), [['a', 'b'], undefined])
  assert.deepEqual(await list('?n=10000'), [['0.1.2', '0.1.20', 'A'], next('A', 3)])
  assert.deepEqual(await list('?n=99999999999999999999'), [['0.1.2', '0.1.20', 'A'], next('A', 3)])
  assert.deepEqual(await list('?last=0.1.2'), [['0.1.20', 'A', 'a', 'b'], undefined])
  assert.deepEqual(await list('?last=0.1.3'), [['A', 'a', 'b'], undefined])
  assert.deepEqual(await list('?n=0'), [[], undefined])
  assert.deepEqual(await list('?last=zzz'), [[], undefined])
  assert.deepEqual(await list('?n=5&last=zzz'), [[], undefined])
  for (const n of ['-1', 'abc', '1e9']) {
    const reply = await server.ask(`GET /v2/r/tags/list?n=${n}`)
    assert.deepEqual([reply.status, errorCode(reply)], [400, 'PAGINATION_NUMBER_INVALID'], n)
  }
  await server.ask(`DELETE /v2/r/manifests/${sha256(JSON.stringify(image('{}')))}`)
  assert.deepEqual(await list(''), [[], undefined])
  const unknown = await server.ask('GET /v2/none/tags/list?n=0')
  assert.deepEqual([unknown.status, errorCode(unknown)], [404, 'NAME_UNKNOWN'])
})

test('28: DELETE of a tag is 202 and leaves the other tags of the manifest (regctl)', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  for (const tag of ['a', 'b']) await server.pushManifest('r', tag, image('{}'))
  assert.equal((await server.ask('DELETE /v2/r/manifests/a')).status, 202)
  assert.equal((await server.ask('GET /v2/r/manifests/a')).status, 404)
  assert.equal((await server.ask('GET /v2/r/manifests/b')).status, 200)
  const again = await server.ask('DELETE /v2/r/manifests/a')
  assert.deepEqual([again.status, errorCode(again)], [404, 'MANIFEST_UNKNOWN'])
})

test('29: a bad digest is DIGEST_INVALID; a manifest of 4 MiB is accepted, a larger one 413', async (t) => {
  const server = await startProtocol(t)
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
    const reply = await server.ask(`${method} /v2/r/manifests/sha256:short`)
    assert.equal(reply.status, 400, method)
    if (method !== 'HEAD') assert.equal(errorCode(reply), 'DIGEST_INVALID')
  }
  await server.push('r', '{}')
  const plain = JSON.stringify(image('{}', [], { annotations: { a: '' } }))
  const fitting = JSON.stringify(
    image('{}', [], { annotations: { a: 'a'.repeat(4_194_304 - plain.length) } }),
  )
  const headers = { 'content-type': MANIFEST }
  assert.equal((await server.ask('PUT /v2/r/manifests/big', { body: fitting, headers })).status, 201)
  for (const body of [`${fitting} `, [fitting, ' ']]) {
    const reply = await server.ask('PUT /v2/r/manifests/big', { body, headers })
    assert.deepEqual([reply.status, errorCode(reply)], [413, 'MANIFEST_INVALID'])
  }
})

test('30: several tags in one push by digest, told by OCI-Tag; digest-algorithm=sha512', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const body = JSON.stringify(image('{}'))
  const headers = { 'content-type': MANIFEST }
  for (const digest of [sha256(body), sha512(body)]) {
    const put = await server.ask(`PUT /v2/r/manifests/${digest}?tag=x&tag=y&tag=z`, { body, headers })
    assert.deepEqual([put.status, put.headers['oci-tag']], [201, 'x, y, z'])
    assert.equal(put.headers['docker-content-digest'], digest)
    assert.equal(put.headers.location, `/v2/r/manifests/${digest}`)
    for (const tag of ['x', 'y', 'z']) {
      const head = await server.ask(`HEAD /v2/r/manifests/${tag}`)
      assert.deepEqual([head.status, head.headers['docker-content-digest']], [200, digest])
    }
  }
  const many = Array.from({ length: 101 }, (_, i) => `tag=t${i}`).join('&')
  const tooMany = await server.ask(`PUT /v2/r/manifests/${sha256(body)}?${many}`, { body, headers })
  assert.deepEqual([tooMany.status, errorCode(tooMany)], [414, 'TAG_INVALID'])
  const bad = await server.ask(`PUT /v2/r/manifests/${sha256('other')}`, { body, headers })
  assert.deepEqual([bad.status, errorCode(bad)], [400, 'DIGEST_INVALID'])
  const location = await openUpload(server, '?digest-algorithm=sha512')
  assert.equal((await server.ask(`PATCH ${location}`, { body: ['ab', 'c'] })).status, 202)
  const put = await server.ask(`PUT ${location}?digest=${sha512('abc')}`)
  assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, sha512('abc')])
  const md5 = await server.ask('POST /v2/r/blobs/uploads/?digest-algorithm=md5')
  assert.deepEqual([md5.status, errorCode(md5)], [400, 'DIGEST_INVALID'])
  assert.equal((await server.ask('GET /v2/r/manifests/x?ns=docker.io')).status, 200)
})

test('33: Docker-Distribution-Api-Version on every answer below /v2/, and not on /', async (t) => {
  const server = await startProtocol(t)
  for (const line of [
    'GET /v2/',
    'GET /v2',
    'GET /v2/r/tags/list',
    'GET /v2/R/tags/list',
    'PUT /v2/r/tags/list',
    'OPTIONS /v2/',
    'POST /v2/r/blobs/uploads/',
    `HEAD /v2/r/blobs/${ABSENT}`,
    'GET /v2/nothing',
    `GET /v2/r/referrers/${ABSENT}`,
    'GET /v1/_ping',
  ]) {
    const reply = await server.ask(line)
    assert.equal(reply.headers['docker-distribution-api-version'], 'registry/2.0', line)
    assert.ok(reply.headers['x-request-id'], line)
  }
  assert.equal((await server.ask('GET /')).headers['docker-distribution-api-version'], undefined)
})
