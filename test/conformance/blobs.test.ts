/** Blobs by every method and both algorithms; ranges; what is refused. Numbers in brackets: end-N of the specification. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf, randomBytesOf, type Blob } from '../lib/content.ts'
import {
  expectStatus,
  locationOf,
  PUSH_METHODS,
  storedBytes,
  withDigest,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { expectHeaders, findSubject, tryCase, type Case } from './subject.ts'

const { client, repository } = await findSubject()

/** Of no blob. (A PUT repeated after its success may be answered 201 again, where the blob is there.) */
const NEVER = digestOf(Buffer.from('never pushed by any test'))

const CONTENTS: [name: string, bytes: Buffer][] = [
  ['no bytes', Buffer.alloc(0)],
  ['{}', Buffer.from('{}')],
  ['one byte', Buffer.from('x')],
  ['8 KiB', randomBytesOf('eight', 8192)],
  ['1 MiB', randomBytesOf('mebibyte', 1024 * 1024)],
]

for (const algorithm of ['sha256', 'sha512'] as const) {
  describe(`blobs, ${algorithm}`, () => {
    for (const method of PUSH_METHODS)
      for (const [name, bytes] of CONTENTS)
        test(`${name} by ${method}`, () =>
          pushAndPull(repository(`blobs-${method}`), { bytes, digest: digestOf(bytes, algorithm) }, method))

    test('absent: 404 to GET, HEAD and DELETE', async () => {
      const path = `/v2/${repository('blobs-post')}/blobs/${digestOf(Buffer.from('never pushed'), algorithm)}`
      await tryCase(client, { name: 'GET', method: 'GET', path, status: 404, code: 'BLOB_UNKNOWN' })
      await tryCase(client, { name: 'HEAD', method: 'HEAD', path, status: 404 })
      await tryCase(client, { name: 'DELETE', method: 'DELETE', path, status: 404, code: 'BLOB_UNKNOWN' })
    })

    for (const method of PUSH_METHODS)
      test(`bytes that are not the digest's, by ${method}: 400`, async () => {
        const digest = digestOf(Buffer.from('something else'), algorithm)
        const blob = { bytes: randomBytesOf('not this', 5000), digest }
        const answer = await client.pushBlob(repository('bad-digest'), blob, method)
        assert.equal(answer.status, 400, answer.body.toString())
        assert.equal((await client.statBlob(repository('bad-digest'), digest)).status, 404)
      })
  })
}

async function pushAndPull(name: string, blob: Blob, method: (typeof PUSH_METHODS)[number]): Promise<void> {
  const { bytes, digest } = blob
  const pushed = expectStatus(await client.pushBlob(name, blob, method), 201)
  expectHeaders(pushed, { 'docker-content-digest': digest }, 'the answer to the push')
  const path = `/v2/${name}/blobs/${digest}`
  const expect = {
    'content-length': String(bytes.length),
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    'content-encoding': undefined,
  }
  for (const where of [locationOf(pushed), path]) {
    const got = await tryCase(client, { name: 'GET', method: 'GET', path: where, status: 200, expect })
    assert.ok(got.body.equals(bytes), 'the bytes that were pushed')
    const head = await tryCase(client, { name: 'HEAD', method: 'HEAD', path: where, status: 200, expect })
    assert.equal(head.body.length, 0)
  }
  await tryCase(client, { name: 'DELETE', method: 'DELETE', path, status: 202 })
  await tryCase(client, { name: 'HEAD after', method: 'HEAD', path, status: 404 })
}

const RANGES: [range: string, status: number, first: number, last: number][] = [
  ['bytes=500-1499', 206, 500, 1499],
  ['bytes=500-', 206, 500, 2999],
  ['bytes=-500', 206, 2500, 2999],
  ['bytes=2000-5000', 206, 2000, 2999],
  ['bytes=0-0', 206, 0, 0],
  ['bytes=2999-2999', 206, 2999, 2999],
  ['bytes=-5000', 206, 0, 2999],
  ['bytes=500-0', 416, 0, 0],
  ['bytes=3000-', 416, 0, 0],
  ['bytes=5000-10000', 416, 0, 0],
]

describe('ranges of a blob of 3000 bytes', () => {
  const bytes = randomBytesOf('ranges', 3000)
  const digest = digestOf(bytes)
  const name = repository('ranges')
  for (const [range, status, first, last] of RANGES)
    test(`${range}: ${status}`, async () => {
      expectStatus(await client.pushBlob(name, { bytes, digest }, 'post-put'), 201)
      const answer = expectStatus(await client.getBlob(name, digest, { range }), status)
      if (status === 416) return expectHeaders(answer, { 'content-range': 'bytes */3000' }, range)
      expectHeaders(
        answer,
        {
          'content-range': `bytes ${first}-${last}/3000`,
          'content-length': String(last - first + 1),
          'docker-content-digest': digest,
        },
        range,
      )
      assert.ok(answer.body.equals(bytes.subarray(first, last + 1)))
    })
})

