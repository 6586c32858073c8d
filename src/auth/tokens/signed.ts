/** Signing our own tokens, and telling them from all others. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { type AccessVersion, findAccessVersion } from '../../metadata/access/version.ts'
import type { Db } from '../../metadata/database.ts'
import { RegistryError } from '../../oci/error.ts'
import { MAX_TOKEN } from '../credentials.ts'
import { isTokenClaims, type TokenClaims } from './claims.ts'
import { ALGORITHM, type TokenKeys } from './keys.ts'

/** The name that this registry has in challenges and in its tokens' `aud`. */
export const SERVICE = 'berth'
/** Clocks of processes that share keys may differ by as much; a token ends when it says so all the same. */
const LEEWAY_S = 60

export type SignedTokens = {
  /** Of claims that say neither who made it nor for whom. */
  sign(claims: TokenClaims): Promise<string>
  /** @throws RegistryError UNAUTHORIZED: another's, forged, too early, too late */
  verify(token: string): Promise<TokenClaims>
}

export function createSignedTokens({
  db,
  keys,
  clock,
}: {
  db: Pick<Db, 'cached'>
  keys: TokenKeys
  clock: Clock
}): SignedTokens {
  return {
    async sign(claims) {
      const [{ SignJWT }, { id, key }, version] = await Promise.all([
        import('jose'),
        keys.forSigning(),
        findAccessVersion(db),
      ])
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid: id, typ: 'JWT' })
        .setIssuer(issuerOf(version))
        .setAudience(SERVICE)
        .setNotBefore(claims.iat)
        .setJti(randomBytes(12).toString('base64url'))
        .sign(key)
    },
    async verify(token) {
      if (token.length > MAX_TOKEN) throw invalidToken('it is too long')
      const { decodeProtectedHeader, jwtVerify } = await import('jose')
      const kid = await keyIdOf(token, decodeProtectedHeader)
      const [key, version] = await Promise.all([keys.forVerifying(kid), findAccessVersion(db)])
      if (key === undefined) throw invalidToken('this registry did not sign it')
      const now = clock.now()
      // A key that is given, as here, is the only one: what the header says of others (jwk, x5c, jku) is not looked at.
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        typ: 'JWT',
        issuer: issuerOf(version),
        audience: SERVICE,
        requiredClaims: ['sub', 'iat', 'nbf', 'exp', 'jti'],
        clockTolerance: LEEWAY_S,
        currentDate: new Date(now),
      }).catch(() => {
        throw invalidToken('it is expired, or this registry did not sign it')
      })
      const claims: Record<string, unknown> = payload
      if (!isTokenClaims(claims)) throw invalidToken('it is of another version of this registry')
      if (claims.exp * 1000 <= now) throw invalidToken('it is expired')
      if (claims.iat * 1000 > now + LEEWAY_S * 1000) throw invalidToken('it is of the future')
      return claims
    },
  }
}

/** @param why what follows "…: " in the message */
export function invalidToken(why: string): RegistryError {
  return new RegistryError(
    'UNAUTHORIZED',
    `the token is not valid: ${why}; get a new one where the challenge says`,
  )
}

function issuerOf({ registry }: AccessVersion): string {
  return `berth:${registry}`
}

async function keyIdOf(
  token: string,
  decode: (token: string) => { alg?: string; kid?: string },
): Promise<string> {
  let header: { alg?: unknown; kid?: unknown }
  try {
    header = decode(token)
  } catch {
    throw invalidToken('it is none of this registry')
  }
  if (header.alg !== ALGORITHM || typeof header.kid !== 'string') {
    throw invalidToken('it is none of this registry')
  }
  return header.kid
}
