/** Client certificates as identities: whoever http.tls.clientcas vouches for is who the certificate says. */
import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import type { Account, IdentitySource } from './identity.ts'

/** The section `auth.certificates` of the configuration. */
export type CertificateSettings = {
  name: 'cn' | 'email' | 'dns' | 'uri'
  groups: 'none' | 'ou' | 'o'
}

export type Certificates = {
  /** Whom the request's connection is of; undefined: no certificate, none that is verified, or none with a name. */
  accountOf(request: IncomingMessage): Account | undefined
  /** For what was given out for a certificate: it knows no names of its own. */
  source: IdentitySource
}

const MAX_NAME = 255

/**
 * Only what the TLS library verified counts, so the server has to ask for certificates and to have the authorities. A
 * certificate is read once per connection; it ends with its last day also where the connection does not.
 */
export function createCertificates({
  settings,
  clock,
}: {
  settings: CertificateSettings
  clock: Clock
}): Certificates {
  const known = new WeakMap<object, Account | 'nobody'>()
  return {
    accountOf({ socket }) {
      let account = known.get(socket)
      if (account === undefined) {
        account = accountIn(socket as Partial<TLSSocket>, settings) ?? 'nobody'
        known.set(socket, account)
      }
      if (account === 'nobody' || clock.now() >= (account.expiresAt ?? 0)) return undefined
      return account
    },
    source: {
      name: 'certificates',
      // Whether a certificate is still shown, only the next connection tells.
      verify: async () => 'unknown',
      find: () => undefined,
    },
  }
}

/** A socket without TLS has none of these. */
function accountIn(socket: Partial<TLSSocket>, settings: CertificateSettings): Account | undefined {
  const certificate = socket.authorized === true ? socket.getPeerX509Certificate?.() : undefined
  return certificate && accountOfCertificate(certificate, settings)
}

function accountOfCertificate(
  certificate: X509Certificate,
  { name: part, groups }: CertificateSettings,
): Account | undefined {
  const name = nameIn(certificate, part)
  if (name === undefined || !isName(name)) return undefined
  return {
    principal: {
      id: `certificate:${name}`,
      name,
      kind: 'user',
      groups: groupsIn(certificate, groups).filter(isName),
      claims: [],
      isAdmin: false,
      grants: [],
    },
    stamp: certificate.fingerprint256,
    expiresAt: Date.parse(certificate.validTo),
  }
}

const isName = (text: string): boolean =>
  text !== '' && text.length <= MAX_NAME && text.trim() === text && !/\p{Cc}/u.test(text)

function nameIn(certificate: X509Certificate, part: CertificateSettings['name']): string | undefined {
  // Of several, it would be chance which one it is.
  if (part === 'cn') {
    const names = subjectOf(certificate, 'CN')
    return names.length === 1 ? names[0] : undefined
  }
  return alternativeName(certificate.subjectAltName ?? '', KINDS[part])
}

const KINDS = { email: 'email', dns: 'DNS', uri: 'URI' } as const

/** Node.js quotes names that could be taken for several: such a one is nobody's. */
function alternativeName(text: string, kind: string): string | undefined {
  const first = text.split(', ').find((entry) => entry.startsWith(`${kind}:`))
  return first === undefined || text.includes('"') ? undefined : first.slice(kind.length + 1)
}

function groupsIn(certificate: X509Certificate, part: CertificateSettings['groups']): string[] {
  return part === 'none' ? [] : subjectOf(certificate, part === 'ou' ? 'OU' : 'O')
}

function subjectOf(certificate: X509Certificate, part: 'CN' | 'OU' | 'O'): string[] {
  const value: unknown = certificate.toLegacyObject().subject[part]
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
