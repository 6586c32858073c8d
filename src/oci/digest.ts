/**
 * Digests: `sha256:<64 hex>` or `sha512:<128 hex>`, lower case
 * (OCI image-spec, descriptor.md, "Digests").
 */
import { createHash, type Hash } from 'node:crypto'
import { RegistryError } from './error.ts'

/** A digest whose algorithm and form have been checked. */
export type Digest = string & { readonly __digest: never }

export type DigestAlgorithm = 'sha256' | 'sha512'

/** Algorithm → number of hex digits, and the byte that stands for it in the database. Numbers are never reused. */
const ALGORITHMS = { sha256: { hex: 64, byte: 1 }, sha512: { hex: 128, byte: 2 } } as const
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512'
}

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** @throws RegistryError DIGEST_INVALID, saying what is wrong with it. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  const colon = text.indexOf(':')
  const algorithm = colon < 0 ? '' : text.slice(0, colon)
  const why = !isDigestAlgorithm(algorithm)
    ? 'a digest begins with "sha256:" or "sha512:"'
    : `a ${algorithm} digest has ${ALGORITHMS[algorithm].hex} hexadecimal digits in lower case`
  throw new RegistryError('DIGEST_INVALID', `not a digest this registry understands: ${why}`, {
    detail: { digest: text.slice(0, 200) },
  })
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** As stored: one byte for the algorithm, then the raw hash (33 or 65 bytes). */
export function digestToBytes(digest: Digest): Uint8Array {
  const algorithm = ALGORITHMS[algorithmOf(digest)]
  const bytes = new Uint8Array(1 + algorithm.hex / 2)
  bytes[0] = algorithm.byte
  bytes.set(Buffer.from(digest.slice(7), 'hex'), 1)
  return bytes
}

/** {@link digestToBytes} as hexadecimal text, for lists that a statement is given as JSON. */
export function digestToStoredHex(digest: Digest): string {
  return Buffer.from(digestToBytes(digest)).toString('hex')
}

/** The inverse of {@link digestToBytes}. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString('hex')
  if (bytes[0] === ALGORITHMS.sha256.byte && hex.length === ALGORITHMS.sha256.hex)
    return `sha256:${hex}` as Digest
  if (bytes[0] === ALGORITHMS.sha512.byte && hex.length === ALGORITHMS.sha512.hex)
    return `sha512:${hex}` as Digest
  throw new Error(`stored digest has an unknown form: algorithm byte ${bytes[0]}, ${bytes.byteLength} bytes`)
}

export function createDigestHash(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm)
}

/** The digest of bytes that are all in memory. */
export function digestOf(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}
