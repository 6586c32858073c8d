/** The token service: whoever signs in there gets a token for what they may of what they ask. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Db } from '../../metadata/database.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Arrived, Endpoint } from '../../serving/endpoint.ts'
import type { Access } from '../access.ts'
import type { Audit } from '../audit.ts'
import { type CertificateOf, malformedCredentials } from '../gate.ts'
import type { Asking, Identities } from '../identities.ts'
import type { Account } from '../identity.ts'
import { anonymousPrincipal, type Principal, type TokenGrant } from '../principal.ts'
import {
  type AnswerSettings,
  badAnswer,
  goodAnswer,
  optionsAnswer,
  send,
  type TokenAnswer,
} from './answer.ts'
import { grantClaims, identityClaims } from './claims.ts'
import { grantOfScopes, scopesOfGrant } from './grant.ts'
import type { RefreshTokens } from './refresh.ts'
import { readTokenRequest, type TokenRequest } from './request.ts'
import { parseScopes } from './scope.ts'
import type { SignedTokens } from './signed.ts'

export type TokenEndpointOptions = AnswerSettings & {
  identities: Identities
  certificateOf?: CertificateOf | undefined
  signed: SignedTokens
  refresh: RefreshTokens
  access: Access
  db: Pick<Db, 'cached'>
  clock: Clock
  audit: Audit
  log: Logger
  /** Before it is known who asks. @throws RegistryError TOOMANYREQUESTS */
  limit?: ((request: IncomingMessage) => void) | undefined
  /** How it ended; called before the answer is sent. */
  told: (request: IncomingMessage, end: TokenEnd) => void
}

export type TokenEnd = { principal: Principal | undefined; bytes: number; error?: RegistryError }

/** Clients take less than 60 seconds for 60. */
const LIFETIME_S = 300

type Issued = { principal: Principal; body: Record<string, unknown> }

export function createTokenEndpoint(options: TokenEndpointOptions): Endpoint {
  return (request, response, arrived) => {
    answer(options, request, response, arrived).catch((error: unknown) => {
      options.log.error('a request for a token could not even be refused', { error })
      response.destroy()
    })
  }
}

async function answer(
  options: TokenEndpointOptions,
  request: IncomingMessage,
  response: ServerResponse,
  arrived: Arrived,
): Promise<void> {
  const client = (request.headers['user-agent'] ?? '').slice(0, 256)
  const asking: Asking = { address: arrived.address, requestId: arrived.requestId, client }
  const finish = (principal: Principal | undefined, answered: TokenAnswer): void => {
    options.told(request, { principal, bytes: answered.body.byteLength })
    send(response, answered)
  }
  try {
    if (request.method === 'OPTIONS') return finish(undefined, optionsAnswer(options, arrived))
    options.limit?.(request)
    const asked = await readTokenRequest(request)
    const { principal, body } = await issue(options, request, asked, asking)
    finish(principal, goodAnswer(options, arrived, body))
  } catch (thrown) {
    refuse(options, request, response, arrived, thrown)
  }
}

async function issue(
  options: TokenEndpointOptions,
  request: IncomingMessage,
  asked: TokenRequest,
  asking: Asking,
): Promise<Issued> {
  const { access, db, clock, signed } = options
  const account = await accountOf(options, request, asked, asking)
  const principal = account?.principal ?? anonymousPrincipal
  const grant = await grantOfScopes(principal, parseScopes(asked.scopes), { access, db })
  const iat = Math.floor(clock.now() / 1000)
  const left = Math.floor(((account?.expiresAt ?? Infinity) - clock.now()) / 1000)
  const lifetime = Math.max(1, Math.min(LIFETIME_S, left))
  const whose = identityClaims(account)
  const token = await signed.sign({
    sub: principal.id,
    name: principal.name,
    ...whose,
    ...grantClaims(grant),
    iat,
    exp: iat + lifetime,
  })
  if (account !== undefined) recordIssued(options.audit, principal, grant, asking)
  const refreshToken = await refreshTokenFor(options, asked, account, asking)
  const body = {
    token,
    access_token: token,
    expires_in: lifetime,
    issued_at: new Date(iat * 1000).toISOString(),
    ...(asked.way === 'POST' && { token_type: 'Bearer', scope: scopesOfGrant(grant) }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
  }
  return { principal, body }
}

/** Who asks; undefined: nobody in particular. @throws RegistryError as {@link Identities.signIn} */
async function accountOf(
  { identities, refresh, certificateOf }: TokenEndpointOptions,
  request: IncomingMessage,
  { credentials }: TokenRequest,
  asking: Asking,
): Promise<Account | undefined> {
  switch (credentials.kind) {
    case 'none':
      return certificateOf?.(request)
    case 'basic':
      return identities.signIn(credentials, asking)
    case 'refresh':
      return refresh.redeem(credentials.token, asking)
    case 'malformed':
      throw malformedCredentials(credentials)
    case 'bearer':
      throw new RegistryError('UNAUTHORIZED', 'a token gets no other one: sign in with name and password')
  }
}

async function refreshTokenFor(
  { refresh }: TokenEndpointOptions,
  { credentials, wantsRefresh }: TokenRequest,
  account: Account | undefined,
  asking: Asking,
): Promise<string | undefined> {
  // The one that it came with stays good; a new one each time would fill the database.
  if (credentials.kind === 'refresh') return credentials.token
  return wantsRefresh && account !== undefined ? refresh.issue(account, asking) : undefined
}

function recordIssued(audit: Audit, { id, name }: Principal, grant: TokenGrant, asking: Asking): void {
  const target = scopesOfGrant(grant).slice(0, 1024) || 'registry'
  audit.record({ act: 'token', outcome: 'done', principal: { id, name }, target, ...asking })
}

function refuse(
  options: TokenEndpointOptions,
  request: IncomingMessage,
  response: ServerResponse,
  arrived: Arrived,
  thrown: unknown,
): void {
  if (response.destroyed || request.socket.destroyed) return
  const answered = badAnswer(options, arrived, thrown)
  const { error, body } = answered
  if (error.status >= 500 && (error.cause !== undefined || error.code === 'UNKNOWN')) {
    options.log.error(error.message, { 'http.request.id': arrived.requestId, error: error.cause ?? error })
  }
  options.told(request, { principal: undefined, bytes: body.byteLength, error })
  send(response, answered)
}
