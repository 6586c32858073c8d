import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestToStoredHex } from '../oci/digest.ts'
import type { ObjectId } from '../blobs/blob-store.ts'
import { commitBlob, HOUR_MS } from './blob-links.ts'
import { claimCandidates, reviewCandidate } from './collect.ts'
import type { Db } from './database.ts'
import { deleteManifestRow, deleteTagRow, unlinkBlob } from './deletions.ts'
import { claimGarbage } from './garbage.ts'
import { type ImportBatch } from './import-batch.ts'
import {
  A,
  BATCHES,
  blobAt,
  digestOfText,
  dump,
  END,
  IMAGE,
  INDEX,
  manifestOf,
  OLD,
  sha256,
  sha512,
  stepsOf,
  targetOf,
} from './import-fixtures.ts'
import { findImported, importedOf } from './imported.ts'
import { findManifest } from './manifests.ts'
import {
  actorAt,
  existingRepository,
  NOW,
  query,
  repositoryOf,
  rowsOf,
  withMetadata,
} from './metadata-fixtures.ts'
import { openMetadata } from './open-metadata.ts'
import { holdsInForce, releaseHold, renewHold, takeHold } from './removal-holds.ts'
import { listRepositoryNames } from './repositories.ts'
import { beginTakeover, claimWalk, completeTakeover, findTakeover, saveWalk } from './takeover.ts'
import type { Tag } from '../oci/reference.ts'

const T = END.oldest
const DAY = 24 * HOUR_MS
const hex = (digest: Parameters<typeof digestToStoredHex>[0]) => digestToStoredHex(digest).toUpperCase()

/** A database in memory in which a takeover has begun. */
async function withTakeover(work: (db: Db) => Promise<void>): Promise<void> {
  const { db } = openMetadata({ version: 'test' })
  try {
    await beginTakeover(db, NOW)
    await work(db)
  } finally {
    await db.close()
  }
}

async function importAll(db: Db, batches = BATCHES, end = END): Promise<boolean[]> {
  const done: boolean[] = []
  for (const step of stepsOf(db, await targetOf(db), batches, end)) done.push(await step())
  return done
}

async function complete(db: Db): Promise<void> {
  await claimWalk(db, 'p', NOW)
  assert.equal(await completeTakeover(db, 'p', NOW), true)
}

test('an import makes the rows that pushes would have made, with the times of the files', () =>
  withTakeover(async (db) => {
    assert.deepEqual(await importAll(db), [true, true, true, true])
    const all = await dump(db)
    assert.deepEqual(all['repositories'], [
      { name: A, created_at: T, published_at: T, imported_at: NOW, imported_as_of: NOW - 5 },
    ])
    assert.deepEqual(all['counts'], [{ tags: 2, manifests: 3, bytes: 2 + 5 + 4 + 4 }])
    assert.deepEqual(all['objects'], [{ n: 3 }], 'one file, one object, whatever digests it is known by')
    assert.deepEqual(
      all['blobs']?.map((row) => [row['digest'], row['path'], row['stored'], row['verified_at']]),
      [sha256('{}'), sha256('layer'), sha256('long'), sha512('long')]
        .map((digest) => {
          const stored = digest === sha512('long') ? sha256('long') : digest
          const path = `docker/registry/v2/blobs/sha256/${stored.slice(7, 9)}/${stored.slice(7)}/data`
          return [hex(digest), path, hex(stored), null]
        })
        .sort((a, b) => ((a[0] as string) < (b[0] as string) ? -1 : 1)),
    )
    assert.deepEqual(
      all['tags']?.map((row) => [
        row['name'],
        row['digest'],
        row['sort_key'],
        row['moved_at'],
        row['moved_by'],
      ]),
      [
        ['multi', hex(digestOfText(INDEX)), 'multi', T + 21, 'import'],
        ['v1.10', hex(digestOfText(IMAGE)), 'v0011.00210', T + 16, 'import'],
      ],
    )
    assert.deepEqual(
      all['moves']?.map(({ name, seq, at, from, to, size, cause }) => [name, seq, at, from, to, size, cause]),
      [
        ['multi', 1, T + 21, '', hex(digestOfText(INDEX)), Buffer.byteLength(INDEX), 'import'],
        ['v1.10', 1, T + 5, '', hex(sha256('gone')), null, 'import'],
        ['v1.10', 2, T + 11, hex(sha256('gone')), hex(digestOfText(OLD)), OLD.length, 'import'],
        ['v1.10', 3, T + 16, hex(digestOfText(OLD)), hex(digestOfText(IMAGE)), IMAGE.length, 'import'],
      ],
    )
    assert.deepEqual(all['candidates'], [{ n: 0 }], 'nothing that was imported is collected by itself')
    assert.deepEqual(all['findings'], [{ repository: A, kind: 'layer-without-data', detail: 'lost' }])
    const index = all['refs']?.filter(({ kind }) => kind === 'child')
    assert.deepEqual(
      index?.map((row) => [row['digest'], row['held_manifest'], row['held_blob'], row['platform']]),
      [[hex(digestOfText(IMAGE)), hex(digestOfText(IMAGE)), '', 'linux/arm64']],
      'its child came later',
    )
    const layers = all['refs']?.filter((row) => row['manifest'] === hex(digestOfText(IMAGE)))
    assert.deepEqual(
      layers?.map((row) => [row['kind'], row['held_blob']]),
      [
        ['config', hex(sha256('{}'))],
        ['layer', hex(sha256('layer'))],
        ['layer', ''],
      ],
    )
    const served = await findManifest(db, A, { kind: 'tag', tag: 'multi' as Tag })
    assert.deepEqual(Buffer.from(served?.bytes ?? []).toString(), INDEX, 'to the byte')
    assert.deepEqual([...(await importedOf(db, [A, 'other']))], [A])
  }))

