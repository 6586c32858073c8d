/**
 * Counters and histograms that cost a map look-up and a few additions on the hot path; prom-client, which
 * hashes label objects at each observation, sees them only when metrics are asked for.
 */
type Value = { value: number; labels: Record<string, string | number>; metricName?: string }
/** What a prom-client registry asks of a metric. */
type Exposed = {
  name: string
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Value[] }>
}

type Counter = { add(labels: readonly string[], by?: number): void; metric: Exposed }
type Histogram = { observe(labels: readonly string[], value: number): void; metric: Exposed }
type Series = { labels: Record<string, string>; sum: number; counts: Float64Array }

/** Label sets come from fixed lists; this bound is the safety net should one not. */
const MOST_SERIES = 2_000
/** Separates label values in a key; control characters do not occur in them. */
const SEPARATOR = '\u0001'

export type Accumulators = ReturnType<typeof createAccumulators>

/** The metrics of Distribution 3: same names, labels and buckets. */
export function createAccumulators() {
  const requests = counter('registry_http_requests_total', 'Total number of HTTP requests made.', 'counter', [
    'code',
    'handler',
    'method',
  ])
  const inFlight = counter('registry_http_in_flight_requests', 'The in-flight HTTP requests', 'gauge', [])
  inFlight.add([], 0)
  const durations = histogram(
    'registry_http_request_duration_seconds',
    'The HTTP request latencies in seconds.',
    ['handler', 'method'],
    SECONDS,
  )
  const requestSizes = histogram(
    'registry_http_request_size_bytes',
    'The HTTP request sizes in bytes.',
    ['handler'],
    BYTES,
  )
  const responseSizes = histogram(
    'registry_http_response_size_bytes',
    'The HTTP response sizes in bytes.',
    ['handler'],
    BYTES,
  )
  const storage = histogram(
    'registry_storage_action_seconds',
    'The number of seconds that the storage action takes',
    ['driver', 'action'],
    SECONDS,
  )
  const all = [requests, inFlight, durations, requestSizes, responseSizes, storage]
  return {
    requests,
    inFlight,
    durations,
    requestSizes,
    responseSizes,
    storage,
    metrics: all.map((one) => one.metric),
  }
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60]
const BYTES = Array.from({ length: 22 }, (_, i) => 1024 * 2 ** i)

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}

function counter(name: string, help: string, type: 'counter' | 'gauge', names: readonly string[]): Counter {
  const series = new Map<string, Value & { labels: Record<string, string> }>()
  return {
    add(labels, by = 1) {
      const key = labels.join(SEPARATOR)
      const found = series.get(key)
      if (found !== undefined) found.value += by
      else if (series.size < MOST_SERIES) series.set(key, { value: by, labels: labelled(names, labels) })
    },
    metric: {
      name,
      get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: [...series.values()] }),
    },
  }
}

function histogram(
  name: string,
  help: string,
  names: readonly string[],
  bounds: readonly number[],
): Histogram {
  const series = new Map<string, Series>()
  const start = (key: string, labels: readonly string[]): Series | undefined => {
    if (series.size >= MOST_SERIES) return undefined
    const fresh = { labels: labelled(names, labels), sum: 0, counts: new Float64Array(bounds.length + 1) }
    series.set(key, fresh)
    return fresh
  }
  return {
    observe(labels, value) {
      const key = labels.length === 1 ? (labels[0] ?? '') : labels.join(SEPARATOR)
      const one = series.get(key) ?? start(key, labels)
      if (one === undefined) return
      let bucket = 0
      while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1
      one.counts[bucket] = (one.counts[bucket] ?? 0) + 1
      one.sum += value
    },
    metric: {
      name,
      get: () => {
        const values = [...series.values()].flatMap((one) => exposed(name, one, bounds))
        return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values })
      },
    },
  }
}

/** Buckets add up from the smallest to `+Inf`, which is the count. */
function exposed(name: string, { labels, sum, counts }: Series, bounds: readonly number[]): Value[] {
  let count = 0
  const buckets = Array.from(counts, (inBucket, i): Value => {
    count += inBucket
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] ?? '+Inf' }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
