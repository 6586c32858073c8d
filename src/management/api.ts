/**
 * `/api/v1` over Hono: what the contract says, done for every route in the same order: is it configured, who asks, may
 * they, is the request good; then the handler, and its answer as the contract says, no more.
 */
import { getRequestListener, RequestError } from '@hono/node-server'
import { Hono } from 'hono'
import type { Arrived, Endpoint } from '../serving/endpoint.ts'
import { contract, type RouteName } from './contract.ts'
import { type ApiContext, type ApiOptions, type Bindings, HEADERS } from './options.ts'
import { createAnswer } from './answer.ts'
import type { AnyRoute } from './contract-route.ts'
import { createHandlers } from './handlers.ts'
import { canonicalPath } from './path.ts'
import { createSessions } from './sessions.ts'
import { Problem, problemBody, problemOf } from './problem.ts'

export function createApi(options: ApiOptions): Endpoint {
  const base = `${options.prefix.replace(/\/+$/, '')}/api/v1`
  const app = new Hono<Bindings>({
    getPath: (request) => {
      const { pathname } = new URL(request.url)
      return pathname.startsWith(`${base}/`) ? canonicalPath(pathname.slice(base.length)) : '/-'
    },
  })
  const sessions = options.signIn && createSessions(options.signIn)
  const answer = createAnswer(options, createHandlers(options, sessions), sessions)
  mount(app, answer)
  app.notFound((c) =>
    refuse(c, options, new Problem('NOT_FOUND', `there is no such path: ${base}/openapi.json lists them`)),
  )
  app.onError((error, c) => refuse(c, options, error))
  return serve(app, options)
}

/** Routes in the contract's order: of two that match, the first is meant. */
function mount(app: Hono<Bindings>, answer: (name: RouteName, c: ApiContext) => Promise<Response>): void {
  const methods = new Map<string, string[]>()
  for (const [name, { method, path }] of Object.entries<AnyRoute>(contract)) {
    const pattern = path.replaceAll('{', ':').replaceAll('}', '')
    app.on(method, pattern, (c) => answer(name as RouteName, c))
    methods.set(pattern, [
      ...(methods.get(pattern) ?? []),
      ...(method === 'GET' ? ['GET', 'HEAD'] : [method]),
    ])
  }
  for (const [pattern, allowed] of methods)
    app.all(pattern, (c) => {
      const Allow = allowed.join(', ')
      throw new Problem('METHOD_NOT_ALLOWED', `${c.req.method.slice(0, 20)} is not one of ${Allow}`, {
        headers: { Allow },
      })
    })
}

function refuse(c: ApiContext, { log, observe }: ApiOptions, thrown: unknown): Response {
  const { arrived, incoming } = c.env
  const problem = problemOf(thrown)
  if (problem.code === 'SERVER_ERROR')
    log.error('a request to the management API failed', {
      error: problem.cause,
      'http.request.id': arrived.requestId,
    })
  observe?.({ request: incoming, status: problem.status, principal: c.get('principal'), problem })
  return problemResponse(problem, arrived.requestId)
}

function problemResponse(problem: Problem, requestId: string): Response {
  const { status, headers, code } = problem
  return new Response(JSON.stringify(problemBody(problem, requestId)), {
    status,
    headers: {
      ...HEADERS,
      'Content-Type': 'application/problem+json',
      // Never Basic: a browser would ask for a password in a window of its own, and send it with everything.
      ...(code === 'UNAUTHENTICATED' && { 'WWW-Authenticate': 'Bearer realm="berth"' }),
      ...headers,
    },
  })
}

function serve(app: Hono<Bindings>, { log }: ApiOptions): Endpoint {
  const arrivals = new WeakMap<object, Arrived>()
  const nobody: Arrived = { requestId: '', address: '' }
  const listener = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as Bindings['Bindings']
      return app.fetch(request, { incoming, outgoing, arrived: arrivals.get(incoming) ?? nobody })
    },
    {
      overrideGlobalObjects: false,
      errorHandler(error) {
        if (!(error instanceof RequestError)) log.error('a request to the management API failed', { error })
        return problemResponse(
          error instanceof RequestError
            ? new Problem('INVALID', 'Host or path cannot be read')
            : problemOf(error),
          '',
        )
      },
    },
  )
  return (request, response, arrived) => {
    arrivals.set(request, arrived)
    listener(request, response).catch((error: unknown) => {
      log.error('a request to the management API could not even be refused', { error })
      response.destroy()
    })
  }
}