test('a batch may be repeated: the rows are the same', async () => {
  const once = await straight()
  await withTakeover(async (db) => {
    const steps = stepsOf(db, await targetOf(db))
    for (const step of steps.slice(0, -1)) {
      assert.equal(await step(), true)
      assert.equal(await step(), true)
    }
    for (const step of steps) assert.equal(await step(), true)
    assert.deepEqual(await dump(db), once)
  })
})

test('a kill after any transaction, and the import again from its start: the rows are the same', async () => {
  const once = await straight()
  for (let killed = 0; killed < BATCHES.length; killed++) {
    await withTakeover(async (db) => {
      for (const step of stepsOf(db, await targetOf(db)).slice(0, killed)) await step()
      assert.equal(await findImported(db, A), undefined)
      assert.deepEqual(await listRepositoryNames(db, '', 10), [], 'not listed while it is not whole')
      assert.deepEqual(await importAll(db), [true, true, true, true])
      assert.deepEqual(await dump(db), once, `after ${killed}`)
    })
  }
})

test('two processes at one repository, in every order of their transactions: the rows are the same', async () => {
  const once = await straight()
  let orders = 0
  for (const order of interleavings(BATCHES.length, BATCHES.length)) {
    orders++
    await withTakeover(async (db) => {
      const target = await targetOf(db)
      const [one, two] = [stepsOf(db, target), stepsOf(db, target)]
      let isOver = false
      for (const first of order) {
        const done = await ((first ? one : two).shift() as () => Promise<boolean>)()
        assert.equal(done, !isOver, 'nothing is imported once it is whole')
        if (one.length === 0 || two.length === 0) isOver = true
      }
      assert.deepEqual(await dump(db), once)
    })
  }
  assert.equal(orders, 70)
})

test('what is deleted after an import stays so, whatever a slower process still brings', () =>
  withTakeover(async (db) => {
    const target = await targetOf(db)
    const late = stepsOf(db, target)
    await late[0]?.()
    await importAll(db)
    const row = await existingRepository(db, A)
    await deleteTagRow(db, A, 'v1.10' as Tag, DAY, actorAt())
    await deleteManifestRow(db, row, digestOfText(INDEX), DAY, actorAt())
    await unlinkBlob(db, row, sha256('long'), DAY, actorAt())
    const before = await dump(db)
    for (const step of late) assert.equal(await step(), false)
    assert.deepEqual(await dump(db), before)
  }))

