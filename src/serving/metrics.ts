/** Prometheus metrics under the names and labels of CNCF Distribution 3, so that dashboards made for it go on working. */
import { createAccumulators, type Accumulators } from './accumulators.ts'

export type Metrics = {
  /** Whether anything is counted at all. */
  readonly enabled: boolean
  /**
   * One answered request.
   * @param kind the label `handler`: one of a fixed few (base, manifest, tags, blob, blob_upload, blob_upload_chunk, catalog, referrers …).
   */
  observeRequest(
    kind: string,
    method: string,
    status: number,
    seconds: number,
    bytesIn: number,
    bytesOut: number,
  ): void
  inFlight(delta: 1 | -1): void
  /** One action of the storage below, as `registry_storage_action_seconds`. */
  observeStorage(driver: string, action: string, seconds: number): void
  /** A value read when metrics are asked for, e.g. uploads in progress. */
  gauge(name: string, help: string, read: () => number): void
  /** The same for what only grows; its name ends in `_total`. */
  counter(name: string, help: string, read: () => number): void
  readonly contentType: string
  exposition(): Promise<string>
}

const OFF: Metrics = {
  enabled: false,
  observeRequest: () => undefined,
  inFlight: () => undefined,
  observeStorage: () => undefined,
  gauge: () => undefined,
  counter: () => undefined,
  contentType: 'text/plain; version=0.0.4; charset=utf-8',
  exposition: () => Promise.resolve(''),
}

/** Loads prom-client only where metrics are wanted; otherwise everything here does nothing. */
export async function createMetrics(enabled: boolean): Promise<Metrics> {
  if (!enabled) return OFF
  const { default: prometheus } = await import('prom-client')
  const registry = new prometheus.Registry()
  prometheus.collectDefaultMetrics({ register: registry })
  const counted = createAccumulators()
  for (const metric of counted.metrics) registry.registerMetric(metric as never)
  return {
    enabled: true,
    ...recording(counted),
    gauge(name, help, read) {
      const collect = function (this: { set(value: number): void }): void {
        this.set(read())
      }
      registry.registerMetric(new prometheus.Gauge({ name, help, registers: [], collect }))
    },
    counter(name, help, read) {
      const collect = function (this: { reset(): void; inc(value: number): void }): void {
        this.reset()
        this.inc(read())
      }
      registry.registerMetric(new prometheus.Counter({ name, help, registers: [], collect }))
    },
    contentType: registry.contentType,
    exposition: () => registry.metrics(),
  }
}

function recording(counted: Accumulators): Pick<Metrics, 'observeRequest' | 'inFlight' | 'observeStorage'> {
  return {
    observeRequest(kind, method, status, seconds, bytesIn, bytesOut) {
      const verb = METHODS[method] ?? 'unknown'
      counted.requests.add([String(status), kind, verb])
      counted.durations.observe([kind, verb], seconds)
      counted.requestSizes.observe([kind], bytesIn)
      counted.responseSizes.observe([kind], bytesOut)
    },
    inFlight: (delta) => counted.inFlight.add([], delta),
    observeStorage: (driver, action, seconds) => counted.storage.observe([driver, action], seconds),
  }
}

/** A method comes from outside; only known ones may become label values. */
const METHODS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'head',
  POST: 'post',
  PUT: 'put',
  PATCH: 'patch',
  DELETE: 'delete',
  OPTIONS: 'options',
}
