/** What the list of the trash says, and when a deletion is no longer in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushBlob, sha256, tag } from '../registry/hosted-fixtures.ts'
import { findTrashEntry, listTrash, newestDeletionOf, trashTotals } from './trash.ts'
import { A, DAY, HOUR, image, index, pass, restore, retag, withUndo } from './undo-fixtures.ts'

test('each deletion: what, by whom, when, until when, and what its end would free', () =>
  withUndo(async (f) => {
    const { db } = f.metadata
    const begun = f.clock.now()
    const child = await image(f, [], ['only here'])
    const root = await index(f, ['v', 'w'], [child])
    await image(f, ['kept'], ['elsewhere'])
    const loose = await pushBlob(f, 'a', 'loose')
    await f.registry.deleteManifest(f.call, A, root)
    f.clock.advance(HOUR)
    await f.registry.deleteBlob(f.call, A, loose)
    const now = f.clock.now()
    const { entries, next } = await listTrash(db, { now, limit: 10 })
    const shared = {
      repository: 'a',
      repositoryId: 1,
      deletedBy: 'anonymous',
      client: 'test',
      requestId: 'test',
    }
    const [rootSize, childSize] = await Promise.all(
      [root, child].map(async (digest) => {
        const [row] = await db.read(
          {
            name: 'size',
            sql: 'SELECT length(bytes) AS size FROM manifests WHERE hex(digest) = :hex',
            rows: true,
          },
          { hex: `01${digest.slice(7).toUpperCase()}` },
        )
        return row?.['size'] as number
      }),
    )
    assert.deepEqual(entries, [
      {
        ...shared,
        id: 2,
        kind: 'blob',
        what: `blob ${loose}`,
        digest: loose,
        at: begun + HOUR,
        until: begun + HOUR + DAY,
        cause: 'push',
        tags: [],
        tagCount: 0,
        taken: [],
        manifests: 0,
        blobs: 1,
        bytes: 5,
      },
      {
        ...shared,
        id: 1,
        kind: 'manifest',
        what: `manifest ${root}`,
        digest: root,
        at: begun,
        until: begun + DAY,
        cause: 'push',
        tags: ['v', 'w'],
        tagCount: 2,
        taken: [],
        manifests: 2,
        blobs: 1,
        // The config is held by another image.
        bytes: (rootSize as number) + (childSize as number) + 'only here'.length,
      },
    ])
    assert.equal(next, undefined)
    const totals = await trashTotals(db, { now })
    assert.deepEqual(totals, {
      deletions: 2,
      manifests: 2,
      bytes: (entries[0]?.bytes ?? 0) + (entries[1]?.bytes ?? 0),
      isCut: false,
    })
    assert.deepEqual(await listTrash(db, { now, limit: 10, repository: 'b' }), {
      entries: [],
      next: undefined,
    })
    assert.equal(await newestDeletionOf(db, 'a', { tag: tag('w') }), 1)
    assert.equal(await newestDeletionOf(db, 'a', { digest: loose }), 2)
    assert.equal(await newestDeletionOf(db, 'a', { digest: sha256('never') }), undefined)
  }))

test('pages of one deletion each, and what was restored, pushed again or is over is not in the list', () =>
  withUndo(async (f) => {
    const { db } = f.metadata
    const ids = async () => {
      const found: number[] = []
      let after
      do {
        const page = await listTrash(db, { now: f.clock.now(), limit: 1, after, repository: 'a' })
        found.push(...page.entries.map(({ id }) => id))
        after = page.next
      } while (after !== undefined)
      return found
    }
    for (const name of ['a', 'b', 'c', 'd']) {
      await image(f, [name], [name])
      await f.registry.deleteTag(f.call, A, tag(name))
      f.clock.advance(HOUR)
    }
    assert.deepEqual(await ids(), [4, 3, 2, 1])
    await restore(f, 3)
    await image(f, ['b'], ['b'])
    assert.deepEqual(await ids(), [4, 1])
    assert.equal(await findTrashEntry(db, 3), undefined)
    await retag(f, 'd')
    assert.deepEqual(await ids(), [1])
    await pass(f, 20)
    assert.deepEqual(await ids(), [])
    assert.equal(await findTrashEntry(db, 1), undefined)
  }))

test('a tag that is taken by now is told apart', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v', 'w'], ['one'])
    await f.registry.deleteManifest(f.call, A, digest)
    await image(f, ['v'], ['two'])
    const { entries } = await listTrash(f.metadata.db, { now: f.clock.now(), limit: 10 })
    assert.deepEqual(
      entries.map(({ tags, taken, tagCount }) => ({ tags, taken, tagCount })),
      [{ tags: ['w'], taken: ['v'], tagCount: 2 }],
    )
  }))
