import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runJobIfDue } from './jobs.ts'
import { NOW, withMetadata } from './metadata-fixtures.ts'
import type { Metadata } from './open-metadata.ts'

test('a job that is due runs in one process, and again after its time or when its process was lost', () =>
  withMetadata(['1', '2'], async (one, two) => {
    let now = NOW
    let runs = 0
    const run = ({ db, processId }: Metadata, work = async () => void runs++) =>
      runJobIfDue(db, { kind: 'test', everyMs: 1000, claimMs: 100, processId, now: () => now }, work)
    assert.equal(await run(one), false, 'the first look only plans it')
    assert.equal(await run(one), false)
    now += 1000
    assert.deepEqual((await Promise.all([run(one), run(two), run(one), run(two)])).filter(Boolean), [true])
    assert.equal(runs, 1)
    assert.equal(await run(two), false)
    now += 1000
    await assert.rejects(
      run(one, () => Promise.reject(new Error('broken'))),
      /broken/,
    )
    assert.equal(await run(two), false, 'claimed still')
    now += 101
    assert.equal(await run(two), true)
    assert.equal(runs, 2)
  }))
