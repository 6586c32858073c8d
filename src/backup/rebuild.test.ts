import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ObjectId } from '../blobs/blob-store.ts'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import { commitBlob, mountFrom } from '../metadata/blob-links.ts'
import { claimCandidates, reviewCandidate } from '../metadata/collect.ts'
import { deleteManifestRow, deleteTagRow, unlinkBlob } from '../metadata/deletions.ts'
import { claimGarbage, forgetObjects } from '../metadata/garbage.ts'
import { emptyTrash } from '../metadata/empty-trash.ts'
import { restoreDeletion } from '../metadata/restore-deletion.ts'
import { restoreTag } from '../metadata/tag-history.ts'
import { findManifest, putManifestRows, renewManifest } from '../metadata/manifests.ts'
import {
  actorAt,
  existingRepository,
  NOW,
  pushManifest,
  repositoryOf,
  rowsOf,
  withFolder,
} from '../metadata/metadata-fixtures.ts'
import { type Metadata, openMetadata } from '../metadata/open-metadata.ts'
import { databaseState } from './rebuild-base.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { dumpDatabase } from './dump.fixture.ts'
import { rebuild, type RebuildReport } from './rebuild.ts'

const DAY = 86_400_000
const REPOSITORIES = ['a', 'b/c', 'd']