describe('uploads in progress', () => {
  const name = repository('uploads')
  const bytes = randomBytesOf('upload', 9000)
  const digest = digestOf(bytes)
  const start = async (): Promise<string> => {
    const begun = await tryCase(client, {
      name: 'POST',
      method: 'POST',
      path: `/v2/${name}/blobs/uploads/`,
      status: 202,
      expect: { location: /./, 'docker-upload-uuid': /./, range: '0-0' },
    })
    return locationOf(begun)
  }

  test('a chunk out of order is 416, and the upload tells where it stands and goes on', async () => {
    const first = expectStatus(
      await client.patchUpload(await start(), bytes.subarray(0, 3000), [0, 2999]),
      202,
    )
    expectHeaders(first, { range: '0-2999', location: /./ }, 'PATCH')
    const after = locationOf(first)
    expectStatus(await client.patchUpload(after, bytes.subarray(6000), [6000, 8999]), 416)
    expectStatus(await client.patchUpload(after, bytes.subarray(0, 3000), [0, 2999]), 416)
    const late = await client.ask('PUT', withDigest(after, digest), {
      headers: { 'content-range': '6000-8999', 'content-type': 'application/octet-stream' },
      body: bytes.subarray(6000),
    })
    expectStatus(late, 416)
    const status = expectStatus(await client.getUpload(after), 204)
    expectHeaders(status, { range: '0-2999', location: /./ }, 'GET of the upload')
    const second = await client.patchUpload(locationOf(status), bytes.subarray(3000, 6000), [3000, 5999])
    assert.equal(storedBytes(expectStatus(second, 202)), 6000)
    const last = await client.ask('PUT', withDigest(locationOf(second), digest), {
      headers: { 'content-range': '6000-8999', 'content-type': 'application/octet-stream' },
      body: bytes.subarray(6000),
    })
    expectStatus(last, 201)
    assert.ok((await client.getBlob(name, digest)).body.equals(bytes))
  })

  test('a cancelled upload is gone: 204, then 404', async () => {
    const patched = expectStatus(
      await client.patchUpload(await start(), bytes.subarray(0, 100), [0, 99]),
      202,
    )
    expectStatus(await client.cancelUpload(locationOf(patched)), 204)
    expectStatus(await client.getUpload(locationOf(patched)), 404)
    expectStatus(await client.patchUpload(locationOf(patched), bytes.subarray(100, 200), [100, 199]), 404)
    expectStatus(await client.finishUpload(locationOf(patched), NEVER), 404)
  })

  test('a wrong digest at the end is 400, and the upload can still be ended rightly', async () => {
    const patched = expectStatus(await client.patchUpload(await start(), bytes, [0, 8999]), 202)
    const wrong = digestOf(Buffer.from('another'))
    expectStatus(await client.finishUpload(locationOf(patched), wrong), 400)
    expectStatus(await client.finishUpload(locationOf(patched), digest), 201)
  })

  test('no digest, or none that is known, at the end is 400', async () => {
    const location = await start()
    for (const bad of ['sha256:short', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'nonsense', ''])
      expectStatus(await client.finishUpload(location, bad, bytes), 400)
    expectStatus(await client.ask('PUT', location, { body: bytes }), 400)
  })

  test('an unknown upload is 404', async () => {
    const path = `/v2/${name}/blobs/uploads/00000000000000000000000000000000`
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE'])
      expectStatus(await client.ask(method, method === 'PUT' ? withDigest(path, NEVER) : path), 404)
  })
})

describe('mounts', () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const bytes = randomBytesOf(`mount ${algorithm}`, 4000)
    const blob = { bytes, digest: digestOf(bytes, algorithm) }
    const source = repository(`mount-source-${algorithm}`)
    test(`from a repository, ${algorithm}: 201`, async () => {
      expectStatus(await client.pushBlob(source, blob, 'post-put'), 201)
      await mounted(client, repository(`mount-target-${algorithm}`), blob, source)
    })
    test(`from wherever it is, ${algorithm}: 201`, async () => {
      expectStatus(await client.pushBlob(source, blob, 'post-put'), 201)
      await mounted(client, repository(`mount-anywhere-${algorithm}`), blob, undefined)
    })
    for (const from of [source, repository('never-used'), undefined])
      test(`of what is not there, ${algorithm}, from ${from ?? 'anywhere'}: 202 and an upload`, async () => {
        const missing = randomBytesOf(`missing ${algorithm} ${from}`, 4000)
        const name = repository(`mount-missing-${algorithm}`)
        const answer = await client.mountBlob(name, digestOf(missing, algorithm), from)
        expectStatus(answer, 202)
        const put = await client.finishUpload(locationOf(answer), digestOf(missing, algorithm), missing)
        expectStatus(put, 201)
      })
  }
})

async function mounted(
  registry: RegistryClient,
  name: string,
  blob: Blob,
  from: string | undefined,
): Promise<void> {
  const answer = expectStatus(await registry.mountBlob(name, blob.digest, from), 201)
  expectHeaders(answer, { 'docker-content-digest': blob.digest, location: /./ }, 'the mount')
  const got = expectStatus(await registry.ask('GET', locationOf(answer)), 200)
  assert.ok(got.body.equals(blob.bytes))
}

const BAD: Omit<Case, 'name'>[] = [
  { method: 'GET', path: `/v2/${repository('x')}/blobs/sha256:short`, status: [400, 404] },
  {
    method: 'GET',
    path: `/v2/${repository('x')}/blobs/md5:d41d8cd98f00b204e9800998ecf8427e`,
    status: [400, 404],
  },
  { method: 'POST', path: `/v2/${repository('x')}/blobs/uploads/?digest=sha256:short`, status: 400 },
]

test('digests that are none', async () => {
  for (const bad of BAD) await tryCase(client, { name: bad.path, ...bad })
})
