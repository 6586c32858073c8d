/** Signs in at a registry: Basic, or tokens from the server that it names, each for what is going to be done. */
import { type Challenge, parseChallenges } from './challenge.ts'
import { UpstreamError } from './failure.ts'
import { basicOf, missingPassword, wrongPassword } from './password.ts'
import { type Bearer, createTokenServer, type Token, type TokenServerOptions } from './token-server.ts'

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

export function createSignIn(options: TokenServerOptions): SignIn {
  const { host, credentials } = options
  const tokenServer = createTokenServer(options)
  const tokens = new Map<string, Promise<Token>>()
  let bearer: Bearer | undefined
  let basic: string | undefined

  function fetchToken(asked: Bearer, scope: string, signal?: AbortSignal): Promise<Token> {
    const fetched = tokenServer.fetch(asked, scope, signal)
    tokens.set(scope, fetched)
    // Who waits is told; the next one asks again.
    fetched.catch(() => tokens.get(scope) === fetched && tokens.delete(scope))
    return fetched
  }

  /** Many that want it at once share one. @param refused what is no good any more */
  async function token(
    asked: Bearer,
    scope: string,
    refused: string | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    for (;;) {
      const pending = tokens.get(scope)
      if (pending === undefined) break
      const known = await pending
      if (known.header !== refused && known.goodUntil > Date.now()) return known.header
      if (tokens.get(scope) === pending) break
    }
    return (await fetchToken(asked, scope, signal)).header
  }

  const wanted = (header: string): Challenge => {
    const challenges = parseChallenges(header)
    const asked = challenges.find((one) => one.scheme === 'bearer') ?? challenges[0]
    if (asked === undefined)
      throw new UpstreamError('odd', `${host} asks for a password in no way that is known here`)
    if (asked.scheme === 'basic' && credentials === undefined) throw missingPassword(host)
    return asked
  }

  return {
    get missing() {
      return credentials === undefined ? missingPassword(host) : undefined
    },
    learn(header) {
      const asked = wanted(header)
      if (asked.scheme === 'bearer') bearer = asked
      else basic = basicOf(credentials)
    },
    async header(scope, signal) {
      if (credentials?.kind === 'registry-token') return `Bearer ${credentials.token}`
      if (basic !== undefined || bearer === undefined) return basic
      return token(bearer, scope, undefined, signal)
    },
    async answer(header, scope, used, signal) {
      const asked = wanted(header)
      if (asked.scheme === 'bearer' && credentials?.kind !== 'registry-token') {
        bearer = asked
        const fresh = await token(asked, scope, used, signal)
        return fresh === used ? undefined : fresh
      }
      const mine = basicOf(credentials)
      if (mine === undefined || used === mine) throw wrongPassword(host, credentials)
      basic = mine
      return mine
    },
  }
}
