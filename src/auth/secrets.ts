/**
 * Secrets that Berth gives out: `berth_pat_`, 40 random characters, 6 of a checksum. The prefix is for those who scan
 * for what leaked, and tells at once what a password is; the checksum tells a mistyped one without the database. Rows
 * keep the SHA-256: with 238 random bits there is nothing that a slow hash would protect.
 */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { SecretKind } from '../metadata/access/secrets.ts'

const PREFIXES: Readonly<Record<SecretKind, string>> = {
  robot: 'berth_robot_',
  personal: 'berth_pat_',
  refresh: 'berth_refresh_',
  session: 'berth_session_',
}
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const RANDOM = 40
const CHECKSUM = 6
/** Of the random part; what lists show to tell secrets apart. 24 bits less to guess leave more than 200. */
const HINT = 4
/** The largest multiple of 62 that a byte can reach: bytes beyond it would favour some characters. */
const FAIR = 248
const BODY = new RegExp(`^[0-9A-Za-z]{${RANDOM + CHECKSUM}}$`)

export type CreatedSecret = {
  /** Shown once, to whom it is for. */
  readonly text: string
  /** For the row. */
  readonly hash: Uint8Array
  /** For the row: how it begins. */
  readonly hint: string
}

export function createSecret(kind: SecretKind): CreatedSecret {
  const begin = `${PREFIXES[kind]}${randomCharacters(RANDOM)}`
  const text = `${begin}${checksumOf(begin)}`
  return { text, hash: hashSecret(text), hint: begin.slice(0, PREFIXES[kind].length + HINT) }
}

/** Letters and digits, each as likely as any other. Also passwords are made so. */
export function randomCharacters(count: number): string {
  let text = ''
  while (text.length < count) {
    for (const byte of randomBytes(count)) {
      if (byte < FAIR && text.length < count) text += ALPHABET[byte % ALPHABET.length] as string
    }
  }
  return text
}

/**
 * What kind of secret a text says it is: it alone decides then, whatever else a password of that look could be.
 * `isWhole`: its checksum is right, so it is worth looking for. Undefined: none of ours.
 */
export function parseSecret(text: string): { kind: SecretKind; isWhole: boolean } | undefined {
  if (!text.startsWith('berth_')) return undefined
  for (const [kind, prefix] of Object.entries(PREFIXES) as [SecretKind, string][]) {
    if (!text.startsWith(prefix)) continue
    const isWhole =
      BODY.test(text.slice(prefix.length)) && checksumOf(text.slice(0, -CHECKSUM)) === text.slice(-CHECKSUM)
    return { kind, isWhole }
  }
  return undefined
}

export function hashSecret(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}

/** CRC-32 in base 62, as others do it too: it finds typing errors, and is no protection. */
function checksumOf(begin: string): string {
  let rest = crc32(begin)
  let text = ''
  while (text.length < CHECKSUM) {
    text = `${ALPHABET[rest % ALPHABET.length] as string}${text}`
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}
