/** Addresses and networks of the Internet Protocol, in their normal form. */
import { BlockList, isIP, SocketAddress } from 'node:net'

/** Longest text that is looked at: an IPv6 address with an IPv4 one in it, and a zone. */
const LONGEST = 100

/**
 * An address as everything here writes it: `192.0.2.1`, `2001:db8::1`. One that says IPv4 in IPv6 is IPv4, a zone is
 * left out.
 * @returns undefined: it is none
 */
export function readAddress(text: string): string | undefined {
  if (text.length > LONGEST) return undefined
  const bare = text.replace(/%.*$/s, '')
  const version = isIP(bare)
  if (version === 0) return undefined
  if (version === 4) return bare
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

export type Network = { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' }

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. @returns undefined: it is neither */
export function readNetwork(text: string): Network | undefined {
  const [, before, after] = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? []
  const address = before === undefined || before.includes('%') ? undefined : readAddress(before)
  if (address === undefined) return undefined
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  const most = family === 'ipv4' ? 32 : 128
  // A network that is written as IPv4 in IPv6 counts its bits from the beginning of IPv6.
  const isMapped = family === 'ipv4' && before?.includes(':') === true
  const bits = after === undefined ? most : Number(after) - (isMapped ? 96 : 0)
  return bits < 0 || bits > most ? undefined : { address, bits, family }
}

/** @returns whether an address, in its normal form, is in one of them */
export function createNetworkList(networks: readonly Network[]): (address: string) => boolean {
  const list = new BlockList()
  for (const { address, bits, family } of networks) list.addSubnet(address, bits, family)
  return (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

/**
 * Whom an address stands for where something is counted: itself, or the /64 that an IPv6 address is in, since who has
 * one of these has all of them.
 */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':')
    while (groups.length + behind.length < 8) groups.push('0')
    groups.push(...behind)
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
