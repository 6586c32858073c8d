/** The first request, the lists of tags and of referrers. */
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
  OCI_MANIFEST,
  type DescriptorOf,
  type Manifest,
} from '../lib/content.ts'
import { expectStatus } from '../lib/registry-client.ts'
import { findSubject, tryCase } from './subject.ts'

const { client, repository } = await findSubject()
const config = blobOf('listing config', 200)
const layer = blobOf('listing layer', 2000)
const image = imageOf(config, [layer])
const UNKNOWN = digestOf(Buffer.from('nobody knows'))

test('GET /v2/ is 200', async () => {
  await tryCase(client, { name: 'ping', method: 'GET', path: '/v2/', status: 200 })
})

describe('a repository that was never used', () => {
  const name = repository('never-used')
  test('tags: 404, or an empty list', async () => {
    await tryCase(client, { name: 'tags', method: 'GET', path: `/v2/${name}/tags/list`, status: [200, 404] })
  })
  test('referrers: an empty index', () => emptyReferrers(name, UNKNOWN))
})

async function emptyReferrers(name: string, digest: string): Promise<void> {
  const answer = await tryCase(client, {
    name: 'referrers',
    method: 'GET',
    path: `/v2/${name}/referrers/${digest}`,
    status: 200,
    expect: { 'content-type': OCI_INDEX },
  })
  const index = JSON.parse(answer.body.toString()) as Record<string, unknown>
  assert.deepEqual([index['schemaVersion'], index['mediaType'], index['manifests']], [2, OCI_INDEX, []])
}

describe('the list of tags', () => {
  const name = repository('tags')
  const tags = ['latest', 'v1', 'v10', 'v2', 'V3', '_under', '1.0'].concat(
    Array.from({ length: 120 }, (_, number) => `build-${number}`),
  )
  const sorted = [...tags].sort()
  test('has all of them in order without asking for a page', async () => {
    for (const blob of [config, layer]) expectStatus(await client.pushBlob(name, blob, 'post-put'), 201)
    for (const tag of tags) expectStatus(await client.putManifest(name, tag, image), 201)
    const answer = await tryCase(client, {
      name: 'list',
      method: 'GET',
      path: `/v2/${name}/tags/list`,
      status: 200,
      expect: { 'content-type': /^application\/json/ },
    })
    const list = JSON.parse(answer.body.toString()) as { name: string; tags: string[] }
    assert.deepEqual(list, { name, tags: sorted })
  })
  test('begins after `last`, alone or with `n`', async () => {
    for (const [query, expected] of [
      [`last=${sorted[59]}`, sorted.slice(60)],
      [`n=10&last=${sorted[9]}`, sorted.slice(10, 20)],
      ['n=3', sorted.slice(0, 3)],
      ['n=0', []],
      [`last=${sorted.at(-1)}`, []],
      ['last=zzzz', []],
    ] as [string, string[]][]) {
      const answer = expectStatus(await client.ask('GET', `/v2/${name}/tags/list?${query}`), 200)
      assert.deepEqual((JSON.parse(answer.body.toString()) as { tags: string[] }).tags, expected, query)
    }
  })
  test('links to the next page until the end', async () => {
    const pages: string[] = []
    let path: string | undefined = `/v2/${name}/tags/list?n=50`
    while (path !== undefined) {
      const answer = expectStatus(await client.ask('GET', path), 200)
      pages.push(...(JSON.parse(answer.body.toString()) as { tags: string[] }).tags)
      path = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
    }
    assert.deepEqual(pages, sorted)
  })
})

describe('referrers', () => {
  const name = repository('referrers')
  const subject = descriptorOf(image)
  const annotations = { 'org.example.key': 'value' }
  const typed = manifestOf({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.example.one',
    config: descriptorOf(config, 'application/vnd.example.config'),
    layers: [descriptorOf(layer)],
    subject,
    annotations,
  })
  const byConfig = imageOf(config, [layer], {
    subject,
    config: descriptorOf(config, 'application/vnd.example.two'),
  })
  const typedIndex = indexOf([descriptorOf(image)], {
    subject,
    artifactType: 'application/vnd.example.three',
  })
  const plainIndex = indexOf([descriptorOf(image)], { subject, annotations: { plain: 'yes' } })
  const expected: [Manifest, Record<string, unknown>][] = [
    [typed, { artifactType: 'application/vnd.example.one', annotations }],
    [byConfig, { artifactType: 'application/vnd.example.two' }],
    [typedIndex, { artifactType: 'application/vnd.example.three' }],
    [plainIndex, { annotations: { plain: 'yes' } }],
  ]
  const list = async (query = ''): Promise<(DescriptorOf & Record<string, unknown>)[]> => {
    const answer = await tryCase(client, {
      name: 'referrers',
      method: 'GET',
      path: `/v2/${name}/referrers/${image.digest}${query}`,
      status: 200,
      expect: {
        'content-type': OCI_INDEX,
        'oci-filters-applied': query === '' ? undefined : 'artifactType',
      },
    })
    const index = JSON.parse(answer.body.toString()) as {
      manifests: (DescriptorOf & Record<string, unknown>)[]
    }
    return index.manifests
  }

  test('are listed as they describe themselves, also before the subject is there', async () => {
    for (const blob of [config, layer]) expectStatus(await client.pushBlob(name, blob, 'post-put'), 201)
    for (const manifest of [typed, byConfig])
      expectStatus(await client.putManifest(name, manifest.digest, manifest), 201)
    assert.equal((await list()).length, 2)
    expectStatus(await client.putManifest(name, 'subject', image), 201)
    for (const manifest of [typedIndex, plainIndex])
      expectStatus(await client.putManifest(name, manifest.digest, manifest), 201)
    const listed = new Map((await list()).map((descriptor) => [descriptor.digest, descriptor]))
    assert.equal(listed.size, expected.length)
    for (const [manifest, more] of expected)
      assert.deepEqual(listed.get(manifest.digest), { ...descriptorOf(manifest), ...more })
  })

  test('are filtered by type', async () => {
    for (const [manifest, { artifactType }] of expected.slice(0, 3)) {
      const found = await list(`?artifactType=${encodeURIComponent(String(artifactType))}`)
      assert.deepEqual(
        found.map(({ digest }) => digest),
        [manifest.digest],
      )
    }
    assert.deepEqual(await list('?artifactType=application%2Fvnd.example.none'), [])
  })

  test('of an unknown subject: an empty index; of no digest: 400', async () => {
    await emptyReferrers(name, UNKNOWN)
    await emptyReferrers(name, `sha256:${'0'.repeat(64)}`)
    expectStatus(await client.ask('GET', `/v2/${name}/referrers/sha256:short`), 400)
  })

  test('that are deleted are no longer listed', async () => {
    expectStatus(await client.deleteManifest(name, typed.digest), 202)
    assert.ok(!(await list()).some(({ digest }) => digest === typed.digest))
  })
})
