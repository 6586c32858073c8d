/** Folders written out file by file, and exactly what is read from them. */
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { folderFor, hexOf, MANIFEST, NAME, read, SCHEMA1, SOME, T0 } from './reading-fixtures.ts'
import { imageOf, indexOf, sha256Of, sha512Of } from './takeover-fixtures.ts'

test('an image: blobs, then the manifest, then the tag', (t) => {
  const folder = folderFor(t)
  const digest = folder.image(NAME, '1.0', 'config', ['layer'], T0)
  const { blobs, manifests, tags, findings, batches } = read(folder)
  assert.deepEqual(findings, [])
  const path = `docker/registry/v2/blobs/sha256/${hexOf(sha256Of('layer')).slice(0, 2)}/${hexOf(sha256Of('layer'))}/data`
  assert.deepEqual(
    blobs.find(({ digest }) => digest === sha256Of('layer')),
    { digest: sha256Of('layer'), stored: sha256Of('layer'), path, size: 5, stamp: T0 * 1000, linkedAt: T0 },
  )
  assert.deepEqual(blobs.map((blob) => blob.digest).sort(), [sha256Of('config'), sha256Of('layer')].sort())
  assert.equal(manifests.length, 1)
  assert.equal(manifests[0]?.digest, digest)
  assert.equal(Buffer.from(manifests[0]?.bytes ?? []).toString(), MANIFEST)
  assert.equal(manifests[0]?.pushedAt, T0)
  assert.equal(manifests[0]?.parsed.references.length, 2)
  assert.deepEqual(tags, [{ name: '1.0', digest, movedAt: T0, history: [] }])
  const order = batches.map((batch) => `${batch.blobs.length}${batch.manifests.length}${batch.tags.length}`)
  assert.deepEqual(order, ['200', '010', '001'])
})

test('a repository that is not there gives nothing', (t) => {
  assert.deepEqual(read(folderFor(t)).batches, [])
})

test('what a tag was before, oldest first, each digest once', (t) => {
  const folder = folderFor(t)
  folder.layer(NAME, 'config')
  const [a, b, c] = ['a', 'b', 'c'].map((note) => {
    return folder.manifest(NAME, imageOf('config', [], { annotations: { note } }))
  }) as [Digest, Digest, Digest]
  for (const [digest, at] of [
    [b, 1],
    [a, 2],
    [b, 3],
    [SOME, 4],
    [c, 5],
  ] as const) {
    folder.tag(NAME, 'latest', digest, T0 + at * 1000)
  }
  assert.deepEqual(read(folder).tags, [
    {
      name: 'latest',
      digest: c,
      movedAt: T0 + 5000,
      history: [
        { digest: a, at: T0 + 2000 },
        { digest: b, at: T0 + 3000 },
        { digest: SOME, at: T0 + 4000 },
      ],
    },
  ])
})

test('what a tag was before is in order of time, not of digests', (t) => {
  const folder = folderFor(t)
  const digests = ['a', 'b', 'c', 'd'].map((text) => sha256Of(text)).sort()
  for (const order of [digests, digests.toReversed()]) {
    for (const [index, digest] of order.entries()) folder.tag(NAME, 'latest', digest, T0 + index * 1000)
    const now = folder.manifest(NAME, MANIFEST)
    folder.tag(NAME, 'latest', now)
    const history = read(folder).tags[0]?.history.map(({ digest }) => digest)
    assert.deepEqual(history, order)
  }
})

test('a blob pushed by its sha512 is the file of its sha256', (t) => {
  const folder = folderFor(t)
  folder.layer512(NAME, 'long')
  const { blobs, findings } = read(folder)
  assert.deepEqual(findings, [])
  assert.deepEqual(
    blobs.map(({ digest, stored, path }) => [digest, stored, path.split('/').at(-2)]),
    [sha256Of('long'), sha512Of('long')].map((digest) => [digest, sha256Of('long'), hexOf(sha256Of('long'))]),
  )
})