test('read again before the mark: what is new comes, what was deleted here stays so, a later move counts', () =>
  withTakeover(async (db) => {
    await importAll(db)
    const row = await existingRepository(db, A)
    await deleteTagRow(db, A, 'v1.10' as Tag, DAY, actorAt())
    await unlinkBlob(db, row, sha256('long'), DAY, actorAt())
    const grown = { ...blobAt('layer', T + 1), size: 999, stamp: 5 }
    const later: ImportBatch[] = [
      { ...(BATCHES[0] as ImportBatch), blobs: [grown, blobAt('lost', T + 50), blobAt('long', T + 2)] },
      {
        blobs: [],
        manifests: [manifestOf(INDEX, T + 20), manifestOf(OLD, T + 10), manifestOf(IMAGE, T + 15)],
        tags: [
          ...(BATCHES[3] as ImportBatch).tags.filter(({ name }) => name !== 'multi'),
          { name: 'multi' as Tag, digest: digestOfText(OLD), movedAt: T + 60, history: [] },
          { name: 'new' as Tag, digest: digestOfText(OLD), movedAt: T + 61, history: [] },
        ],
      },
    ]
    assert.deepEqual(await importAll(db, later, { ...END, asOf: NOW + 9, findings: [] }), [true, true])
    const all = await dump(db)
    assert.deepEqual(
      all['tags']?.map((tag) => [tag['name'], tag['digest'], tag['moved_at']]),
      [
        ['multi', hex(digestOfText(OLD)), T + 60],
        ['new', hex(digestOfText(OLD)), T + 61],
      ],
    )
    assert.deepEqual(
      all['moves']?.filter(({ name }) => name === 'multi').map(({ seq, from, to }) => [seq, from, to]),
      [
        [1, '', hex(digestOfText(INDEX))],
        [2, hex(digestOfText(INDEX)), hex(digestOfText(OLD))],
      ],
    )
    const sizes = new Map(all['blobs']?.map((blob) => [blob['digest'], blob['size']]))
    assert.equal(sizes.get(hex(sha256('layer'))), 999, 'the copy had gone on')
    assert.ok(all['links']?.find((link) => link['digest'] === hex(sha256('long')))?.['unlinked_at'])
    const waited = all['refs']?.filter((ref) => ref['digest'] === hex(sha256('lost')))
    assert.deepEqual(
      waited?.map((ref) => ref['held_blob']),
      [hex(sha256('lost')), hex(sha256('lost'))],
    )
    assert.deepEqual(all['findings'], [])
    const imported = await findImported(db, A)
    assert.deepEqual([imported?.importedAt, imported?.asOf], [NOW + 1, NOW + 9])
  }))

test('nothing is imported without a takeover, nor after its mark', async () => {
  const { db } = openMetadata({ version: 'test' })
  try {
    assert.deepEqual(await importAll(db), [false, false, false, false])
    assert.equal((await beginTakeover(db, NOW))?.begunAt, undefined, 'there is a repository already')
  } finally {
    await db.close()
  }
  await withTakeover(async (again) => {
    await complete(again)
    assert.deepEqual(await importAll(again), [false, false, false, false])
  })
})

test('a blob that Berth has already keeps its own object; the file of Distribution is not named', () =>
  withTakeover(async (db) => {
    const object = { id: '7'.repeat(32) as ObjectId, size: 5, stamp: undefined }
    await commitBlob(db, await repositoryOf(db, 'other'), sha256('layer'), object, actorAt())
    await importAll(db)
    const rows = await rowsOf(
      db,
      `SELECT o.path FROM blobs b JOIN objects o ON o.id = b.object_id WHERE hex(b.digest) = '${hex(sha256('layer'))}'`,
    )
    assert.deepEqual(rows, [{ path: null }])
    assert.equal((await rowsOf(db, 'SELECT 1 FROM objects WHERE path IS NOT NULL')).length, 2)
  }))

