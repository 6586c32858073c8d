/** Part of the composition: what the metrics say of the work in the background, and of who comes in. */
import type { AuditFigures } from './auth/audit-figures.ts'
import type { GuessFigures } from './auth/guess-guard.ts'
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

type AccessFigures = {
  audit: AuditFigures
  limits: { refused(): number }
  /** Absent: nobody signs in here. */
  guesses: GuessFigures | undefined
}

export function registerAccessMetrics({ counter }: Metrics, { audit, limits, guesses }: AccessFigures): void {
  counter(
    'berth_sign_ins_total',
    'Passwords and secrets that were looked at and were right.',
    () => audit.signIns,
  )
  counter(
    'berth_sign_ins_refused_total',
    'Names and passwords that were looked at and were wrong.',
    () => audit.signInsRefused,
  )
  counter(
    'berth_guesses_refused_total',
    'Sign-ins that had to wait after too many wrong ones.',
    () => guesses?.refused ?? 0,
  )
  counter('berth_tokens_total', 'Tokens that the token service gave out.', () => audit.tokens)
  counter(
    'berth_refused_total',
    'Requests of somebody who may not do it, or whose token was not good.',
    () => audit.refused,
  )
  counter('berth_rate_limited_total', 'Requests beyond a limit (ratelimits).', () => limits.refused())
  counter(
    'berth_audit_dropped_total',
    'Entries of the record that could not be written.',
    () => audit.dropped,
  )
}
