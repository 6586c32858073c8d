/** Checks of single values: each gives the value in its normal form or throws {@link Misfit}. */
import { readNetwork } from '../lib/address.ts'
import { CIPHER_SUITES } from './cipher-suites.ts'
import { nearest } from '../lib/nearest.ts'
import { Misfit } from './shape.ts'

const CONTROL = /\p{Cc}/u

/** Where to listen or connect to: `:5000`, `host:5000`, `[::1]:5000`. Brackets stay. */
export function checkTcpAddress(address: string): string {
  const [, bracketed, host, port] = /^(?:\[([^\]]*)\]|([^:]*)):([^:]*)$/.exec(address) ?? []
  if (port === undefined) throw new Misfit(addressHint(address))
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65535) {
    throw new Misfit('must end in a port number between 0 and 65535')
  }
  if (bracketed !== undefined && !/^[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?$/.test(bracketed)) {
    throw new Misfit('must have an IPv6 address between the brackets')
  }
  if (host !== undefined && !/^[A-Za-z0-9._-]*$/.test(host)) {
    throw new Misfit('must be host:port, without a scheme or a path')
  }
  return address
}

function addressHint(address: string): string {
  if (/^[0-9]+$/.test(address)) return `must be host:port; write ":${address}" to listen on every address`
  if (address.includes('://')) return 'must be host:port, without a scheme or a path'
  if (/^[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*$/.test(address))
    return 'must have an IPv6 address in brackets, as "[::1]:5000"'
  return 'must be host:port, as ":5000", "127.0.0.1:5000" or "[::1]:5000"'
}

/** An address, a network in CIDR notation, or `unix`. */
export function checkTrustedProxy(text: string): string {
  if (text === 'unix' || readNetwork(text) !== undefined) return text
  throw new Misfit('must be an address such as 10.0.0.1, a network such as 10.0.0.0/8 or fd00::/8, or unix')
}

/** `tcp` or a socket's path: which of the two, `http.net` says, so only what holds for both is checked here. */
export function checkAddress(address: string): string {
  if (CONTROL.test(address)) throw new Misfit('must not hold control characters')
  return address
}

/** The URL that clients know the registry by, without a path. Distribution ignores one without a scheme. */
export function checkPublicUrl(text: string): string {
  const url = checkUrl(text)
  if (
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw new Misfit('must be a scheme, a host and a port only; a path goes into http.prefix')
  }
  return url.origin
}

export function checkHttpUrl(text: string): string {
  checkUrl(text)
  return text
}

function checkUrl(text: string): URL {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new Misfit('must be a URL with its scheme, as https://registry.example.com')
  }
  return new URL(text)
}

/** `/my/registry` and `/my/registry/` are the same to Distribution: normal is with the slash at the end. */
export function checkPrefix(prefix: string): string {
  if (!prefix.startsWith('/')) throw new Misfit(`must begin with a slash: write "/${prefix.slice(0, 60)}"`)
  if (!/^(?:\/[A-Za-z0-9._~-]+)*\/?$/.test(prefix) || /\/\.{1,2}(?:\/|$)/.test(prefix)) {
    throw new Misfit('must be a path such as /my/registry/ of letters, digits and . _ ~ -')
  }
  return prefix.endsWith('/') ? prefix : `${prefix}/`
}

export function checkUrlPath(path: string): string {
  if (!/^\/[A-Za-z0-9._~/-]*$/.test(path))
    throw new Misfit('must be a path that begins with a slash, as /metrics')
  return path
}

/** RFC 9110, 5.1: a field name is a token. */
export function checkHeaderName(name: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new Misfit('must be named as an HTTP header')
  if (/^(?:connection|content-length|transfer-encoding|keep-alive|upgrade|trailer)$/i.test(name)) {
    throw new Misfit('must not be set here: the server sets this header itself')
  }
}

/** RFC 9110, 5.5; what is not Latin-1 cannot be sent. */
export function checkHeaderValue(value: string): string {
  if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(value)) {
    throw new Misfit('must be a header value: one line of printable characters')
  }
  return value
}

export function checkCipherSuite(name: string): string {
  if (CIPHER_SUITES.includes(name)) return name
  const near = nearest(name, CIPHER_SUITES)
  if (name.includes('3DES')) throw new Misfit('must not be a 3DES suite: these are broken and not offered')
  throw new Misfit(`must be a cipher suite by Go's name${near === undefined ? '' : ` (${near}?)`}`)
}

/**
 * A regular expression in Go's notation (RE2), given back in JavaScript's where the two are written differently:
 * flags for the whole at the beginning, named groups, \A and \z.
 */
export function checkPattern(pattern: string): string {
  if (/\[\[:\^?[a-z]+:\]/.test(pattern)) {
    throw new Misfit('must not use classes such as [[:alpha:]]: write [A-Za-z]')
  }
  const flags = /^\(\?([ims]+)\)/.exec(pattern)
  const body = pattern.slice(flags?.[0].length ?? 0).replaceAll('(?P<', '(?<')
  const anchored = body.replace(/\\([\s\S])/g, (whole, letter: string) =>
    letter === 'A' ? '^' : letter === 'z' ? '$' : whole,
  )
  const translated = flags ? `(?${[...new Set(flags[1])].join('')}:${anchored})` : anchored
  try {
    new RegExp(translated)
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*: /s, '') : 'unknown'
    throw new Misfit(`must be a regular expression (${reason.slice(0, 100)})`)
  }
  return translated
}
