/** Signs in at a registry: Basic, or tokens from the server that it names, each for what is going to be done. */
import type { IncomingMessage } from 'node:http'
import { type Challenge, parseChallenges } from './challenge.ts'
import type { Credentials } from './credentials/credentials.ts'
import type { Exchange } from './exchange.ts'
import { failureOfAnswer, UpstreamError } from './failure.ts'
import { readBounded } from './read-bounded.ts'

export type SignIn = {
  /** Nobody is known here to sign in as: why that does not do. */
  readonly missing: UpstreamError | undefined
  /** What a registry asks for at `/v2/`, so that what follows is not refused first. */
  learn(challenges: string): void
  /** What to send for a scope, as far as is known before asking. Undefined: nothing. */
  header(scope: string, signal?: AbortSignal): Promise<string | undefined>
  /**
   * After a 401.
   * @param used what had been sent
   * @returns what to send instead; undefined: there is nothing better
   * @throws UpstreamError `sign-in`, and what a request throws
   */
  answer(
    challenges: string,
    scope: string,
    used: string | undefined,
    signal?: AbortSignal,
  ): Promise<string | undefined>
}

type Token = { header: string; goodUntil: number }
type Bearer = Extract<Challenge, { scheme: 'bearer' }>

const LARGEST_TOKEN = 1024 * 1024
/** Where the token server does not say (its specification). */
const DEFAULT_SECONDS = 60
/** A token is not used for what it may not outlive. */
const MARGIN_MS = 10_000

/** @param retried sends again what failed in passing */
export function createSignIn(options: {
  host: string
  origin: URL
  credentials: Credentials | undefined
  exchange: Exchange
  retried: (work: () => Promise<IncomingMessage>, signal?: AbortSignal) => Promise<IncomingMessage>
  now?: () => number
}): SignIn {
  const { host, origin, credentials, exchange, retried, now = Date.now } = options
  const tokens = new Map<string, Promise<Token>>()
  let bearer: Bearer | undefined
  let basic: string | undefined

  function token(asked: Bearer, scope: string, signal?: AbortSignal): Promise<Token> {
    const fetched = fetchToken(asked, scope, signal)
    tokens.set(scope, fetched)
    // Who waits is told; the next one asks again.
    fetched.catch(() => tokens.get(scope) === fetched && tokens.delete(scope))
    return fetched
  }

  async function fetchToken(asked: Bearer, scope: string, signal?: AbortSignal): Promise<Token> {
    const realm = realmOf(asked)
    const scopes = [...new Set([...scope.split(' '), ...(asked.scope?.split(' ') ?? [])])].filter(Boolean)
    const began = now()
    const answer = await retried(
      () => exchange.send(tokenRequest(realm, asked.service, scopes, signal)),
      signal,
    )
    if (answer.statusCode !== 200) throw await tokenRefused(answer, realm)
    const body = await readBounded(answer, LARGEST_TOKEN)
    const { text, seconds } = tokenIn(body, host)
    return {
      header: `Bearer ${text}`,
      goodUntil: began + Math.max(seconds, DEFAULT_SECONDS) * 1000 - MARGIN_MS,
    }
  }

  /** A password goes to no server in the open, unless the registry itself is asked so. */
  function realmOf({ realm }: Bearer): URL {
    const url = URL.parse(realm, origin)
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && origin.protocol === 'http:')
    if (url === null || !isSafe)
      throw new UpstreamError(
        'odd',
        `${host} names a token server that cannot be asked safely: ${realm.slice(0, 200)}`,
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
    answer.resume()
    return credentials === undefined ? missing() : wrong(realm.host === origin.host ? '' : ` (${realm.host})`)
  }

  const missing = (): UpstreamError =>
    new UpstreamError(
      'sign-in',
      `${host} asks for a name and a password: "docker login ${host}" keeps them, or say --username NAME --password-stdin`,
    )
  const wrong = (where = ''): UpstreamError =>
    new UpstreamError('sign-in', `${host} does not take ${credentials?.from ?? 'the password'}${where}`)

  const wanted = (header: string): Challenge => {
    const challenges = parseChallenges(header)
    const asked = challenges.find((one) => one.scheme === 'bearer') ?? challenges[0]
    if (asked === undefined)
      throw new UpstreamError('odd', `${host} asks for a password in no way that is known here`)
    if (asked.scheme === 'basic' && credentials === undefined) throw missing()
    return asked
  }

  return {
    get missing() {
      return credentials === undefined ? missing() : undefined
    },
    learn(header) {
      const asked = wanted(header)
      if (asked.scheme === 'bearer') bearer = asked
      else basic = basicOf(credentials)
    },
    async header(scope, signal) {
      if (credentials?.kind === 'registry-token') return `Bearer ${credentials.token}`
      if (basic !== undefined || bearer === undefined) return basic
      const known = await tokens.get(scope)
      if (known !== undefined && known.goodUntil > now()) return known.header
      return (await token(bearer, scope, signal)).header
    },
    async answer(header, scope, used, signal) {
      const asked = wanted(header)
      if (asked.scheme === 'bearer' && credentials?.kind !== 'registry-token') {
        bearer = asked
        const known = await tokens.get(scope)
        // Somebody else may have got a new one meanwhile.
        if (known !== undefined && known.header !== used && known.goodUntil > now()) return known.header
        const fresh = await token(asked, scope, signal)
        return fresh.header === used ? undefined : fresh.header
      }
      const mine = basicOf(credentials)
      if (mine === undefined || used === mine) throw wrong()
      basic = mine
      return mine
    },
  }
}

function basicOf(credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind !== 'password') return undefined
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
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
  throw new UpstreamError('odd', `the token server of ${host} gave no token`)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
