/** Whether a request can have been made by a page of another site, in the name of whoever is signed in here. */
import { Problem } from './problem.ts'

/** The headers this looks at; of others nothing is believed. */
export type OriginHeaders = {
  readonly host: string | undefined
  readonly origin: string | undefined
  /** `Sec-Fetch-Site` */
  readonly fetchSite: string | undefined
}

export type OriginSettings = {
  /** `http.host`, as it is configured. */
  readonly publicUrl: string | undefined
}

const UNSAFE: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

export function changesThings(method: string): boolean {
  return UNSAFE.has(method)
}

/**
 * Browsers say where a request comes from; programs do not. So what is said must be good, whoever asks, and where the
 * browser signs in by itself (a cookie) it must have been said.
 * @throws Problem CROSS_ORIGIN
 */
export function checkOrigin(
  { host, origin, fetchSite }: OriginHeaders,
  settings: OriginSettings,
  isSignedInByBrowser: boolean,
): void {
  if (fetchSite !== undefined) {
    if (fetchSite === 'same-origin') return
    throw new Problem(
      'CROSS_ORIGIN',
      'changes are taken from pages of this registry only, not from other sites',
    )
  }
  if (origin === undefined) {
    if (!isSignedInByBrowser) return
    throw new Problem(
      'CROSS_ORIGIN',
      'a change in a session must say where it comes from (Sec-Fetch-Site or Origin); programs sign in with a token',
    )
  }
  if (!isOwnOrigin(origin, host, settings))
    throw new Problem(
      'CROSS_ORIGIN',
      'the Origin of this request is not this registry; behind a proxy that changes Host, set http.host',
    )
}

function isOwnOrigin(origin: string, host: string | undefined, { publicUrl }: OriginSettings): boolean {
  if (!URL.canParse(origin)) return false
  const from = new URL(origin)
  if (from.origin !== origin.toLowerCase() || !/^https?:$/.test(from.protocol)) return false
  if (publicUrl !== undefined && new URL(publicUrl).origin === from.origin) return true
  // Whether TLS ends before us is not known, so the scheme is taken from the origin.
  const ours = `${from.protocol}//${host ?? ''}`
  return host !== undefined && URL.canParse(ours) && new URL(ours).origin === from.origin
}

/**
 * A name that anybody can point at this machine (DNS rebinding) is not one that an open registry listens to: its pages
 * would be of the same origin.
 * @throws Problem WRONG_HOST
 */
export function checkHost(host: string | undefined, { publicUrl }: OriginSettings): void {
  if (host !== undefined && isKnownHost(host, publicUrl)) return
  throw new Problem(
    'WRONG_HOST',
    'ask by address or as localhost, or set http.host to the URL that clients know this registry by',
  )
}

function isKnownHost(host: string, publicUrl: string | undefined): boolean {
  if (!URL.canParse(`http://${host}`)) return false
  const { hostname, host: full } = new URL(`http://${host}`)
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  if (hostname.startsWith('[') || /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname)) return true
  if (publicUrl === undefined) return false
  const known = new URL(publicUrl)
  return known.host === full || (known.hostname === hostname && known.port === '')
}
