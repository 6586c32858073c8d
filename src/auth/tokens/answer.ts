/** How the token service answers: errors in the forms of OAuth and of the registry, and one write. */
import type { ServerResponse } from 'node:http'
import { DatabaseBusyError, DatabaseFullError } from '../../metadata/database.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Arrived } from '../../serving/endpoint.ts'
import { basicChallenge } from '../challenge.ts'
import { TokenRequestError } from './request.ts'

export type AnswerSettings = {
  /** Of the challenge to sign in here. */
  realm: string
  /** Extra headers of every answer, as configured: pages of another origin ask for tokens, too. */
  headers: Readonly<Record<string, readonly string[]>>
}

export type TokenAnswer = { status: number; headers: readonly string[]; body: Buffer }

const ALLOW = 'GET, HEAD, POST'
const OWN_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  pragma: 'no-cache',
  'x-content-type-options': 'nosniff',
  'docker-distribution-api-version': 'registry/2.0',
}
const KEPT = new Set([
  ...Object.keys(OWN_HEADERS),
  ...['x-request-id', 'content-length', 'www-authenticate', 'allow', 'retry-after', 'transfer-encoding'],
])

/** Browsers ask before a request to another origin, without credentials. */
export function optionsAnswer(settings: AnswerSettings, arrived: Arrived): TokenAnswer {
  const headers = [...headersFor(settings, arrived), 'Allow', `${ALLOW}, OPTIONS`]
  return { status: 204, headers, body: Buffer.alloc(0) }
}

export function goodAnswer(settings: AnswerSettings, arrived: Arrived, body: object): TokenAnswer {
  return { status: 200, headers: headersFor(settings, arrived), body: Buffer.from(JSON.stringify(body)) }
}

/** Whatever was thrown, as both kinds of clients read it. */
export function badAnswer(
  settings: AnswerSettings,
  arrived: Arrived,
  thrown: unknown,
): TokenAnswer & { error: RegistryError } {
  const error = errorOf(thrown)
  const { code, message, detail, status, retryAfter } = error
  const body = { error: oauthCode(thrown, error), error_description: message }
  const headers = headersFor(settings, arrived)
  if (status === 401) headers.push('WWW-Authenticate', basicChallenge(settings.realm))
  if (status === 405) headers.push('Allow', ALLOW)
  if (retryAfter !== undefined) headers.push('Retry-After', `${retryAfter}`)
  const bytes = Buffer.from(JSON.stringify({ ...body, errors: [{ code, message, detail }] }))
  return { status, headers, body: bytes, error }
}

export function send(response: ServerResponse, { status, headers, body }: TokenAnswer): void {
  const length = status === 204 ? [] : ['Content-Length', `${body.byteLength}`]
  response.writeHead(status, [...headers, ...length])
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

function headersFor({ headers }: AnswerSettings, { requestId }: Arrived): string[] {
  const configured = Object.entries(headers).filter(([name]) => !KEPT.has(name.toLowerCase()))
  return [
    ...Object.entries(OWN_HEADERS).flat(),
    ...['x-request-id', requestId],
    ...configured.flatMap(([name, values]) => values.flatMap((value) => [name, value])),
  ]
}

function errorOf(thrown: unknown): RegistryError {
  if (thrown instanceof TokenRequestError) return thrown.error
  if (thrown instanceof RegistryError) return thrown
  if (thrown instanceof DatabaseFullError || thrown instanceof DatabaseBusyError) {
    return new RegistryError('UNAVAILABLE', 'the registry cannot write at the moment: try again soon', {
      retryAfter: 5,
      cause: thrown,
    })
  }
  return new RegistryError('UNKNOWN', undefined, { cause: thrown })
}

/** RFC 6749, section 5.2, and section 4.1.2.1 for what it has no word for. */
function oauthCode(thrown: unknown, { status }: RegistryError): string {
  if (thrown instanceof TokenRequestError) return thrown.oauth
  if (status === 401) return 'invalid_grant'
  return status === 429 || status === 503 ? 'temporarily_unavailable' : 'server_error'
}
