/** A JSON Web Token of a workload: signed by its issuer, for this registry, now. */
import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose'
import type { IssuerKeys } from './issuer-keys.ts'

/** Those with a public key: a token that the verifier could make itself says nothing. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** Seconds that the issuer's clock may be ahead. An end is an end: what the token gives must not outlive it. */
const AHEAD = 60
const MAX_SUBJECT = 1024

export type WorkloadClaims = JWTPayload & { sub: string; exp: number }

type Expected = { issuer: string; audience: string; keys: IssuerKeys; now: number }

/** `why` is for the log: nothing of the token stands in it. */
export type Verdict = { claims: WorkloadClaims } | { why: string }

/** @throws RegistryError UNAVAILABLE: its key cannot be asked for */
export async function verifyWorkload(token: string, expected: Expected): Promise<Verdict> {
  const found = await verifyWith(token, await expected.keys.current(), expected)
  if (found !== 'unknown key') return found
  const newer = await expected.keys.newer()
  const again = newer === undefined ? found : await verifyWith(token, newer, expected)
  return again === 'unknown key' ? { why: 'its issuer does not have the key it is signed with' } : again
}

async function verifyWith(
  token: string,
  keys: JWTVerifyGetKey,
  { issuer, audience, now }: Expected,
): Promise<Verdict | 'unknown key'> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'sub'],
      clockTolerance: AHEAD,
      currentDate: new Date(now),
    })
    const why = wrongIn(payload, now)
    return why === undefined ? { claims: payload as WorkloadClaims } : { why }
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey ? 'unknown key' : { why: reasonOf(error) }
  }
}

function wrongIn({ sub, exp = 0, iat = Infinity }: JWTPayload, now: number): string | undefined {
  if (exp * 1000 <= now) return 'it has expired'
  if (iat * 1000 > now + AHEAD * 1000) return 'it was made in the future'
  // It becomes part of an id that rows and log lines hold.
  const isUsable = typeof sub === 'string' && sub !== '' && sub.length <= MAX_SUBJECT && !/\p{Cc}/u.test(sub)
  return isUsable
    ? undefined
    : `its sub is empty, longer than ${MAX_SUBJECT} characters, or has control characters`
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) return `its claim ${error.claim} is missing or wrong`
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is wrong'
  if (error instanceof errors.JOSEAlgNotAllowed) return `its algorithm is none of ${ALGORITHMS.join(', ')}`
  return 'it cannot be read, or its key cannot be used'
}
