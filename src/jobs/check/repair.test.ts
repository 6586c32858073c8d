/** Damage of each kind, repaired: what comes back, from where, and what is only set aside. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../lib/logger.ts'
import { MEDIA_TYPE } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import {
  imageOf,
  pushBlob,
  pushImage,
  readBlob,
  repository,
  sha256,
  tag,
} from '../../registry/hosted-fixtures.ts'
import { collectGarbage } from '../collect-garbage.ts'
import { removeGarbage } from '../remove-garbage.ts'
import { createFolderSource } from '../sources/folder.ts'
import type { Source } from '../sources/source.ts'
import { type Checked, damage, DAY, never, withChecked } from './check-fixtures.ts'
import { removableFile, removalRefused, removeUnknown } from './remove-unknown.ts'

const LAYER = 'a layer'
const layer = sha256(LAYER)
const A = repository('a')

/** Copies of a registry's content in each form that a folder may have. */
const FOLDERS: [name: string, path: (digest: Digest) => string][] = [
  ['an OCI layout', (digest) => join('blobs', 'sha256', digest.slice(7))],
  [
    "Distribution's data folder",
    (digest) => join('docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data'),
  ],
  [
    "Distribution's inner folder",
    (digest) => join('blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data'),
  ],
  [
    "Berth's data folder",
    (digest) => join('berth/objects/ab', `ab${'0'.repeat(30)}.${digest.replace(':', '-')}`),
  ],
]

function folderOf(c: Checked, path: (digest: Digest) => string, ...contents: (string | Buffer)[]): Source {
  const folder = join(c.root, 'copy')
  for (const content of contents) {
    const file = join(folder, path(sha256(content)))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  return createFolderSource(folder, 'a copy')
}

async function repairAll(c: Checked, ...sources: Source[]): Promise<string[]> {
  const outcomes = await c.repair(await c.problems({ rehash: true }), ...sources)
  for (const source of sources) await source.close()
  return outcomes.map(({ kind, what }) => `${kind}: ${what}`)
}

for (const [name, path] of FOLDERS) {
  for (const [how, hurt] of [
    ['removed', damage.remove],
    ['rotten', damage.rot],
  ] as const) {
    test(`a file ${how} comes back from ${name}`, () =>
      withChecked(async (c) => {
        await pushImage(c, 'a', ['1'], [LAYER])
        hurt(c.filesOf(layer)[0] as string)
        assert.deepEqual(await repairAll(c, folderOf(c, path, LAYER)), ['repaired: copied from a copy'])
        assert.equal(await readBlob(c, 'a', layer), LAYER)
        assert.deepEqual(await c.find({ rehash: true }), [])
        // The damaged file is the collector's.
        await removeGarbage({ db: c.metadata.db, store: c.store, log: silentLogger, now: c.clock.now }, never)
        assert.equal(c.filesOf(layer).length, 1)
      }))
  }
}

test('without a source a damaged blob is set aside, its file kept, and heals by the next push', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const file = c.filesOf(layer)[0] as string
    damage.cut(file)
    assert.deepEqual(await repairAll(c), [
      'set-aside: not served until it is pushed again (or fetched with --from SOURCE)',
    ])
    await assert.rejects(async () => c.registry.statBlob(c.call, A, layer), { code: 'BLOB_UNKNOWN' })
    assert.deepEqual(await c.find(), ['wrong-size e28d98ac'], 'it is told again')
    assert.equal(readFileSync(file, 'utf8'), 'a l')
    await pushBlob(c, 'a', LAYER)
    assert.deepEqual(await c.find(), [])
  }))

