/** Where a request comes from. */
import type { IncomingMessage } from 'node:http'
import { createNetworkList, readAddress, readNetwork } from '../lib/address.ts'

/** A socket for both IP versions shows IPv4 addresses as `::ffff:192.0.2.1`. A Unix socket has none. */
export function plainAddress(address = ''): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

export type AddressOf = (request: IncomingMessage) => string

/** Stands for whoever is at the other end of a Unix socket. */
export const UNIX_PEER = 'unix'

/** Proxies behind each other that are believed, at most: what a client sends can be long. */
const MOST_HOPS = 32

/**
 * The client's address, as `192.0.2.1` or `2001:db8::1`; empty for one on a Unix socket. `X-Forwarded-For` is read only
 * where the peer is trusted, from its end, which the nearest proxy has written: the first address that is not trusted is
 * the client. What is no address ends the search at the last one that was. `Forwarded` (RFC 7239) is never read: a proxy
 * that writes one of the two passes on what a client put into the other.
 * @param trusted addresses and networks of proxies, or `unix`; none: the header means nothing
 */
export function createClientAddress(trusted: readonly string[] = []): AddressOf {
  const peerOf: AddressOf = (request) => plainAddress(request.socket.remoteAddress)
  if (trusted.length === 0) return peerOf
  const networks = trusted.flatMap((text) => readNetwork(text) ?? [])
  const isListed = createNetworkList(networks)
  const trustsUnix = trusted.includes(UNIX_PEER)
  const isTrusted = (address: string): boolean => (address === '' ? trustsUnix : isListed(address))
  return (request) => {
    const peer = peerOf(request)
    const header = request.headers['x-forwarded-for']
    if (header === undefined || !isTrusted(peer)) return peer
    return clientIn(Array.isArray(header) ? header.join(',') : header, peer, isTrusted)
  }
}

function clientIn(header: string, peer: string, isTrusted: (address: string) => boolean): string {
  let known = peer
  let end = header.length
  for (let hop = 0; hop < MOST_HOPS && end >= 0; hop++) {
    const comma = header.lastIndexOf(',', end - 1)
    const address = readHop(header.slice(comma + 1, end))
    if (address === undefined) return known
    known = address
    if (end === 0 || comma < 0 || !isTrusted(address)) return known
    end = comma
  }
  return known
}

/** Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function readHop(text: string): string | undefined {
  const hop = text.trim()
  if (hop.length > 100) return undefined
  const [, bracketed, v4] = /^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(hop) ?? []
  return readAddress(bracketed ?? v4 ?? hop)
}
