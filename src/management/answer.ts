/** One request to a route of the contract, from its headers to its answer. */
import type { IncomingMessage } from 'node:http'
import type { Principal } from '../auth/principal.ts'
import type { Actor } from '../metadata/actor.ts'
import { type ApiContext, type ApiOptions, HEADERS } from './options.ts'
import { createCallerOf, createIsSecure, type Found, lookAgain } from './caller.ts'
import { contract, type RouteName } from './contract.ts'
import type { AnyRoute } from './contract-route.ts'
import { endedCookie } from './cookie.ts'
import { type Caller, createReach, type Precondition } from './exchange.ts'
import type { Handlers } from './handlers.ts'
import { parseInput, readJson, readQuery } from './input.ts'
import { notConfigured, offers } from './mode.ts'
import { changesThings, checkHost, checkOrigin } from './origin.ts'
import { permitCaller, permitPatterns } from './permit.ts'
import { Problem, problemOf } from './problem.ts'
import { createRecorder, type Detail, type Input } from './record.ts'
import type { Sessions } from './sessions.ts'

export function createAnswer(
  options: ApiOptions,
  handlers: Handlers,
  sessions: Sessions | undefined,
): (name: RouteName, c: ApiContext) => Promise<Response> {
  const { mode, signIn, publicUrl, observe } = options
  const isSecure = createIsSecure(publicUrl)
  const callerOf = createCallerOf({ mode, signIn, sessions, isSecure })
  const now = signIn?.now ?? Date.now
  const record = createRecorder(signIn?.audit)

  return async (name, c) => {
    const route: AnyRoute = contract[name]
    const { incoming, arrived } = c.env
    checkBefore(route, incoming)
    const found = await callerOf(incoming, arrived)
    let { caller } = found
    c.set('principal', caller.principal)
    options.limit?.(incoming, caller.principal)
    const headers = new Headers(HEADERS)
    if (found.isSessionOver) headers.append('Set-Cookie', endedCookie(isSecure(incoming)))
    let input: Input | undefined
    const detail: Detail = {}
    let by = caller.principal
    try {
      permitFound(route, found)
      input = await readInput(route, c)
      if (route.body !== undefined && signIn !== undefined) {
        caller = await lookAgain(signIn, caller)
        permitCaller(route.permission, caller)
      }
      const accessNow = await signIn?.access.current()
      const reach = accessNow && createReach(accessNow, caller.principal)
      if (reach !== undefined) await permitPatterns(route.permission, input as never, reach)
      let etag: string | undefined
      const exchange = {
        ...input,
        caller,
        headers,
        detail,
        actor: actorOf(caller, now()),
        precondition: preconditionOf(route, incoming),
        reach,
        setEtag: (value: string) => (etag = value),
        request: incoming,
        actedAs: (principal: Principal) => (by = principal),
      }
      const handler = handlers[name] as (x: typeof exchange) => unknown
      const given = await handler(exchange)
      record('done', route, { name, input, caller, by, detail })
      observe?.({ request: incoming, status: route.status, principal: caller.principal })
      return respond(route, given, headers, etag, incoming)
    } catch (thrown) {
      const problem = withCookie(problemOf(thrown), headers)
      const isRefused = problem.code === 'DENIED' || problem.code === 'UNAUTHENTICATED'
      const told = { ...detail, code: problem.code }
      const path = decodeURIComponent(c.req.path)
      record(isRefused ? 'refused' : 'failed', route, { name, input, caller, by, detail: told, path })
      throw problem
    }
  }

  function checkBefore({ needs, method }: AnyRoute, { headers }: IncomingMessage): void {
    if (mode === 'open' && changesThings(method)) checkHost(headers.host, { publicUrl })
    if (!offers(mode, needs)) throw new Problem('NOT_CONFIGURED', notConfigured(mode))
    if (!changesThings(method)) return
    const byBrowser = headers.cookie !== undefined && headers.authorization === undefined
    const fetchSite = headers['sec-fetch-site']
    const { host, origin } = headers
    checkOrigin({ host, origin, fetchSite }, { publicUrl }, byBrowser)
  }
}

function permitFound({ permission }: AnyRoute, { caller, isSessionOver }: Found): void {
  if (isSessionOver && permission !== 'anyone')
    throw new Problem('UNAUTHENTICATED', 'the session is over: sign in again')
  permitCaller(permission, caller)
}

async function readInput(route: AnyRoute, c: ApiContext): Promise<Input> {
  const params = parseInput(route.params, c.req.param(), '{')
  const query = parseInput(route.query, readQuery(new URL(c.req.url)), '?')
  const body = route.body && parseInput(route.body, await readJson(c.req.raw), '/')
  return { params, query, body } as never
}

function actorOf({ principal, client, requestId }: Caller, now: number): Actor {
  return { principalId: principal.id, principalName: principal.name, client, requestId, cause: 'api', now }
}

/** @throws Problem PRECONDITION_REQUIRED */
function preconditionOf({ etag, method }: AnyRoute, { headers }: IncomingMessage): Precondition {
  const match = headers['if-match']
  if (match !== undefined) return { kind: 'match', etags: etagsOf(match) }
  if (headers['if-none-match']?.trim() === '*' && method !== 'GET') return { kind: 'absent' }
  if (etag !== 'required') return { kind: 'match', etags: [] }
  throw new Problem(
    'PRECONDITION_REQUIRED',
    'send If-Match with the ETag of what you read, or If-None-Match: * for what is not there yet',
  )
}

/** Without quotes; weak ones never match (RFC 9110, section 8.8.3.2). */
function etagsOf(header: string): string[] {
  return [...header.matchAll(/(?:^|[\s,])"([^"]*)"/g)].map(([, tag = '']) => tag)
}

function respond(
  route: AnyRoute,
  given: unknown,
  headers: Headers,
  etag: string | undefined,
  request: IncomingMessage,
): Response {
  if (etag !== undefined) {
    headers.set('ETag', `"${etag}"`)
    headers.set('Cache-Control', 'private, no-cache')
    const known = request.headers['if-none-match']
    if (route.method === 'GET' && known !== undefined && etagsOf(known.replaceAll('W/', '')).includes(etag))
      return new Response(null, { status: 304, headers })
  }
  if (route.answer === undefined) return new Response(null, { status: 204, headers })
  headers.set('Content-Type', 'application/json')
  // What the schema does not name is left out, whatever a handler gives.
  return new Response(JSON.stringify(route.answer.parse(given)), { status: route.status, headers })
}

/** A browser forgets its cookie also where it is refused because of it. */
function withCookie(problem: Problem, headers: Headers): Problem {
  const cookie = headers.get('Set-Cookie')
  if (cookie === null) return problem
  const { code, message, errors, cause } = problem
  return new Problem(code, message, { errors, cause, headers: { ...problem.headers, 'Set-Cookie': cookie } })
}
