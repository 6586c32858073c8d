/** Part of the composition: what the metrics say of the work in the background. */
import type { CollectionFigures } from './jobs/collection-figures.ts'
import type { Metrics } from './serving/metrics.ts'

export function registerCollectionMetrics(metrics: Metrics, figures: CollectionFigures): void {
  const { counter, gauge } = metrics
  counter('berth_freed_bytes_total', 'Bytes of files that were removed.', () => figures.freedBytes)
  counter('berth_freed_files_total', 'Files that were removed.', () => figures.files)
  counter('berth_collected_manifests_total', 'Manifests that were collected.', () => figures.manifests)
  counter('berth_collected_links_total', 'Links of blobs that were collected.', () => figures.links)
  counter('berth_collected_blobs_total', 'Blobs that were collected.', () => figures.blobs)
  gauge('berth_collection_left', 'What the running collection has still to look at.', () => figures.left)
  gauge(
    'berth_collection_last_run_timestamp_seconds',
    'When the last collection of this process ended.',
    () => figures.lastRunAt / 1000,
  )
}
