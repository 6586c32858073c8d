/** What other registries got wrong, each case with its number in the list that this project keeps of them. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { blobOf, imageOf, type Manifest } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import { errorOf, expectStatus, locationOf, withDigest } from '../lib/registry-client.ts'
import { connection } from './connection.ts'
import { pushContent, tellsOf, wordsOf } from './content.ts'
import { startSubject, type Subject } from './subject.ts'

/** As somebody, by password. */
function as({ ask, basic }: Subject, name: Parameters<Subject['basic']>[0]) {
  const headers = { authorization: basic(name) }
  return (line: string, body?: Uint8Array, more: Record<string, string> = {}): Promise<Answer> =>
    ask(line, { headers: { ...headers, ...more }, body })
}

const put = (who: ReturnType<typeof as>, path: string, { bytes, mediaType }: Manifest): Promise<Answer> =>
  who(`PUT /v2/${path}`, bytes, { 'content-type': mediaType })

test('C1: nothing of a private repository for who did not sign in, by any address (CVE-2026-27771)', async (t) => {
  const subject = await startSubject(t)
  const content = await pushContent(subject.client, 'private/app', 'canary', 61_237)
  const words = wordsOf('private/app', content)
  const token = await subject.bearer(undefined, [
    'repository:private/app:pull,push,delete',
    'registry:catalog:*',
  ])
  const { image, layer, referrer, tag } = content
  for (const authorization of [undefined, token]) {
    for (const line of [
      'GET /v2/private/app/tags/list',
      `GET /v2/private/app/manifests/${tag}`,
      `GET /v2/private/app/manifests/${image.digest}`,
      `GET /v2/private/app/manifests/${referrer.digest}`,
      `GET /v2/private/app/referrers/${image.digest}`,
      `GET /v2/private/app/blobs/${layer.digest}`,
      `HEAD /v2/private/app/blobs/${layer.digest}`,
      'GET /v2/_catalog',
      'GET /v1/search?q=app',
      'GET /v1/search?q=',
    ]) {
      const headers = authorization === undefined ? {} : { authorization }
      const reply = await subject.ask(line, { headers })
      if (authorization === undefined || line.includes('private')) assert.equal(reply.status, 401, line)
      const text = JSON.stringify(reply.headers) + reply.body.toString('latin1')
      for (const word of words) {
        assert.ok(line.includes(word) || !tellsOf(text, word), `${line}: ${word}`)
      }
    }
  }
})

test('C3: an upload is of who began it, in its repository (CVE-2026-32589)', async (t) => {
  const subject = await startSubject(t)
  const alice = as(subject, 'pusher')
  const bob = as(subject, 'creator')
  const blob = blobOf('hers', 1000)
  const location = locationOf(expectStatus(await alice('POST /v2/private/app/blobs/uploads/'), 202))
  expectStatus(await alice(`PATCH ${location}`, blob.bytes.subarray(0, 500)), 202)
  const elsewhere = location.replace('/private/app/', '/public/app/')
  for (const [who, at] of [
    [bob, location],
    [bob, elsewhere],
    [alice, elsewhere],
  ] as const) {
    for (const [line, body] of [
      [`GET ${at}`],
      [`PATCH ${at}`, blob.bytes.subarray(500)],
      [`PUT ${withDigest(at, blob.digest)}`, blob.bytes.subarray(500)],
      [`DELETE ${at}`],
    ] as const) {
      const reply = await who(line, body)
      assert.deepEqual([reply.status, errorOf(reply).code], [404, 'BLOB_UPLOAD_UNKNOWN'], line)
    }
  }
  const standing = expectStatus(await alice(`GET ${location}`), 204)
  assert.equal(standing.headers.range, '0-499')
  // By a token she is still who she was.
  const token = await subject.bearer(subject.basic('pusher'), ['repository:private/app:pull,push'])
  const closed = await subject.ask(`PUT ${withDigest(location, blob.digest)}`, {
    headers: { authorization: token },
    body: blob.bytes.subarray(500),
  })
  expectStatus(closed, 201)
})

