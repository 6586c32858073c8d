import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOW, pushManifest, repositoryOf, rowsOf, withMetadata } from './metadata-fixtures.ts'
import { createPullRecorder } from './pulls.ts'

test('pulls are added up in memory, and to the rows when flushed', () =>
  withMetadata(['1', '2'], async (one, two) => {
    const digest = await pushManifest(one.db, ['v'])
    const { id } = await repositoryOf(one.db)
    let now = NOW
    const recorders = [one, two].map(({ db }) => createPullRecorder(db, () => now))
    const seq = async () => (await rowsOf(one.db, 'SELECT seq FROM commits'))[0]?.['seq']
    const before = await seq()
    for (const pulls of recorders) {
      for (let n = 0; n < 10; n++) pulls.manifest(id, digest, n < 4 ? 'v' : undefined, 100)
      pulls.blob(id, 1000)
      now += 1
    }
    recorders[0]?.manifest(id + 1, digest, 'gone', 1)
    assert.equal(await seq(), before, 'a pull writes nothing')
    for (const pulls of recorders) await pulls.flush()
    for (const pulls of recorders) await pulls.flush()
    assert.equal(await seq(), (before as number) + 2)
    assert.deepEqual(await rowsOf(one.db, 'SELECT pulls, last_pulled_at FROM manifests'), [
      { pulls: 20, last_pulled_at: NOW + 2 - 1 },
    ])
    assert.deepEqual(await rowsOf(one.db, 'SELECT pulls, last_pulled_at FROM tags'), [
      { pulls: 8, last_pulled_at: NOW + 2 - 1 },
    ])
    assert.deepEqual(await rowsOf(one.db, 'SELECT day, pulls, bytes FROM pull_days'), [
      { day: Math.floor(NOW / 86_400_000), pulls: 20, bytes: 4000 },
    ])
  }))
