/** What metrics and the log say of a collection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS } from '../metadata/blob-links.ts'
import { createFixture, pushImage, repository, tag } from '../registry/hosted-fixtures.ts'
import { registerCollectionMetrics } from '../server-metrics.ts'
import { createMetrics } from '../serving/metrics.ts'
import { silentLogger } from '../lib/logger.ts'
import { collectGarbage } from './collect-garbage.ts'
import { createCollectionFigures, figuresOf } from './collection-figures.ts'
import { removeGarbage } from './remove-garbage.ts'

test('what went is counted once, over several runs, and shown as metrics', async () => {
  const f = createFixture()
  try {
    const figures = createCollectionFigures()
    const metrics = await createMetrics(true)
    registerCollectionMetrics(metrics, figures)
    const A = repository('a')
    const parts = { db: f.metadata.db, store: f.store, log: silentLogger, now: f.clock.now }
    const never = new AbortController().signal
    for (const name of ['one', 'two']) {
      await pushImage(f, A, [name], [`layer ${name}`])
      await f.registry.deleteTag(f.call, A, tag(name))
      f.clock.advance(100 * HOUR_MS)
      const run = figuresOf(figures)
      await collectGarbage(parts, { keepMs: HOUR_MS, onProgress: run.onProgress }, never)
      run.onEnd(f.clock.now())
      await removeGarbage(parts, never, { onRemoved: (files, bytes) => figures.onRemoved(files, bytes) })
    }
    const text = await metrics.exposition()
    for (const line of [
      'berth_collected_manifests_total 2',
      'berth_collected_links_total 4',
      'berth_collected_blobs_total 4',
      'berth_freed_files_total 4',
      'berth_freed_bytes_total 22',
      'berth_collection_left 0',
      `berth_collection_last_run_timestamp_seconds ${f.clock.now() / 1000}`,
    ])
      assert.ok(text.split('\n').includes(line), `${line} in\n${text}`)
    assert.match(text, /^# TYPE berth_freed_bytes_total counter$/m)
  } finally {
    await f.close()
  }
})