test('nothing is collected and no file that was taken over removed before the mark; then it is', () =>
  withTakeover(async (db) => {
    await importAll(db)
    const row = await existingRepository(db, A)
    for (const digest of [sha512('long'), sha256('long')]) await unlinkBlob(db, row, digest, 0, actorAt())
    await db.write({
      steps: [
        {
          statement: query(`INSERT INTO objects (id, path, state, created_at, delete_after)
        VALUES (x'01', 'docker/x', 'garbage', 0, 0), (x'02', NULL, 'garbage', 0, 0)`),
        },
      ],
      params: {},
      touches: [],
    })
    const later = NOW + 3 * DAY
    assert.deepEqual(await claimCandidates(db, later, 10), [])
    const candidate = {
      id: 1,
      repository: A,
      kind: 'link',
      repositoryId: row.id,
      digest: sha256('long'),
    } as const
    const [key] = await rowsOf(db, 'SELECT digest FROM candidates WHERE id = 1')
    const asked = { ...candidate, key: key?.['digest'] as Uint8Array }
    assert.deepEqual(await reviewCandidate(db, asked, later, 0), { kind: 'put-off' })
    assert.equal((await rowsOf(db, 'SELECT 1 FROM candidates')).length, 2, 'it waits')
    assert.deepEqual(
      (await claimGarbage(db, later, 10)).map(({ path }) => path),
      [undefined],
    )

    await complete(db)
    assert.deepEqual(
      (await claimGarbage(db, later, 10)).map(({ path }) => path),
      ['docker/x'],
    )
    await collect(db, later)
    assert.deepEqual(
      (await claimGarbage(db, later, 10)).map(({ path }) => path),
      [blobAt('long', 0).path],
      'once, though two digests named it',
    )
  }))

test('a file with two digests stays while one of them is needed', () =>
  withTakeover(async (db) => {
    await importAll(db)
    await unlinkBlob(db, await existingRepository(db, A), sha256('long'), 0, actorAt())
    await complete(db)
    await collect(db, NOW + 3 * DAY)
    assert.deepEqual(await claimGarbage(db, NOW + 3 * DAY, 10), [])
  }))

test('no file is removed while a hold is in force; one that nobody renews ends', () =>
  withTakeover(async (db) => {
    await db.write({
      steps: [
        {
          statement: query(
            `INSERT INTO objects (id, state, created_at, delete_after) VALUES (x'02', 'garbage', 0, 0)`,
          ),
        },
      ],
      params: {},
      touches: [],
    })
    const id = await takeHold(db, 'backup', NOW, 1000)
    assert.deepEqual(await holdsInForce(db, NOW), [{ reason: 'backup', until: NOW + 1000 }])
    assert.deepEqual(await claimGarbage(db, NOW, 10), [])
    assert.equal(await renewHold(db, id, NOW + 999, 1000), true)
    assert.deepEqual(await claimGarbage(db, NOW + 1500, 10), [])
    assert.equal(await renewHold(db, id, NOW + 1999, 1000), false, 'over: files may have gone')
    assert.equal((await claimGarbage(db, NOW + 1999, 10)).length, 1)
    const other = await takeHold(db, 'export', NOW + 5000, 1000)
    assert.equal((await rowsOf(db, 'SELECT 1 FROM removal_holds')).length, 1)
    await releaseHold(db, other)
    await releaseHold(db, other)
    assert.deepEqual(await holdsInForce(db, NOW + 5000), [])
  }))

test('one process walks; another takes over when it is gone, says nothing any more, or lets go', () =>
  withMetadata(['1', '2'], async (one, two) => {
    await beginTakeover(one.db, NOW)
    assert.equal(await claimWalk(one.db, one.processId, NOW), true)
    assert.equal(await claimWalk(two.db, two.processId, NOW), false)
    assert.equal(await saveWalk(one.db, one.processId, 'b', NOW + 20_000), true)
    assert.equal(await claimWalk(two.db, two.processId, NOW + 40_000), false)
    assert.equal(await claimWalk(two.db, two.processId, NOW + 50_001), true)
    assert.equal((await findTakeover(two.db))?.walkedTo, 'b')
    assert.equal(await saveWalk(one.db, one.processId, 'c', NOW + 50_002), false)
    assert.equal(await completeTakeover(one.db, one.processId, NOW), false)
    await two.db.write({
      steps: [{ statement: query('DELETE FROM processes WHERE version = 2') }],
      params: {},
      touches: [],
    })
    assert.equal(await claimWalk(one.db, one.processId, NOW + 50_003), true)
    assert.equal(await completeTakeover(one.db, one.processId, NOW + 60_000), true)
    assert.equal((await findTakeover(two.db))?.completedAt, NOW + 60_000)
    assert.equal(await claimWalk(two.db, two.processId, NOW + DAY), false)
  }))