test('a source is never believed: other bytes, too many, or none', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    damage.remove(c.filesOf(layer)[0] as string)
    const sourceOf = (name: string, bytes: string): Source => ({
      name,
      async prepare() {},
      async *copies() {
        yield (async function* () {
          yield Buffer.from(bytes)
        })()
      },
      async close() {},
    })
    const outcomes = await repairAll(
      c,
      sourceOf('a liar', 'A LAYER'),
      sourceOf('a flood', 'a layer and more'),
    )
    assert.deepEqual(outcomes, [
      'set-aside: not served until it is pushed again (a liar: the bytes received do not have the digest in the URL; a flood: it sends more bytes than the blob has)',
    ])
    assert.deepEqual(await repairAll(c, sourceOf('short', 'a'), sourceOf('right', LAYER)), [
      'repaired: copied from right',
    ])
  }))

test('a second copy in the data folder itself is found', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    await pushBlob(c, 'b', LAYER)
    const served = await c.metadata.db.read(
      {
        name: 'served',
        sql: `SELECT lower(hex(object_id)) AS id FROM blobs WHERE digest = x'01${layer.slice(7)}'`,
        rows: true,
      },
      {},
    )
    const file = c.filesOf(layer).find((one) => one.includes(String(served[0]?.['id']))) as string
    damage.rot(file)
    assert.deepEqual(await repairAll(c), ['repaired: copied from own'])
    assert.deepEqual(await c.find({ rehash: true }), [])
  }))

test('a file that was put back is served again', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const file = c.filesOf(layer)[0] as string
    cpSync(file, `${file}.away`, { preserveTimestamps: true })
    rmSync(file)
    await repairAll(c)
    cpSync(`${file}.away`, file)
    rmSync(`${file}.away`)
    assert.deepEqual(await c.find(), ['recovered e28d98ac'])
    assert.deepEqual(await repairAll(c), ['repaired: it is served again'])
    assert.equal(await readBlob(c, 'a', layer), LAYER)
  }))

test('bytes of a manifest come back: from another repository, or from a source', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    await pushImage(c, 'b', ['1'], [LAYER])
    const right = imageOf('{}', [LAYER])
    c.sql(`UPDATE manifests SET bytes = x'7b7d' WHERE repository_id = 1`)
    assert.deepEqual(await repairAll(c), ['repaired: copied from another repository'])
    c.sql(`UPDATE manifests SET bytes = x'7b7d'`)
    assert.deepEqual(await repairAll(c), ['failed: no source has it', 'failed: no source has it'])
    const [, layoutPath] = FOLDERS[0] as (typeof FOLDERS)[0]
    assert.deepEqual(await repairAll(c, folderOf(c, layoutPath, right)), [
      'repaired: copied from a copy',
      'repaired: copied from another repository',
    ])
    const pulled = await c.registry.getManifest(c.call, A, { kind: 'tag', tag: tag('1') })
    assert.ok(right.equals(pulled.bytes))
    assert.deepEqual(await c.find(), [])
  }))

test('an index gets the children it lacks, with all that they name', () =>
  withChecked(
    async (c) => {
      const child = imageOf('{}', [LAYER])
      const manifests = [{ mediaType: MEDIA_TYPE.ociManifest, digest: sha256(child), size: child.length }]
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }),
      )
      await c.registry.putManifest(c.call, A, { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: [tag('all')] })
      assert.deepEqual(await c.find(), [`missing-child a ${sha256(child).slice(7, 15)}`])
      assert.deepEqual(await repairAll(c), ['left: no --from was given to fetch it from'])
      const [, layoutPath] = FOLDERS[0] as (typeof FOLDERS)[0]
      assert.deepEqual(await repairAll(c, folderOf(c, layoutPath, child, '{}')), [
        `failed: a copy: it names ${layer}, and of that no source has it`,
      ])
      assert.deepEqual(await repairAll(c, folderOf(c, layoutPath, child, '{}', LAYER)), [
        'repaired: copied from a copy',
      ])
      assert.deepEqual(await c.find(), [])
      assert.equal(await readBlob(c, 'a', layer), LAYER)
    },
    { sparse: 'all' },
  ))

