/** Where a request comes from. */
import type { IncomingMessage } from 'node:http'

/** A socket for both IP versions shows IPv4 addresses as `::ffff:192.0.2.1`. A Unix socket has none. */
export function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** The client's address, as `192.0.2.1` or `2001:db8::1`; empty for one on a Unix socket. */
export function createClientAddress(): (request: IncomingMessage) => string {
  return (request) => plainAddress(request.socket.remoteAddress)
}
