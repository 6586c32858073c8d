/** What a password's thread does: makes a hash, compares with one. Synchronous work, mostly: not for the main thread. */
import crypto, { randomBytes, timingSafeEqual } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parseHash, type ParsedHash } from './parse-hash.ts'
import { shaCrypt } from './sha-crypt.ts'

/** Of our own hashes: somewhat more than OWASP's "Password Storage Cheat Sheet" asks of argon2id (KiB, passes, lanes). */
const OWN = { memory: 32_768, passes: 2, lanes: 1 }
const OWN_PREFIX = `$argon2id$v=19$m=${OWN.memory},t=${OWN.passes},p=${OWN.lanes}`

/** A hash of our own kind that no password has. */
export const NOBODYS_HASH = `${OWN_PREFIX}$${'A'.repeat(22)}$${'A'.repeat(43)}`

/** bcrypt reads no more of a password. Go's `CompareHashAndPassword`, which Distribution asks, passes over the rest too. */
const BCRYPT_READS = 72

export async function makeHash(password: string): Promise<string> {
  const salt = randomBytes(16)
  const bytes = Buffer.from(password)
  const digest = await argon2({ ...OWN, variant: 'id', salt, length: 32 }, bytes)
  return `${OWN_PREFIX}$${unpadded(salt)}$${unpadded(digest)}`
}

/** @throws UnusableHash */
export async function matches(password: string, text: string): Promise<boolean> {
  const hash = parseHash(text)
  const bytes = Buffer.from(password)
  switch (hash.kind) {
    case 'bcrypt':
      return equal(await bcryptDigest(hash, bytes.subarray(0, BCRYPT_READS)), hash.digest)
    case 'argon2': {
      const digest = await argon2({ ...hash, length: hash.digest.length }, bytes)
      return timingSafeEqual(digest, hash.digest)
    }
    case 'sha-crypt':
      return equal(shaCrypt({ ...hash, password: bytes }), hash.digest)
  }
}

/** Its last part, in its own base64. */
async function bcryptDigest(
  { cost, salt }: ParsedHash & { kind: 'bcrypt' },
  password: Uint8Array,
): Promise<string> {
  const { bcrypt } = await import('hash-wasm')
  const text = await bcrypt({ password, salt, costFactor: cost, outputType: 'encoded' })
  return text.slice(-31)
}

type Argon2 = Pick<ParsedHash & { kind: 'argon2' }, 'variant' | 'memory' | 'passes' | 'lanes' | 'salt'> & {
  length: number
}

async function argon2(options: Argon2, password: Uint8Array): Promise<Uint8Array> {
  const { variant, memory, passes, lanes: parallelism, salt: nonce, length: tagLength } = options
  const parameters = { message: password, nonce, parallelism, tagLength, memory, passes }
  // Some versions do not have it: it is not imported by its name, which would be an error there.
  const native = crypto.argon2Sync as typeof crypto.argon2Sync | undefined
  try {
    return native === undefined
      ? await argon2Elsewhere(options, password)
      : native(`argon2${variant}`, parameters)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_CRYPTO_ARGON2_NOT_SUPPORTED') throw error
    return argon2Elsewhere(options, password)
  }
}

/** For an older Node.js, or one with an OpenSSL that does not have it. */
export async function argon2Elsewhere(options: Argon2, password: Uint8Array): Promise<Uint8Array> {
  const { argon2d, argon2i, argon2id } = await import('hash-wasm')
  const { memory: memorySize, passes: iterations, lanes: parallelism, salt, length: hashLength } = options
  const compute = { d: argon2d, i: argon2i, id: argon2id }[options.variant]
  try {
    return await compute({
      password,
      salt,
      memorySize,
      iterations,
      parallelism,
      hashLength,
      outputType: 'binary',
    })
  } finally {
    // It works in memory of WebAssembly, made anew each time, which does not make the collector begin by itself.
    setFlagsFromString('--expose-gc')
    ;(runInNewContext('gc') as () => void)()
  }
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
