/**
 * Loaded into Berth by `--import`, plain JavaScript so that a start hardly notices: the first SIGUSR2 begins to watch
 * how late the event loop is, the second writes it to the file that BENCH_LOOP_DELAY names and ends the watch.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const file = process.env.BENCH_LOOP_DELAY
let histogram

async function turn() {
  if (histogram === undefined) {
    const { monitorEventLoopDelay } = await import('node:perf_hooks')
    histogram = monitorEventLoopDelay({ resolution: 1 })
    histogram.enable()
    return
  }
  histogram.disable()
  const text = JSON.stringify({
    p50: histogram.percentile(50),
    p99: histogram.percentile(99),
    max: histogram.max,
  })
  histogram = undefined
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

if (isMainThread && file !== undefined) process.on('SIGUSR2', () => void turn())
