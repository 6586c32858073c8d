/** The gate of a registry with access control: Basic, our own Bearer tokens, client certificates, or nobody. */
import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../oci/error.ts'
import type { Gate } from './authenticate.ts'
import { basicChallenge, bearerChallenge, errorOf, originOf, scopeOf } from './challenge.ts'
import { type Credentials, parseCredentials } from './credentials.ts'
import type { Decider } from './decide.ts'
import type { Asking, Identities } from './identities.ts'
import type { Account } from './identity.ts'
import { anonymousPrincipal, type Principal } from './principal.ts'
import type { BearerTokens } from './tokens/bearer.ts'
import { SERVICE } from './tokens/signed.ts'

/** How clients are told to sign in. */
export type Challenges =
  | { kind: 'basic'; realm: string }
  /** `host`: the configured address of this registry; `path`: of the token service, from `/`. */
  | { kind: 'bearer'; host: string | undefined; path: string }

/** Who the client certificate of a connection is of; undefined: it has none. */
export type CertificateOf = (request: IncomingMessage) => Account | undefined | Promise<Account | undefined>

export type GateOptions = {
  identities: Identities
  tokens: BearerTokens
  decider: Decider
  challenges: Challenges
  /** Asked where there is no Authorization header. */
  certificateOf?: CertificateOf | undefined
  askingOf: (request: IncomingMessage) => Asking
}

export function createGate(options: GateOptions): Gate {
  const { identities, tokens, decider, challenges } = options
  return {
    authenticate(request) {
      const header = request.headers.authorization
      if (header === undefined) return withoutHeader(options, request)
      const known = tokens.recall(header)
      if (known !== undefined) return known
      const credentials = parseCredentials(header)
      const again = credentials.kind === 'basic' ? identities.recall(credentials) : undefined
      return again?.principal ?? byCredentials(options, request, header, credentials)
    },
    authorize: (principal, permission) => decider.verdict(principal, permission),
    challenge(request, refused) {
      if (challenges.kind === 'basic') return basicChallenge(challenges.realm)
      return bearerChallenge({
        realm: originOf(request, challenges.host) + challenges.path,
        service: SERVICE,
        scope: scopeOf(refused.permissions),
        error: errorOf(request, refused),
      })
    },
  }
}

function withoutHeader(
  { certificateOf }: GateOptions,
  request: IncomingMessage,
): Principal | Promise<Principal> {
  if (certificateOf === undefined) return anonymousPrincipal
  const found = certificateOf(request)
  if (found instanceof Promise) return found.then((account) => account?.principal ?? anonymousPrincipal)
  return found?.principal ?? anonymousPrincipal
}

async function byCredentials(
  options: GateOptions,
  request: IncomingMessage,
  header: string,
  credentials: Credentials,
): Promise<Principal> {
  switch (credentials.kind) {
    case 'none':
      return withoutHeader(options, request)
    case 'bearer':
      return options.tokens.accept(header, credentials.token)
    case 'basic':
      return (await options.identities.signIn(credentials, options.askingOf(request))).principal
    case 'malformed':
      throw malformedCredentials(credentials)
  }
}

export function malformedCredentials({ why }: Extract<Credentials, { kind: 'malformed' }>): RegistryError {
  return new RegistryError('UNAUTHORIZED', `${why}; see "docker login"`)
}
