/**
 * What the token service is asked, in both ways: GET (Distribution's "Token Authentication Specification") and POST
 * (its "OAuth2 Token Authentication", after RFC 6749).
 */
import type { IncomingMessage } from 'node:http'
import { readWhole } from '../../lib/small-body.ts'
import { RegistryError } from '../../oci/error.ts'
import { checkNamed, type Credentials, parseCredentials } from '../credentials.ts'

export type TokenRequest = {
  way: 'GET' | 'POST'
  credentials: Credentials | { kind: 'refresh'; token: string }
  /** As they came, not yet taken apart. */
  scopes: readonly string[]
  /** It asked for a token that gets it others later (`offline_token`, `access_type`). */
  wantsRefresh: boolean
}

/** What is wrong with a request, in OAuth's words besides ours. */
export class TokenRequestError extends Error {
  override readonly name = 'TokenRequestError'
  /** RFC 6749, section 5.2. */
  readonly oauth: 'invalid_request' | 'unsupported_grant_type'
  readonly error: RegistryError

  constructor(oauth: TokenRequestError['oauth'], message: string, status = 400) {
    super(message)
    this.oauth = oauth
    this.error = new RegistryError('UNSUPPORTED', message, { status })
  }
}

/** A JSON Web Token as password and a hundred scopes fit. */
const MAX_FORM = 16 * 1024
const FORM = 'application/x-www-form-urlencoded'

/** @throws TokenRequestError */
export async function readTokenRequest(request: IncomingMessage): Promise<TokenRequest> {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return readQuery(request)
    case 'POST':
      return readForm(request)
    default:
      throw new TokenRequestError('invalid_request', `the token service takes GET and POST only`, 405)
  }
}

function readQuery({ url = '', headers }: IncomingMessage): TokenRequest {
  const mark = url.indexOf('?')
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
  return {
    way: 'GET',
    credentials: parseCredentials(headers.authorization),
    scopes: query.getAll('scope'),
    wantsRefresh: isTrue(query.get('offline_token')) || query.get('access_type') === 'offline',
  }
}

const isTrue = (text: string | null): boolean => text === 'true' || text === '1'

async function readForm(request: IncomingMessage): Promise<TokenRequest> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== FORM) {
    request.resume()
    throw new TokenRequestError('invalid_request', `send a form, with Content-Type: ${FORM}`)
  }
  const body = await readWhole(request, MAX_FORM)
  if (body === 'too-large') {
    throw new TokenRequestError('invalid_request', `the form is larger than ${MAX_FORM} bytes`, 413)
  }
  const form = new URLSearchParams(body.toString('utf8'))
  return {
    way: 'POST',
    credentials: credentialsIn(form),
    scopes: form.getAll('scope'),
    wantsRefresh: form.get('access_type') === 'offline' || isTrue(form.get('offline_token')),
  }
}

function credentialsIn(form: URLSearchParams): TokenRequest['credentials'] {
  const grant = form.get('grant_type')
  switch (grant) {
    case 'password':
      return checkNamed(required(form, 'username'), required(form, 'password'))
    case 'refresh_token':
      return { kind: 'refresh', token: required(form, 'refresh_token') }
    case null:
      throw new TokenRequestError('invalid_request', 'grant_type is missing: password or refresh_token')
    default:
      throw new TokenRequestError(
        'unsupported_grant_type',
        'the only grant_type understood is password and refresh_token',
      )
  }
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name)
  if (value !== null) return value
  throw new TokenRequestError('invalid_request', `${name} is missing`)
}
