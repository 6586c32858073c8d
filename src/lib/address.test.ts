import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNetworkList, type Network, readAddress, readNetwork, sourceOf } from './address.ts'

test('addresses have one form', () => {
  const table: [string, string | undefined][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['', undefined],
    ['192.0.2', undefined],
    ['192.0.2.256', undefined],
    ['0x7f.1', undefined],
    ['192.0.02.1', undefined],
    ['localhost', undefined],
    ['2001:db8::1::2', undefined],
    ['192.0.2.1\n', undefined],
    [`::${'0'.repeat(200)}`, undefined],
  ]
  for (const [text, address] of table) assert.equal(readAddress(text), address, text)
})

test('networks, and what is none', () => {
  const table: [string, string | undefined][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:db8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.0/8', undefined],
    ['10.0.0.0/33', undefined],
    ['::/129', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/-1', undefined],
    ['10/8', undefined],
    ['fe80::1%eth0', undefined],
    ['private', undefined],
  ]
  for (const [text, expected] of table) {
    const network = readNetwork(text)
    assert.equal(network && `${network.address}/${network.bits}`, expected, text)
  }
})

test('what is in a list of networks', () => {
  const isListed = createNetworkList(
    ['10.0.0.0/8', '2001:db8::/32'].map((text) => readNetwork(text) as Network),
  )
  const table: [string, boolean][] = [
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['2001:db8:1::1', true],
    ['2001:db9::1', false],
  ]
  for (const [address, expected] of table) assert.equal(isListed(address), expected, address)
})

test('an IPv6 address counts as its /64', () => {
  const table: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::2:1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['', ''],
  ]
  for (const [address, source] of table) assert.equal(sourceOf(address), source, address)
})