test('C4: a blob that was deleted from one repository stays away there, whatever is kept in memory (CVE-2026-35172)', async (t) => {
  const subject = await startSubject(t)
  const { client } = subject
  const reader = as(subject, 'reader')
  const layer = blobOf('shared', 30_000)
  for (const name of ['private/a', 'private/b']) {
    expectStatus(await client.pushBlob(name, layer, 'post'), 201)
    expectStatus(await reader(`GET /v2/${name}/blobs/${layer.digest}`), 200)
  }
  expectStatus(await client.deleteBlob('private/a', layer.digest), 202)
  for (let i = 0; i < 3; i += 1) {
    expectStatus(await reader(`GET /v2/private/b/blobs/${layer.digest}`), 200)
    expectStatus(await reader(`HEAD /v2/private/a/blobs/${layer.digest}`), 404)
    expectStatus(await reader(`GET /v2/private/a/blobs/${layer.digest}`), 404)
  }
})

test('C5: deletes that are off are off for everybody, in every form (CVE-2026-41888)', async (t) => {
  const subject = await startSubject(t, { REGISTRY_STORAGE_DELETE_ENABLED: 'false' })
  const { image, layer, tag } = await pushContent(subject.client, 'private/app', 'kept', 1000)
  for (const [name, status] of [
    ['administrator', 405],
    ['deleter', 405],
    ['pusher', 403],
    ['outsider', 403],
  ] as const) {
    for (const path of [`manifests/${tag}`, `manifests/${image.digest}`, `blobs/${layer.digest}`]) {
      const reply = await as(subject, name)(`DELETE /v2/private/app/${path}`)
      assert.equal(reply.status, status, `${path} as ${name}`)
    }
  }
  assert.ok((await subject.client.getManifest('private/app', tag)).body.equals(image.bytes))
})

test('C8: no list takes more than its share by a large n (CVE-2023-2253)', async (t) => {
  const subject = await startSubject(t)
  const { image } = await pushContent(subject.client, 'private/app', 'n', 1000)
  const reader = as(subject, 'reader')
  for (const [n, status] of [
    ['1000000000', 200],
    ['9223372036854775808', 200],
    ['0', 200],
    ['-1', 400],
    ['abc', 400],
    ['1e9', 400],
  ] as const) {
    for (const path of [
      `/v2/_catalog?n=${n}`,
      `/v2/private/app/tags/list?n=${n}`,
      `/v2/private/app/referrers/${image.digest}?n=${n}`,
      `/v1/search?q=a&n=${n}`,
    ]) {
      assert.equal((await reader(`GET ${path}`)).status, status, path)
    }
  }
})

test('C12: who may only create moves no tag, by any way and at any time (CVE-2026-31801)', async (t) => {
  const subject = await startSubject(t)
  const creator = as(subject, 'creator')
  const config = blobOf('config', 10)
  expectStatus(await subject.client.pushBlob('private/app', config, 'post'), 201)
  const image = (label: string): Manifest => imageOf(config, [], { annotations: { label } })
  const first = image('first')
  for (const tag of ['latest', 'x']) {
    expectStatus(await subject.client.putManifest('private/app', tag, first), 201)
  }
  const other = image('other')
  for (const path of [
    'manifests/latest',
    'manifests/x',
    `manifests/${other.digest}?tag=x`,
    `manifests/${other.digest}?tag=latest`,
    `manifests/${other.digest}?tag=new&tag=x`,
    `manifests/${other.digest}?tag=x&tag=new`,
    `manifests/${other.digest}?tag=%78`,
  ]) {
    const reply = await put(creator, `private/app/${path}`, other)
    assert.deepEqual([reply.status, errorOf(reply).code], [403, 'DENIED'], path)
    assert.match(errorOf(reply).message, /"(x|latest)".*Push under a new tag/)
  }
  for (const line of [
    'DELETE /v2/private/app/manifests/x',
    `DELETE /v2/private/app/manifests/${first.digest}`,
  ]) {
    assert.equal((await creator(line)).status, 403, line)
  }
  assert.deepEqual(await subject.client.listTags('private/app'), ['latest', 'x'])
  for (const tag of ['latest', 'x']) {
    const stands = await subject.client.statManifest('private/app', tag)
    assert.equal(stands.headers['docker-content-digest'], first.digest)
  }
  expectStatus(await put(creator, 'private/app/manifests/x', first), 201)
  expectStatus(await put(creator, `private/app/manifests/${other.digest}?tag=new`, other), 201)

  const images = Array.from({ length: 20 }, (_, i) => image(`race ${i}`))
  const replies = await Promise.all(
    images.map((one, i) =>
      i % 2 === 0
        ? put(creator, 'private/app/manifests/race', one)
        : put(creator, `private/app/manifests/${one.digest}?tag=race`, one),
    ),
  )
  assert.equal(replies.filter(({ status }) => status === 201).length, 1)
  assert.equal(replies.filter(({ status }) => status === 403).length, 19)
  const winner = images[replies.findIndex(({ status }) => status === 201)]
  const stands = await subject.client.statManifest('private/app', 'race')
  assert.equal(stands.headers['docker-content-digest'], winner?.digest)
})

