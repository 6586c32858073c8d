/** Sending errors. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Refused } from '../auth/authenticate.ts'
import type { Permission } from '../auth/permission.ts'
import type { Principal } from '../auth/principal.ts'
import { RegistryError } from '../oci/error.ts'
import { errorBody, toRegistryError } from './error-body.ts'
import type { Exchange, Settings } from './exchange.ts'
import { uploadLocation } from './location.ts'
import { uploadRange } from './range.ts'
import type { Route, RouteOf } from './route.ts'

const JSON_TYPE = 'application/json'

/** What is known of a request; how much, when it fails, depends on where it does. */
export type Asked = {
  request: IncomingMessage
  response: ServerResponse
  requestId: string
  route?: Route
  permissions?: readonly Permission[]
  principal?: Principal
}

/** Answers with what was thrown, and logs what is this side's fault. */
export type ErrorSender = (asked: Asked, thrown: unknown) => void

export async function otherMethod(x: Exchange, route: RouteOf<'otherMethod'>): Promise<void> {
  throw new RegistryError('UNSUPPORTED', `this address takes ${route.allow} only, not ${x.request.method}`)
}

export function createErrorSender(settings: Settings): ErrorSender {
  return (asked, thrown) => {
    const { response, requestId } = asked
    const error = toRegistryError(thrown)
    if (isGone(response)) {
      settings.log.debug('the client left', { 'http.request.id': requestId, error: thrown })
      if (!response.headersSent) observe(settings, asked, error)
      return
    }
    if (error.status >= 500 && (error.cause !== undefined || error.code === 'UNKNOWN')) {
      const cause = error.cause ?? error
      settings.log.error(error.message, { 'http.request.id': requestId, code: error.code, error: cause })
    }
    // A body that was begun cannot be taken back: it must not look whole.
    if (response.headersSent) response.destroy()
    else send(settings, asked, error)
  }
}

function isGone(response: ServerResponse): boolean {
  return response.destroyed || response.req.socket.destroyed
}

function observe(settings: Settings, asked: Asked, error: RegistryError, contentLength?: number): void {
  const { request, requestId, route, principal } = asked
  settings.observe?.({
    request,
    requestId,
    route,
    principal,
    status: error.status,
    error,
    contentType: JSON_TYPE,
    contentLength,
  })
}

function send(settings: Settings, asked: Asked, plain: RegistryError): void {
  const { request, response, requestId } = asked
  const error = withDetail(settings, asked, plain)
  const body = errorBody(error, requestId)
  observe(settings, asked, error, body.byteLength)
  settings.writeHead(response, error.status, [
    'X-Request-Id',
    requestId,
    'Content-Type',
    JSON_TYPE,
    'Content-Length',
    `${body.byteLength}`,
    ...headersFor(settings, asked, error),
  ])
  if (request.method === 'HEAD') response.end()
  else response.end(body)
}

/** What a request would have needed is the gate's to say. */
function withDetail({ gate }: Settings, asked: Asked, error: RegistryError): RegistryError {
  if (error.code !== 'UNAUTHORIZED' || error.detail !== undefined) return error
  const detail = gate.detail?.(asked.request, refusedOf(asked, error))
  if (detail === undefined) return error
  return new RegistryError(error.code, error.message, { detail, cause: error.cause })
}

function refusedOf({ permissions, principal }: Asked, error: RegistryError): Refused {
  return { permissions: permissions ?? [], principal, error }
}

function headersFor(settings: Settings, asked: Asked, error: RegistryError): string[] {
  const { request, route } = asked
  const headers: string[] = []
  if (error.status === 405) headers.push('Allow', route?.kind === 'otherMethod' ? route.allow : 'GET, HEAD')
  if (error.retryAfter !== undefined) headers.push('Retry-After', `${error.retryAfter}`)
  if (error.code === 'UNAUTHORIZED') {
    const challenge = settings.gate.challenge(request, refusedOf(asked, error))
    if (challenge !== undefined) headers.push('WWW-Authenticate', challenge)
  }
  if (error.code === 'RANGE_INVALID' && route?.kind === 'getBlob') {
    headers.push('Content-Range', `bytes */${sizeIn(error.detail)}`, 'Accept-Ranges', 'bytes')
  }
  if (error.upload !== undefined && route !== undefined && 'asked' in route) {
    const { id, received } = error.upload
    headers.push('Location', uploadLocation(settings.prefix, route, id))
    headers.push('Range', uploadRange(received), 'Docker-Upload-UUID', id)
  }
  return headers
}

function sizeIn(detail: unknown): number | '*' {
  const size = (detail as { size?: unknown } | undefined)?.size
  return typeof size === 'number' ? size : '*'
}
