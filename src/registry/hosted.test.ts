/** What a hosted registry keeps and refuses, over the real database and the memory store. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { digestOf } from '../oci/digest.ts'
import type { ErrorCode } from '../oci/error.ts'
import {
  chunkOf,
  imageOf,
  pushBlob,
  pushImage,
  readBlob,
  repository,
  sha256,
  tag,
  withFixture,
} from './hosted-fixtures.ts'

const A = repository('team/app')
const B = repository('other/app')

function rejects(answer: unknown, code: ErrorCode): Promise<void> {
  return assert.rejects(Promise.resolve(answer), (error: { code?: string }) => {
    assert.equal(error.code, code, `${error.code}: ${(error as Error).message}`)
    return true
  })
}

test('a blob pushed in one request is served', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'hello')
    assert.deepEqual(await f.registry.statBlob(f.call, A, digest), { size: 5 })
    assert.equal(await readBlob(f, A, digest), 'hello')
    await rejects(f.registry.statBlob(f.call, B, digest), 'BLOB_UNKNOWN')
  }))

test('a wrong digest stores nothing', () =>
  withFixture(async (f) => {
    await rejects(f.registry.putBlob(f.call, A, sha256('other'), chunkOf('hello')), 'DIGEST_INVALID')
    await rejects(f.registry.statBlob(f.call, A, sha256('hello')), 'BLOB_UNKNOWN')
    for await (const object of f.store.list()) assert.fail(`left over: ${object.object.id}`)
  }))

test('an upload in chunks, its status, and its end', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    assert.deepEqual(await f.registry.appendUpload(f.call, A, id, chunkOf('hello ')), { id, received: 6 })
    await rejects(f.registry.appendUpload(f.call, A, id, chunkOf('x', 3)), 'RANGE_INVALID')
    assert.deepEqual(await f.registry.appendUpload(f.call, A, id, chunkOf('wor', 6)), { id, received: 9 })
    assert.deepEqual(await f.registry.getUpload(f.call, A, id), { id, received: 9 })
    await rejects(f.registry.getUpload(f.call, B, id), 'BLOB_UPLOAD_UNKNOWN')
    const digest = sha256('hello world')
    await f.registry.finishUpload(f.call, A, id, digest, chunkOf('ld', 9))
    assert.equal(await readBlob(f, A, digest), 'hello world')
    await rejects(f.registry.getUpload(f.call, A, id), 'BLOB_UPLOAD_UNKNOWN')
    // A closing request whose answer was lost is repeated.
    await f.registry.finishUpload(f.call, A, id, digest, undefined)
  }))

test('a wrong digest at the end leaves the upload as it was', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.appendUpload(f.call, A, id, chunkOf('hello'))
    await rejects(f.registry.finishUpload(f.call, A, id, sha256('nope'), undefined), 'DIGEST_INVALID')
    await rejects(f.registry.finishUpload(f.call, A, id, sha256('nope'), chunkOf('!!')), 'DIGEST_INVALID')
    assert.deepEqual(await f.registry.getUpload(f.call, A, id), { id, received: 5 })
    await f.registry.finishUpload(f.call, A, id, sha256('hello, you'), chunkOf(', you', 5))
    assert.equal(await readBlob(f, A, sha256('hello, you')), 'hello, you')
  }))

test('an upload closed with sha512 although it began as sha256', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.appendUpload(f.call, A, id, chunkOf('hello'))
    const digest = digestOf('sha512', Buffer.from('hello'))
    await f.registry.finishUpload(f.call, A, id, digest, undefined)
    assert.equal(await readBlob(f, A, digest), 'hello')
  }))

test('the empty blob, by an upload without any body', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.finishUpload(f.call, A, id, sha256(''), undefined)
    assert.equal(await readBlob(f, A, sha256('')), '')
  }))

test('a cancelled upload is gone, and its bytes are garbage', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.appendUpload(f.call, A, id, chunkOf('hello'))
    await f.registry.cancelUpload(f.call, A, id)
    await rejects(f.registry.cancelUpload(f.call, A, id), 'BLOB_UPLOAD_UNKNOWN')
    await rejects(f.registry.appendUpload(f.call, A, id, chunkOf('x')), 'BLOB_UPLOAD_UNKNOWN')
  }))

test('after one byte a restart at 0 is accepted', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.appendUpload(f.call, A, id, chunkOf('h'))
    assert.deepEqual(await f.registry.appendUpload(f.call, A, id, chunkOf('hello', 0)), { id, received: 5 })
    await f.registry.finishUpload(f.call, A, id, sha256('hello'), undefined)
  }))

test('mount: from a named repository, from any, and from nowhere', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'hello')
    assert.equal(await f.registry.mountBlob(f.call, B, digest, repository('no/such')), 'unavailable')
    assert.equal(await f.registry.mountBlob(f.call, B, sha256('none'), A), 'unavailable')
    assert.equal(await f.registry.mountBlob(f.call, B, digest, A), 'mounted')
    assert.equal(await readBlob(f, B, digest), 'hello')
    assert.equal(await f.registry.mountBlob(f.call, repository('third'), digest, undefined), 'mounted')
  }))

test('a deleted blob is gone from its repository only, and comes back by a push', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'hello')
    await f.registry.mountBlob(f.call, B, digest, A)
    await f.registry.deleteBlob(f.call, A, digest)
    await rejects(f.registry.statBlob(f.call, A, digest), 'BLOB_UNKNOWN')
    await rejects(f.registry.deleteBlob(f.call, A, digest), 'BLOB_UNKNOWN')
    assert.equal(await readBlob(f, B, digest), 'hello')
    await pushBlob(f, A, 'hello')
    assert.equal(await readBlob(f, A, digest), 'hello')
  }))

test('a manifest by tag and digest, with exact type and bytes', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1', 'latest'])
    const byTag = await f.registry.getManifest(f.call, A, { kind: 'tag', tag: tag('v1') })
    assert.equal(byTag.digest, digest)
    assert.equal(byTag.mediaType, MEDIA_TYPE.ociManifest)
    assert.deepEqual(Buffer.from(byTag.bytes), imageOf('{}', ['layer']))
    assert.deepEqual(await f.registry.listTags(f.call, A, { limit: 10 }), {
      names: ['latest', 'v1'],
      more: false,
    })
    assert.deepEqual(await f.registry.listRepositories(f.call, { limit: 10 }), { names: [A], more: false })
  }))

test('a manifest that names what is not there is refused with the list', () =>
  withFixture(async (f) => {
    await pushBlob(f, A, '{}')
    const put = { mediaType: MEDIA_TYPE.ociManifest, bytes: imageOf('{}', ['one', 'two']), tags: [tag('v1')] }
    await assert.rejects(
      f.registry.putManifest(f.call, A, put),
      (error: { code: string; detail: unknown }) => {
        assert.equal(error.code, 'MANIFEST_BLOB_UNKNOWN')
        assert.deepEqual(error.detail, { digests: [sha256('one'), sha256('two')] })
        return true
      },
    )
    await rejects(f.registry.getManifest(f.call, A, { kind: 'tag', tag: tag('v1') }), 'MANIFEST_UNKNOWN')
    await rejects(f.registry.listTags(f.call, A, { limit: 10 }), 'NAME_UNKNOWN')
  }))

test('sparse: accepted by setting, and held as soon as the blob arrives', () =>
  withFixture(
    async (f) => {
      const bytes = imageOf('{}', ['one'])
      await f.registry.putManifest(f.call, A, { mediaType: MEDIA_TYPE.ociManifest, bytes, tags: [] })
      const held = () =>
        f.metadata.db.read(
          {
            name: 'held',
            sql: 'SELECT count(*) AS n FROM manifest_refs WHERE held_blob IS NOT NULL',
            rows: true,
          },
          {},
        )
      assert.equal((await held())[0]?.['n'], 0)
      await pushBlob(f, A, 'one')
      assert.equal((await held())[0]?.['n'], 1)
    },
    { sparse: 'all' },
  ))

test('an index whose child is a blob, as BuildKit caches have it', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'cache layer')
    const child = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 11 }
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [child] }),
    )
    await f.registry.putManifest(f.call, A, { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: [tag('cache')] })
  }))

test('deleting a tag leaves the others; the last one leaves the digest readable for a while', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1', 'v2'])
    await f.registry.deleteTag(f.call, A, tag('v1'))
    await rejects(f.registry.deleteTag(f.call, A, tag('v1')), 'MANIFEST_UNKNOWN')
    await rejects(f.registry.getManifest(f.call, A, { kind: 'tag', tag: tag('v1') }), 'MANIFEST_UNKNOWN')
    assert.equal((await f.registry.getManifest(f.call, A, { kind: 'tag', tag: tag('v2') })).digest, digest)
    await f.registry.deleteTag(f.call, A, tag('v2'))
    assert.equal((await f.registry.getManifest(f.call, A, { kind: 'digest', digest })).digest, digest)
    assert.deepEqual(await f.registry.listTags(f.call, A, { limit: 10 }), { names: [], more: false })
  }))

test('deleting a manifest takes its tags along; the same push brings it back', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1', 'v2'])
    const kept = await pushImage(f, A, ['v3'], ['another'])
    await f.registry.deleteManifest(f.call, A, digest)
    await rejects(f.registry.getManifest(f.call, A, { kind: 'digest', digest }), 'MANIFEST_UNKNOWN')
    await rejects(f.registry.deleteManifest(f.call, A, digest), 'MANIFEST_UNKNOWN')
    assert.deepEqual((await f.registry.listTags(f.call, A, { limit: 10 })).names, ['v3'])
    assert.equal((await f.registry.statManifest(f.call, A, { kind: 'tag', tag: tag('v3') })).digest, kept)
    await pushImage(f, A, ['v1'])
    assert.equal((await f.registry.statManifest(f.call, A, { kind: 'tag', tag: tag('v1') })).digest, digest)
  }))

test('every move of a tag is a row', () =>
  withFixture(async (f) => {
    const first = await pushImage(f, A, ['v'], ['1'])
    const second = await pushImage(f, A, ['v'], ['2'])
    await pushImage(f, A, ['v'], ['2'])
    await f.registry.deleteTag(f.call, A, tag('v'))
    const rows = await f.metadata.db.read(
      {
        name: 'moves',
        sql: 'SELECT seq, hex(from_digest) AS f, hex(to_digest) AS t FROM tag_moves ORDER BY seq',
        rows: true,
      },
      {},
    )
    const hex = (digest: string) => `01${digest.slice(7).toUpperCase()}`
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { seq: 1, f: '', t: hex(first) },
        { seq: 2, f: hex(first), t: hex(second) },
        { seq: 3, f: hex(second), t: '' },
      ],
    )
  }))

test('deletes can be switched off', () =>
  withFixture(
    async (f) => {
      const digest = await pushImage(f, A, ['v1'])
      await rejects(f.registry.deleteTag(f.call, A, tag('v1')), 'UNSUPPORTED')
      await rejects(f.registry.deleteManifest(f.call, A, digest), 'UNSUPPORTED')
      await rejects(f.registry.deleteBlob(f.call, A, sha256('layer')), 'UNSUPPORTED')
      assert.equal((await f.registry.statManifest(f.call, A, { kind: 'tag', tag: tag('v1') })).digest, digest)
    },
    { deletes: false },
  ))

test('the same bytes cannot be stored as two kinds', () =>
  withFixture(async (f) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
    await f.registry.putManifest(f.call, A, { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: [] })
    await rejects(
      f.registry.putManifest(f.call, A, { mediaType: MEDIA_TYPE.dockerList, bytes, tags: [] }),
      'MANIFEST_INVALID',
    )
  }))

test('referrers: by the subject field, by the fallback tag, filtered and paged', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1'])
    const subject = { mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 }
    const sbom = await pushImage(f, A, [], ['sbom'], {
      subject,
      artifactType: 'text/sbom',
      annotations: { a: 'b' },
    })
    const signature = await pushImage(f, A, [], ['sig'], { subject, artifactType: 'text/sig' })
    const old = await pushImage(f, A, [], ['old'])
    const entry = { mediaType: MEDIA_TYPE.ociManifest, digest: old, size: 9, artifactType: 'text/old' }
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [entry] }
    await f.registry.putManifest(f.call, A, {
      mediaType: MEDIA_TYPE.ociIndex,
      bytes: Buffer.from(JSON.stringify(index)),
      tags: [tag(digest.replace(':', '-'))],
    })
    const all = await f.registry.listReferrers(f.call, A, digest, undefined, { limit: 10 })
    assert.deepEqual(
      all.descriptors.map((one) => one.digest),
      [sbom, signature, old].sort(),
    )
    assert.equal(all.more, false)
    const found = await f.registry.listReferrers(f.call, A, digest, 'text/sbom', { limit: 10 })
    assert.deepEqual(found.descriptors[0]?.annotations, { a: 'b' })
    assert.equal(found.descriptors.length, 1)
    const page = await f.registry.listReferrers(f.call, A, digest, undefined, { limit: 2 })
    assert.equal(page.more, true)
    const rest = await f.registry.listReferrers(f.call, A, digest, undefined, {
      limit: 2,
      after: page.descriptors[1]?.digest,
    })
    assert.deepEqual([...page.descriptors, ...rest.descriptors], all.descriptors)
    assert.deepEqual(
      await f.registry.listReferrers(f.call, repository('never'), digest, undefined, { limit: 10 }),
      { descriptors: [], more: false },
    )
  }))

test('counts per repository follow pushes and deletes', () =>
  withFixture(async (f) => {
    const digest = await pushImage(f, A, ['v1', 'v2'], ['12345'])
    const counts = async () => {
      const statement = {
        name: 'counts',
        sql: 'SELECT tags, manifests, bytes FROM repository_counts',
        rows: true,
      }
      return { ...(await f.metadata.db.read(statement, {}))[0] }
    }
    assert.deepEqual(await counts(), { tags: 2, manifests: 1, bytes: 7 })
    await f.registry.deleteBlob(f.call, A, sha256('12345'))
    await f.registry.deleteManifest(f.call, A, digest)
    assert.deepEqual(await counts(), { tags: 0, manifests: 0, bytes: 2 })
  }))

test('a damaged blob is refused, and the next push heals it', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'hello')
    const [row] = await f.metadata.db.read(
      { name: 'o', sql: 'SELECT lower(hex(object_id)) AS id FROM blobs', rows: true },
      {},
    )
    await f.store.remove([{ id: row?.['id'] as never, digest }])
    await rejects(readBlob(f, A, digest), 'BLOB_UNKNOWN')
    await rejects(f.registry.statBlob(f.call, A, digest), 'BLOB_UNKNOWN')
    await pushBlob(f, A, 'hello')
    assert.equal(await readBlob(f, A, digest), 'hello')
  }))
