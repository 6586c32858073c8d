/** Manifests of every shape: push, tags, pull by tag and digest, list, delete. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  blobOf,
  descriptorOf,
  digestOf,
  imageOf,
  indexOf,
  manifestOf,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  type Blob,
  type Manifest,
} from '../lib/content.ts'
import { expectStatus, locationOf } from '../lib/registry-client.ts'
import { expectHeaders, findSubject, tryCase } from './subject.ts'

const { client, repository } = await findSubject()

const config = blobOf('conformance config', 300)
const layer = blobOf('conformance layer', 5000)
const empty: Blob = { bytes: Buffer.from('{}'), digest: digestOf(Buffer.from('{}')) }
const EMPTY = descriptorOf(empty, 'application/vnd.oci.empty.v1+json')
const image = imageOf(config, [layer])
const absent = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from('never pushed')), size: 12 }
const artifact = (more: Record<string, unknown> = {}): Manifest =>
  manifestOf({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.example.thing',
    config: EMPTY,
    layers: [EMPTY],
    ...more,
  })
const sha512 = (manifest: Manifest): Manifest => ({ ...manifest, digest: digestOf(manifest.bytes, 'sha512') })
const annotationsOf = (count: number, length: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, 'x'.repeat(length)]))

type DataSet = { name: string; blobs?: Blob[]; manifests: Manifest[]; subject?: string }

const withSubject = imageOf(config, [layer], {
  subject: descriptorOf(image),
  artifactType: 'application/x.a',
})
const index = indexOf([descriptorOf(image)])
const DATA_SETS: DataSet[] = [
  { name: 'an image', manifests: [image] },
  {
    name: 'a large manifest, 3.9 MB',
    manifests: [imageOf(config, [layer], { annotations: annotationsOf(390, 10_000) })],
  },
  { name: 'an index', manifests: [image, index] },
  { name: 'an index of an index', manifests: [image, index, indexOf([descriptorOf(index)])] },
  { name: 'an empty index', manifests: [indexOf([])] },
  { name: 'an artifact', manifests: [artifact()] },
  {
    name: 'an artifact as an index',
    manifests: [artifact(), indexOf([descriptorOf(artifact())], { artifactType: 'application/x.list' })],
  },
  { name: 'an artifact without layers', manifests: [artifact({ layers: [] })] },
  { name: 'an image with a subject', manifests: [image, withSubject], subject: image.digest },
  {
    name: 'an index with a subject',
    manifests: [image, indexOf([descriptorOf(image)], { subject: descriptorOf(image) })],
    subject: image.digest,
  },
  { name: 'a subject that is not there', manifests: [artifact({ subject: absent })], subject: absent.digest },
  {
    name: 'a data field',
    manifests: [
      imageOf(config, [layer], { config: { ...descriptorOf(empty, EMPTY.mediaType), data: 'e30=' } }),
    ],
  },
  {
    name: 'a non-distributable layer that was never pushed',
    manifests: [
      imageOf(config, [], {
        layers: [
          {
            mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
            digest: digestOf(Buffer.from('elsewhere')),
            size: 9,
            urls: ['https://example.com/elsewhere'],
          },
        ],
      }),
    ],
  },
  {
    name: 'fields nobody knows',
    manifests: [imageOf(config, [layer], { 'org.example.field': { deep: [1, 2] } })],
  },
  { name: 'no layers', manifests: [imageOf(config, [])] },
  {
    name: 'a layer type with parameters',
    manifests: [imageOf(config, [], { layers: [descriptorOf(layer, 'text/plain; charset=utf-8')] })],
  },
  {
    name: 'a sparse image',
    manifests: [imageOf(config, [], { layers: [{ ...absent, mediaType: OCI_LAYER }] })],
  },
  { name: 'a sparse index', manifests: [indexOf([absent])] },
  { name: 'an index that names blobs', manifests: [indexOf([descriptorOf(layer)])] },
]

for (const { name, manifests, subject } of DATA_SETS) {
  for (const algorithm of ['sha256', 'sha512'] as const)
    describe(`${name}, ${algorithm}`, () => {
      const place = repository(`${name.replaceAll(/\W+/g, '-')}-${algorithm}`.toLowerCase())
      test('push, pull, list, delete', async () => {
        for (const blob of [config, layer, empty])
          expectStatus(await client.pushBlob(place, blob, 'post-put'), 201)
        const last = manifests.length - 1
        const pushed = manifests.map((one, at) => (algorithm === 'sha512' && at === last ? sha512(one) : one))
        for (const manifest of pushed)
          await pushByDigest(place, manifest, pushed.at(-1) === manifest ? subject : undefined)
        const top = pushed[last]
        assert.ok(top)
        if (algorithm === 'sha256') await pushByTag(place, 'top', top, subject)
        await deleteAll(place, pushed)
      })
    })
}

async function pushByDigest(place: string, manifest: Manifest, subject: string | undefined): Promise<void> {
  const pushed = await tryCase(client, {
    name: 'PUT by digest',
    method: 'PUT',
    path: `/v2/${place}/manifests/${manifest.digest}`,
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
    status: 201,
    expect: { 'docker-content-digest': manifest.digest, 'oci-subject': subject, location: /./ },
  })
  for (const path of [locationOf(pushed), `/v2/${place}/manifests/${manifest.digest}`])
    await pull(path, manifest)
}

async function pushByTag(
  place: string,
  tag: string,
  manifest: Manifest,
  subject: string | undefined,
): Promise<void> {
  const pushed = expectStatus(await client.putManifest(place, tag, manifest), 201)
  expectHeaders(
    pushed,
    { 'docker-content-digest': manifest.digest, 'oci-subject': subject },
    'the push by tag',
  )
  await pull(locationOf(pushed), manifest)
  await pull(`/v2/${place}/manifests/${tag}`, manifest)
  assert.deepEqual(await client.listTags(place), [tag])
  await tryCase(client, {
    name: 'DELETE of the tag',
    method: 'DELETE',
    path: `/v2/${place}/manifests/${tag}`,
    status: 202,
  })
  expectStatus(await client.statManifest(place, tag), 404)
  expectStatus(await client.statManifest(place, manifest.digest), 200)
}

async function pull(path: string, manifest: Manifest): Promise<void> {
  const headers = { accept: `${OCI_MANIFEST}, ${OCI_INDEX}` }
  const expect = {
    'content-type': manifest.mediaType,
    'content-length': String(manifest.bytes.length),
    'docker-content-digest': manifest.digest,
    'content-encoding': undefined,
  }
  const got = await tryCase(client, { name: 'GET', method: 'GET', path, headers, status: 200, expect })
  assert.ok(got.body.equals(manifest.bytes), 'the bytes that were pushed')
  await tryCase(client, { name: 'HEAD', method: 'HEAD', path, headers, status: 200, expect })
}

/** In the reverse order of the pushes; what is deleted is gone from the very next request on. */
async function deleteAll(place: string, manifests: Manifest[]): Promise<void> {
  for (const manifest of [...manifests].reverse()) {
    const path = `/v2/${place}/manifests/${manifest.digest}`
    await tryCase(client, { name: 'DELETE', method: 'DELETE', path, status: 202 })
    await tryCase(client, { name: 'HEAD after', method: 'HEAD', path, status: 404 })
    await tryCase(client, { name: 'DELETE again', method: 'DELETE', path, status: 404 })
  }
  for (const blob of [config, layer]) {
    const path = `/v2/${place}/blobs/${blob.digest}`
    await tryCase(client, { name: 'DELETE blob', method: 'DELETE', path, status: 202 })
    await tryCase(client, { name: 'HEAD blob after', method: 'HEAD', path, status: 404 })
  }
}

