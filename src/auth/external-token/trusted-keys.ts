/** The keys that another server signs its tokens with: certificates and a JSON Web Key Set, from files. */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { NO_SUCH_FILE } from '../../lib/mount-hints.ts'
import { SettingError } from '../../lib/setting-error.ts'

export type TrustedKeys = {
  /** By key id. A key set may hold one without: its id is empty. */
  readonly byId: ReadonlyMap<string, KeyObject>
  /** Under these, the certificate of a key may stand that a token brings along. */
  readonly roots: readonly X509Certificate[]
}

export type KeyFiles = { rootCertBundle?: string | undefined; jwks?: string | undefined }

/** @throws SettingError naming the setting and the file, and what is wrong with it */
export async function readTrustedKeys({ rootCertBundle, jwks }: KeyFiles): Promise<TrustedKeys> {
  const byId = new Map<string, KeyObject>()
  const roots = rootCertBundle === undefined ? [] : await readBundle(rootCertBundle)
  for (const { publicKey } of roots) for (const id of idsOf(publicKey)) byId.set(id, publicKey)
  if (jwks !== undefined) for (const [id, key] of await readKeySet(jwks)) byId.set(id, key)
  if (byId.size === 0 && roots.length === 0) {
    throw new SettingError(
      'auth.token: there is no key to check tokens with: rootcertbundle must hold a certificate, or jwks a public key',
    )
  }
  return { byId, roots }
}

async function readBundle(path: string): Promise<X509Certificate[]> {
  const text = await readText('auth.token.rootcertbundle', path)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new SettingError(`auth.token.rootcertbundle: certificate ${index + 1} in ${path} is damaged`, {
        cause,
      })
    }
  })
}

type Jwk = { kty?: string; kid?: unknown }

async function readKeySet(path: string): Promise<[string, KeyObject][]> {
  const text = await readText('auth.token.jwks', path)
  const wrong = (what: string, cause?: unknown): Error =>
    new SettingError(`auth.token.jwks: ${path} ${what}`, { cause })
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch (cause) {
    throw wrong('is not JSON', cause)
  }
  const { keys } = (set ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys)) throw wrong('is no JSON Web Key Set: it must be {"keys": [...]}')
  // RFC 7517, section 5: keys of kinds that are not known are left out. A shared secret is no public key.
  const known = (keys as (Jwk | null)[]).filter((key): key is Jwk =>
    ['RSA', 'EC', 'OKP'].includes(key?.kty ?? ''),
  )
  return known.map((key, index) => {
    try {
      const { kid } = key
      return [typeof kid === 'string' ? kid : '', createPublicKey({ key: key as never, format: 'jwk' })]
    } catch (cause) {
      throw wrong(`: its ${index + 1}. key is damaged`, cause)
    }
  })
}

async function readText(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? NO_SUCH_FILE : (code ?? 'unknown')
    throw new SettingError(`${setting}: cannot read ${path}: ${why}`, { cause })
  }
}

/**
 * How tokens name the key of a certificate: by its thumbprint (RFC 7638), and as `registry:2` had it.
 */
function idsOf(key: KeyObject): string[] {
  const jwk = thumbprintInput(key)
  const spki = key.export({ type: 'spki', format: 'der' })
  const thumbprints = jwk === undefined ? [] : [jwk, shortened(jwk)].map(thumbprint)
  return [...new Set([...thumbprints, libtrustId(spki)])]
}

type Input = Record<string, string>

function thumbprintInput(key: KeyObject): Input | undefined {
  if (!['rsa', 'ec', 'ed25519'].includes(key.asymmetricKeyType ?? '')) return undefined
  const { kty = '', crv = '', n = '', e = '', x = '', y = '' } = key.export({ format: 'jwk' })
  if (kty === 'RSA') return { e, kty, n }
  return kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }
}

const thumbprint = (input: Input): string =>
  createHash('sha256').update(JSON.stringify(input)).digest('base64url')

/** Distribution leaves out zeros that coordinates begin with, and issuers that ask it for the id do too. */
function shortened(input: Input): Input {
  if (input['kty'] !== 'EC') return input
  const cut = (text = ''): string => {
    const bytes = Buffer.from(text, 'base64url')
    const first = bytes.findIndex((byte) => byte !== 0)
    return bytes.subarray(Math.max(first, 0)).toString('base64url')
  }
  return { ...input, x: cut(input['x']), y: cut(input['y']) }
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The key id of libtrust: 240 bits of a SHA-256, in base32, in twelve groups of four. */
function libtrustId(spki: Buffer): string {
  const bits = [...createHash('sha256').update(spki).digest().subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)])
  return (letters.join('').match(/.{4}/g) ?? []).join(':')
}
