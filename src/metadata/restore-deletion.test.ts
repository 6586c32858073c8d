/** What was deleted comes back whole, or a refusal says why not: over a registry in memory that collects meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { type Fixture, pushBlob, readBlob, repository, sha256 } from '../registry/hosted-fixtures.ts'
import { forgetUnusedRepositories } from './repositories.ts'
import { restoreDeletion, type Restored } from './restore-deletion.ts'
import {
  A,
  at,
  by,
  collect,
  DAY,
  drop,
  empty,
  HOUR,
  image,
  index,
  isThere,
  NOTHING_LEFT,
  pass,
  pullWhole,
  query,
  restore,
  restorer,
  rowsLeft,
  untag,
  withUndo,
} from './undo-fixtures.ts'

const unlink = (f: Fixture, digest: Digest) => f.registry.deleteBlob(f.call, A, digest)

function restored(outcome: Restored): Restored & { kind: 'restored' } {
  assert.ok(outcome.kind === 'restored', outcome.kind)
  return outcome
}

test('an index with children, a signature and a signature of that: each way of deleting it, restored just in time', async () => {
  for (const deletion of ['by tag', 'by digest', 'by tag, then by digest'] as const)
    await withUndo(async (f) => {
      const child = await image(f, [], ['one'])
      const other = await image(f, [], ['two'])
      const root = await index(f, ['v', 'w'], [child, other])
      const signature = await image(f, [], ['signed'], root)
      const attestation = await image(f, [], ['attested'], child)
      const counter = await image(f, [], ['signed again'], signature)
      const all = [child, other, root, signature, attestation, counter]
      const whole = await pullWhole(f, at('v'))
      for (const digest of all) assert.ok(whole.has(digest))
      if (deletion !== 'by digest') await untag(f, 'v')
      if (deletion !== 'by digest') await untag(f, 'w')
      if (deletion === 'by tag, then by digest') await pass(f, 1)
      if (deletion !== 'by tag') await drop(f, root)
      assert.ok(!(await isThere(f, at('v'))))
      await pass(f, 23)
      const [{ id } = { id: 0 }] = await query(f, 'SELECT max(id) AS id FROM deletions')
      const { manifests, tags } = restored(await restore(f, id as number))
      assert.deepEqual(manifests.sort(), all.sort())
      assert.deepEqual(
        tags,
        { 'by tag': ['w'], 'by digest': ['v', 'w'], 'by tag, then by digest': [] }[deletion],
      )
      if (deletion === 'by tag, then by digest') restored(await restore(f, 2))
      assert.deepEqual(await pullWhole(f, at('w')), whole)
      // It stays: nothing is left that expires.
      assert.deepEqual(
        await query(f, 'SELECT 1 FROM manifests WHERE expires_at IS NOT NULL OR deletion_id IS NOT NULL'),
        [],
      )
      await pass(f, 80)
      assert.deepEqual(await pullWhole(f, by(root)), whole)
      assert.deepEqual(
        await query(f, 'SELECT tags, manifests, bytes FROM repository_counts'),
        await query(
          f,
          `SELECT (SELECT count(*) FROM tags) AS tags, (SELECT count(*) FROM manifests) AS manifests,
            (SELECT sum(size) FROM blobs) AS bytes`,
        ),
      )
    })
})

test('a deletion that is not restored goes wholly, also where followers were deleted twice', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v'], [child])
    await image(f, [], ['attested'], child)
    await untag(f, 'v')
    await drop(f, child)
    await drop(f, root)
    await pass(f, 100)
    assert.deepEqual(await rowsLeft(f), NOTHING_LEFT)
  }))

test('restored is restored: the second time says so, and nothing happens twice', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await drop(f, digest)
    const [first, second] = await Promise.all([restore(f, 1), restore(f, 1)])
    assert.deepEqual([first.kind, second.kind].sort(), ['restored', 'restored-before'])
    assert.equal((await restore(f, 1)).kind, 'restored-before')
    assert.equal((await restore(f, 2)).kind, 'unknown')
    assert.deepEqual(
      await query(
        f,
        'SELECT name, seq, to_digest IS NULL AS deleted, cause, principal_name FROM tag_moves ORDER BY seq',
      ),
      [
        { name: 'v', seq: 1, deleted: 0, cause: 'push', principal_name: 'anonymous' },
        { name: 'v', seq: 2, deleted: 1, cause: 'push', principal_name: 'anonymous' },
        { name: 'v', seq: 3, deleted: 0, cause: 'restore', principal_name: 'root (command line)' },
      ],
    )
  }))

test('after its time it is refused, also in the minute before the collector comes, and says which digest', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await drop(f, digest)
    f.clock.advance(DAY)
    const early = await restore(f, 1)
    assert.ok(early.kind === 'gone' && early.deletion.digest === digest)
    assert.equal((await restoreDeletion(f.metadata.db, 1, restorer(f), true)).kind, 'restored')
    await drop(f, digest)
    f.clock.advance(DAY)
    await collect(f)
    assert.equal((await restore(f, 2)).kind, 'gone')
    assert.deepEqual(await query(f, 'SELECT restored_at FROM deletions WHERE id = 2'), [
      { restored_at: null },
    ])
  }))

test('a tag that points elsewhere by now is left alone, and named', () =>
  withUndo(async (f) => {
    const old = await image(f, ['v', 'w', 'x'], ['one'])
    await drop(f, old)
    const now = await image(f, ['v'], ['two'])
    const outcome = restored(await restore(f, 1))
    assert.deepEqual(outcome.tags, ['w', 'x'])
    assert.deepEqual(outcome.taken, [{ tag: 'v', digest: now }])
    assert.ok((await pullWhole(f, at('v'))).has(now))
    assert.ok((await pullWhole(f, at('w'))).has(old))
  }))

test('one tag of two: the manifest stays, and the tag comes back', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v', 'w'], ['one'])
    await untag(f, 'v')
    await pass(f, 20)
    assert.deepEqual(restored(await restore(f, 1)).tags, ['v'])
    assert.ok((await pullWhole(f, at('v'))).has(digest))
  }))

test('a deleted blob comes back for those that name it, and alone for as long as a push', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    const layer = sha256('one')
    const alone = await pushBlob(f, 'a', 'alone')
    await unlink(f, layer)
    await unlink(f, alone)
    await assert.rejects(pullWhole(f, at('v')))
    await pass(f, 20)
    assert.deepEqual(restored(await restore(f, 1)).blobs, [layer])
    assert.deepEqual(restored(await restore(f, 2)).blobs, [alone])
    assert.ok((await pullWhole(f, by(digest))).has(layer))
    await pass(f, 35)
    assert.equal(await readBlob(f, 'a', alone), 'alone')
    await pass(f, 2)
    await assert.rejects(readBlob(f, 'a', alone))
    // What a manifest names is here after its time too, and so can be had back.
    await unlink(f, layer)
    await pass(f, 100)
    restored(await restore(f, 3))
    assert.ok((await pullWhole(f, at('v'))).has(layer))
    await unlink(f, layer)
    await drop(f, digest)
    await pass(f, 100)
    assert.equal((await restore(f, 4)).kind, 'gone')
    assert.deepEqual(await rowsLeft(f), NOTHING_LEFT)
  }))

test('a child and a layer that were deleted on their own come back with the index that needs them', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v'], [child])
    const whole = await pullWhole(f, at('v'))
    await drop(f, root)
    await drop(f, child)
    await unlink(f, sha256('one'))
    await pass(f, 10)
    const outcome = restored(await restore(f, 1))
    assert.deepEqual([outcome.manifests.length, outcome.blobs], [2, [sha256('one')]])
    assert.deepEqual(await pullWhole(f, at('v')), whole)
  }))

test('a signature that was deleted on its own does not come back with what it signs', () =>
  withUndo(async (f) => {
    const subject = await image(f, ['v'], ['one'])
    const signature = await image(f, ['sig'], ['signed'], subject)
    const wrong = await image(f, [], ['wrong'], subject)
    await untag(f, 'sig')
    await drop(f, wrong)
    await drop(f, subject)
    assert.deepEqual(restored(await restore(f, 3)).manifests, [subject])
    assert.ok(!(await isThere(f, by(wrong))))
    await pass(f, 25)
    assert.deepEqual(await query(f, 'SELECT count(*) AS n FROM manifests'), [{ n: 1 }])
    assert.ok(!(await isThere(f, by(signature))))
  }))

test('a child that two deleted indexes name, and one that is tagged elsewhere: in either order, whole', async () => {
  for (const order of [
    [1, 2],
    [2, 1],
  ] as const)
    await withUndo(async (f) => {
      const shared = await image(f, [], ['shared'])
      const tagged = await image(f, ['tagged'], ['tagged'])
      const first = await index(f, ['first'], [shared, tagged])
      const second = await index(f, ['second'], [tagged, shared])
      await image(f, [], ['attested'], shared)
      const whole = [await pullWhole(f, at('first')), await pullWhole(f, at('second'))]
      await drop(f, first)
      await pass(f, 5)
      await drop(f, second)
      assert.ok(await isThere(f, at('tagged')))
      await pass(f, 5)
      restored(await restore(f, order[0]))
      assert.deepEqual(await pullWhole(f, by([first, second][order[0] - 1] as Digest)), whole[order[0] - 1])
      // The other one goes, or comes back: this one stays whole.
      await pass(f, order[0] === 1 ? 30 : 10)
      assert.deepEqual(await pullWhole(f, at(order[0] === 1 ? 'first' : 'second')), whole[order[0] - 1])
      if (order[0] === 2) restored(await restore(f, order[1]))
      await pass(f, 60)
      if (order[0] === 2) assert.deepEqual(await pullWhole(f, at('first')), whole[0])
    })
})

test('pushed again, or named by a new index, while it waits: its followers stay, and nothing is marked', async () => {
  for (const again of ['pushed', 'named'] as const)
    await withUndo(async (f) => {
      const child = await image(f, [], ['one'])
      const root = await index(f, ['v'], [child])
      const attestation = await image(f, [], ['attested'], child)
      // A candidate of its own is left over from when it was deleted and pushed again.
      await drop(f, attestation)
      await image(f, [], ['attested'], child)
      await untag(f, 'v')
      await drop(f, root)
      await pass(f, 3)
      const top = again === 'pushed' ? await index(f, [], [child]) : await index(f, ['new'], [child, child])
      await pass(f, 100)
      assert.deepEqual(
        [...(await pullWhole(f, by(top)))].filter((digest) => [child, attestation].includes(digest)).length,
        2,
      )
      assert.deepEqual(await query(f, 'SELECT 1 FROM manifests WHERE expires_at IS NOT NULL'), [])
    })
})

test('a referrer that another image holds on to keeps what it is about, and goes with it', () =>
  withUndo(async (f) => {
    const subject = await image(f, ['v'], ['one'])
    const signature = await image(f, [], ['signed'], subject)
    const held = await index(f, ['held'], [signature])
    const whole = await pullWhole(f, at('v'))
    await drop(f, subject)
    await drop(f, held)
    await pass(f, 20)
    restored(await restore(f, 1))
    await pass(f, 100)
    assert.deepEqual(await pullWhole(f, at('v')), whole)
    await drop(f, subject)
    await pass(f, 150)
    assert.deepEqual(await rowsLeft(f), NOTHING_LEFT)
  }))

test('a reader by digest keeps it on, and restores find it whole for as long', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v'], [child])
    const signature = await image(f, [], ['signed'], root)
    await untag(f, 'v')
    await pass(f, 20)
    assert.ok(await isThere(f, by(root)))
    await pass(f, 30)
    const { manifests } = restored(await restore(f, 1))
    assert.deepEqual(manifests.sort(), [child, root, signature].sort())
    await pullWhole(f, at('v'))
  }))

test('damaged bytes of what was restored are named', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await drop(f, digest)
    await f.metadata.db.write({
      steps: [{ statement: { name: 'damage', sql: 'UPDATE blobs SET damaged_at = 1 WHERE size = 3' } }],
      params: {},
      touches: ['*'],
    })
    assert.deepEqual(restored(await restore(f, 1)).damaged, [sha256('one')])
  }))

test('a repository that is deleted, or was forgotten: nothing is restored into its namesake', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await drop(f, digest)
    await f.metadata.db.write({
      steps: [{ statement: { name: 'gone', sql: 'UPDATE repositories SET deleted_at = 1' } }],
      params: {},
      touches: ['*'],
    })
    assert.equal((await restore(f, 1)).kind, 'repository-gone')
    await f.registry.startUpload(f.call, repository('a'), undefined)
    assert.equal((await restore(f, 1)).kind, 'repository-gone')
    assert.ok(!(await isThere(f, at('v'))))
  }))

test('a repository that only ever had a blob, deleted and collected since, is forgotten with its deletions', () =>
  withUndo(async (f) => {
    const blob = await pushBlob(f, 'a', 'alone')
    await unlink(f, blob)
    const forget = () => forgetUnusedRepositories(f.metadata.db, f.clock.now(), 10)
    f.clock.advance(HOUR)
    assert.equal(await forget(), 0)
    assert.equal(restored(await restore(f, 1)).kind, 'restored')
    await unlink(f, blob)
    await pass(f, 60)
    assert.equal(await forget(), 1)
    assert.equal((await restore(f, 2)).kind, 'unknown')
    assert.deepEqual(await query(f, 'SELECT name FROM repositories'), [])
  }))

test('what is in the trash cannot come back as another media type, and the refusal says what to do', () =>
  withUndo(async (f) => {
    const bytes = Buffer.from('{"schemaVersion":2,"manifests":[]}')
    const push = (mediaType: string) => f.registry.putManifest(f.call, A, { mediaType, bytes, tags: [] })
    const { digest } = await push(MEDIA_TYPE.ociIndex)
    await assert.rejects(push(MEDIA_TYPE.dockerList), /are stored here as/)
    await drop(f, digest)
    await assert.rejects(push(MEDIA_TYPE.dockerList), /were deleted here as .*empty the trash first/)
    await empty(f)
    await collect(f)
    assert.equal((await push(MEDIA_TYPE.dockerList)).digest, digest)
  }))

test('what is restored is seen by the next read', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await untag(f, 'v')
    assert.ok(!(await isThere(f, at('v'))))
    restored(await restore(f, 1))
    assert.ok(await isThere(f, at('v')))
    assert.deepEqual((await f.registry.listTags(f.call, A, { limit: 10 })).names, ['v'])
    f.clock.advance(HOUR)
    await drop(f, digest)
    assert.ok(!(await isThere(f, by(digest))))
    restored(await restore(f, 2))
    assert.ok(await isThere(f, by(digest)))
  }))
