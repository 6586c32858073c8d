/** What is kept in memory is never older than the database, whoever wrote. Two processes: two openings of one folder. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tag } from '../../oci/reference.ts'
import { findLinkedBlob, markDamaged, restampObject } from '../blob-links.ts'
import type { Db } from '../database.ts'
import { findManifest } from '../manifests.ts'
import {
  actorAt,
  linkBlob,
  NOW,
  pushManifest,
  query,
  repositoryOf,
  withMetadata,
  existingRepository,
} from '../metadata-fixtures.ts'
import { beat } from '../processes.ts'
import { findRepository } from '../repositories.ts'
import { deleteTagRow, unlinkBlob } from '../deletions.ts'
import { listTagNames } from '../tags.ts'
import { openDatabase } from './open.ts'
import { createReadCache } from './read-cache.ts'

const A = 'a' as never
const V = 'v' as Tag
const byTag = async (db: Db) => (await findManifest(db, A, { kind: 'tag', tag: V }))?.digest

/** Looks up a value of a scope; `loads` counts how often the database was asked. */
function lookUps(db: Db, scope: string) {
  let loads = 0
  const look = async () => {
    const value = await db.cached(
      scope,
      'key',
      query('SELECT 1 AS one'),
      {},
      () => ({ at: ++loads }),
      () => 8,
    )
    return value?.at
  }
  return { look, loads: () => loads }
}

test('what one process changes the other sees at its next look', () =>
  withMetadata(['1', '2'], async (one, two) => {
    for (let round = 0; round < 20; round++) {
      const [from, to] = round % 2 === 0 ? [one, two] : [two, one]
      const digest = await pushManifest(from.db, ['v'], 'a', { annotations: { round: String(round) } })
      assert.equal(await byTag(to.db), digest)
      assert.equal(await byTag(from.db), digest)
      assert.deepEqual((await listTagNames(to.db, A, '', 10)).names, ['v'])
    }
    assert.ok(await deleteTagRow(one.db, A, V, 1000, actorAt()))
    assert.equal(await byTag(two.db), undefined)
    assert.deepEqual((await listTagNames(two.db, A, '', 10)).names, [])
  }))

test('own commits leave what they do not touch', () =>
  withMetadata(['1', '2'], async (one, two) => {
    await repositoryOf(one.db, 'a')
    const b = lookUps(one.db, 'b')
    assert.equal(await b.look(), 1)
    for (let round = 0; round < 5; round++) await linkBlob(one.db, `content ${round}`, 'a')
    await beat(one.db, one.processId, NOW)
    assert.equal(await b.look(), 1, 'still the same')
    await linkBlob(two.db, 'other', 'c')
    assert.equal(await b.look(), 2, "another's commit empties it")
    assert.equal(await b.look(), 2)
    await beat(two.db, two.processId, NOW)
    await linkBlob(one.db, 'more', 'b')
    assert.equal(await b.look(), 3)
  }))

test('a process that begins later, and one that ends, are noticed', () =>
  withMetadata(['1', '2', '3'], async (one, two, three) => {
    const digest = await linkBlob(one.db, 'x')
    assert.ok(await findLinkedBlob(one.db, A, digest))
    await unlinkBlob(three.db, await existingRepository(three.db, A), digest, 86_400_000, actorAt())
    assert.equal(await findLinkedBlob(one.db, A, digest), undefined)
    await linkBlob(one.db, 'x')
    assert.ok(await findLinkedBlob(one.db, A, digest))
    // Its share of the commits goes with its row, and somebody else commits: the sums must not be taken for equal.
    const forget = { name: 'f', sql: 'DELETE FROM processes WHERE id = :id' }
    await three.db.write({ steps: [{ statement: forget }], params: { id: three.processId }, touches: [] })
    await unlinkBlob(two.db, await existingRepository(two.db, A), digest, 86_400_000, actorAt())
    assert.equal(await findLinkedBlob(one.db, A, digest), undefined)
  }))

