/** What a check finds: literal damage to a registry's files and rows, and what is said of each. */
import assert from 'node:assert/strict'
import { linkSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { affectedByBlob } from '../../metadata/check-affected.ts'
import { MEDIA_TYPE } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import {
  chunkOf,
  imageOf,
  pushBlob,
  pushImage,
  repository,
  sha256,
  tag,
} from '../../registry/hosted-fixtures.ts'
import { damage, DAY, withChecked } from './check-fixtures.ts'

const LAYER = 'a layer'
const layer = sha256(LAYER)
const short = (digest: Digest): string => digest.slice(7, 15)

test('a registry that was used finds nothing wrong, however it is checked', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1', '2'])
    await pushImage(c, 'b', ['1'], ['layer', LAYER])
    await c.registry.startUpload(c.call, repository('c'), undefined)
    await c.registry.deleteTag(c.call, repository('a'), tag('1'))
    const child = await pushImage(c, 'b', [], ['another'])
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociIndex,
        manifests: [
          { mediaType: MEDIA_TYPE.ociManifest, digest: child, size: imageOf('{}', ['another']).length },
        ],
      }),
    )
    await c.registry.putManifest(c.call, repository('b'), {
      mediaType: MEDIA_TYPE.ociIndex,
      bytes: index,
      tags: [],
    })
    assert.deepEqual(await c.find(), [])
    assert.deepEqual(await c.find({ rehash: true }), [])
    const { blobs, hashedBlobs, manifests, files } = c.progress
    assert.deepEqual([blobs, hashedBlobs, manifests], [4, 4, 4])
    assert.deepEqual([files.known, files.unknown], [7, 0])
    // What has just been hashed is left out by --since.
    const since = c.clock.now()
    c.clock.advance(1000)
    await c.find({ rehash: true })
    await c.find({ rehash: true, since })
    assert.equal(c.progress.hashedBlobs, 0)
  }))

const FILES: [name: string, hurt: (file: string) => void, plain: string[], rehashed: string[]][] = [
  ['gone', damage.remove, [`missing ${short(layer)}`], [`missing ${short(layer)}`]],
  ['cut', damage.cut, [`wrong-size ${short(layer)}`], [`wrong-size ${short(layer)}`]],
  ['written over', damage.change, [`wrong-bytes ${short(layer)}`], [`wrong-bytes ${short(layer)}`]],
  ['rotten, its time of change as it was', damage.rot, [], [`wrong-bytes ${short(layer)}`]],
  ['touched, its bytes as they were', damage.touch, [], []],
]
for (const [name, hurt, plain, rehashed] of FILES) {
  test(`a file ${name}`, () =>
    withChecked(async (c) => {
      await pushImage(c, 'a', ['1'], [LAYER])
      hurt(c.filesOf(layer)[0] as string)
      assert.deepEqual(await c.find(), plain)
      assert.deepEqual(await c.find({ rehash: true }), rehashed)
      assert.deepEqual(
        await c.registry.statBlob(c.call, repository('a'), layer),
        { size: 7 },
        'nothing was marked',
      )
    }))
}

test('a touched file is hashed once, and its new time is remembered', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    damage.touch(c.filesOf(layer)[0] as string)
    await c.find()
    assert.equal(c.progress.hashedBlobs, 1)
    await c.find()
    assert.equal(c.progress.hashedBlobs, 0)
  }))

