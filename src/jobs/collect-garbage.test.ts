/** What is collected, when, and what never: over a registry in memory, with a clock that the test moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { HOUR_MS } from '../metadata/blob-links.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import {
  type Fixture,
  imageOf,
  pushBlob,
  pushImage,
  readBlob,
  repository,
  sha256,
  tag,
  withFixture,
} from '../registry/hosted-fixtures.ts'
import { collectGarbage, createClockGuard } from './collect-garbage.ts'
import { removeGarbage } from './remove-garbage.ts'

const A = repository('a')
const B = repository('b')
const never = new AbortController().signal
const DAY = 24 * HOUR_MS

/** The collector's rounds for some hours to come. */
async function pass(f: Fixture, hours: number): Promise<void> {
  const parts = { db: f.metadata.db, store: f.store, log: silentLogger, now: f.clock.now }
  for (let hour = 0; hour < hours; hour++) {
    f.clock.advance(HOUR_MS)
    await collectGarbage(parts, { keepMs: DAY }, never)
    await removeGarbage(parts, never)
  }
}

async function pushIndex(
  f: Fixture,
  name: string,
  children: readonly Digest[],
  tags: readonly string[],
  extra = {},
) {
  const manifests = children.map((digest) => ({ mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 }))
  const body = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests, ...extra }
  const bytes = Buffer.from(JSON.stringify(body))
  const put = { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: tags.map(tag) }
  return (await f.registry.putManifest(f.call, repository(name), put)).digest
}

async function isThere(f: Fixture, name: string, digest: Digest): Promise<boolean> {
  try {
    await f.registry.statManifest(f.call, repository(name), { kind: 'digest', digest })
    return true
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'MANIFEST_UNKNOWN')
    return false
  }
}

async function rowsLeft({ metadata }: Fixture): Promise<Record<string, unknown>> {
  const sql = `SELECT (SELECT count(*) FROM manifests) AS manifests, (SELECT count(*) FROM blob_links) AS links,
    (SELECT count(*) FROM blobs) AS blobs, (SELECT count(*) FROM objects) AS objects,
    (SELECT count(*) FROM candidates) AS candidates`
  return { ...(await metadata.db.read({ name: 'left', sql, rows: true }, {}))[0] }
}

async function objectsIn({ store }: Fixture): Promise<number> {
  let count = 0
  for await (const _object of store.list()) count++
  return count
}

async function assertEmpty(f: Fixture): Promise<void> {
  assert.deepEqual(await rowsLeft(f), { manifests: 0, links: 0, blobs: 0, objects: 0, candidates: 0 })
  assert.equal(await objectsIn(f), 0)
}

test('a blob that no manifest names goes when its lease is over, not before', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'alone')
    await pass(f, 35)
    assert.equal(await readBlob(f, A, digest), 'alone')
    await pass(f, 2)
    await assert.rejects(async () => f.registry.statBlob(f.call, A, digest), { code: 'BLOB_UNKNOWN' })
    await assertEmpty(f)
  }))

test('a HEAD that said it is there is good for a day', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'alone')
    await pass(f, 35)
    await f.registry.statBlob(f.call, A, digest)
    await pass(f, 24)
    assert.equal(await readBlob(f, A, digest), 'alone')
    await pass(f, 13)
    await assertEmpty(f)
  }))

test('a mount is good for a day, and the source may go', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'shared')
    await pass(f, 30)
    assert.equal(await f.registry.mountBlob(f.call, B, digest, A), 'mounted')
    await pass(f, 24)
    await assert.rejects(async () => f.registry.statBlob(f.call, A, digest), { code: 'BLOB_UNKNOWN' })
    assert.equal(await readBlob(f, B, digest), 'shared')
    await pass(f, 13)
    await assertEmpty(f)
  }))

test('an image stays as long as a tag names it', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1', 'v2'])
    await f.registry.deleteTag(f.call, A, tag('v1'))
    await pass(f, 200)
    assert.ok(await isThere(f, A, digest))
    assert.equal(await readBlob(f, A, sha256('layer')), 'layer')
  }))

