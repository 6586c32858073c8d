/** What an export writes and removes, file by file; whether Distribution then serves it is in test/takeover. */
import assert from 'node:assert/strict'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import { silentLogger } from '../lib/logger.ts'
import { markDamaged, objectFromBytes } from '../metadata/blob-links.ts'
import { claimGarbage, forgetObjects } from '../metadata/garbage.ts'
import { findManifest } from '../metadata/manifests.ts'
import { holdsInForce } from '../metadata/removal-holds.ts'
import { rowsOf } from '../metadata/metadata-fixtures.ts'
import { openMoments } from '../metadata/sqlite/moment.ts'
import { findTakeover } from '../metadata/takeover.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import {
  chunkOf,
  createFixture,
  type Fixture,
  imageOf,
  pushBlob,
  pushImage,
  repository,
  sha256,
  tag,
} from '../registry/hosted-fixtures.ts'
import { exportDistribution, type ExportOptions, ExportRefusedError, type ExportReport } from './export.ts'
import type { Remark } from './export-repository.ts'
import { blobPath, currentLinkPath, indexLinkPath, layerLinkPath, revisionLinkPath } from './layout.ts'
import { startWatch } from './watch.ts'

const A = repository('a')
const SECOND = 1000

const GARBAGE_AT = {
  statement: {
    name: 'garbage-at',
    sql: `INSERT INTO objects (id, path, state, created_at, delete_after) VALUES (:id, :path, 'garbage', 0, 0)`,
  },
}
const COMPLETE = {
  statement: {
    name: 'taken-over',
    sql: 'INSERT INTO takeover (id, begun_at, completed_at) VALUES (1, :now, :now)',
  },
}

type Place = {
  root: string
  berth: Fixture
  export(more?: Partial<ExportOptions>): Promise<ExportReport & { remarks: string[] }>
  has(path: string): boolean
  read(path: string): string
}

function inFolder(work: (place: Place) => Promise<void>) {
  return async (): Promise<void> => {
    const root = mkdtempSync(join(tmpdir(), 'berth-export-'))
    const store = await createFilesystemBlobStore({ root })
    const berth = createFixture({}, { folder: join(root, 'berth'), store })
    const moments = openMoments(join(root, 'berth/metadata.db'))
    try {
      await work({
        root,
        berth,
        has: (path) => existsSync(join(root, path)),
        read: (path) => readFileSync(join(root, path), 'utf8'),
        async export(more) {
          const remarks: Remark[] = []
          const report = await exportDistribution({
            db: berth.metadata.db,
            moments,
            store,
            dataFolder: root,
            isDryRun: false,
            fallbackTags: false,
            signal: new AbortController().signal,
            remark: (remark) => void remarks.push(remark),
            progress: () => undefined,
            now: berth.clock.now,
            ...more,
          })
          return { ...report, remarks: remarks.map(({ kind }) => kind).sort() }
        },
      })
      assert.deepEqual(await holdsInForce(berth.metadata.db, berth.clock.now()), [])
      assert.deepEqual(globSync('docker/**/*.tmp', { cwd: root }), [])
    } finally {
      moments.close()
      await berth.close()
      await store.close()
      rmSync(root, { recursive: true, force: true })
    }
  }
}

async function putManifest(
  { registry, call }: Fixture,
  mediaType: string,
  bytes: Buffer,
  tags: string[] = [],
) {
  const { digest } = await registry.putManifest(call, A, { mediaType, bytes, tags: tags.map(tag) })
  return digest
}

const seconds = (path: string, root: string): number =>
  Math.round(statSync(join(root, path)).mtimeMs / SECOND)

