/** `WWW-Authenticate` of a 401: how to sign in (RFC 7617, RFC 6750, Distribution's "Token Authentication Specification"). */
import type { IncomingMessage } from 'node:http'
import type { Refused } from './authenticate.ts'
import type { Permission } from './permission.ts'

/** Whatever a client sent is not given back: only what can be a host and a port. */
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/

export function basicChallenge(realm: string): string {
  return `Basic realm=${quoted(realm)}`
}

/** @param error of RFC 6750, section 3.1 */
export function bearerChallenge({
  realm,
  service,
  scope,
  error,
}: {
  realm: string
  service: string
  scope: string
  error?: 'invalid_token' | 'insufficient_scope' | undefined
}): string {
  const parts = [`realm=${quoted(realm)}`, `service=${quoted(service)}`]
  if (scope !== '') parts.push(`scope=${quoted(scope)}`)
  if (error !== undefined) parts.push(`error="${error}"`)
  return `Bearer ${parts.join(',')}`
}

/** What was asked for, as scopes; who pushes reads, too. */
export function scopeOf(permissions: readonly Permission[]): string {
  const scopes = permissions.map((permission) => {
    switch (permission.on) {
      case 'registry':
        return ''
      case 'catalog':
      case 'search':
        return 'registry:catalog:*'
      case 'repository': {
        const { repository, action } = permission
        return `repository:${repository}:${action === 'push' ? 'pull,push' : action}`
      }
    }
  })
  return scopes.filter((scope) => scope !== '').join(' ')
}

/** Clients that were told that a token is no good get another one; without having sent one they would give up. */
export function errorOf(
  { headers }: IncomingMessage,
  { principal }: Refused,
): 'invalid_token' | 'insufficient_scope' | undefined {
  if (principal === undefined) {
    return /^bearer /i.test(headers.authorization ?? '') ? 'invalid_token' : undefined
  }
  return principal.token === undefined ? undefined : 'insufficient_scope'
}

/**
 * Where this request's sender reaches this registry, as `https://registry.example.com`: the configured address, or
 * the host that was asked for. `X-Forwarded-Proto` is believed of anybody: the answer goes to who sent it only.
 */
export function originOf(request: IncomingMessage, configured: string | undefined): string {
  if (configured !== undefined) return configured.replace(/\/+$/, '')
  const { headers, socket } = request
  const isForwarded = /^https\b/i.test(String(headers['x-forwarded-proto'] ?? '').trim())
  const scheme = 'encrypted' in socket || isForwarded ? 'https' : 'http'
  const host = headers.host ?? ''
  return `${scheme}://${HOST.test(host) ? host : ownHost(request)}`
}

function ownHost({ socket: { localAddress = '127.0.0.1', localPort } }: IncomingMessage): string {
  const address = localAddress.replace(/^::ffff:(?=.*\.)/, '')
  return `${address.includes(':') ? `[${address}]` : address}:${localPort ?? 5000}`
}

/** Header values are latin1 at most, and a quoted string ends at a quote. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
