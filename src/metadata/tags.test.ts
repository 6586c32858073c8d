import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tag } from '../oci/reference.ts'
import {
  actorAt,
  linkBlob,
  NOW,
  pushManifest,
  repositoryOf,
  rowsOf,
  withMetadata,
  existingRepository,
} from './metadata-fixtures.ts'
import { deleteManifestRow, deleteTagRow, unlinkBlob } from './deletions.ts'
import { naturalSortKey } from './tags.ts'

test('tags in natural order', () => {
  const order = [
    '1.2',
    '1.9',
    '1.10',
    '1.10.1',
    '2.0',
    '10',
    '010a',
    'v1',
    'v2',
    'v10',
    'v10-rc1',
    'v10-rc10',
  ]
  const shuffled = [...order].reverse()
  const key = (name: string) => naturalSortKey(name)
  shuffled.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a < b ? -1 : 1))
  assert.deepEqual(shuffled, order)
})

test('each DELETE is a row, and what it took away says so', () =>
  withMetadata(['1'], async ({ db }) => {
    const digest = await pushManifest(db, ['v', 'w', 'x'])
    await deleteTagRow(db, 'a', 'v' as Tag, 1000, actorAt(NOW + 1))
    assert.ok(await deleteManifestRow(db, await repositoryOf(db), digest, 1000, actorAt(NOW + 2)))
    assert.ok(!(await deleteManifestRow(db, await repositoryOf(db), digest, 1000, actorAt(NOW + 3))))
    const blob = await linkBlob(db, 'x')
    await unlinkBlob(db, await existingRepository(db, 'a'), blob, 86_400_000, actorAt(NOW + 4))
    assert.deepEqual(
      await rowsOf(db, 'SELECT id, what, deleted_by, at - 1800000000000 AS at FROM deletions'),
      [
        { id: 1, what: 'tag v', deleted_by: 'u1', at: 1 },
        { id: 2, what: `manifest ${digest}`, deleted_by: 'u1', at: 2 },
        { id: 3, what: `blob ${blob}`, deleted_by: 'u1', at: 4 },
      ],
    )
    assert.deepEqual(
      await rowsOf(db, 'SELECT name, seq, deletion_id FROM tag_moves WHERE to_digest IS NULL ORDER BY name'),
      [
        { name: 'v', seq: 2, deletion_id: 1 },
        { name: 'w', seq: 2, deletion_id: 2 },
        { name: 'x', seq: 2, deletion_id: 2 },
      ],
    )
    assert.deepEqual(await rowsOf(db, 'SELECT deleted_at IS NULL AS served, deletion_id FROM manifests'), [
      { served: 0, deletion_id: 2 },
    ])
  }))

test('only the last tag that was deleted lets its manifest go, and only where nothing names it', () =>
  withMetadata(['1'], async ({ db }) => {
    await pushManifest(db, ['v', 'w'])
    const expires = () => rowsOf(db, 'SELECT expires_at FROM manifests')
    await deleteTagRow(db, 'a', 'v' as Tag, 1000, actorAt(NOW))
    assert.deepEqual(await expires(), [{ expires_at: null }])
    await deleteTagRow(db, 'a', 'w' as Tag, 1000, actorAt(NOW))
    assert.deepEqual(await expires(), [{ expires_at: NOW + 1000 }])
    await pushManifest(db, ['v'])
    assert.deepEqual(await expires(), [{ expires_at: null }])
  }))