const MANIFEST = sha256(imageOf('{}', [LAYER]))
const hex = (digest: Digest): string => `x'01${digest.slice(7)}'`
const ROWS: [name: string, sql: string, found: string[]][] = [
  ['wrong bytes of a manifest', `UPDATE manifests SET bytes = x'7b7d'`, ['manifest-bytes a']],
  [
    'a reference that is not remembered',
    `DELETE FROM manifest_refs WHERE position = 1`,
    ['references-differ a'],
  ],
  [
    'a link that is gone',
    `UPDATE manifest_refs SET held_blob = NULL WHERE digest = ${hex(layer)};
     DELETE FROM blob_links WHERE digest = ${hex(layer)}`,
    [`missing-blob a ${short(layer)}`, `not-collected blob ${short(layer)}`],
  ],
  [
    'a blob that was deleted under its image',
    `UPDATE blob_links SET unlinked_at = 1 WHERE digest = ${hex(layer)}`,
    [`deleted-blob a ${short(layer)}`],
  ],
  [
    'a size in a row',
    `UPDATE manifest_refs SET size = 8 WHERE position = 1`,
    [`size-differs a ${short(layer)}`],
  ],
  [
    'a tag of a deleted manifest',
    `UPDATE manifests SET deleted_at = 1, expires_at = 99999999999999`,
    ['tag-without-manifest a:1'],
  ],
  [
    'a row that names what is not there',
    `DELETE FROM objects WHERE id = (SELECT object_id FROM blobs WHERE digest = ${hex(layer)})`,
    [`no-object ${short(layer)}`],
  ],
  ['wrong counts', `UPDATE repository_counts SET tags = 7`, ['counts-differ a']],
  ['counts that are gone', `DELETE FROM repository_counts`, ['counts-differ a']],
  [
    'stored bytes that no blob names',
    `INSERT INTO objects (id, state, created_at) VALUES (x'00', 'live', 0)`,
    ['unnamed-object'],
  ],
  [
    'bytes of an upload that is not there',
    `INSERT INTO objects (id, state, created_at) VALUES (x'00', 'uploading', 0)`,
    ['abandoned-upload'],
  ],
  [
    'a blob without a link and without a candidate',
    `INSERT INTO objects (id, state, created_at) VALUES (x'00', 'garbage', 0);
     INSERT INTO blobs (digest, size, object_id) VALUES (${hex(sha256('x'))}, 1, x'00')`,
    [`no-object ${short(sha256('x'))}`, `not-collected blob ${short(sha256('x'))}`],
  ],
  [
    'a link past its lease that no candidate stands for',
    `DELETE FROM candidates; UPDATE blob_links SET lease_until = 1;
     INSERT INTO repositories (id, name, created_at, created_by) VALUES (9, 'z', 1, 'me');
     INSERT INTO blob_links (digest, repository_id, lease_until, linked_at) VALUES (${hex(layer)}, 9, 1, 1)`,
    [`not-collected link ${short(layer)}`],
  ],
  [
    'the same link, where it was taken over from Distribution: that one is kept',
    `DELETE FROM candidates; UPDATE blob_links SET lease_until = 1;
     INSERT INTO takeover (id, begun_at, completed_at) VALUES (1, 100, 200);
     INSERT INTO repositories (id, name, created_at, created_by) VALUES (9, 'z', 1, 'me');
     INSERT INTO blob_links (digest, repository_id, lease_until, linked_at) VALUES (${hex(layer)}, 9, 1, 1)`,
    [],
  ],
  [
    'a manifest past its time that no candidate stands for',
    `DELETE FROM candidates; DELETE FROM tags; UPDATE manifests SET expires_at = 1;
     UPDATE repository_counts SET tags = 0`,
    [`not-collected manifest ${short(MANIFEST)}`],
  ],
]
for (const [name, sql, expected] of ROWS) {
  test(name, () =>
    withChecked(async (c) => {
      await pushImage(c, 'a', ['1'], [LAYER])
      c.sql(sql)
      const found = await c.find()
      // A reference into nothing is told by SQLite, too; its words are its own. A count that a damage changes as well, too.
      const told = found.filter((line) => !line.startsWith('database ') && !isBeside(line, expected))
      assert.deepEqual(told, expected)
    }),
  )
}

const isBeside = (line: string, expected: readonly string[]): boolean =>
  line.startsWith('counts-differ') && !expected.some((one) => one.startsWith('counts-differ'))

test('a row that names what is not there is told by SQLite too', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    c.sql(`DELETE FROM blobs WHERE digest = ${hex(layer)}`)
    const found = await c.find()
    assert.deepEqual(
      found.filter((line) => line.startsWith('database')),
      ['database row 2 of blob_links names a row of blobs that is not there'],
    )
  }))

test('only what one repository needs', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    await pushImage(c, 'b', ['1'], ['other'])
    damage.remove(c.filesOf(layer)[0] as string)
    damage.remove(c.filesOf(sha256('other'))[0] as string)
    assert.deepEqual(await c.find({ repositoryId: 2 }), [`missing ${short(sha256('other'))}`])
    assert.equal(c.progress.blobs, 2)
    assert.deepEqual(await c.find({ repositoryId: 2, rehash: true }), [`missing ${short(sha256('other'))}`])
  }))

