/** Another token server's keys, its files for a registry, and tokens of all kinds: right ones and forged ones. */
import { execFile } from 'node:child_process'
import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type Pair = { publicKey: KeyObject; privateKey: KeyObject }
type Certified = { key: KeyObject; certificate: X509Certificate; der: string }

export type Keys = {
  ec: Pair
  ec384: Pair
  rsa: Pair
  /** 1,024 bits. */
  short: Pair
  ed: Pair
  stranger: Pair
  /** In the bundle. */
  root: Certified
  /** In the bundle: a certificate that signs tokens itself, as small token servers have it. */
  direct: Certified
  intermediate: Certified
  /** Under `root`, by `intermediate`. */
  leaf: Certified
  expired: Certified
  /** Says that it is under `root`, by a certificate that is no authority. */
  usurped: Certified
  /** Under an authority that the bundle does not have. */
  foreign: Certified
}

export const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const HASHES: Readonly<Record<string, string>> = { 256: 'sha256', 384: 'sha384', 512: 'sha512' }

export function signatureOf(algorithm: string, key: KeyObject | string, text: string): string {
  const data = Buffer.from(text)
  const hash = HASHES[algorithm.slice(2)] ?? 'sha256'
  if (typeof key === 'string') return createHmac(hash, key).update(data).digest('base64url')
  if (algorithm === 'EdDSA') return sign(null, data, key).toString('base64url')
  if (algorithm.startsWith('ES'))
    return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  const padding = algorithm.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(2)) / 8 }
    : {}
  return sign(hash, data, { key, ...padding }).toString('base64url')
}

/** A token of these parts, whatever they say. */
export function tokenOf(header: Record<string, unknown>, claims: unknown, key: KeyObject | string): string {
  const text = `${encoded(header)}.${encoded(claims)}`
  return `${text}.${signatureOf(String(header['alg']), key, text)}`
}

export async function makeKeys(folder: string): Promise<Keys> {
  const pair = (curve: string): Pair => generateKeyPairSync('ec', { namedCurve: curve })
  const certify = createCertifier(folder)
  const root = await certify('root', { authority: true })
  const intermediate = await certify('intermediate', { by: 'root', authority: true })
  const leaf = await certify('leaf', { by: 'intermediate' })
  await certify('other', { authority: true })
  return {
    ec: pair('P-256'),
    ec384: pair('P-384'),
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    short: generateKeyPairSync('rsa', { modulusLength: 1024 }),
    ed: generateKeyPairSync('ed25519'),
    stranger: pair('P-256'),
    root,
    direct: await certify('direct', {}),
    intermediate,
    leaf,
    expired: await certify('expired', { by: 'root', days: -1 }),
    usurped: await certify('usurped', { by: 'leaf' }),
    foreign: await certify('foreign', { by: 'other' }),
  }
}

type CertificateOptions = { by?: string; authority?: boolean; days?: number }

function createCertifier(folder: string) {
  return async (
    name: string,
    { by = name, authority = false, days = 2 }: CertificateOptions,
  ): Promise<Certified> => {
    const path = (file: string): string => join(folder, file)
    const [key, request, certificate] = [path(`${name}.key`), path(`${name}.csr`), path(`${name}.crt`)]
    await run('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key])
    await run('openssl', ['req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request])
    const usage = authority ? 'basicConstraints=critical,CA:TRUE\n' : 'basicConstraints=CA:FALSE\n'
    writeFileSync(path(`${name}.ext`), usage)
    const signer =
      by === name
        ? ['-signkey', key]
        : ['-CA', path(`${by}.crt`), '-CAkey', path(`${by}.key`), '-CAcreateserial']
    const dates = ['-days', String(days)]
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      request,
      ...signer,
      ...dates,
      '-extfile',
      path(`${name}.ext`),
      '-out',
      certificate,
    ])
    const x509 = new X509Certificate(readFileSync(certificate))
    return { key: createPrivateKey(readFileSync(key)), certificate: x509, der: x509.raw.toString('base64') }
  }
}

/** RFC 7638, section 3 */
export function thumbprint({ certificate }: Certified): string {
  const { crv, kty, x, y } = certificate.publicKey.export({ format: 'jwk' })
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}

/** As `registry:2` names keys: 30 bytes of the hash of the key, in base32, four letters each time. */
export function libtrustId({ certificate }: Certified): string {
  const hash = createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
  let number = BigInt(`0x${hash.subarray(0, 30).toString('hex')}`)
  let letters = ''
  for (; letters.length < 48; number >>= 5n)
    letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number(number & 31n)] + letters
  return letters.replace(/....(?!$)/g, '$&:')
}

/** What a registry is configured with: `bundle.pem` and `keys.json` in the folder. */
export function writeKeyFiles(folder: string, keys: Keys): { bundle: string; jwks: string } {
  const [bundle, jwks] = [join(folder, 'bundle.pem'), join(folder, 'keys.json')]
  writeFileSync(bundle, `${keys.root.certificate.toString()}\n${keys.direct.certificate.toString()}`)
  const named = (pair: Pair, kid?: string) => ({
    ...pair.publicKey.export({ format: 'jwk' }),
    ...(kid && { kid }),
  })
  const set = [
    named(keys.ec, 'ec'),
    named(keys.ec384, 'ec384'),
    named(keys.rsa, 'rsa'),
    named(keys.short, 'short'),
    named(keys.ed, 'ed'),
    { kty: 'oct', k: encoded('a secret that is shared by nobody'), kid: 'oct' },
  ]
  writeFileSync(jwks, JSON.stringify({ keys: set }))
  return { bundle, jwks }
}