test('a manifest that only 2.x serves, linked among the layers, comes before the tags', (t) => {
  const folder = folderFor(t)
  folder.layer(NAME, 'config')
  folder.layer(NAME, 'layer')
  const digest = folder.layer(NAME, MANIFEST)
  folder.tag(NAME, 'old', digest, T0)
  const { manifests, tags, findings } = read(folder)
  assert.deepEqual([manifests.map((one) => one.digest), findings], [[digest], []])
  assert.deepEqual(tags, [{ name: 'old', digest, movedAt: T0, history: [] }])
})

test('an index before its children, and a child that is a blob (a cache of BuildKit), are nothing to tell', (t) => {
  const folder = folderFor(t)
  for (const content of ['config', 'layer', 'cache']) folder.layer(NAME, content)
  folder.manifest(NAME, MANIFEST)
  folder.manifest(NAME, indexOf([MANIFEST, 'cache']))
  const { manifests, findings } = read(folder)
  assert.deepEqual([manifests.length, findings], [2, []])
})

test('what is damaged is not given: empty files, dangling links, tags to nothing', (t) => {
  const folder = folderFor(t)
  for (const content of ['config', 'layer', 'other']) folder.layer(NAME, content)
  truncateSync(join(folder.v2, folder.blobFile(sha256Of('layer'))))
  folder.remove(folder.blobFile(sha256Of('other')))
  folder.tag(NAME, 'x', SOME)
  folder.tag(NAME, 'y', folder.manifest(NAME, SCHEMA1))
  const { blobs, manifests, tags } = read(folder)
  assert.deepEqual([blobs.map(({ digest }) => digest), manifests, tags], [[sha256Of('config')], [], []])
})

test('batches are bounded, also where there are only findings', (t) => {
  const folder = folderFor(t)
  for (let index = 0; index < 600; index++) folder.layer(NAME, `blob ${index}`)
  for (let index = 0; index < 150; index++) {
    const digest = folder.manifest(NAME, imageOf('blob 0', [], { annotations: { n: `${index}` } }))
    for (const tag of [1, 2, 3, 4]) folder.tag(NAME, `${tag}-${index}`, digest)
  }
  const sizes = read(folder).batches.map(({ blobs, manifests, tags }) => [
    blobs.length,
    manifests.length,
    tags.length,
  ])
  assert.deepEqual(sizes, [
    [256, 0, 0],
    [256, 0, 0],
    [88, 0, 0],
    [0, 64, 0],
    [0, 64, 0],
    [0, 22, 0],
    [0, 0, 256],
    [0, 0, 256],
    [0, 0, 88],
  ])
  folder.remove('blobs')
  const { batches, findings } = read(folder)
  assert.equal(findings.length, 600 + 150 + 600)
  for (const batch of batches) assert.ok(batch.findings.length <= 260, `${batch.findings.length}`)
})

test('bytes of manifests bound a batch as well', (t) => {
  const folder = folderFor(t)
  folder.layer(NAME, 'config')
  for (let index = 0; index < 5; index++) {
    folder.manifest(
      NAME,
      imageOf('config', [], { annotations: { n: `${index}`, much: 'x'.repeat(1024 * 1024) } }),
    )
  }
  assert.deepEqual(
    read(folder).batches.map(({ manifests }) => manifests.length),
    [0, 2, 2, 1],
  )
})

test('nested repositories are not each other’s', (t) => {
  const folder = folderFor(t)
  folder.image('team', '1', 'outer', [])
  folder.image('team/app', '1', 'inner', [])
  writeFileSync(join(folder.v2, 'repositories/team/file'), 'x')
  const digests = (name: string) => read(folder, name as RepositoryName).blobs.map(({ digest }) => digest)
  assert.deepEqual([digests('team'), digests('team/app')], [[sha256Of('outer')], [sha256Of('inner')]])
})