test('C13: a digest that one knows grants nothing (GHSA-55r9-5mx9-qq7r)', async (t) => {
  const subject = await startSubject(t)
  const { image, layer } = await pushContent(subject.client, 'hidden/app', 'hidden', 5000)
  const pusher = as(subject, 'pusher')
  for (const line of [
    `HEAD /v2/public/app/blobs/${layer.digest}`,
    `GET /v2/public/app/blobs/${layer.digest}`,
    `GET /v2/public/app/manifests/${image.digest}`,
  ]) {
    assert.equal((await pusher(line)).status, 404, line)
  }
  for (const query of [`mount=${layer.digest}`, `mount=${layer.digest}&from=hidden/app`]) {
    const reply = expectStatus(await pusher(`POST /v2/public/app/blobs/uploads/?${query}`), 202)
    const wrong = await pusher(
      `PUT ${withDigest(locationOf(reply), layer.digest)}`,
      Buffer.from('something else'),
    )
    assert.deepEqual([wrong.status, errorOf(wrong).code], [400, 'DIGEST_INVALID'])
  }
  const wrong = await pusher(
    `POST /v2/public/app/blobs/uploads/?digest=${layer.digest}`,
    Buffer.from('something else'),
  )
  assert.equal(wrong.status, 400)
  // Named in a manifest, it is not there either.
  const naming = await put(pusher, 'public/app/manifests/naming', imageOf(layer, []))
  assert.deepEqual([naming.status, errorOf(naming).code], [400, 'MANIFEST_BLOB_UNKNOWN'])
  assert.equal((await pusher(`HEAD /v2/public/app/blobs/${layer.digest}`)).status, 404)
})

test('C24: no name, digest or id leads out of its place', async (t) => {
  const subject = await startSubject(t)
  const raw = await connection(subject.url)
  t.after(raw.end)
  // As it is written here: clients clean paths before they send them.
  const statusOf = async (line: string, body = ''): Promise<number> => {
    const headers = `Host: h\r\nAuthorization: ${subject.basic('administrator')}\r\nContent-Length: ${body.length}`
    const answer = await raw.ask(`${line} HTTP/1.1\r\n${headers}\r\n\r\n${body}`)
    return Number(answer.slice(9, 12))
  }
  const hash = 'a'.repeat(64)
  const names = [
    '..',
    '../..',
    'a/../b',
    '%2e%2e',
    '%2e%2e%2f%2e%2e',
    'a//b',
    '_uploads',
    'a/_layers',
    'A',
    'a'.repeat(256),
    'a%00b',
    'a%5Cb',
    '..%5C..',
    '%C3%A9',
    'a%0d%0ab',
    '.hidden',
    '-a',
  ]
  for (const name of names) {
    for (const [line, body] of [
      [`GET /v2/${name}/tags/list`],
      [`GET /v2/${name}/manifests/latest`],
      [`PUT /v2/${name}/manifests/latest`, '{}'],
      [`POST /v2/${name}/blobs/uploads/`],
      [`GET /v2/${name}/blobs/sha256:${hash}`],
    ] as const) {
      const status = await statusOf(line, body)
      assert.ok(status === 400 || status === 404, `${line}: ${status}`)
    }
  }
  for (const digest of [
    'sha256:../../x',
    'sha256:%2e%2e%2fx',
    `sha256:${hash}%2f..`,
    '../sha256:x',
    'sha256:',
  ]) {
    const status = await statusOf(`GET /v2/a/blobs/${digest}`)
    assert.ok(status === 400 || status === 404, `${digest}: ${status}`)
  }
  for (const id of ['../x', '..%2fx', 'x/y', 'x%00', '.', '..', 'x'.repeat(300)]) {
    const status = await statusOf(`PATCH /v2/a/blobs/uploads/${id}`, 'x')
    assert.ok([400, 404, 405].includes(status), `${id}: ${status}`)
  }
  assert.deepEqual(readdirSync(dirname(subject.folder)), ['data'])
  assert.deepEqual(readdirSync(subject.folder), ['berth'])
})