test('a child that was linked as a blob too is held as the manifest that it is', () =>
  withTakeover(async (db) => {
    const batches: ImportBatch[] = [
      {
        blobs: [blobAt(IMAGE, T), blobAt('{}', T), blobAt('layer', T)],
        manifests: [manifestOf(INDEX, T)],
        tags: [],
      },
      { blobs: [], manifests: [manifestOf(IMAGE, T)], tags: [] },
    ]
    const [first, second] = stepsOf(db, await targetOf(db), batches)
    const held = async () =>
      (await dump(db))['refs']
        ?.filter(({ kind }) => kind === 'child')
        .map((row) => [row['held_manifest'], row['held_blob']])
    await first?.()
    assert.deepEqual(await held(), [['', hex(digestOfText(IMAGE))]])
    await second?.()
    assert.deepEqual(await held(), [[hex(digestOfText(IMAGE)), '']])
  }))

test('a repository that is deleted while it is imported gets nothing more', () =>
  withTakeover(async (db) => {
    const [first, second] = stepsOf(db, await targetOf(db))
    assert.equal(await first?.(), true)
    await db.write({
      steps: [{ statement: query('UPDATE repositories SET deleted_at = 1') }],
      params: {},
      touches: ['*'],
    })
    assert.equal(await second?.(), false)
    assert.deepEqual((await dump(db))['manifests'], [])
  }))

test('a file that is to be removed is no new blob; bytes that were verified keep their size', () =>
  withTakeover(async (db) => {
    const change = (sql: string) =>
      db.write({ steps: [{ statement: query(sql) }], params: {}, touches: ['*'] })
    await importAll(db, BATCHES.slice(0, 1))
    // Damaged, then pushed again: Distribution's file goes once the takeover is complete.
    await change(`UPDATE blobs SET damaged_at = 1 WHERE digest = unhex('${hex(sha256('layer'))}')`)
    const object = { id: '7'.repeat(32) as ObjectId, size: 5, stamp: undefined }
    await commitBlob(db, await repositoryOf(db, 'other'), sha256('layer'), object, actorAt())
    await change(`UPDATE blobs SET verified_at = 5 WHERE digest = unhex('${hex(sha256('{}'))}')`)
    const blobs = [blobAt('layer', T, sha512('layer')), { ...blobAt('{}', T), size: 77 }]
    assert.deepEqual(await importAll(db, [{ blobs, manifests: [], tags: [] }]), [true])
    const sizes = new Map((await dump(db))['blobs']?.map((blob) => [blob['digest'], blob['size']]))
    assert.equal(sizes.get(hex(sha512('layer'))), undefined)
    assert.equal(sizes.get(hex(sha256('{}'))), 2)
  }))

async function straight(): Promise<Awaited<ReturnType<typeof dump>>> {
  let rows: Awaited<ReturnType<typeof dump>> | undefined
  await withTakeover(async (db) => {
    await importAll(db)
    rows = await dump(db)
  })
  return rows as NonNullable<typeof rows>
}

function* interleavings(one: number, two: number): Generator<boolean[]> {
  if (one === 0 && two === 0) yield []
  if (one > 0) for (const rest of interleavings(one - 1, two)) yield [true, ...rest]
  if (two > 0) for (const rest of interleavings(one, two - 1)) yield [false, ...rest]
}

async function collect(db: Db, now: number): Promise<void> {
  for (
    let due = await claimCandidates(db, now, 10);
    due.length > 0;
    due = await claimCandidates(db, now, 10)
  ) {
    for (const candidate of due) await reviewCandidate(db, candidate, now, 0)
  }
}
