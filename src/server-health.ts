/** Part of the composition: what tells others that this registry is well. */
import type { BlobStore } from './blobs/blob-store.ts'
import type { Config } from './config/schema.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import type { Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import { addressOf } from './server-rules.ts'
import { createHealth, type Health } from './serving/health.ts'
import { fileCheck, httpCheck, tcpCheck } from './serving/health-checks.ts'
import type { Handler, Listener } from './serving/listener.ts'
import type { Metrics } from './serving/metrics.ts'
import type { Probes } from './serving/probes.ts'

/** The checks that are configured, and run. */
export function openHealth({
  config,
  store,
  clock,
  log,
  closers,
}: {
  config: Config
  store: BlobStore
  clock: Clock
  log: Logger
  closers: Closers
}): Health {
  const health = createHealth({ clock, log })
  registerChecks(health, config, store)
  health.start()
  closers.push(() => health.stop())
  return health
}

function registerChecks(health: Health, { health: checks }: Config, store: BlobStore): void {
  const timing = ({ interval, threshold }: { interval: number; threshold: number }) => ({
    intervalMs: interval,
    threshold,
  })
  if (checks.storagedriver.enabled)
    health.register('storagedriver', () => store.probe(), timing(checks.storagedriver))
  for (const check of checks.file) health.register(check.file, fileCheck(check.file), timing(check))
  for (const check of checks.http) {
    const { uri, timeout, interval } = check
    health.register(uri, httpCheck(uri, check), { ...timing(check), timeoutMs: timeout || interval })
  }
  for (const check of checks.tcp) {
    const { addr, timeout, interval } = check
    health.register(addr, tcpCheck(addr), { ...timing(check), timeoutMs: timeout || interval })
  }
}

/** The debug port, where it is configured. */
export async function openDebug(
  { config, version, log }: { config: Config; version: string; log: Logger },
  health: Health,
  probes: Probes,
  metrics: Metrics,
): Promise<Listener | undefined> {
  const { addr, prometheus } = config.http.debug
  if (!addr) return undefined
  const { createDebugServer } = await import('./serving/debug.ts')
  const listener = await createDebugServer({
    address: addressOf({ addr, net: 'tcp' }),
    health,
    probes,
    metrics,
    version,
    clock: systemClock,
    log,
    ...(prometheus.enabled && { metricsPath: prometheus.path }),
  })
  log.info(
    `debug port: health${prometheus.enabled ? ` and metrics (${prometheus.path})` : ''} on ${listener.url}`,
  )
  return listener
}

/** Probes are answered before anything is logged or counted: they come every few seconds. */
export function withProbes(probes: Probes, next: Handler): Handler {
  return (request, response) => {
    const { url = '', method } = request
    const probe = url.length < 64 && url.endsWith('z') ? probes(url) : undefined
    if (probe === undefined || (method !== 'GET' && method !== 'HEAD')) return next(request, response)
    const length = Buffer.byteLength(probe.body)
    response.writeHead(probe.status, { 'Content-Type': probe.contentType, 'Content-Length': length })
    response.end(method === 'HEAD' ? undefined : probe.body)
  }
}
