/** Asks the server that a registry names for a token (distribution's token and OAuth 2 specifications). */
import type { IncomingMessage } from 'node:http'
import type { Challenge } from './challenge.ts'
import type { Credentials } from './credentials/credentials.ts'
import type { Exchange } from './exchange.ts'
import { failureOfAnswer, failureOfRequest, UpstreamError } from './failure.ts'
import { basicOf, missingPassword, wrongPassword } from './password.ts'
import { printable } from './printable.ts'
import { readBounded } from '../lib/read-bounded.ts'
import { discard, once } from './bodies.ts'

export type Bearer = Extract<Challenge, { scheme: 'bearer' }>

/** `goodUntil`: milliseconds since 1970. */
export type Token = { header: string; goodUntil: number }

export type TokenServer = {
  /** @throws UpstreamError, an AbortError */
  fetch(asked: Bearer, scope: string, signal?: AbortSignal): Promise<Token>
}

export type TokenServerOptions = {
  host: string
  origin: URL
  credentials: Credentials | undefined
  exchange: Exchange
  /** Sends again what failed in passing. */
  retried: (work: () => Promise<IncomingMessage>, signal?: AbortSignal) => Promise<IncomingMessage>
}

const LARGEST_TOKEN = 1024 * 1024
/** Where the token server does not say (its specification). */
const DEFAULT_SECONDS = 60
/** A token is not used for what it may not outlive. */
const MARGIN_MS = 10_000

export function createTokenServer(options: TokenServerOptions): TokenServer {
  const { host, origin, credentials, exchange, retried } = options

  async function fetchToken(asked: Bearer, scope: string, signal?: AbortSignal): Promise<Token> {
    const realm = realmOf(asked)
    const scopes = [...new Set([...scope.split(' '), ...(asked.scope?.split(' ') ?? [])])].filter(Boolean)
    const began = Date.now()
    const answer = await retried(
      () => exchange.send(tokenRequest(realm, asked.service, scopes, signal)),
      signal,
    )
    if (answer.statusCode !== 200) throw await tokenRefused(answer, realm)
    const { text, seconds } = tokenIn(await bodyOf(answer, realm), host)
    return {
      header: `Bearer ${text}`,
      goodUntil: began + Math.max(seconds, DEFAULT_SECONDS) * 1000 - MARGIN_MS,
    }
  }

  async function bodyOf(answer: IncomingMessage, realm: URL): Promise<Buffer> {
    try {
      return await readBounded(answer, LARGEST_TOKEN)
    } catch (error) {
      throw error instanceof RangeError ? noToken(host) : failureOfRequest(error, realm.host)
    }
  }

  /** A password goes to no server in the open, unless the registry itself is asked so. */
  function realmOf({ realm }: Bearer): URL {
    const url = URL.parse(realm, origin)
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && origin.protocol === 'http:')
    if (url === null || !isSafe)
      throw new UpstreamError(
        'odd',
        `${host} names a token server that cannot be asked safely: ${printable(realm.slice(0, 200))}`,
      )
    return url
  }

  function tokenRequest(
    realm: URL,
    service: string | undefined,
    scopes: readonly string[],
    signal?: AbortSignal,
  ) {
    if (credentials?.kind === 'identity-token') {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: credentials.token,
        client_id: 'berth',
        scope: scopes.join(' '),
        ...(service !== undefined && { service }),
      })
      const bytes = Buffer.from(form.toString())
      return {
        method: 'POST',
        url: realm,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: { length: bytes.length, open: () => once(bytes) },
        signal,
      }
    }
    const url = new URL(realm)
    if (service !== undefined) url.searchParams.set('service', service)
    for (const one of scopes) url.searchParams.append('scope', one)
    const authorization = basicOf(credentials)
    return { method: 'GET', url, headers: { ...(authorization !== undefined && { authorization }) }, signal }
  }

  async function tokenRefused(answer: IncomingMessage, realm: URL): Promise<UpstreamError> {
    const status = answer.statusCode ?? 0
    if (status !== 401 && status !== 403 && status !== 400)
      return failureOfAnswer(answer, `the token server of ${host}`, 'give a token')
    discard(answer)
    if (credentials === undefined) return missingPassword(host)
    return wrongPassword(host, credentials, realm.host === origin.host ? '' : ` (${realm.host})`)
  }

  return { fetch: fetchToken }
}

function tokenIn(body: Buffer, host: string): { text: string; seconds: number } {
  try {
    const document = JSON.parse(body.toString()) as Record<string, unknown>
    const { token, access_token: access, expires_in: seconds } = document
    const text = typeof token === 'string' && token !== '' ? token : access
    if (typeof text === 'string' && /^[\x21-\x7e]+$/.test(text))
      return { text, seconds: typeof seconds === 'number' ? seconds : DEFAULT_SECONDS }
  } catch {
    // told below
  }
  throw noToken(host)
}

const noToken = (host: string): UpstreamError =>
  new UpstreamError('odd', `the token server of ${host} gave no token`)
