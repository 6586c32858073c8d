/** Which network an IP address belongs to (the special-purpose registries of RFC 6890, as of 2025). */
import { BlockList, isIP, isIPv4 } from 'node:net'

/**
 * `private`: this machine, this link, or a network that is not the Internet's. `unusable`: nothing answers there that
 * one could want to speak to (multicast, documentation, reserved).
 */
export type AddressKind = 'public' | 'private' | 'unusable'

const PRIVATE: readonly [network: string, prefix: number][] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
]

const UNUSABLE: readonly [network: string, prefix: number][] = [
  ['0.0.0.0', 8],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['2001:db8::', 32],
  ['3fff::', 20],
]

/** IPv6 addresses that stand for an IPv4 address in their last 32 bits: mapped, and NAT64 (RFC 6052). */
const MAPPED: readonly [network: string, prefix: number][] = [
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
]
/** What is routed over the Internet; Teredo and 6to4 lead to IPv4 addresses that could be any. */
const GLOBAL: readonly [network: string, prefix: number][] = [['2000::', 3]]
const TUNNELS: readonly [network: string, prefix: number][] = [
  ['2001::', 23],
  ['2002::', 16],
]

function listOf(networks: readonly [string, number][]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, isIPv4(network) ? 'ipv4' : 'ipv6')
  return list
}

/** @param address as `192.0.2.1` or `2001:db8::1`; what is none is `unusable` */
export function createAddressKind(): (address: string) => AddressKind {
  const [own, unusable, mapped, global, tunnels] = [PRIVATE, UNUSABLE, MAPPED, GLOBAL, TUNNELS].map(
    listOf,
  ) as [BlockList, BlockList, BlockList, BlockList, BlockList]
  const kindOf = (given: string): AddressKind => {
    const address = given.split('%')[0] ?? ''
    const version = isIP(address)
    if (version === 4) {
      if (own.check(address)) return 'private'
      return unusable.check(address) ? 'unusable' : 'public'
    }
    if (version !== 6) return 'unusable'
    if (mapped.check(address, 'ipv6')) return kindOf(lastFour(address))
    if (own.check(address, 'ipv6')) return 'private'
    const isGlobal = global.check(address, 'ipv6') && !tunnels.check(address, 'ipv6')
    return isGlobal && !unusable.check(address, 'ipv6') ? 'public' : 'unusable'
  }
  return kindOf
}

/** The IPv4 address in the last 32 bits. URL writes them as two groups of hexadecimal, whatever they were. */
function lastFour(address: string): string {
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':').slice(-2)
  const [high, low] = groups.map((group) => Number.parseInt(group === '' ? '0' : group, 16))
  return [high ?? 0, low ?? 0].flatMap((group) => [group >> 8, group & 255]).join('.')
}