describe('tags as parameters of a push by digest', () => {
  for (const algorithm of ['sha256', 'sha512'] as const)
    test(`${algorithm}: each is told by OCI-Tag and names that digest`, async () => {
      const place = repository(`tag-parameter-${algorithm}`)
      for (const blob of [config, layer]) expectStatus(await client.pushBlob(place, blob, 'post-put'), 201)
      const manifest = algorithm === 'sha512' ? sha512(image) : image
      const tags = Array.from({ length: 12 }, (_, number) => `tag-${number}`)
      const query = tags.map((tag) => `tag=${tag}`).join('&')
      const pushed = await client.ask('PUT', `/v2/${place}/manifests/${manifest.digest}?${query}`, {
        headers: { 'content-type': manifest.mediaType },
        body: manifest.bytes,
      })
      expectStatus(pushed, 201)
      const told = String(pushed.headers['oci-tag']).split(/,\s*/)
      assert.deepEqual(told.sort(), [...tags].sort())
      for (const tag of tags) {
        const got = expectStatus(await client.getManifest(place, tag), 200)
        expectHeaders(got, { 'docker-content-digest': manifest.digest }, tag)
        assert.ok(got.body.equals(manifest.bytes))
      }
      assert.deepEqual(await client.listTags(place), [...tags].sort())
    })
})

describe('what is refused', () => {
  const place = repository('refused')
  const put = (reference: string, manifest: Manifest) => client.putManifest(place, reference, manifest)
  test('a body that is not the digest in the URL: 400', async () => {
    for (const blob of [config, layer]) expectStatus(await client.pushBlob(place, blob, 'post-put'), 201)
    for (const algorithm of ['sha256', 'sha512'] as const)
      expectStatus(await put(digestOf(Buffer.from('another body'), algorithm), image), 400)
  })
  test('digests that are none: 400', async () => {
    for (const bad of ['sha256:baddigeststring', 'sha256:abc', 'sha512:0123'])
      expectStatus(await put(bad, image), 400)
    expectStatus(await client.getManifest(place, 'sha256:baddigeststring'), 400, 404)
  })
  test('absent: 404 by tag and by digest', async () => {
    for (const reference of ['no-such-tag', absent.digest, digestOf(Buffer.from('none'), 'sha512')]) {
      const path = `/v2/${place}/manifests/${reference}`
      await tryCase(client, { name: 'GET', method: 'GET', path, status: 404, code: 'MANIFEST_UNKNOWN' })
      await tryCase(client, { name: 'HEAD', method: 'HEAD', path, status: 404 })
      await tryCase(client, { name: 'DELETE', method: 'DELETE', path, status: 404 })
    }
  })
})