test(
  'links, bytes and the history of tags, with the times that they have in rows',
  inFolder(async ({ root, berth, has, read, export: run }) => {
    const { clock } = berth
    const begun = clock.now() / SECOND
    const first = await pushImage(berth, 'a', ['latest'], ['one'])
    clock.advance(10 * SECOND)
    const second = await pushImage(berth, 'a', ['latest', 'other'], ['two'])
    clock.advance(10 * SECOND)
    const report = await run()
    assert.deepEqual(
      { ...report, folder: '' },
      {
        repositories: 1,
        blobs: 3,
        manifests: 2,
        tags: 2,
        fallbackTags: 0,
        linked: 3,
        copied: 0,
        copiedBytes: 0,
        written: 3 + 2 + 2 + 3 + 2,
        removedTags: 0,
        removedManifests: 0,
        removedLinks: 0,
        folder: '',
        isCut: false,
        remarks: [],
      },
    )
    assert.equal(read(currentLinkPath(A, tag('latest'))), second)
    assert.equal(seconds(indexLinkPath(A, tag('latest'), first), root), begun)
    assert.equal(seconds(indexLinkPath(A, tag('latest'), second), root), begun + 10)
    assert.equal(seconds(revisionLinkPath(A, first), root), begun)
    assert.equal(sha256(read(blobPath(second))), second)
    assert.equal(read(blobPath(sha256('two'))), 'two')
    const [own] = globSync(`berth/objects/*/*.${sha256('two').replace(':', '-')}`, { cwd: root })
    assert.equal(statSync(join(root, own ?? '')).ino, statSync(join(root, blobPath(sha256('two')))).ino)
    assert.ok(has('docker/registry/v2/repositories/a/_manifests/tags'))
    const again = await run()
    assert.deepEqual([again.written, again.linked, again.remarks], [0, 0, []])
  }),
)

test(
  'sha512 lies under its own name, a blob as a manifest',
  inFolder(async ({ berth, has, read, export: run }) => {
    const { registry, call } = berth
    const long = digestOf('sha512', Buffer.from('long'))
    await registry.putBlob(call, A, long, chunkOf('long'))
    await run()
    assert.equal(read(layerLinkPath(A, long)), long)
    assert.equal(read(blobPath(long)), 'long')
    assert.ok(!has(layerLinkPath(A, sha256('long'))))
  }),
)

test(
  'what Distribution could not read stays in Berth, and its tags too; what it reads otherwise is told',
  inFolder(async ({ berth, has, read, export: run }) => {
    await pushImage(berth, 'a', ['moved'])
    const artifact = { mediaType: MEDIA_TYPE.ociArtifact, artifactType: 'a/b', blobs: [] }
    const bytes = Buffer.from(JSON.stringify(artifact))
    await run()
    assert.ok(has(currentLinkPath(A, tag('moved'))))
    const digest = await putManifest(berth, MEDIA_TYPE.ociArtifact, bytes, ['artifact', 'moved'])
    const bare = JSON.parse(imageOf('{}', ['layer']).toString()) as Record<string, unknown>
    delete bare['mediaType']
    const docker = Buffer.from(JSON.stringify(bare))
    const other = await putManifest(berth, MEDIA_TYPE.dockerManifest, docker, ['docker'])
    const report = await run()
    assert.deepEqual(report.remarks, ['manifest-left-out', 'other-type', 'tag-left-out', 'tag-left-out'])
    assert.ok(!has(revisionLinkPath(A, digest)) && !has(currentLinkPath(A, tag('artifact'))))
    assert.ok(!has(currentLinkPath(A, tag('moved'))), 'it does not lead to what it was before')
    assert.equal(read(currentLinkPath(A, tag('docker'))), other)
  }),
)

test(
  'what was deleted goes; a dry run says so and changes nothing',
  inFolder(async ({ root, berth, has, export: run }) => {
    const { registry, call } = berth
    const gone = await pushImage(berth, 'a', ['gone', 'also'], ['one'])
    const stays = await pushImage(berth, 'a', ['stays', 'untagged'], ['two'])
    const lone = await pushBlob(berth, 'a', 'lone')
    await run()
    berth.clock.advance(SECOND)
    await registry.deleteManifest(call, A, gone)
    await registry.deleteTag(call, A, tag('untagged'))
    await registry.deleteBlob(call, A, lone)
    const before = globSync('docker/**', { cwd: root })
    const dry = await run({ isDryRun: true })
    assert.deepEqual(globSync('docker/**', { cwd: root }), before)
    const real = await run()
    for (const { removedTags, removedManifests, removedLinks, remarks } of [dry, real])
      assert.deepEqual([removedTags, removedManifests, removedLinks, remarks], [3, 1, 1, ['trash']])
    for (const name of ['gone', 'also', 'untagged'])
      assert.ok(!has(`docker/registry/v2/repositories/a/_manifests/tags/${name}`))
    assert.ok(!has(revisionLinkPath(A, gone)) && !has(layerLinkPath(A, lone)))
    assert.ok(
      has(revisionLinkPath(A, stays)) && has(blobPath(lone)) && has(blobPath(gone)),
      'bytes are not removed',
    )
  }),
)