/** A registry without HTTP: rows, journal and files as the server leaves them. */
function createWorld(root: string, seed: number) {
  const folder = join(root, 'berth')
  const metadata: Metadata = openMetadata({ folder, version: 'test' })
  const { db } = metadata
  let state = seed
  let now = NOW
  let count = 0
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pick = <T>(list: readonly T[]): T | undefined => list[random(list.length)]
  const actor = () => ({
    ...actorAt(now),
    principalId: `u${random(3)}`,
    requestId: `r${count}`,
    cause: 'push',
  })
  const pathOf = (id: string, digest: Digest): string =>
    join(folder, 'objects', id.slice(0, 2), `${id}.${digest.replace(':', '-')}`)
  const blobs: { repository: string; digest: Digest; size: number }[] = []
  const manifests: { repository: string; digest: Digest; size: number }[] = []

  async function pushBlob(repository: string): Promise<void> {
    // Few contents, so that many come twice.
    const bytes = Buffer.from(`blob ${random(40)}`)
    const digest = digestOf('sha256', bytes)
    const id =
      (++count).toString(16).padStart(2, '0').slice(-2).padEnd(24, '0') + count.toString(16).padStart(8, '0')
    mkdirSync(join(folder, 'objects', id.slice(0, 2)), { recursive: true })
    writeFileSync(pathOf(id, digest), bytes)
    const object = {
      id: id as ObjectId,
      size: bytes.length,
      stamp: random(2) === 0 ? undefined : 1000 + count,
    }
    await commitBlob(db, await repositoryOf(db, repository), digest, object, actor())
    blobs.push({ repository, digest, size: bytes.length })
  }

  async function pushManifest(repository: string): Promise<void> {
    const here = blobs.filter((one) => one.repository === repository)
    const config = pick(here)
    if (config === undefined) return
    const layers = [pick(here), pick(here)].flatMap((blob) => (blob === undefined ? [] : [blob]))
    const child = random(4) === 0 ? pick(manifests.filter((one) => one.repository === repository)) : undefined
    const subject =
      random(4) === 0 ? pick(manifests.filter((one) => one.repository === repository)) : undefined
    const describe = ({ digest, size }: { digest: Digest; size: number }, mediaType: string) => ({
      mediaType,
      digest,
      size,
    })
    const mediaType = child === undefined ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.ociIndex
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        ...(child === undefined
          ? {
              config: describe(config, 'application/vnd.oci.image.config.v1+json'),
              layers: layers.map((one) => describe(one, 'x/y')),
            }
          : {
              manifests: [
                {
                  ...describe(child, MEDIA_TYPE.ociManifest),
                  platform: { os: 'linux', architecture: 'arm64' },
                },
              ],
            }),
        ...(subject && { subject: describe(subject, MEDIA_TYPE.ociManifest) }),
        annotations: { n: String(random(30)) },
      }),
    )
    const digest = digestOf('sha256', bytes)
    const parsed = {
      ...parseManifest(mediaType, bytes, 100),
      ...(random(2) === 0 && { platform: 'linux/amd64', created: 7 }),
    }
    const tags = random(3) === 0 ? [] : ([`v${random(6)}`] as Tag[])
    const row = await repositoryOf(db, repository)
    const outcome = await putManifestRows(db, row, digest, bytes, parsed, () => true, { tags }, actor())
    if (outcome.kind === 'stored') manifests.push({ repository, digest, size: bytes.length })
  }

  async function collect(): Promise<void> {
    now += random(2) * DAY
    for (let round = 0; round < 3; round++) {
      for (const candidate of await claimCandidates(db, now, 1000))
        await reviewCandidate(db, candidate, now, DAY)
    }
    const garbage = await claimGarbage(db, now, 1000)
    for (const { id, digest } of garbage) if (digest) rmSync(pathOf(id, digest), { force: true })
    await forgetObjects(db, garbage)
  }

  async function step(): Promise<void> {
    now += 1 + random(1000)
    const repository = pick(REPOSITORIES) as string
    const action = random(22)
    if (action < 7) return pushBlob(repository)
    if (action < 13) return pushManifest(repository)
    if (action < 14) {
      const blob = pick(blobs)
      if (blob) await mountFrom(db, blob.repository, await repositoryOf(db, repository), blob.digest, actor())
      return
    }
    if (action < 16) return void (await deleteTagRow(db, repository, `v${random(6)}` as Tag, DAY, actor()))
    if (action < 17) {
      const manifest = pick(manifests)
      if (manifest === undefined) return
      const row = await existingRepository(db, manifest.repository)
      return void (await deleteManifestRow(db, row, manifest.digest, DAY, actor()))
    }
    if (action < 18) {
      const blob = pick(blobs)
      if (blob === undefined) return
      return void (await unlinkBlob(
        db,
        await existingRepository(db, blob.repository),
        blob.digest,
        DAY,
        actor(),
      ))
    }
    if (action < 20) return undo(repository)
    if (action < 21) await collect()
  }

  async function undo(repository: string): Promise<void> {
    const [deletions] = [
      await rowsOf(db, 'SELECT id FROM deletions WHERE restored_at IS NULL AND emptied_at IS NULL'),
    ]
    const deletion = pick(deletions)?.['id'] as number | undefined
    if (random(2) === 0) {
      const name = repository as RepositoryName
      return void (await restoreTag(db, name, `v${random(6)}` as Tag, undefined, {
        ...actor(),
        cause: 'restore',
      }))
    }
    if (deletion === undefined) return
    if (random(2) === 0) await restoreDeletion(db, deletion, actor())
    else await emptyTrash(db, { deletion, actor: actor(), now })
  }
  return { folder, metadata, step, pathOf, path: join(folder, 'metadata.db') }
}

async function rebuilt(root: string, isDryRun = false): Promise<RebuildReport> {
  const store = await createFilesystemBlobStore({ root })
  try {
    return await rebuild({
      folder: join(root, 'berth'),
      databasePath: join(root, 'berth', 'metadata.db'),
      store,
      now: NOW,
      isDryRun,
      progress: () => undefined,
      signal: new AbortController().signal,
    })
  } finally {
    await store.close()
  }
}

function loseDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
}

