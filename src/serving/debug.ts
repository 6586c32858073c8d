/** Distribution's debug port (`http.debug.addr`): health with details, variables, metrics. For operators, not for the world. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Health } from './health.ts'
import { createListener, type ListenAddress, type Listener } from './listener.ts'
import type { Metrics } from './metrics.ts'
import type { Probes } from './probes.ts'
import { errorBody } from './refusal.ts'

type Answer = { status: number; body: string; contentType?: string; headers?: Record<string, string> }
type Route = { methods: readonly string[]; answer: () => Answer | Promise<Answer> }

type DebugOptions = {
  address: ListenAddress
  health: Health
  probes: Probes
  metrics: Metrics
  /** Where metrics are; undefined where prometheus is off. */
  metricsPath?: string | undefined
  version: string
  clock: Clock
  log: Logger
}

/** @throws ListenError */
export async function createDebugServer(options: DebugOptions): Promise<Listener> {
  const { address, log } = options
  const handle = createDebugHandler(options)
  return createListener({
    address,
    log,
    handler: (req, res) => {
      handle(req, res).catch((error: unknown) => {
        log.error('debug request failed', { error })
        if (res.headersSent) res.destroy()
        else send(req, res, { status: 500, body: errorBody('UNKNOWN', 'unknown error') })
      })
    },
  })
}

function createDebugHandler(
  options: DebugOptions,
): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const routes = routesOf(options)
  return async (req, res) => {
    const path = (req.url ?? '').split('?', 1)[0] ?? ''
    const probe = options.probes(path)
    const route = probe === undefined ? routes[path] : { methods: READ, answer: () => probe }
    if (route === undefined) return send(req, res, notFound(path))
    if (!route.methods.includes(req.method ?? '')) return send(req, res, notAllowed(route.methods))
    send(req, res, await route.answer())
  }
}

const READ = ['GET', 'HEAD']

function routesOf({ health, metrics, metricsPath, version, clock }: DebugOptions): Record<string, Route> {
  const startedAt = clock.now()
  const set = (down: boolean): Route => ({
    methods: ['POST'],
    answer: () => {
      health.setDown(down)
      return { status: 200, body: '{}' }
    },
  })
  const exposition: Route = {
    methods: READ,
    answer: async () => ({ status: 200, body: await metrics.exposition(), contentType: metrics.contentType }),
  }
  return {
    __proto__: null,
    '/debug/health': {
      methods: READ,
      answer: () => {
        const failing = health.failing()
        return { status: Object.keys(failing).length === 0 ? 200 : 503, body: JSON.stringify(failing) }
      },
    },
    '/debug/health/down': set(true),
    '/debug/health/up': set(false),
    '/debug/vars': {
      methods: READ,
      answer: () => ({ status: 200, body: variables(version, clock.now() - startedAt) }),
    },
    ...(metricsPath === undefined ? {} : { [metricsPath]: exposition }),
  } as unknown as Record<string, Route>
}

/** No command line, unlike Go's expvar: arguments can hold secrets. */
function variables(version: string, uptimeMs: number): string {
  const { user, system } = process.cpuUsage()
  return JSON.stringify({
    version,
    node: process.version,
    pid: process.pid,
    uptime_seconds: uptimeMs / 1000,
    cpu_seconds: { user: user / 1e6, system: system / 1e6 },
    memstats: process.memoryUsage(),
  })
}

function notFound(path: string): Answer {
  const message = path.startsWith('/debug/pprof')
    ? 'there is no pprof in a Node.js program; start it with --cpu-prof or --inspect instead'
    : 'not found; this port has /debug/health, /debug/vars, /livez, /readyz and, where switched on, metrics'
  return { status: 404, body: errorBody('UNSUPPORTED', message) }
}

function notAllowed(methods: readonly string[]): Answer {
  const allow = methods.join(', ')
  return { status: 405, body: errorBody('UNSUPPORTED', `use ${allow}`), headers: { Allow: allow } }
}

function send(req: IncomingMessage, res: ServerResponse, answer: Answer): void {
  res.writeHead(answer.status, {
    'Content-Type': answer.contentType ?? 'application/json',
    'Content-Length': Buffer.byteLength(answer.body),
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    ...answer.headers,
  })
  res.end(req.method === 'HEAD' ? undefined : answer.body)
}