test(
  'what somebody else wrote since the last export is neither removed nor overwritten',
  inFolder(async ({ root, berth, has, read, export: run }) => {
    const first = await pushImage(berth, 'a', ['latest'], ['one'])
    const second = await pushImage(berth, 'a', ['latest'], ['two'])
    await pushImage(berth, 'b', ['x'])
    await run()
    const write = (path: string, text: string, ahead = 60): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
      const at = berth.clock.now() / SECOND + ahead
      utimesSync(join(root, path), at, at)
    }
    const theirs = imageOf('{}', ['one'], { annotations: { by: 'Distribution' } })
    write(blobPath(sha256(theirs)), theirs.toString())
    write(revisionLinkPath(A, sha256(theirs)), sha256(theirs))
    write(currentLinkPath(A, tag('theirs')), sha256(theirs))
    write(currentLinkPath(A, tag('latest')), first)
    write(currentLinkPath(repository('unknown'), tag('x')), sha256(theirs))
    for (let round = 0; round < 2; round++) {
      berth.clock.advance(1000 * SECOND)
      const { remarks, removedTags, removedManifests } = await run()
      assert.deepEqual(remarks, ['written-later', 'written-later', 'written-later', 'written-later'])
      assert.deepEqual([removedTags, removedManifests], [0, 0])
      assert.equal(read(currentLinkPath(A, tag('latest'))), first)
      assert.ok(has(currentLinkPath(A, tag('theirs'))) && has(revisionLinkPath(A, sha256(theirs))))
    }
    // A later move in Berth is later.
    await putManifest(berth, MEDIA_TYPE.ociManifest, imageOf('{}', ['two']), ['other'])
    await putManifest(berth, MEDIA_TYPE.ociManifest, imageOf('{}', ['one']), ['latest'])
    await putManifest(berth, MEDIA_TYPE.ociManifest, imageOf('{}', ['two']), ['latest'])
    await run()
    assert.equal(read(currentLinkPath(A, tag('latest'))), second)
  }),
)

test(
  'links of wrong bytes go, those whose bytes are right in the tree stay',
  inFolder(async ({ root, berth, has, read, export: run }) => {
    await pushImage(berth, 'a', ['x'], ['wrong', 'right', 'lost'])
    await run()
    const object = async (content: string) => {
      const rows = await rowsOf(berth.metadata.db, 'SELECT digest, object_id FROM blobs')
      const row = rows.find(
        (one) =>
          Buffer.from(one['digest'] as Uint8Array)
            .toString('hex')
            .slice(2) === sha256(content).slice(7),
      )
      return objectFromBytes(row?.['object_id'] as Uint8Array)
    }
    // A copy of its own, as on a filesystem without hard links.
    const copy = join(root, blobPath(sha256('right')))
    rmSync(copy)
    writeFileSync(copy, 'right')
    for (const content of ['wrong', 'right'])
      await markDamaged(berth.metadata.db, sha256(content), await object(content), berth.clock.now())
    truncateSync(join(root, blobPath(sha256('wrong'))), 3)
    const [lost] = globSync(`berth/objects/*/*.${sha256('lost').replace(':', '-')}`, { cwd: root })
    rmSync(join(root, lost ?? ''))
    rmSync(join(root, blobPath(sha256('lost'))))
    const report = await run()
    assert.deepEqual(report.remarks, ['blob-without-file', 'damaged-blob'])
    assert.ok(!has(layerLinkPath(A, sha256('wrong'))))
    assert.ok(has(layerLinkPath(A, sha256('lost'))), 'it serves nothing, and may be found again')
    assert.equal(read(layerLinkPath(A, sha256('right'))), sha256('right'))
    // Healed in Berth: the wrong file gives way.
    await pushBlob(berth, 'a', 'wrong')
    await run()
    assert.equal(read(blobPath(sha256('wrong'))), 'wrong')
    assert.ok(has(layerLinkPath(A, sha256('wrong'))))
  }),
)