test('counts are made right, leftovers are given to the collector, which takes them', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const lost = await pushBlob(c, 'b', 'lost')
    c.sql(
      `UPDATE repository_counts SET tags = 7, bytes = 1;
       UPDATE blob_links SET lease_until = 1 WHERE repository_id = 2; DELETE FROM candidates;
       INSERT INTO objects (id, state, created_at) VALUES (x'${'a'.repeat(32)}', 'live', 0), (x'${'b'.repeat(32)}', 'uploading', 0)`,
    )
    assert.deepEqual((await repairAll(c)).toSorted(), [
      'repaired: counted again',
      'repaired: counted again',
      'repaired: given to the collector',
      'repaired: given to the collector',
      'repaired: the collector looks at it',
    ])
    assert.deepEqual(await c.find(), [])
    c.clock.advance(DAY)
    const parts = { db: c.metadata.db, store: c.store, log: silentLogger, now: c.clock.now }
    await collectGarbage(parts, { keepMs: DAY }, never)
    await removeGarbage(parts, never)
    assert.deepEqual([c.filesOf(lost).length, c.filesOf(layer).length], [0, 1])
    assert.deepEqual(await c.find(), [])
  }))

test('where rows are damaged, nothing is given up on the word of others', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    // The only link to a blob is lost, and the manifest still names it.
    c.sql(
      `UPDATE manifest_refs SET held_blob = NULL WHERE digest = x'01${layer.slice(7)}';
       DELETE FROM blob_links WHERE digest = x'01${layer.slice(7)}'; DELETE FROM candidates;
       INSERT INTO objects (id, state, created_at) VALUES (x'${'a'.repeat(32)}', 'live', 0)`,
    )
    const outcomes = await repairAll(c)
    assert.equal(
      outcomes.filter((line) => line.startsWith('left: other rows are damaged')).length,
      2,
      outcomes.join('\n'),
    )
    const parts = { db: c.metadata.db, store: c.store, log: silentLogger, now: c.clock.now }
    await collectGarbage(parts, { keepMs: 0 }, never)
    assert.equal(c.filesOf(layer).length, 1)
  }))

test('unknown files are removed when asked for, but not from under a backup, nor a lost database', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const file = join(c.root, 'berth/objects/33', `${'3'.repeat(32)}.${sha256('x').replace(':', '-')}`)
    writeFileSync(file, 'x')
    c.age(file, 8 * DAY)
    const { db } = c.metadata
    const files = (await c.problems()).flatMap((problem) => removableFile(problem) ?? [])
    const { files: counts } = c.progress
    const refusal = (known: number, unknown: number): Promise<string | undefined> =>
      removalRefused(db, { ...counts, known, unknown }, c.clock.now(), 1)
    assert.match((await refusal(1, 2)) ?? '', /knows only 1/)
    assert.match((await refusal(0, 1)) ?? '', /knows only 0/)
    assert.equal(await refusal(2, 1), undefined)
    c.sql(`INSERT INTO removal_holds (id, reason, until) VALUES ('b', 'a backup', ${c.clock.now() + 1000})`)
    assert.match((await refusal(2, 1)) ?? '', /a backup is reading the files/)
    const removing = { db, store: c.store, now: c.clock.now, linkCount: async () => 1 }
    assert.deepEqual(await removeUnknown(removing, files, never), { files: 0, own: 0, bytes: 0, errors: [] })
    c.sql('DELETE FROM removal_holds')
    // Somebody's row has come to know one meanwhile.
    const known = { object: { id: '4'.repeat(32) as never }, size: 1, modifiedAt: 0 }
    c.sql(
      `INSERT INTO objects (id, state, created_at) VALUES (x'${'4'.repeat(32)}', 'uploading', ${c.clock.now()})`,
    )
    assert.deepEqual(await removeUnknown(removing, [...files, known], never), {
      files: 1,
      own: 1,
      bytes: 1,
      errors: [],
    })
    assert.deepEqual(await c.find(), [])
  }))
