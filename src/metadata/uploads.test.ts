/** Transactions are refused when what they were decided on is not as it was. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectId } from '../blobs/blob-store.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { commitBlob } from './blob-links.ts'
import type { Db } from './database.ts'
import { putManifestRows } from './manifests.ts'
import {
  actorAt,
  linkBlob,
  NOW,
  pushManifest,
  repositoryOf,
  rowsOf,
  withMetadata,
} from './metadata-fixtures.ts'
import { claimUpload, createUpload, findUpload, releaseUpload, saveUpload, uploadCommit } from './uploads.ts'

const A = 'a' as RepositoryName
const object = (n: number) => n.toString(16).padStart(32, 'f') as ObjectId
const DIGEST = digestOf('sha256', Buffer.from('abc'))

async function begin(db: Db): Promise<string> {
  const id = crypto.randomUUID()
  const upload = { id, principal: 'p', algorithm: 'sha256', now: NOW } as const
  assert.ok(await createUpload(db, await repositoryOf(db), upload))
  return id
}

async function find(db: Db, id: string) {
  const row = await findUpload(db, A, id)
  assert.ok(row)
  return row
}

const saved = (n: number, received: number) => ({
  object: object(n),
  received,
  detail: undefined,
  digest: DIGEST,
  boot: 'b',
  now: NOW,
  isUnplanned: false,
})

const states = (db: Db) => rowsOf(db, 'SELECT lower(hex(id)) AS id, state FROM objects ORDER BY id')

test('a claim by what was read before a save is refused', () =>
  withMetadata(['1'], async ({ db }) => {
    const id = await begin(db)
    const row = await find(db, id)
    const version = (await claimUpload(db, row, { processId: 'p', now: NOW, object: object(1) })) as number
    const seen = await find(db, id)
    assert.equal(await saveUpload(db, row, version, saved(1, 10)), 'saved')
    assert.equal(await claimUpload(db, seen, { processId: 'q', now: NOW, object: object(2) }), undefined)
    assert.equal(
      await saveUpload(db, row, version, saved(1, 11)),
      'taken over',
      'nor is anything saved twice',
    )
    assert.equal((await find(db, id)).received, 10)
    assert.deepEqual(await states(db), [{ id: object(1), state: 'uploading' }])
  }))

test('a takeover leaves the old object until the new one has everything; what it left is cleared by the next', () =>
  withMetadata(['1'], async ({ db }) => {
    const id = await begin(db)
    const row = await find(db, id)
    const first = (await claimUpload(db, row, { processId: 'p', now: NOW, object: object(1) })) as number
    await saveUpload(db, row, first, saved(1, 10))
    await claimUpload(db, await find(db, id), { processId: 'p', now: NOW, object: object(1) })
    for (const n of [2, 3]) {
      const before = await find(db, id)
      const version = (await claimUpload(db, before, {
        processId: 'q',
        now: NOW,
        object: object(n),
      })) as number
      const { received, object: current, nextObject, holder } = await find(db, id)
      assert.deepEqual([received, current, nextObject, holder], [10, object(1), object(n), 'p'])
      if (n === 2) await releaseUpload(db, id, version, NOW)
      else assert.equal(await saveUpload(db, before, version, saved(3, 12)), 'saved')
      assert.equal((await find(db, id)).holder, n === 2 ? 'p' : undefined, 'the first may still write')
    }
    assert.equal((await find(db, id)).object, object(3))
    assert.deepEqual(await states(db), [
      { id: object(1), state: 'garbage' },
      { id: object(2), state: 'garbage' },
      { id: object(3), state: 'uploading' },
    ])
  }))

test('a blob is not committed by an upload that somebody else has, nor into a repository that is gone', () =>
  withMetadata(['1'], async ({ db }) => {
    const id = await begin(db)
    const row = await find(db, id)
    const repository = await repositoryOf(db)
    const commit = (version: number) =>
      commitBlob(
        db,
        repository,
        DIGEST,
        { id: object(1), size: 3, stamp: undefined },
        actorAt(),
        uploadCommit(id, version, false),
      )
    const version = (await claimUpload(db, row, { processId: 'p', now: NOW, object: object(2) })) as number
    assert.deepEqual(await commit(row.version), { done: false, missed: 0, rows: [] })
    await db.write({
      steps: [{ statement: { name: 'gone', sql: 'UPDATE repositories SET deleted_at = 1' } }],
      params: {},
      touches: ['*'],
    })
    assert.deepEqual(await commit(version), { done: false, missed: 1, rows: [] })
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
    const manifest = parseManifest(MEDIA_TYPE.ociIndex, bytes, 1)
    const digest = digestOf('sha256', bytes)
    const outcome = await putManifestRows(
      db,
      repository,
      digest,
      bytes,
      manifest,
      () => true,
      { tags: [] },
      actorAt(),
    )
    assert.deepEqual(outcome, { kind: 'repository-gone' })
    assert.deepEqual(await rowsOf(db, 'SELECT digest FROM blobs UNION ALL SELECT digest FROM manifests'), [])
  }))

test('a child that came first as a blob is held as a manifest when it is pushed as one', () =>
  withMetadata(['1'], async ({ db }) => {
    const mediaType = MEDIA_TYPE.ociManifest
    const config = { mediaType: 'application/json', digest: digestOf('sha256', Buffer.from('{}')), size: 2 }
    const child = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] })
    const digest: Digest = await linkBlob(db, child)
    const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size: child.length }] }
    const bytes = Buffer.from(JSON.stringify(index))
    const parsed = parseManifest(MEDIA_TYPE.ociIndex, bytes, 10)
    const row = await repositoryOf(db)
    const put = await putManifestRows(
      db,
      row,
      digestOf('sha256', bytes),
      bytes,
      parsed,
      () => true,
      { tags: [] },
      actorAt(),
    )
    assert.equal(put.kind, 'stored')
    const held = () =>
      rowsOf(
        db,
        "SELECT held_manifest IS NOT NULL AS m, held_blob IS NOT NULL AS b FROM manifest_refs WHERE kind = 'child'",
      )
    assert.deepEqual(await held(), [{ m: 0, b: 1 }])
    assert.equal(await pushManifest(db, []), digest)
    assert.deepEqual(await held(), [{ m: 1, b: 0 }])
  }))

test("a first chunk is saved without a claim, unless another was quicker or its file was taken for nobody's", () =>
  withMetadata(['1'], async ({ db }) => {
    const unplanned = (n: number, received: number) => ({ ...saved(n, received), isUnplanned: true })
    const row = await find(db, await begin(db))
    assert.equal(await saveUpload(db, row, row.version, unplanned(1, 10)), 'saved')
    const first = await find(db, row.id)
    assert.deepEqual([first.received, first.object, first.version], [10, object(1), row.version + 1])
    assert.equal(await saveUpload(db, row, row.version, unplanned(2, 11)), 'taken over')
    assert.deepEqual(await states(db), [{ id: object(1), state: 'uploading' }], 'and leaves no object behind')
    const other = await find(db, await begin(db))
    assert.equal(await saveUpload(db, other, other.version, unplanned(1, 10)), 'too late')
    assert.equal((await find(db, other.id)).received, 0)
  }))
