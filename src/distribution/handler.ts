/**
 * The protocol over a registry: parse, ask who it is, ask whether they may, answer. Handlers throw; what they throw
 * becomes an answer here and nowhere else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Permission, refusalOf, type Verdict } from '../auth/permission.ts'
import { anonymousPrincipal, type Principal } from '../auth/principal.ts'
import { RegistryError } from '../oci/error.ts'
import { createBodyMemory } from './body.ts'
import { createErrorSender, type Asked, type ErrorSender } from './error.ts'
import { HttpCall, type DistributionOptions, type Settings } from './exchange.ts'
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
  const settings: Settings = {
    ...options,
    ...headersOf(options),
    prefix: options.prefix.replace(/\/+$/, ''),
    bodyMemory: createBodyMemory(MAX_BODY_MEMORY),
  }
  const sendError = createErrorSender(settings)
  return (request, response) => {
    answer(settings, sendError, request, response).catch((error: unknown) => {
      options.log.error('a request could not even be refused', { error })
      response.destroy()
    })
  }
}

/** A browser must never run what somebody pushed: no guessing of types, and nothing but a sandbox. */
function headersOf({ headers }: DistributionOptions): Pick<Settings, 'baseHeaders' | 'ownCacheControl'> {
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

async function answer(
  settings: Settings,
  sendError: ErrorSender,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = settings.requestId(request)
  const asked: Asked = { request, response, requestId }
  try {
    const { method = 'GET', url = '/', headers } = request
    checkHealth(settings)
    const namespace = headers['oci-namespace'] as string | undefined
    const route = parseRequest(method, url, settings.prefix, headers.host, namespace)
    asked.route = route
    const entry = entryOf(route)
    const permissions = entry.permission(route)
    asked.permissions = permissions
    if (permissions.length > 0) {
      if (settings.readOnly) refuseWrites(method)
      const found = authenticate(settings, request)
      asked.principal = found instanceof Promise ? await found : found
      settings.limit?.(request, asked.principal)
      for (const permission of permissions) {
        const given = settings.gate.authorize(asked.principal, permission)
        const verdict = given instanceof Promise ? await given : given
        if (verdict !== 'allowed') throw refusal(verdict, asked.principal, permission)
      }
    }
    const call = new HttpCall(asked.principal ?? anonymousPrincipal, requestId, request, response, settings)
    await entry.handle({ settings, request, response, route, call }, route)
  } catch (thrown) {
    sendError(asked, thrown)
  }
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