test(
  'fallback tags are made on demand, keep what clients pushed, and go again',
  inFolder(async ({ berth, has, read, export: run }) => {
    const subject = await pushImage(berth, 'a', ['app'])
    const size = imageOf('{}', ['layer']).length
    const about = { subject: { mediaType: MEDIA_TYPE.ociManifest, digest: subject, size } }
    const signature = await putManifest(berth, MEDIA_TYPE.ociManifest, imageOf('{}', ['layer'], about))
    const name = tag(subject.replace(':', '-'))
    const link = currentLinkPath(A, name)
    assert.deepEqual((await run()).remarks, ['referrers'])
    assert.ok(!has(link))
    const { fallbackTags, remarks } = await run({ fallbackTags: true })
    assert.deepEqual([fallbackTags, remarks], [1, []])
    const same = await run({ fallbackTags: true })
    assert.deepEqual([same.fallbackTags, same.written, same.removedTags, same.removedManifests], [1, 0, 0, 0])
    const listed = (): string[] => {
      const index = JSON.parse(read(blobPath(read(link) as Digest))) as { manifests: { digest: string }[] }
      return index.manifests.map(({ digest }) => digest)
    }
    assert.deepEqual(listed(), [signature])
    berth.clock.advance(SECOND)
    assert.deepEqual([(await run()).removedTags, has(link)], [1, false])
    const older = imageOf('{}', ['layer'], { annotations: { older: 'yes' } })
    const old = { mediaType: MEDIA_TYPE.ociManifest, digest: sha256(older), size: older.length }
    await putManifest(berth, MEDIA_TYPE.ociManifest, older)
    // A client's own list of before: what it names is kept, what it lacks is added.
    const own = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [old] }
    await putManifest(berth, MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(own)), [name])
    await run({ fallbackTags: true })
    assert.deepEqual(listed(), [old.digest, signature])
  }),
)

test(
  'an aborted export is whole, holds nothing, and goes on',
  inFolder(async ({ root, berth, export: run }) => {
    for (let n = 0; n < 8; n++) await pushImage(berth, `a${n}`, ['x'], [`layer ${n}`])
    const controller = new AbortController()
    const cut = await run({ signal: controller.signal, progress: () => controller.abort() })
    assert.deepEqual([cut.isCut, cut.repositories], [true, 1])
    assert.equal(
      globSync('docker/registry/v2/repositories/*/_manifests/tags/x/current/link', { cwd: root }).length,
      1,
    )
    assert.equal((await run()).repositories, 8)
    assert.equal((await run()).written, 0)
  }),
)

test(
  'another folder gets all, by hard links; one that somebody else filled is refused',
  inFolder(async ({ root, berth, export: run }) => {
    await pushImage(berth, 'a', ['x'])
    const to = join(dirname(root), `${root.split('/').at(-1)}-copy`)
    try {
      const report = await run({ to })
      assert.deepEqual([report.folder, report.linked, report.repositories], [to, 2, 1])
      const file = statSync(join(to, blobPath(sha256('layer'))))
      assert.equal(file.nlink, 2)
      assert.equal((await run({ to })).written, 0)
      assert.ok(!existsSync(join(root, 'docker')))
      rmSync(join(to, 'berth-export.json'))
      await assert.rejects(run({ to }), ExportRefusedError)
    } finally {
      rmSync(to, { recursive: true, force: true })
    }
    for (const inside of [root, join(root, 'copy'), dirname(root)])
      await assert.rejects(run({ to: inside }), ExportRefusedError)
  }),
)