/** BERTH_SEED repeats others: `7,8`. */
const SEEDS = (process.env['BERTH_SEED'] ?? '1,3,4,6').split(',').map(Number)
for (const seed of SEEDS) {
  test(`rows are made again as they were, whatever happened (seed ${seed})`, () =>
    withFolder(async (root) => {
      const world = createWorld(root, seed)
      for (let n = 0; n < 120; n++) await world.step()
      // Half of them begin with a snapshot, half with nothing.
      if (seed % 2 === 0) await world.metadata.snapshot?.()
      for (let n = 0; n < 120; n++) await world.step()
      await world.metadata.db.close()
      const before = dumpDatabase(world.path)
      if (process.env['BERTH_SEED'] === undefined) {
        assert.ok(['manifests', 'tag_moves', 'deletions'].every((name) => (before[name]?.length ?? 0) > 0))
        assert.ok(
          before['deletions']?.some((row) => /"restored_at",\d/.test(row)),
          'something was restored',
        )
      }
      loseDatabase(world.path)
      const dry = await rebuilt(root, true)
      assert.equal(databaseState(world.path).kind, 'missing')
      const report = await rebuilt(root)
      assert.deepEqual({ ...dry, snapshot: report.snapshot }, { ...report })
      assert.equal(report.base === undefined, seed % 2 === 1)
      assert.deepEqual(
        [report.journal.refused, report.journal.gaps, report.journal.isLate],
        [{ count: 0, first: [] }, [], false],
      )
      assert.deepEqual([report.objects.lost.count, report.objects.loose.count], [0, 0])
      assert.deepEqual(dumpDatabase(world.path), before)
      // It is a database like any other, and makes a snapshot of itself: another rebuild has the same.
      await openMetadata({ folder: world.folder, version: 'test' }).db.close()
      loseDatabase(world.path)
      const again = await rebuilt(root)
      assert.deepEqual([again.base?.path, again.journal.applied], [report.snapshot, 0])
      assert.deepEqual(dumpDatabase(world.path), before)
    }))
}