test('its last tag deleted, it is readable by digest for the keep, and then goes with all it held', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1'])
    await pass(f, 100)
    await f.registry.deleteTag(f.call, A, tag('v1'))
    await pass(f, 23)
    // By tag it is gone, by digest a GET would be a reader's lease: look at the rows instead.
    assert.equal((await rowsLeft(f))['manifests'], 1)
    assert.equal(await readBlob(f, A, sha256('layer')), 'layer')
    await pass(f, 3)
    assert.ok(!(await isThere(f, A, digest)))
    await assertEmpty(f)
  }))

test('a manifest that lost its tag because the tag moved stays', () =>
  withFixture(async (f) => {
    const first = await pushImage(f, A, ['latest'], ['1'])
    await pushImage(f, A, ['latest'], ['2'])
    await pass(f, 200)
    assert.ok(await isThere(f, A, first))
    assert.equal(await readBlob(f, A, sha256('1')), '1')
  }))

test('deleted by digest: unserved at once, gone after the keep; other images keep what they share', () =>
  withFixture(async (f) => {
    const gone = await pushImage(f, A, ['v1'], ['base', 'one'])
    const kept = await pushImage(f, A, ['v2'], ['base', 'two'])
    await f.registry.deleteManifest(f.call, A, gone)
    assert.ok(!(await isThere(f, A, gone)))
    await pass(f, 70)
    await assert.rejects(async () => f.registry.statBlob(f.call, A, sha256('one')), { code: 'BLOB_UNKNOWN' })
    assert.ok(await isThere(f, A, kept))
    assert.equal(await readBlob(f, A, sha256('base')), 'base')
    assert.equal(await objectsIn(f), 3)
  }))

test('a layer that another repository has stays there', () =>
  withFixture(async (f) => {
    await pushImage(f, A, ['v1'], ['shared'])
    await pushImage(f, B, ['v1'], ['shared'])
    await f.registry.deleteTag(f.call, A, tag('v1'))
    await pass(f, 70)
    await assert.rejects(async () => f.registry.statBlob(f.call, A, sha256('shared')), {
      code: 'BLOB_UNKNOWN',
    })
    assert.equal(await readBlob(f, B, sha256('shared')), 'shared')
  }))

test('a blob deleted although a manifest names it keeps its bytes; pushed again it is whole', () =>
  withFixture(async (f) => {
    await pushImage(f, A, ['v1'], ['held'])
    await f.registry.deleteBlob(f.call, A, sha256('held'))
    await pass(f, 200)
    assert.equal(await objectsIn(f), 2)
    await pushBlob(f, A, 'held')
    await pass(f, 1)
    assert.equal(await objectsIn(f), 2)
    assert.equal(await readBlob(f, A, sha256('held')), 'held')
  }))

test('a deleted blob can be restored for the keep, though its lease is over', () =>
  withFixture(async (f) => {
    await pushBlob(f, A, 'x')
    await pass(f, 30)
    await f.registry.deleteBlob(f.call, A, sha256('x'))
    await pass(f, 23)
    assert.equal((await rowsLeft(f))['links'], 1)
    await pass(f, 2)
    await assertEmpty(f)
  }))

test('a tagged index keeps its untagged children', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, [], ['amd64'])
    await pushIndex(f, A, [child], ['multi'])
    await pass(f, 200)
    assert.ok(await isThere(f, A, child))
  }))

test('an index that goes takes its untagged children along, nested ones too', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, [], ['amd64'])
    const inner = await pushIndex(f, A, [child], [])
    const outer = await pushIndex(f, A, [inner], ['multi'])
    await f.registry.deleteManifest(f.call, A, outer)
    await pass(f, 40)
    await assertEmpty(f)
  }))

test('a child that has a tag of its own survives its index', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, ['amd64'], ['amd64'])
    const index = await pushIndex(f, A, [child], ['multi'])
    await f.registry.deleteManifest(f.call, A, index)
    await pass(f, 200)
    assert.ok(await isThere(f, A, child))
    assert.equal(await readBlob(f, A, sha256('amd64')), 'amd64')
  }))

test('a child of two indexes survives one of them, and goes with the other', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, [], ['amd64'])
    await pushIndex(f, A, [child], ['one'])
    await pushIndex(f, A, [child], ['two'], { annotations: { a: 'b' } })
    await f.registry.deleteTag(f.call, A, tag('one'))
    await pass(f, 100)
    assert.equal(await readBlob(f, A, sha256('amd64')), 'amd64')
    await f.registry.deleteTag(f.call, A, tag('two'))
    await pass(f, 100)
    await assertEmpty(f)
  }))

