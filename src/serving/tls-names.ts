/** Distribution's (Go's) names in the `http.tls` section, in the terms of OpenSSL. */
import { getCiphers, type SecureVersion } from 'node:tls'
import { ListenError } from './listen-error.ts'

/** Go's cipher suites of TLS 1.0 to 1.2 → OpenSSL's. */
export const CIPHER_SUITES: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: 'DES-CBC3-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 'ECDHE-RSA-DES-CBC3-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
}

/** TLS 1.3's suites have one name everywhere and, as in Go, cannot be taken away. */
const TLS13_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

const DEFAULT_SUITES = [
  'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
]

/**
 * Go's names → the `ciphers` string of node:tls, best first.
 * @throws ListenError for a name that is unknown, or that this build of OpenSSL does not have.
 */
export function opensslCiphers(names: readonly string[] = []): string {
  const available = new Set(getCiphers())
  const chosen = (names.length === 0 ? DEFAULT_SUITES : names).filter((name) => !TLS13_SUITES.includes(name))
  const older = chosen.map((name) => {
    const cipher = CIPHER_SUITES[name]
    if (cipher === undefined) {
      const known = [...Object.keys(CIPHER_SUITES), ...TLS13_SUITES].join(', ')
      throw new ListenError(
        `http.tls.ciphersuites: unknown cipher suite ${JSON.stringify(name)}; known are ${known}`,
      )
    }
    if (!available.has(cipher.toLowerCase())) {
      throw new ListenError(
        `http.tls.ciphersuites: ${name} is too weak for the OpenSSL in use; take it out of the list`,
      )
    }
    return cipher
  })
  return [...TLS13_SUITES, ...older].join(':')
}

/** @throws ListenError for anything but tls1.2 and tls1.3. */
export function minimumTlsVersion(name = 'tls1.2'): SecureVersion {
  if (name === 'tls1.2' || name === '') return 'TLSv1.2'
  if (name === 'tls1.3') return 'TLSv1.3'
  const old = name === 'tls1.0' || name === 'tls1.1' ? ' (older versions are broken and not offered)' : ''
  throw new ListenError(`http.tls.minimumtls: ${JSON.stringify(name)} must be tls1.2 or tls1.3${old}`)
}

export const CLIENT_AUTH = [
  'request-client-cert',
  'require-any-client-cert',
  'verify-client-cert-if-given',
  'require-and-verify-client-cert',
] as const

export type ClientAuth = (typeof CLIENT_AUTH)[number]

/**
 * The rule for client certificates, undefined where none are asked for.
 * @throws ListenError for an unknown name, or a rule that verifies without authorities to verify against.
 */
export function clientAuthOf(name: string | undefined, hasAuthorities: boolean): ClientAuth | undefined {
  if (name === undefined || name === '') return hasAuthorities ? 'require-and-verify-client-cert' : undefined
  const rule = CLIENT_AUTH.find((known) => known === name)
  if (rule === undefined) {
    throw new ListenError(
      `http.tls.clientauth: ${JSON.stringify(name)} must be one of ${CLIENT_AUTH.join(', ')}`,
    )
  }
  if (rule.includes('verify') && !hasAuthorities) {
    throw new ListenError(
      `http.tls.clientauth: ${rule} needs http.tls.clientcas, the files of the authorities to trust`,
    )
  }
  return rule
}
