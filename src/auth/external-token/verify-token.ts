/**
 * A token of another server, as Distribution checks it (its registry/auth/token): which key, its signature, who made
 * it, for whom, and when.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { decodeProtectedHeader, compactVerify, type ProtectedHeaderParameters } from 'jose'
import { verifyChain } from './certificate-chain.ts'
import { type AccessClaim, readClaims } from './claims.ts'
import { TokenRefusedError } from './refused.ts'
import type { TrustedKeys } from './trusted-keys.ts'

/** RFC 7515, section 3.1 */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/

/** For clocks that do not agree. */
const LEEWAY_MS = 60_000

export type TokenRules = {
  issuer: string
  service: string
  algorithms: readonly string[]
}

export type VerifiedToken = {
  subject: string
  access: readonly AccessClaim[]
  /** Milliseconds since 1970: from then on it has to be refused. */
  until: number
}

/** @throws TokenRefusedError */
export async function verifyToken(
  text: string,
  rules: TokenRules,
  keys: TrustedKeys,
  now: number,
): Promise<VerifiedToken> {
  const header = readHeader(text)
  const { alg = '' } = header
  if (!rules.algorithms.includes(alg)) {
    throw new TokenRefusedError('malformed', `its algorithm is not one of ${rules.algorithms.join(', ')}`)
  }
  const { key, until } = signingKey(header, keys, now)
  const claims = readClaims(await verified(text, key, alg))
  if (claims.issuer !== rules.issuer) throw new TokenRefusedError('invalid', 'another issuer made it')
  if (!claims.audience.includes(rules.service)) {
    throw new TokenRefusedError('invalid', 'it was made for another service')
  }
  const end = claims.expiration * 1000 + LEEWAY_MS
  if (now > end) throw new TokenRefusedError('invalid', 'it has expired')
  if (now < claims.notBefore * 1000 - LEEWAY_MS) throw new TokenRefusedError('invalid', 'it is not valid yet')
  return { subject: claims.subject, access: claims.access, until: Math.min(end, until) }
}

type Header = ProtectedHeaderParameters & { alg?: string }

function readHeader(text: string): Header {
  try {
    if (!COMPACT.test(text)) throw new Error('not three parts of base64url')
    return decodeProtectedHeader(text)
  } catch (cause) {
    throw new TokenRefusedError('malformed', 'it is no JSON Web Token', { cause })
  }
}

async function verified(text: string, key: KeyObject, algorithm: string): Promise<Uint8Array> {
  try {
    return (await compactVerify(text, key, { algorithms: [algorithm] })).payload
  } catch (cause) {
    throw new TokenRefusedError('unverified', 'its signature is not that of its key', { cause })
  }
}

/**
 * A chain of certificates decides, where there is one; then a key in the header; then its key id. What stands in a
 * token only ever names a key: it is never one (CVE-2025-24976).
 */
function signingKey(header: Header, keys: TrustedKeys, now: number): { key: KeyObject; until: number } {
  const { x5c, jwk, kid } = header as { x5c?: unknown; jwk?: unknown; kid?: unknown }
  if (x5c !== undefined && x5c !== null) {
    const certificates = certificatesOf(x5c)
    if (certificates.length > 0) return chained(certificates, keys, now)
  }
  if (jwk !== undefined && jwk !== null) return named(jwk, keys, now)
  if (kid !== undefined && kid !== null && typeof kid !== 'string') throw malformedHeader()
  const key = typeof kid === 'string' && kid !== '' ? keys.byId.get(kid) : undefined
  if (key === undefined) throw new TokenRefusedError('invalid', 'the key that it names is not known here')
  return { key, until: Infinity }
}

/** By the key that stands in the header: its certificates, else its id among those that are trusted. */
function named(jwk: unknown, keys: TrustedKeys, now: number): { key: KeyObject; until: number } {
  const { kid, x5c } = jwk as { kid?: unknown; x5c?: unknown }
  let given: KeyObject
  try {
    given = createPublicKey({ key: jwk as never, format: 'jwk' })
  } catch (cause) {
    throw malformedHeader(cause)
  }
  if (isPrivate(jwk)) throw malformedHeader()
  const certificates = x5c === undefined || x5c === null ? [] : certificatesOf(x5c)
  if (certificates.length > 0) {
    if (!certificates[0]?.publicKey.equals(given)) throw malformedHeader()
    return chained(certificates, keys, now)
  }
  const key = keys.byId.get(typeof kid === 'string' ? kid : '')
  if (key === undefined) throw new TokenRefusedError('invalid', 'the key that stands in it is not known here')
  return { key, until: Infinity }
}

const isPrivate = (jwk: unknown): boolean => (jwk as { d?: unknown }).d !== undefined

function chained(
  certificates: readonly X509Certificate[],
  { roots }: TrustedKeys,
  now: number,
): { key: KeyObject; until: number } {
  const chain = verifyChain(certificates, roots, now)
  if (chain === undefined)
    throw new TokenRefusedError('invalid', 'its certificates lead to none that is trusted')
  return chain
}

/** RFC 7515, section 4.1.6: base64, not base64url, of DER. */
function certificatesOf(x5c: unknown): X509Certificate[] {
  if (!Array.isArray(x5c)) throw malformedHeader()
  return x5c.map((one: unknown) => {
    if (typeof one !== 'string') throw malformedHeader()
    try {
      return new X509Certificate(Buffer.from(one, 'base64'))
    } catch (cause) {
      throw malformedHeader(cause)
    }
  })
}

function malformedHeader(cause?: unknown): TokenRefusedError {
  return new TokenRefusedError('malformed', 'its header cannot be read', { cause })
}
