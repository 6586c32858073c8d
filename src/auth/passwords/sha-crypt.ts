/**
 * The hashes `$5$` and `$6$` of crypt(3), after U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6. The
 * numbers in comments are those of its steps.
 */
import { createHash } from 'node:crypto'

type Options = {
  bits: 256 | 512
  rounds: number
  /** At most 16 characters. */
  salt: string
  password: Uint8Array
}

/** The last part of the text: the digest, as crypt(3) writes it. */
export function shaCrypt({ bits, rounds, salt: saltText, password }: Options): string {
  const digest = (...parts: readonly Uint8Array[]): Buffer => {
    const hash = createHash(`sha${bits}`)
    for (const part of parts) hash.update(part)
    return hash.digest()
  }
  const salt = Buffer.from(saltText)
  // 4-8: B. 1-3, 9-12: A.
  const b = digest(password, salt, password)
  const parts = [password, salt, repeated(b, password.length)]
  for (let length = password.length; length > 0; length >>= 1) parts.push(length & 1 ? b : password)
  const a = digest(...parts)
  // 13-16: DP gives P. 17-20: DS gives S.
  const p = repeated(digest(...Array<Uint8Array>(password.length).fill(password)), password.length)
  const s = repeated(digest(...Array<Uint8Array>(16 + (a[0] ?? 0)).fill(salt)), salt.length)
  // 21: the rounds.
  let c = a
  for (let round = 0; round < rounds; round++) c = digest(...partsOfRound({ round, c, p, s }))
  return encode(c)
}

function partsOfRound({ round, c, p, s }: Record<'c' | 'p' | 's', Buffer> & { round: number }): Buffer[] {
  const isOdd = round % 2 === 1
  const parts = [isOdd ? p : c]
  if (round % 3 !== 0) parts.push(s)
  if (round % 7 !== 0) parts.push(p)
  parts.push(isOdd ? c : p)
  return parts
}

function repeated(bytes: Buffer, length: number): Buffer {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes)
}

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** 22: three bytes at a time, from places that go round, the least significant six bits first. */
function encode(digest: Buffer): string {
  const size = digest.length
  const third = size === 32 ? 10 : 21
  let text = ''
  // Where the three bytes of a group lie, beginning with the most significant one.
  let places = [0, third, third * 2]
  for (let group = 0; group < third; group++) {
    const [x = 0, y = 0, z = 0] = places.map((place) => digest[place])
    text += sixes((x << 16) | (y << 8) | z, 4)
    const [first = 0, second = 0, last = 0] = places
    places = size === 32 ? [last + 1, first + 1, second + 1] : [second + 1, last + 1, first + 1]
  }
  const rest = size === 32 ? ((digest[31] ?? 0) << 8) | (digest[30] ?? 0) : (digest[63] ?? 0)
  return text + sixes(rest, size === 32 ? 3 : 2)
}

function sixes(value: number, count: number): string {
  let text = ''
  for (let left = value, n = 0; n < count; n++, left >>>= 6) text += ALPHABET[left & 63]
  return text
}
