/** Certificate, key and client authorities as files: read, checked against each other, with errors that name the file. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { IS_A_FOLDER, NO_SUCH_FILE } from '../lib/mount-hints.ts'
import { ListenError } from './listen-error.ts'

export type TlsPaths = { certificate: string; key: string; clientCAs?: readonly string[] }

export type TlsFiles = {
  cert: Buffer
  key: Buffer
  ca: Buffer[]
  /** The server's own certificate: the first of the file. */
  leaf: X509Certificate
}

/** @throws ListenError that names the setting, the file and what is wrong with it. */
export async function readTlsFiles({ certificate, key, clientCAs = [] }: TlsPaths): Promise<TlsFiles> {
  // One after the other: of a folder that is missing, always the same file is named.
  const cert = await readPem('http.tls.certificate', certificate)
  const keyPem = await readPem('http.tls.key', key)
  const ca: Buffer[] = []
  for (const path of clientCAs) ca.push(await readPem('http.tls.clientcas', path))
  const chain = certificatesIn('http.tls.certificate', certificate, cert)
  const leaf = matching(chain, privateKeyIn(key, keyPem), { certificate, key })
  ca.forEach((pem, i) => certificatesIn('http.tls.clientcas', clientCAs[i] ?? '', pem))
  return { cert, key: keyPem, ca, leaf }
}

async function readPem(setting: string, path: string): Promise<Buffer> {
  if (path === '') throw new ListenError(`${setting}: the name of the file is missing`)
  try {
    return await readFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = {
      ENOENT: NO_SUCH_FILE,
      EACCES: 'no permission to read it',
      EISDIR: IS_A_FOLDER,
    }
    throw new ListenError(`${setting}: cannot read ${path}: ${why[code as 'ENOENT'] ?? code}`, {
      cause: error,
    })
  }
}

function certificatesIn(setting: string, path: string, pem: Buffer): X509Certificate[] {
  const blocks =
    pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0)
    throw new ListenError(`${setting}: ${path} holds no certificate in PEM form${guess(pem)}`)
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new ListenError(`${setting}: certificate ${i + 1} in ${path} is damaged`, { cause: error })
    }
  })
}

function guess(pem: Buffer): string {
  if (pem.length === 0) return ' (it is empty)'
  if (pem.includes('PRIVATE KEY')) return ' (it holds a private key; are certificate and key swapped?)'
  return pem[0] === 0x30 ? ' (it looks like DER; convert it with "openssl x509 -inform der")' : ''
}

function privateKeyIn(path: string, pem: Buffer): KeyObject {
  if (pem.includes('ENCRYPTED')) {
    throw new ListenError(
      `http.tls.key: ${path} is protected by a passphrase; take it off with "openssl pkey"`,
    )
  }
  if (!pem.includes('PRIVATE KEY')) {
    const swapped = pem.includes('CERTIFICATE')
      ? ' (it holds a certificate; are certificate and key swapped?)'
      : ''
    throw new ListenError(`http.tls.key: ${path} holds no private key in PEM form${swapped}`)
  }
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new ListenError(`http.tls.key: the private key in ${path} is damaged`, { cause: error })
  }
}

function matching(
  chain: X509Certificate[],
  key: KeyObject,
  { certificate, key: keyPath }: { certificate: string; key: string },
): X509Certificate {
  const [leaf, ...rest] = chain
  if (leaf?.checkPrivateKey(key) === true) return leaf
  if (rest.some((other) => other.checkPrivateKey(key))) {
    throw new ListenError(
      `http.tls.certificate: ${certificate} has the server's own certificate further down; it must come first, then its issuers`,
    )
  }
  throw new ListenError(
    `http.tls.key: the private key in ${keyPath} does not belong to the certificate in ${certificate}`,
  )
}

/** Changes when a file was written, replaced, or a symbolic link on the way to it was turned. */
export async function fingerprint({ certificate, key, clientCAs = [] }: TlsPaths): Promise<string> {
  const marks = [certificate, key, ...clientCAs].map(async (path) => {
    const entry = await stat(path).catch(() => undefined)
    return entry === undefined
      ? 'absent'
      : `${entry.dev}:${entry.ino}:${entry.size}:${entry.mtimeMs}:${entry.ctimeMs}`
  })
  return (await Promise.all(marks)).join(' ')
}

export function sameFiles(a: TlsFiles, b: TlsFiles): boolean {
  const equal = (x: Buffer[], y: Buffer[]): boolean =>
    x.length === y.length && x.every((pem, i) => pem.equals(y[i] ?? pem.subarray(1)))
  return equal([a.cert, a.key, ...a.ca], [b.cert, b.key, ...b.ca])
}
