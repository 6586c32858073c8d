/** The background tasks over a registry in memory, with a clock that the test moves. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import {
  chunkOf,
  type Fixture,
  pushBlob,
  repository,
  sha256,
  withFixture,
} from '../registry/hosted-fixtures.ts'
import { expireUploads } from './expire-uploads.ts'
import { removeGarbage } from './remove-garbage.ts'
import { startSchedule } from './schedule.ts'

const A = repository('a')
const DAY = 86_400_000
const never = new AbortController().signal

const parts = ({ metadata, store, clock }: Fixture) => ({
  db: metadata.db,
  store,
  log: silentLogger,
  now: clock.now,
})

async function objectsIn({ store }: Fixture): Promise<number> {
  let count = 0
  for await (const _object of store.list()) count++
  return count
}

async function namesOf({ metadata }: Fixture): Promise<unknown[]> {
  const rows = await metadata.db.read({ name: 'names', sql: 'SELECT name FROM repositories', rows: true }, {})
  return rows.map((row) => row['name'])
}

test('an upload that nobody touched for its age ends, its bytes and its repository go; others stay', () =>
  withFixture(async (f) => {
    const old = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.appendUpload(f.call, A, old.id, chunkOf('bytes'))
    f.clock.advance(6 * DAY)
    const young = await f.registry.startUpload(f.call, repository('b'), undefined)
    f.clock.advance(2 * DAY)

    assert.equal(await expireUploads(parts(f), { ageMs: 7 * DAY, dryRun: true }, never), 1)
    assert.deepEqual(await f.registry.getUpload(f.call, A, old.id), { id: old.id, received: 5 })

    assert.equal(await expireUploads(parts(f), { ageMs: 7 * DAY, dryRun: false }, never), 1)
    await assert.rejects(f.registry.getUpload(f.call, A, old.id), { code: 'BLOB_UPLOAD_UNKNOWN' })
    assert.equal((await f.registry.getUpload(f.call, repository('b'), young.id)).received, 0)
    assert.deepEqual(await namesOf(f), ['b'])

    assert.equal(await objectsIn(f), 1)
    assert.equal(await removeGarbage(parts(f), never), 1)
    assert.equal(await objectsIn(f), 0)
  }))

test('a repository that holds a blob stays, though it was never listed', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'content')
    f.clock.advance(30 * DAY)
    await expireUploads(parts(f), { ageMs: 7 * DAY, dryRun: false }, never)
    assert.deepEqual(await namesOf(f), ['a'])
    assert.deepEqual(await f.registry.statBlob(f.call, A, digest), { size: 7 })
  }))

test('a forgotten repository is made again by the next upload', () =>
  withFixture(async (f) => {
    const { id } = await f.registry.startUpload(f.call, A, undefined)
    await f.registry.cancelUpload(f.call, A, id)
    f.clock.advance(8 * DAY)
    await expireUploads(parts(f), { ageMs: 7 * DAY, dryRun: false }, never)
    assert.deepEqual(await namesOf(f), [])
    await pushBlob(f, A, 'again')
    assert.deepEqual(await f.registry.statBlob(f.call, A, sha256('again')), { size: 5 })
  }))

test('the second copy of a blob is removed, the blob stays', () =>
  withFixture(async (f) => {
    const digest = await pushBlob(f, A, 'twice')
    await pushBlob(f, repository('b'), 'twice')
    assert.equal(await objectsIn(f), 2)
    assert.equal(await removeGarbage(parts(f), never), 1)
    assert.equal(await objectsIn(f), 1)
    assert.deepEqual(await f.registry.statBlob(f.call, A, digest), { size: 5 })
  }))

test('a schedule runs each task by itself, never twice at once, goes on after a failure, and stops', async () => {
  const seen = { quick: 0, slow: 0, atOnce: 0, most: 0, failing: 0 }
  const schedule = startSchedule(
    [
      { name: 'quick', everyMs: 5, run: async () => void seen.quick++ },
      {
        name: 'slow',
        everyMs: 1,
        run: async () => {
          seen.slow++
          seen.most = Math.max(seen.most, ++seen.atOnce)
          await sleep(20)
          seen.atOnce--
        },
      },
      {
        name: 'failing',
        everyMs: 5,
        run: async () => {
          seen.failing++
          throw new Error('as it should')
        },
      },
      { name: 'late', everyMs: 3_600_000, run: async () => void (seen.quick += 1000) },
    ],
    silentLogger,
  )
  schedule.nudge('late')
  for (let round = 0; round < 200 && (seen.failing < 2 || seen.quick < 1002 || seen.slow < 2); round++)
    await sleep(10)
  await schedule.stop()
  const atEnd = { ...seen }
  assert.ok(seen.quick >= 1002 && seen.failing >= 2 && seen.slow >= 2, JSON.stringify(seen))
  assert.equal(seen.most, 1)
  assert.equal(seen.atOnce, 0, 'stop waits for what is running')
  await sleep(50)
  assert.deepEqual(seen, atEnd)
})
