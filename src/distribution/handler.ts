/**
 * The protocol over a registry: parse, ask who it is, ask whether they may, answer. Handlers throw; what they throw
 * becomes an answer here and nowhere else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Permission, refusalOf, type Verdict } from '../auth/permission.ts'
import { anonymousPrincipal, type Principal } from '../auth/principal.ts'
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { RegistryError } from '../oci/error.ts'
import { createBodyMemory } from './body.ts'
import { createErrorSender, type Asked } from './error.ts'
import { HttpCall, type DistributionOptions, type Settings } from './exchange.ts'
import { createHeadWriter } from './head.ts'
import { parseRequest } from './request.ts'
import { entryOf } from './routes.ts'

/** Every header name that the protocol itself gives a value to; what an operator configures for these is left out. */
const OWN_HEADERS = new Set(
  (
    'accept-ranges allow connection content-disposition content-length content-range content-type date ' +
    'docker-content-digest docker-distribution-api-version docker-upload-uuid etag link location ' +
    'oci-filters-applied oci-subject oci-tag range retry-after transfer-encoding www-authenticate x-request-id'
  ).split(' '),
)

/** Bytes of manifests, beyond the usual size of one, that are received at a time. */
const MAX_BODY_MEMORY = 128 * 1024 * 1024

/** Answers every request there is: what is not of the protocol gets a 404 in its form. */
export function createDistributionHandler(
  options: DistributionOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { baseHeaders, ownCacheControl } = headersOf(options)
  const settings: Settings = {
    ...options,
    ownCacheControl,
    writeHead: createHeadWriter(baseHeaders),
    prefix: options.prefix.replace(/\/+$/, ''),
    bodyMemory: createBodyMemory(MAX_BODY_MEMORY),
  }
  const sendError = createErrorSender(settings)
  const fail = (asked: Asked, thrown: unknown): void => {
    try {
      sendError(asked, thrown)
    } catch (error) {
      options.log.error('a request could not even be refused', { error })
      asked.response.destroy()
    }
  }
  // Without a promise where nothing is waited for, as with most of what is read.
  return (request, response) => {
    const asked: Asked = { request, response, requestId: settings.requestId(request) }
    try {
      const answered = answer(settings, asked)
      if (answered instanceof Promise) answered.catch((thrown: unknown) => fail(asked, thrown))
    } catch (thrown) {
      fail(asked, thrown)
    }
  }
}

/** A browser must never run what somebody pushed: no guessing of types, and nothing but a sandbox. */
function headersOf({ headers }: DistributionOptions): { baseHeaders: string[]; ownCacheControl: boolean } {
  const configured = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()))
  const names = new Set(configured.map(([name]) => name.toLowerCase()))
  const baseHeaders = ['Docker-Distribution-Api-Version', 'registry/2.0']
  if (!names.has('x-content-type-options')) baseHeaders.push('X-Content-Type-Options', 'nosniff')
  if (!names.has('content-security-policy')) {
    baseHeaders.push('Content-Security-Policy', "sandbox; default-src 'none'")
  }
  for (const [name, values] of configured) for (const value of values) baseHeaders.push(name, value)
  return { baseHeaders, ownCacheControl: names.has('cache-control') }
}

function answer(settings: Settings, asked: Asked): Waiting<void> {
  const { method = 'GET', url = '/', headers } = asked.request
  checkHealth(settings)
  const namespace = headers['oci-namespace'] as string | undefined
  const route = parseRequest(method, url, settings.prefix, headers.host, namespace)
  asked.route = route
  const entry = entryOf(route)
  const permissions = entry.permission(route)
  asked.permissions = permissions
  const handle = (principal: Principal): Waiting<void> => {
    const { request, response, requestId } = asked
    const call = new HttpCall(principal, requestId, request, response, settings)
    return entry.handle({ settings, request, response, route, call }, route)
  }
  if (permissions.length === 0) return handle(anonymousPrincipal)
  if (settings.readOnly) refuseWrites(method)
  return whenKnown(authenticate(settings, asked.request), (principal) => {
    asked.principal = principal
    settings.limit?.(asked.request, principal)
    return whenKnown(admit(settings, principal, permissions), () => handle(principal))
  })
}

/** @throws RegistryError one of the permissions is not given */
function admit(
  settings: Settings,
  principal: Principal,
  permissions: readonly Permission[],
  at = 0,
): Waiting<void> {
  const permission = permissions[at]
  if (permission === undefined) return undefined
  return whenKnown(settings.gate.authorize(principal, permission), (verdict) => {
    if (verdict !== 'allowed') throw refusal(verdict, principal, permission)
    return admit(settings, principal, permissions, at + 1)
  })
}

/** Who comes with credentials that are not taken counts as everybody does: by the address. */
function authenticate(
  { gate, limit }: Settings,
  request: IncomingMessage,
): ReturnType<typeof gate.authenticate> {
  if (limit === undefined) return gate.authenticate(request)
  const refused = (error: unknown): never => {
    limit(request, anonymousPrincipal)
    throw error
  }
  try {
    const found = gate.authenticate(request)
    return found instanceof Promise ? found.catch(refused) : found
  } catch (error) {
    return refused(error)
  }
}

/** Names and messages of checks can hold paths of the server, so they stay on the debug port and in the log. */
function checkHealth({ health }: Settings): void {
  if (health?.() === undefined) return
  throw new RegistryError('UNAVAILABLE', undefined, {
    detail: 'health check failed: please see /debug/health',
  })
}

function refuseWrites(method: string): void {
  if (method === 'GET' || method === 'HEAD') return
  throw new RegistryError('UNSUPPORTED', 'this registry is read-only at the moment: nothing can be changed')
}

function refusal(
  verdict: Exclude<Verdict, 'allowed'>,
  principal: Principal,
  permission: Permission,
): RegistryError {
  if (verdict !== 'denied') return new RegistryError('UNAUTHORIZED')
  if (permission.on !== 'repository') return new RegistryError('DENIED')
  return refusalOf(principal, permission.action, permission.repository)
}