test('a child that is not there does not stop anything', () =>
  withFixture(
    async (f) => {
      const index = await pushIndex(f, A, [sha256('never pushed')], ['multi'])
      await f.registry.deleteManifest(f.call, A, index)
      await pass(f, 40)
      await assertEmpty(f)
    },
    { sparse: 'indexes' },
  ))

test('referrers stay with their subject, and go with it, theirs too', () =>
  withFixture(async (f) => {
    const image = await pushImage(f, A, ['v1'])
    const naming = (digest: Digest) => ({ subject: { mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 } })
    const sbom = await pushImage(f, A, [], ['sbom'], naming(image))
    const signature = await pushImage(f, A, [], ['signature of the sbom'], naming(sbom))
    await pass(f, 200)
    assert.ok((await isThere(f, A, sbom)) && (await isThere(f, A, signature)))
    await f.registry.deleteTag(f.call, A, tag('v1'))
    await pass(f, 100)
    await assertEmpty(f)
  }))

test('a referrer that holds its subject, by itself or by its child, goes with it', () =>
  withFixture(async (f) => {
    const naming = (digest: Digest) => ({ subject: { mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 } })
    const one = await pushImage(f, A, [], ['one'])
    await pushIndex(f, A, [one], [], naming(one))
    const two = await pushImage(f, A, [], ['two'])
    const inner = await pushIndex(f, A, [two], [])
    await pushIndex(f, A, [inner], [], naming(two))
    await f.registry.deleteManifest(f.call, A, one)
    await f.registry.deleteManifest(f.call, A, two)
    await pass(f, 150)
    await assertEmpty(f)
  }))

test('a child that a reader was told of stays until it can be named again', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, [], ['amd64'])
    await pushIndex(f, A, [child], ['multi'])
    await f.registry.deleteTag(f.call, A, tag('multi'))
    await pass(f, 23)
    assert.ok(await isThere(f, A, child))
    await pass(f, 24)
    await pushIndex(f, A, [child], ['again'], { annotations: { a: 'b' } })
    await pass(f, 200)
    assert.ok(await isThere(f, A, child))
    assert.equal(await readBlob(f, A, sha256('amd64')), 'amd64')
  }))

test('pushed again while it waited, it stays with its children and referrers', () =>
  withFixture(async (f) => {
    const child = await pushImage(f, A, [], ['amd64'])
    const index = await pushIndex(f, A, [child], ['multi'])
    const subject = { mediaType: MEDIA_TYPE.ociIndex, digest: index, size: 1 }
    const sbom = await pushImage(f, A, [], ['sbom'], { subject })
    await f.registry.deleteTag(f.call, A, tag('multi'))
    await pass(f, 20)
    await pushIndex(f, A, [child], ['multi'])
    await pass(f, 200)
    for (const digest of [child, index, sbom]) assert.ok(await isThere(f, A, digest))
  }))

test('what an index held as a blob is collected when it is pushed as a manifest', () =>
  withFixture(async (f) => {
    const image = imageOf('{}', ['layer'])
    await pushImage(f, 'a', ['v'], ['layer', 'more'])
    const digest = await pushBlob(f, 'a', image.toString())
    await pushIndex(f, 'a', [digest], ['index'])
    await pass(f, 40)
    for (const content of ['{}', 'layer']) await f.registry.statBlob(f.call, A, sha256(content))
    await f.registry.putManifest(f.call, A, { mediaType: MEDIA_TYPE.ociManifest, bytes: image, tags: [] })
    await pass(f, 40)
    await assert.rejects(readBlob(f, 'a', digest), { code: 'BLOB_UNKNOWN' })
    assert.ok(await isThere(f, 'a', digest))
  }))

test('a clock that jumps makes the collector wait for as long as a lease', () => {
  let [wall, monotonic] = [1_000_000, 0]
  const guard = createClockGuard(
    () => wall,
    () => monotonic,
    36 * HOUR_MS,
  )
  const tick = (ms: number) => {
    wall += ms
    monotonic += ms
  }
  assert.ok(guard.isTrusted())
  tick(HOUR_MS)
  assert.ok(guard.isTrusted())
  wall += 10 * DAY
  assert.ok(!guard.isTrusted())
  tick(35 * HOUR_MS)
  assert.ok(!guard.isTrusted())
  tick(HOUR_MS)
  assert.ok(guard.isTrusted())
})