test('what is lost is listed, what is loose is kept, and nothing is thrown away', () =>
  withFolder(async (root) => {
    const world = createWorld(root, 7)
    for (let n = 0; n < 60; n++) await world.step()
    await world.metadata.db.close()
    const objects = join(world.folder, 'objects')
    const files = readdirSync(objects, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
    const [gone, short, renamed] = files as [string, string, string]
    rmSync(gone)
    truncateSync(short, 1)
    // The same bytes under another id: the row finds them there.
    const other = 'f'.repeat(32)
    mkdirSync(join(objects, 'ff'), { recursive: true })
    renameSync(renamed, join(objects, 'ff', `${other}${renamed.slice(renamed.indexOf('.sha256'))}`))
    const loose = digestOf('sha256', Buffer.from('nobody knows me'))
    mkdirSync(join(objects, 'ee'), { recursive: true })
    writeFileSync(world.pathOf('e'.repeat(32), loose), 'nobody knows me', { flag: 'wx' })
    writeFileSync(join(objects, 'ee', `${'e'.repeat(31)}f.part`), 'half')
    copyFileSync(world.path, join(root, 'was'))
    writeFileSync(world.path, 'broken')
    const report = await rebuilt(root)
    assert.deepEqual(report.objects.lost.first.map(({ why }) => why).sort(), ['missing', 'size'])
    assert.deepEqual(
      report.objects.loose.first.map(({ digest }) => digest),
      [loose],
    )
    assert.equal(report.objects.unfinished, 1)
    assert.ok(report.putAside?.includes('metadata.db.aside-'))
    const db = openMetadata({ folder: world.folder, version: 'test' })
    const rows = await db.db.read(
      { name: 'x', rows: true, sql: 'SELECT count(*) AS n FROM blobs WHERE damaged_at IS NOT NULL' },
      {},
    )
    assert.equal(rows[0]?.['n'], 2)
    await db.db.close()
  }))

test('a damaged snapshot is passed over, a cut line is told, a missing file of the journal shows', () =>
  withFolder(async (root) => {
    const world = createWorld(root, 9)
    for (let n = 0; n < 40; n++) await world.step()
    const first = await world.metadata.snapshot?.()
    for (let n = 0; n < 40; n++) await world.step()
    const second = (await world.metadata.snapshot?.()) as string
    await world.metadata.db.close()
    const before = dumpDatabase(world.path)
    truncateSync(second, 5000)
    const journal = join(world.folder, 'journal')
    const [name] = readdirSync(journal) as [string]
    writeFileSync(join(journal, name), '{"seq":9999,"do":"manif', { flag: 'a' })
    loseDatabase(world.path)
    const report = await rebuilt(root)
    assert.deepEqual([report.base?.path, report.unusable.map(({ path }) => path)], [first, [second]])
    assert.deepEqual(
      report.journal.gaps.map(({ kind }) => kind),
      ['cut'],
    )
    assert.deepEqual(dumpDatabase(world.path), before)

    loseDatabase(world.path)
    for (const one of readdirSync(join(world.folder, 'snapshots')))
      rmSync(join(world.folder, 'snapshots', one))
    const text = 'x\n{"t":5,"do":"gap"}\n{"seq":3,"do":"unheard-of","repository":"a"}\n'
    writeFileSync(join(journal, '2026-01-01-ab.jsonl'), text)
    rmSync(join(journal, name))
    const late = await rebuilt(root)
    assert.equal(late.journal.isLate, true)
    assert.deepEqual(
      late.journal.gaps.map(({ kind, line }) => [kind, line]),
      [
        ['unreadable', 1],
        ['dropped', 2],
      ],
    )
    assert.deepEqual(
      late.journal.refused.first.map((line) => line.do),
      ['unheard-of'],
    )
  }))

test('what only a reader kept from being collected, and was restored then, is restored again', () =>
  withFolder(async (root) => {
    const folder = join(root, 'berth')
    const { db } = openMetadata({ folder, version: 'test' })
    const at = (hours: number) => ({ ...actorAt(NOW + hours * 3_600_000), cause: 'restore' })
    const name = 'a' as RepositoryName
    for (const [tag, n] of [
      ['v1', 1],
      ['v2', 2],
    ] as const) {
      const digest = await pushManifest(db, [tag], 'a', { annotations: { n: String(n) } })
      assert.equal(await deleteTagRow(db, name, tag as Tag, DAY, at(0)), true)
      const found = await findManifest(db, name, { kind: 'digest', digest })
      assert.ok(found)
      assert.equal(await renewManifest(db, name, found, at(20).now), true)
    }
    const [deletion] = await rowsOf(db, `SELECT id FROM deletions WHERE what = 'tag v1'`)
    assert.equal((await restoreDeletion(db, deletion?.['id'] as number, at(30))).kind, 'restored')
    assert.equal((await restoreTag(db, name, 'v2' as Tag, undefined, at(30))).kind, 'restored')
    await db.close()
    const before = dumpDatabase(join(folder, 'metadata.db'))
    loseDatabase(join(folder, 'metadata.db'))
    const report = await rebuilt(root)
    assert.deepEqual(report.journal.refused, { count: 0, first: [] })
    assert.deepEqual(dumpDatabase(join(folder, 'metadata.db'))['tags'], before['tags'])
  }))

test('the newest snapshot is the one that knows most, whatever the clock said when it was made', () =>
  withFolder(async (root) => {
    const world = createWorld(root, 9)
    for (let n = 0; n < 20; n++) await world.step()
    const first = (await world.metadata.snapshot?.()) as string
    const ahead = join(world.folder, 'snapshots', 'metadata-2199-01-01T00-00-00-000Z.db')
    renameSync(first, ahead)
    for (let n = 0; n < 20; n++) await world.step()
    const second = await world.metadata.snapshot?.()
    await world.metadata.db.close()
    loseDatabase(world.path)
    assert.equal((await rebuilt(root, true)).base?.path, second)
  }))

test('an older copy that somebody put in place goes on beyond what was, and is what a rebuild makes again', () =>
  withFolder(async (root) => {
    const world = createWorld(root, 9)
    for (let n = 0; n < 20; n++) await world.step()
    const old = (await world.metadata.snapshot?.()) as string
    for (let n = 0; n < 60; n++) await world.step()
    await world.metadata.snapshot?.()
    for (let n = 0; n < 20; n++) await world.step()
    await world.metadata.db.close()
    loseDatabase(world.path)
    copyFileSync(old, world.path)
    const metadata = openMetadata({ folder: world.folder, version: 'test' })
    await pushManifest(metadata.db, ['of-now'], 'new')
    const newest = await metadata.snapshot?.()
    await pushManifest(metadata.db, ['later'], 'new')
    await metadata.db.close()
    const { tags, manifests } = dumpDatabase(world.path)
    loseDatabase(world.path)
    const report = await rebuilt(root)
    assert.equal(report.base?.path, newest)
    const after = dumpDatabase(world.path)
    assert.deepEqual({ tags: after['tags'], manifests: after['manifests'] }, { tags, manifests })
  }))