test('damage and healing are seen in every repository and process', () =>
  withMetadata(['1', '2'], async (one, two) => {
    const digest = await linkBlob(one.db, 'x', 'a')
    await linkBlob(one.db, 'x', 'b')
    const found = await findLinkedBlob(one.db, 'b', digest)
    assert.ok(found && (await findLinkedBlob(two.db, 'b', digest)))
    await restampObject(one.db, found.object, 7)
    for (const { db } of [one, two]) assert.equal((await findLinkedBlob(db, 'b', digest))?.stamp, 7)
    await markDamaged(one.db, digest, found.object, NOW)
    for (const { db } of [one, two]) assert.equal(await findLinkedBlob(db, 'b', digest), undefined)
    await linkBlob(two.db, 'x', 'a')
    for (const { db } of [one, two]) {
      const healed = await findLinkedBlob(db, 'b', digest)
      assert.ok(healed && healed.object !== found.object)
    }
  }))

test('a first manifest publishes the repository for everyone', () =>
  withMetadata(['1', '2'], async (one, two) => {
    await repositoryOf(one.db)
    assert.equal((await findRepository(two.db, A))?.published, false)
    await pushManifest(one.db, ['v'])
    for (const { db } of [one, two]) assert.equal((await findRepository(db, A))?.published, true)
  }))

test('what a write under way touches is neither given out nor kept, until its answer', () => {
  const db = openDatabase(':memory:')
  const cache = createReadCache(db, { processId: 'p', maxBytes: 10_000 })
  const value = {}
  for (const [touched, kept] of [
    [['a'], 'b'],
    [['*'], undefined],
  ] as const) {
    cache.sample()
    for (const scope of ['a', 'b']) cache.set(scope, 'key', value, 10)
    const first = cache.touching(touched)
    const second = cache.touching(touched)
    for (const end of [first, second]) {
      assert.equal(cache.get('a', 'key'), undefined)
      cache.set('a', 'key', value, 10)
      assert.equal(cache.get('a', 'key'), undefined)
      assert.equal(cache.get('b', 'key'), kept === 'b' ? value : undefined)
      end()
    }
    assert.equal(cache.get('a', 'key'), undefined)
    cache.set('a', 'key', value, 10)
    assert.equal(cache.get('a', 'key'), value)
  }
  db.close()
})

test('while a write of its own is under way nothing older than what others see is served', () =>
  withMetadata(['1', '2'], async (one, two) => {
    const first = await pushManifest(one.db, ['v'])
    assert.equal(await byTag(one.db), first)
    // The answer is held back by holding this event loop; the writer's thread commits meanwhile.
    const deleted = deleteTagRow(one.db, A, V, 1000, actorAt())
    await Promise.resolve()
    const until = performance.now() + 2000
    let gone = false
    let order: string[] = []
    const looked = (async () => {
      while (performance.now() < until && !gone) {
        gone = (await byTag(two.db)) === undefined
        order = gone ? ['two', (await byTag(one.db)) === undefined ? 'gone' : 'stale'] : []
      }
    })()
    await Promise.all([deleted, looked])
    assert.deepEqual(order, ['two', 'gone'])
    await sleep(0)
    assert.equal(await byTag(one.db), undefined)
  }))

test('what follows from rows can be kept for as long as the number of changes is the same', () =>
  withMetadata(['1', '2'], async (one, two) => {
    await pushManifest(one.db, ['v'])
    const before = one.db.changes()
    assert.equal(one.db.changes(), before)
    await byTag(one.db)
    assert.equal(one.db.changes(), before, 'to read changes nothing')
    const write = linkBlob(one.db, 'content', 'a')
    while (!Number.isNaN(one.db.changes())) await Promise.resolve()
    assert.ok(Number.isNaN(one.db.changes()), 'never the same while a write is under way')
    await write
    const after = one.db.changes()
    assert.notEqual(after, before)
    assert.equal(one.db.changes(), after)
    await linkBlob(two.db, 'other', 'b')
    assert.notEqual(one.db.changes(), after, "another process's commit")
  }))