test('who is affected: tags, an index above, an untagged image, a repository that only has the blob', () =>
  withChecked(async (c) => {
    const image = await pushImage(c, 'a', ['1', '2'], [LAYER])
    const untagged = await pushImage(c, 'b', [], [LAYER])
    await pushBlob(c, 'c', LAYER)
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociIndex,
        manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest: image, size: 1 }],
      }),
    )
    const put = { mediaType: MEDIA_TYPE.ociIndex, bytes: index, tags: [tag('all')] }
    const { digest } = await c.registry.putManifest(c.call, repository('a'), put)
    assert.deepEqual(
      new Set((await affectedByBlob(c.metadata.db, layer)).map((one) => JSON.stringify(one))),
      new Set(
        [
          { repository: 'a', manifest: image, tag: '1' },
          { repository: 'a', manifest: image, tag: '2' },
          { repository: 'b', manifest: untagged },
          { repository: 'a', manifest: digest, tag: 'all' },
          { repository: 'c' },
        ].map((one) => JSON.stringify(one)),
      ),
    )
    assert.equal((await affectedByBlob(c.metadata.db, layer, 2)).length, 2)
  }))

test('files that no row knows are told after a week', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const objects = join(c.root, 'berth', 'objects')
    const files = [
      ['11', `${'1'.repeat(32)}.part`, 'cut off'],
      ['22', `${'2'.repeat(32)}.${layer.replace(':', '-')}`, LAYER],
      ['33', `${'3'.repeat(32)}.${sha256('only here').replace(':', '-')}`, 'only here'],
    ].map(([folder = '', name = '', bytes = '']) => {
      writeFileSync(join(objects, folder, name), bytes)
      return join(objects, folder, name)
    })
    assert.deepEqual(await c.find(), [])
    assert.equal(c.progress.files.unknown, 2)
    for (const file of files) c.age(file, 8 * DAY)
    assert.deepEqual(await c.find(), ['second-copy', 'unfinished-file', 'unknown-blob'])
  }))

test('an upload in progress, and one that nobody goes on with, have rows', () =>
  withChecked(async (c) => {
    const { id } = await c.registry.startUpload(c.call, repository('a'), undefined)
    await c.registry.appendUpload(c.call, repository('a'), id, chunkOf('bytes'))
    c.clock.advance(30 * DAY)
    assert.deepEqual(await c.find(), [])
  }))

test('what Distribution left is told, but no manifest, and not what an export made by links', () =>
  withChecked(async (c) => {
    const manifest = await pushImage(c, 'a', ['1'], [LAYER])
    const left = sha256('left')
    const fileOf = (digest: Digest): string =>
      `docker/registry/v2/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`
    for (const digest of [layer, left, manifest])
      mkdirSync(dirname(join(c.root, fileOf(digest))), { recursive: true })
    linkSync(c.filesOf(layer)[0] as string, join(c.root, fileOf(layer)))
    for (const digest of [left, manifest]) writeFileSync(join(c.root, fileOf(digest)), 'left')
    c.parts.distribution = {
      async *list() {
        for (const digest of [layer, left, manifest])
          yield { digest, path: fileOf(digest), size: 4, stamp: (Date.now() - 8 * DAY) * 1000 }
      },
      linkCount: async (path) => statSync(join(c.root, path)).nlink,
      manifests: new Set<Digest>(),
    }
    c.sql('INSERT INTO takeover (id, begun_at) VALUES (1, 1)')
    assert.deepEqual(await c.find(), [], 'the takeover may still come to it')
    c.sql('UPDATE takeover SET completed_at = 2')
    assert.deepEqual(await c.find(), ['left-by-distribution'])
    const { exported, manifestFiles, leftByDistribution } = c.progress.files
    assert.deepEqual([exported, manifestFiles, leftByDistribution], [1, 1, 1])
    c.sql(`INSERT INTO objects (id, path, state, created_at) VALUES (x'aa', '${fileOf(left)}', 'garbage', 0)`)
    assert.deepEqual(await c.find(), [])
  }))
