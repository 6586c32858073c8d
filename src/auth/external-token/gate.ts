/** Tokens of another server, whose `access` claim says who may do what: Distribution's `auth.token`. */
import { openChangingFiles, type ChangingFiles } from '../../lib/changing-files.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Gate, Refused } from '../authenticate.ts'
import { bearerChallenge } from '../challenge.ts'
import type { Guard, Permission } from '../permission.ts'
import { anonymousPrincipal, type Principal } from '../principal.ts'
import { accessRecords, mountSource, NEEDED_ACTIONS, redirectRealm, scopeOf } from './access-records.ts'
import { type Failure, TokenRefusedError } from './refused.ts'
import { grants, principalOf } from './token-principal.ts'
import { readTrustedKeys, type TrustedKeys } from './trusted-keys.ts'
import { createVerifiedTokens } from './verified-tokens.ts'
import type { TokenRules, VerifiedToken } from './verify-token.ts'

/** What Distribution takes where `signingalgorithms` is empty. Those with a shared secret never fit a key of it. */
const DEFAULT_ALGORITHMS: readonly string[] = [
  ...['EdDSA', 'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'],
  ...['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'],
]

/** The section `auth.token` of the configuration. */
export type ExternalTokenSettings = {
  realm: string
  service: string
  issuer: string
  rootcertbundle?: string | undefined
  jwks?: string | undefined
  signingalgorithms: readonly string[]
  autoredirect: boolean
  autoredirectpath: string
}

type Dependencies = { settings: ExternalTokenSettings; clock: Clock; log: Logger }

/**
 * The `access` claim alone decides, at the door and behind it ({@link externalTokenGuard}).
 * @throws Error: a file of keys cannot be read, or there is no key
 */
export async function createExternalTokenGate({ settings, clock, log }: Dependencies): Promise<Gate> {
  const { issuer, service, signingalgorithms: listed } = settings
  const rules = { issuer, service, algorithms: listed.length === 0 ? DEFAULT_ALGORITHMS : listed }
  warnOfSecrets(listed, log)
  const keys = await openKeys(settings, clock, log)
  const recognise = createRecogniser({ rules, keys, clock })
  return {
    authenticate(request) {
      const { authorization = '' } = request.headers
      const found = recognise(authorization)
      if (found === anonymousPrincipal) return found
      const source = mountSource(request)
      if (source === undefined) return found
      return found instanceof Promise ? found.then((one) => narrowed(one, source)) : narrowed(found, source)
    },
    authorize(principal, permission) {
      if (principal.token === undefined) return 'sign-in'
      return isGranted(principal, permission) ? 'allowed' : 'wider-token'
    },
    challenge(request, refused) {
      const { realm, autoredirect, autoredirectpath } = settings
      return bearerChallenge({
        realm: autoredirect ? redirectRealm(request, autoredirectpath) : realm,
        service,
        scope: scopeOf(accessRecords(refused.permissions, mountSource(request))),
        error: errorOf(refused),
      })
    },
    detail: (request, { permissions }) => {
      const records = accessRecords(permissions, mountSource(request))
      return records.length === 0 ? undefined : records
    },
  }
}

/** Behind the door too, the claim decides; tags are moved by whoever may push. */
export const externalTokenGuard: Guard = {
  may: (principal, action, repository) => grants(principal, repository, action),
  mayMoveTags: (principal, repository) => grants(principal, repository, 'push'),
  mayList: (principal, repository) =>
    principal.token?.catalog === true || grants(principal, repository, 'pull'),
}

function openKeys(
  { rootcertbundle, jwks }: ExternalTokenSettings,
  clock: Clock,
  log: Logger,
): Promise<ChangingFiles<TrustedKeys>> {
  return openChangingFiles({
    paths: [rootcertbundle, jwks].filter((path) => path !== undefined),
    read: () => readTrustedKeys({ rootCertBundle: rootcertbundle, jwks }),
    now: () => clock.now(),
    changed: () => log.info('auth.token: its keys changed and are in use'),
    failed: (error) =>
      log.error('auth.token: the changed files of keys cannot be used; the old keys stay in use', { error }),
  })
}

function warnOfSecrets(listed: readonly string[], log: Logger): void {
  const shared = listed.filter((algorithm) => algorithm.startsWith('HS'))
  if (shared.length === 0) return
  log.warn(
    `auth.token.signingalgorithms: no token with ${shared.join(', ')} is ever taken, here as in Distribution: ` +
      'these need a shared secret, and the keys of auth.token are public',
  )
}

/** Authorization header → principal: one look into a table, where the token was seen before. */
function createRecogniser({
  rules,
  keys,
  clock,
}: {
  rules: TokenRules
  keys: ChangingFiles<TrustedKeys>
  clock: Clock
}): (header: string) => Principal | Promise<Principal> {
  const known = createVerifiedTokens()

  async function check(header: string, token: string, trusted: TrustedKeys): Promise<Principal> {
    // Not loaded before it is needed.
    const { verifyToken } = await import('./verify-token.ts')
    let verified: VerifiedToken
    try {
      verified = await verifyToken(token, rules, trusted, clock.now())
    } catch (error) {
      throw refusalOf(error)
    }
    const principal = principalOf(verified)
    known.put(header, { principal, until: verified.until, keys: trusted })
    return principal
  }

  function withKeys(header: string, trusted: TrustedKeys): Principal | Promise<Principal> {
    const found = known.get(header, trusted, clock.now())
    if (found !== undefined) return found
    const token = bearerTokenIn(header)
    return token === undefined ? anonymousPrincipal : check(header, token, trusted)
  }

  return (header) => {
    if (header === '') return anonymousPrincipal
    const trusted = keys.current()
    return trusted instanceof Promise
      ? trusted.then((now) => withKeys(header, now))
      : withKeys(header, trusted)
  }
}

/** As Distribution cuts it: at the first space, and what is not a Bearer token is no token at all. */
function bearerTokenIn(header: string): string | undefined {
  const space = header.indexOf(' ')
  if (space < 0 || header.slice(0, space).toLowerCase() !== 'bearer') return undefined
  const token = header.slice(space + 1)
  return token === '' ? undefined : token
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof TokenRefusedError)) return error
  const message = `the token does not count: ${error.message}; get another one where the challenge says`
  return new RegistryError('UNAUTHORIZED', message, { cause: error })
}

/** The challenge's `error` is Distribution's, which has none for a signature that is wrong. */
function errorOf({ principal, error }: Refused): 'invalid_token' | 'insufficient_scope' | undefined {
  if (principal !== undefined) return principal.token === undefined ? undefined : 'insufficient_scope'
  const failure: Failure | undefined =
    error.cause instanceof TokenRefusedError ? error.cause.failure : undefined
  return failure === undefined || failure === 'unverified' ? undefined : 'invalid_token'
}

function isGranted(principal: Principal, permission: Permission): boolean {
  switch (permission.on) {
    case 'registry':
      return true
    case 'catalog':
    case 'search':
      return principal.token?.catalog === true
    case 'repository':
      return NEEDED_ACTIONS[permission.action].every((action) =>
        grants(principal, permission.repository, action),
      )
  }
}

const NOTHING = { repositories: new Map(), catalog: false } as const

/** A mount whose source the token may not read is refused whole: the client gets a token for both, and mounts. */
function narrowed(principal: Principal, source: string): Principal {
  return principal.token === undefined || grants(principal, source, 'pull')
    ? principal
    : { ...principal, token: NOTHING }
}