test(
  'a folder of Distribution that was not taken over, or not all of it, is refused',
  inFolder(async ({ root, berth, export: run }) => {
    await pushImage(berth, 'a', ['x'])
    const link = join(root, currentLinkPath(A, tag('theirs')))
    mkdirSync(dirname(link), { recursive: true })
    writeFileSync(link, sha256('theirs'))
    await assert.rejects(run(), /did not take over/)
    rmSync(join(root, 'docker'), { recursive: true })
    await run()
    assert.ok((await findTakeover(berth.metadata.db))?.completedAt)
    await berth.metadata.db.write({
      steps: [{ statement: { name: 'open', sql: 'UPDATE takeover SET completed_at = NULL' } }],
      params: {},
      touches: [],
    })
    await assert.rejects(run(), /not complete/)
  }),
)

test(
  'whoever looks for what a Distribution wrote later finds nothing of an export',
  inFolder(async ({ root, berth, export: run }) => {
    await pushImage(berth, 'a', ['x'])
    await run({ now: Date.now })
    const warned: string[] = []
    const log = { ...silentLogger, warn: (message: string) => void warned.push(message) }
    const look = async (): Promise<void> => {
      const watch = startWatch({ db: berth.metadata.db, dataFolder: root, log, firstMs: 0 })
      await sleep(200)
      await watch.stop()
    }
    await look()
    assert.deepEqual(warned, [])
    mkdirSync(join(root, dirname(currentLinkPath(A, tag('later')))), { recursive: true })
    await look()
    assert.match(warned.join(), /changed after Berth had taken it over/)
  }),
)

test(
  'a file that was to be removed, and that the same digest needs again, is not removed after the export',
  inFolder(async ({ root, berth, read, export: run }) => {
    const { metadata, clock, store } = berth
    const { db } = metadata
    const manifest = await pushImage(berth, 'a', ['latest'], ['one', 'two'])
    const row = await findManifest(db, 'a', { kind: 'digest', digest: manifest })
    // As a takeover leaves them: one damaged and healed by a push, one collected and pushed again, a linked manifest.
    const files = [
      [sha256('one'), 'bad'],
      [sha256('two'), 'two'],
      [manifest, Buffer.from(row?.bytes ?? '').toString()],
    ] as const
    for (const [index, [digest, bytes]] of files.entries()) {
      mkdirSync(dirname(join(root, blobPath(digest))), { recursive: true })
      writeFileSync(join(root, blobPath(digest)), bytes)
      await db.write({
        steps: [GARBAGE_AT],
        params: { id: Buffer.alloc(16, index), path: blobPath(digest) },
        touches: [],
      })
    }
    await db.write({ steps: [COMPLETE], params: { now: clock.now() }, touches: [] })
    await run({ isDryRun: true })
    assert.equal(
      (await rowsOf(db, `SELECT 1 FROM objects WHERE state = 'garbage'`)).length,
      3,
      'nothing is changed',
    )
    await run()
    await store.remove(await claimGarbage(db, clock.now(), 10))
    assert.equal(read(blobPath(sha256('one'))), 'one')
    assert.equal(read(blobPath(sha256('two'))), 'two')
    assert.equal(read(blobPath(manifest)), Buffer.from(row?.bytes ?? '').toString())
    assert.deepEqual(await rowsOf(db, `SELECT id FROM objects WHERE state = 'garbage'`), [])
  }),
)

test(
  'a file that is being removed is waited for',
  inFolder(async ({ root, berth, read, export: run }) => {
    const { metadata, clock, store } = berth
    const { db } = metadata
    await pushImage(berth, 'a', ['latest'], ['one'])
    const path = blobPath(sha256('one'))
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), 'one')
    await db.write({ steps: [GARBAGE_AT], params: { id: Buffer.alloc(16), path }, touches: [] })
    await db.write({ steps: [COMPLETE], params: { now: clock.now() }, touches: [] })
    const claimed = await claimGarbage(db, clock.now(), 10)
    assert.equal(claimed.length, 1)
    const exported = run()
    await sleep(300)
    await store.remove(claimed)
    await forgetObjects(db, claimed)
    await exported
    assert.equal(read(path), 'one')
  }),
)
