/** Hashes of passwords as text: which kinds are known, with bounds, and what is wrong with all others. */

export type ParsedHash =
  | { kind: 'bcrypt'; cost: number; salt: Uint8Array; digest: string }
  | {
      kind: 'argon2'
      variant: 'i' | 'd' | 'id'
      /** KiB */
      memory: number
      passes: number
      lanes: number
      salt: Uint8Array
      digest: Uint8Array
    }
  | { kind: 'sha-crypt'; bits: 256 | 512; rounds: number; salt: string; digest: string }

export type HashKind = 'bcrypt' | 'argon2' | 'sha256-crypt' | 'sha512-crypt'

/** A hash that nobody can sign in with; the message says what it is and continues "the password". */
export class UnusableHash extends Error {
  override readonly name = 'UnusableHash'
}

// A hash is work that whoever sends a name orders: what would take long seconds, or memory that others need, is refused.
const MAX_COST = 17
/** KiB */
const MAX_MEMORY = 256 * 1024
/** KiB times passes */
const MAX_ARGON2_WORK = 1024 * 1024
const MAX_LANES = 16
const MAX_ROUNDS = 1_000_000
const MIN_ROUNDS = 1000
const DEFAULT_ROUNDS = 5000
const MAX_TEXT = 512

const BCRYPT = /^\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/
const ARGON2 =
  /^\$argon2(id|i|d)\$v=([0-9]{1,3})\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
const SHA_CRYPT = /^\$([56])\$(?:rounds=([0-9]{1,10})\$)?([^$:\s]{0,64})\$([./0-9A-Za-z]+)$/

/** Which kind it is, or why nobody can sign in with it. */
export function kindOfHash(text: string): { kind: HashKind } | { unusable: string } {
  try {
    const hash = parseHash(text)
    return { kind: hash.kind === 'sha-crypt' ? `sha${hash.bits}-crypt` : hash.kind }
  } catch (error) {
    if (error instanceof UnusableHash) return { unusable: error.message }
    throw error
  }
}

/** @throws UnusableHash */
export function parseHash(text: string): ParsedHash {
  if (text.length > MAX_TEXT) throw new UnusableHash('is no hash: it is too long')
  if (text.startsWith('$2')) return parseBcrypt(text)
  if (text.startsWith('$argon2')) return parseArgon2(text)
  if (text.startsWith('$5$') || text.startsWith('$6$')) return parseShaCrypt(text)
  throw new UnusableHash(othersProblem(text))
}

function parseBcrypt(text: string): ParsedHash {
  if (text.startsWith('$2x$')) throw new UnusableHash('is of a broken kind of bcrypt ($2x$)')
  const [, cost = '', salt = '', digest = ''] = BCRYPT.exec(text) ?? []
  if (digest === '') throw new UnusableHash('is a damaged bcrypt hash')
  if (Number(cost) < 4) throw new UnusableHash('is a bcrypt hash with a cost below 4')
  if (Number(cost) > MAX_COST) throw new UnusableHash(`is a bcrypt hash with a cost above ${MAX_COST}`)
  return { kind: 'bcrypt', cost: Number(cost), salt: decodeBcrypt64(salt), digest }
}

const BCRYPT_64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const BASE_64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function decodeBcrypt64(text: string): Uint8Array {
  const usual = Array.from(text, (character) => BASE_64[BCRYPT_64.indexOf(character)]).join('')
  return Buffer.from(usual, 'base64')
}

function parseArgon2(text: string): ParsedHash {
  const [, variant, version, m, t, p, salt, digest] = ARGON2.exec(text) ?? []
  if (digest === undefined || salt === undefined) throw new UnusableHash('is a damaged argon2 hash')
  if (version !== '19') throw new UnusableHash('is of an old version of argon2')
  const [memory, passes, lanes] = [Number(m), Number(t), Number(p)]
  if (lanes < 1 || passes < 1 || memory < 8 * lanes) throw new UnusableHash('is a damaged argon2 hash')
  if (memory > MAX_MEMORY || memory * passes > MAX_ARGON2_WORK || lanes > MAX_LANES) {
    throw new UnusableHash(
      `is an argon2 hash that costs too much (at most m=${MAX_MEMORY}, m × t = ${MAX_ARGON2_WORK})`,
    )
  }
  const parsed = { salt: Buffer.from(salt, 'base64'), digest: Buffer.from(digest, 'base64') }
  const fits = parsed.salt.length >= 8 && parsed.salt.length <= 64
  if (!fits || parsed.digest.length < 16 || parsed.digest.length > 64)
    throw new UnusableHash('is an argon2 hash with a salt or a digest that is too short or too long')
  return { kind: 'argon2', variant: variant as 'i' | 'd' | 'id', memory, passes, lanes, ...parsed }
}

function parseShaCrypt(text: string): ParsedHash {
  const [, which, rounds, salt = '', digest = ''] = SHA_CRYPT.exec(text) ?? []
  const bits = text.startsWith('$5$') ? 256 : 512
  if (which === undefined || digest.length !== (bits === 256 ? 43 : 86))
    throw new UnusableHash(`is a damaged sha${bits}-crypt hash`)
  const count = rounds === undefined ? DEFAULT_ROUNDS : Math.max(MIN_ROUNDS, Number(rounds))
  if (count > MAX_ROUNDS)
    throw new UnusableHash(`is a sha${bits}-crypt hash of more than ${MAX_ROUNDS} rounds`)
  // "The salt string … is truncated to 16 characters" (U. Drepper, "Unix crypt using SHA-256 and SHA-512").
  return { kind: 'sha-crypt', bits, rounds: count, salt: salt.slice(0, 16), digest }
}

const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'is missing'],
  [/^\$apr1\$/, 'is MD5 ($apr1$), which is guessed in seconds'],
  [/^\$1\$/, 'is MD5 ($1$), which is guessed in seconds'],
  [/^\{S?SHA\}/i, 'is SHA-1 ({SHA}), which is guessed in seconds'],
  [/^\$(?:y|7|gy)\$/, 'is yescrypt, which is not known here'],
  [/^\$(?:scrypt|s0|s1|s2)\$/, 'is scrypt, which is not known here'],
  [/^[./0-9A-Za-z]{13}$/, 'is DES crypt or plain text'],
  [/^[!*]/, 'is locked'],
]

function othersProblem(text: string): string {
  return (
    OTHERS.find(([pattern]) => pattern.test(text))?.[1] ??
    'is plain text, or a hash of a kind that is not known'
  )
}
