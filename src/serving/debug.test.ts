import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { createDebugServer } from './debug.ts'
import { createHealth } from './health.ts'
import { createMetrics } from './metrics.ts'
import { createProbes } from './probes.ts'

async function debugging(t: TestContext, { metrics: on = true } = {}) {
  const health = createHealth({ clock: Date, log: silentLogger })
  const metrics = await createMetrics(on)
  let notReady: string | undefined
  const probes = createProbes({ health, notReady: () => notReady })
  const server = await createDebugServer({
    address: { host: '127.0.0.1' },
    health,
    probes,
    metrics,
    metricsPath: on ? '/metrics' : undefined,
    version: '1.2.3',
    clock: Date,
    log: silentLogger,
  })
  t.after(() => server.close(0))
  const ask = async (
    path: string,
    method = 'GET',
  ): Promise<{ status: number; body: string; headers: Headers }> => {
    const response = await fetch(server.url + path, { method })
    return { status: response.status, body: await response.text(), headers: response.headers }
  }
  return { health, metrics, ask, setNotReady: (why: string | undefined) => (notReady = why) }
}

test('health by hand and by check, as on the debug port of Distribution', async (t) => {
  const { health, ask } = await debugging(t)
  const steps: [method: string, path: string, status: number, body: string | RegExp][] = [
    ['GET', '/debug/health', 200, '{}'],
    ['HEAD', '/debug/health', 200, ''],
    ['GET', '/readyz', 200, '{}'],
    ['GET', '/livez', 200, '{}'],
    ['GET', '/debug/health/down', 405, /use POST/],
    ['POST', '/debug/health/down', 200, '{}'],
    ['GET', '/debug/health', 503, '{"manual_http_status":"manual Check"}'],
    ['GET', '/readyz?verbose', 503, /"code":"UNAVAILABLE".*health check failed/],
    ['GET', '/livez', 200, '{}'],
    ['POST', '/debug/health/up', 200, '{}'],
    ['GET', '/debug/health', 200, '{}'],
    ['POST', '/debug/health', 405, /use GET, HEAD/],
    ['GET', '/nope', 404, /"errors"/],
    ['GET', '/__proto__', 404, /"errors"/],
    ['GET', '/debug/pprof/heap', 404, /no pprof/],
  ]
  for (const [method, path, status, body] of steps) {
    const got = await ask(path, method)
    assert.equal(got.status, status, `${method} ${path}: ${got.body}`)
    assert.equal(got.headers.get('content-type'), 'application/json')
    if (typeof body === 'string') assert.equal(got.body, body)
    else assert.match(got.body, body)
  }
  assert.deepEqual(health.failing(), {})
})

test('not ready says why', async (t) => {
  const { ask, setNotReady } = await debugging(t)
  setNotReady('shutting down')
  const { status, body } = await ask('/readyz')
  assert.equal(status, 503)
  assert.match(body, /"message":"shutting down"/)
  assert.equal((await ask('/livez')).status, 200)
})

test('variables', async (t) => {
  const { ask } = await debugging(t)
  const vars = JSON.parse((await ask('/debug/vars')).body) as Record<string, unknown>
  assert.equal(vars['version'], '1.2.3')
  assert.ok((vars['memstats'] as { rss: number }).rss > 1e6)
  assert.equal('cmdline' in vars, false)
})

test('metrics have the names, labels and buckets of Distribution', async (t) => {
  const { ask, metrics } = await debugging(t)
  metrics.observeRequest('manifest', 'GET', 200, 0.003, 0, 1500)
  metrics.observeRequest('manifest', 'GET', 200, 0.3, 0, 500)
  metrics.observeRequest('manifest', 'GET', 404, 0.03, 0, 5_000_000_000)
  metrics.observeRequest('blob_upload', 'EVIL\n', 202, 100, 2048, 0)
  metrics.inFlight(1)
  metrics.inFlight(1)
  metrics.inFlight(-1)
  metrics.observeStorage('filesystem', 'GetContent', 0.01)
  let uploads = 3
  metrics.gauge('berth_uploads_in_progress', 'Uploads begun and not ended.', () => uploads)
  uploads = 4
  const { status, body, headers } = await ask('/metrics')
  assert.equal(status, 200)
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const lines = new Set(body.split('\n'))
  for (const line of [
    '# TYPE registry_http_requests_total counter',
    'registry_http_requests_total{code="200",handler="manifest",method="get"} 2',
    'registry_http_requests_total{code="404",handler="manifest",method="get"} 1',
    'registry_http_requests_total{code="202",handler="blob_upload",method="unknown"} 1',
    '# TYPE registry_http_request_duration_seconds histogram',
    'registry_http_request_duration_seconds_bucket{handler="manifest",method="get",le="0.005"} 1',
    'registry_http_request_duration_seconds_bucket{handler="manifest",method="get",le="0.05"} 2',
    'registry_http_request_duration_seconds_bucket{handler="manifest",method="get",le="0.5"} 3',
    'registry_http_request_duration_seconds_bucket{handler="manifest",method="get",le="+Inf"} 3',
    'registry_http_request_duration_seconds_bucket{handler="blob_upload",method="unknown",le="60"} 0',
    'registry_http_request_duration_seconds_bucket{handler="blob_upload",method="unknown",le="+Inf"} 1',
    'registry_http_request_duration_seconds_count{handler="manifest",method="get"} 3',
    'registry_http_request_size_bytes_bucket{handler="blob_upload",le="2048"} 1',
    'registry_http_request_size_bytes_bucket{handler="blob_upload",le="1024"} 0',
    'registry_http_response_size_bytes_bucket{handler="manifest",le="2147483648"} 2',
    'registry_http_response_size_bytes_count{handler="manifest"} 3',
    'registry_http_response_size_bytes_sum{handler="manifest"} 5000002000',
    'registry_http_in_flight_requests 1',
    'registry_storage_action_seconds_bucket{driver="filesystem",action="GetContent",le="0.01"} 1',
    'berth_uploads_in_progress 4',
  ]) {
    assert.ok(lines.has(line), `${line}\n${body.slice(0, 9_000)}`)
  }
  assert.match(body, /^process_resident_memory_bytes \d+$/m)
})

test('metrics off: nothing is counted, nothing is served', async (t) => {
  const { ask, metrics } = await debugging(t, { metrics: false })
  metrics.observeRequest('manifest', 'GET', 200, 1, 1, 1)
  assert.equal(metrics.enabled, false)
  assert.equal(await metrics.exposition(), '')
  assert.equal((await ask('/metrics')).status, 404)
})
