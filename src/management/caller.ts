/** Who sends a request to the API: Authorization decides alone; without it, the cookie of a session. */
import type { IncomingMessage } from 'node:http'
import { parseCredentials } from '../auth/credentials.ts'
import type { Asking } from '../auth/identities.ts'
import type { Account } from '../auth/identity.ts'
import { anonymousPrincipal, openPrincipal } from '../auth/principal.ts'
import { hashSecret } from '../auth/secrets.ts'
import { findSecretByHash } from '../metadata/access/secrets.ts'
import type { Arrived } from '../serving/endpoint.ts'
import { readCookie } from './cookie.ts'
import type { Caller } from './exchange.ts'
import type { Mode, SignInPart } from './mode.ts'
import { Problem } from './problem.ts'
import type { Sessions } from './sessions.ts'

const MAX_CLIENT_LENGTH = 256
/** Secrets that Berth gave out: they may come as Bearer too, since they say themselves whose they are. */
const OWN_SECRET = /^berth_(?:pat|robot)_/

export type CallerOf = (request: IncomingMessage, arrived: Arrived) => Promise<Found>
export type Found = {
  readonly caller: Caller
  /** There was a cookie, and its session is over: the browser is to forget it. */
  readonly isSessionOver: boolean
}

type Options = {
  readonly mode: Mode
  readonly signIn: SignInPart | undefined
  readonly sessions: Sessions | undefined
  readonly isSecure: (request: IncomingMessage) => boolean
}

/** @throws Problem, RegistryError (from its function): the credentials are wrong, or cannot be looked at now */
export function createCallerOf({ mode, signIn, sessions, isSecure }: Options): CallerOf {
  return async (request, { address, requestId }) => {
    const { headers } = request
    const client = (headers['user-agent'] ?? '').slice(0, MAX_CLIENT_LENGTH)
    const from = { address, requestId, client }
    const nobody: Caller = {
      ...from,
      principal: mode === 'open' ? openPrincipal : anonymousPrincipal,
      account: undefined,
      via: 'nobody',
      sessionId: undefined,
    }
    if (signIn === undefined || sessions === undefined) return { caller: nobody, isSessionOver: false }
    const { authorization } = headers
    if (authorization !== undefined && authorization !== '') {
      const account = await byHeader(signIn, authorization, from)
      const via = account.secretId === undefined ? 'password' : 'secret'
      return { caller: withAccount(nobody, account, viaOf(account, via)), isSessionOver: false }
    }
    const cookie = readCookie(headers.cookie, isSecure(request))
    if (cookie === undefined) {
      const account = await signIn.certificateOf?.(request)
      const caller = account === undefined ? nobody : withAccount(nobody, account, 'certificate')
      return { caller, isSessionOver: false }
    }
    const session = await sessions.find(cookie, address)
    if (session === undefined) return { caller: nobody, isSessionOver: true }
    const caller = { ...withAccount(nobody, session.account, 'session'), sessionId: session.row.id }
    return { caller, isSessionOver: false }
  }
}

/** A workload's token is no password of a person. */
function viaOf({ principal }: Account, via: Caller['via']): Caller['via'] {
  return principal.kind === 'user' ? via : 'secret'
}

function withAccount(nobody: Caller, account: Account, via: Caller['via']): Caller {
  return { ...nobody, account, principal: account.principal, via }
}

async function byHeader(signIn: SignInPart, header: string, asking: Asking): Promise<Account> {
  return signIn.identities.signIn(await namedBy(signIn, header), asking)
}

/** @throws Problem UNAUTHENTICATED */
async function namedBy({ db }: SignInPart, header: string): Promise<{ name: string; password: string }> {
  const credentials = parseCredentials(header)
  switch (credentials.kind) {
    case 'basic':
      return credentials
    case 'bearer': {
      const password = credentials.token
      // Such a secret says itself whose it is; where it is none, it is refused under this name.
      if (OWN_SECRET.test(password))
        return { name: (await findSecretByHash(db, hashSecret(password)))?.holderName ?? 'bearer', password }
      throw new Problem(
        'UNAUTHENTICATED',
        'this token is for pulling and pushing only: send a personal token or the secret of a robot, or sign in by name',
      )
    }
    case 'malformed':
      throw new Problem('UNAUTHENTICATED', credentials.why)
    case 'none':
      throw new Problem('UNAUTHENTICATED', 'the Authorization header is empty')
  }
}

/**
 * A body can take its time: whoever sent it is looked at again after it, as they are now.
 * @throws Problem UNAUTHENTICATED
 */
export async function lookAgain({ accounts }: SignInPart, caller: Caller): Promise<Caller> {
  const { account, via, principal } = caller
  // Of these nothing is known but what came with the request.
  if (account === undefined || via === 'certificate' || principal.kind === 'workload') return caller
  const now = await accounts.find(principal.id, account.secretId)
  if (now?.stamp === account.stamp) return { ...caller, account: now, principal: now.principal }
  throw new Problem('UNAUTHENTICATED', 'your account was changed meanwhile: sign in again')
}

/** Whether the browser that asks came over TLS, as far as can be known. */
export function createIsSecure(publicUrl: string | undefined): (request: IncomingMessage) => boolean {
  const own = publicUrl === undefined ? undefined : new URL(publicUrl)
  return ({ socket, headers }) => {
    if ('encrypted' in socket) return true
    if (/^https\b/i.test(String(headers['x-forwarded-proto'] ?? '').trim())) return true
    return own?.protocol === 'https:' && headers.host?.toLowerCase() === own.host
  }
}
