import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { createClientAddress } from './client-address.ts'

const PROXIES = ['10.0.0.0/8', '2001:db8:ffff::/48', '192.0.2.80']

function asked(remoteAddress: string | undefined, forwarded?: string, more: Record<string, string> = {}) {
  const headers = { ...more, ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) }
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

test('who is behind the proxies that are trusted', () => {
  const addressOf = createClientAddress(PROXIES)
  const table: [peer: string | undefined, forwarded: string | undefined, client: string][] = [
    // No proxy, or none that is trusted: what it says means nothing.
    ['203.0.113.9', undefined, '203.0.113.9'],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['2001:db8::9', '198.51.100.1', '2001:db8::9'],
    // One, two, three proxies.
    ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '198.51.100.1, 10.9.9.9', '198.51.100.1'],
    ['::ffff:10.0.0.1', '198.51.100.1,10.9.9.9 ,192.0.2.80', '198.51.100.1'],
    ['2001:db8:ffff::1', '2001:DB8:0::7', '2001:db8::7'],
    ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    // What the client itself put before it is not believed.
    ['10.0.0.1', '10.1.1.1, 1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', 'garbage, 198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', `${'1.1.1.1,'.repeat(1000)}198.51.100.1`, '198.51.100.1'],
    // Only proxies: the farthest one.
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    // With a port.
    ['10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['10.0.0.1', '[2001:db8::7]', '2001:db8::7'],
    // Garbage stops at what is known.
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', 'unknown', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, , 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', ',', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, 10.0.0.2,', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.999', '10.0.0.1'],
    ['10.0.0.1', 'x'.repeat(10_000), '10.0.0.1'],
    // No more hops than a real chain has.
    ['10.0.0.1', `198.51.100.1${',10.0.0.2'.repeat(1000)}`, '10.0.0.2'],
    // A Unix socket that is not in the list.
    [undefined, '198.51.100.1', ''],
  ]
  for (const [peer, forwarded, client] of table)
    assert.equal(addressOf(asked(peer, forwarded)), client, `${peer}: ${forwarded?.slice(0, 60)}`)
})

test('a Unix socket is a proxy where the list says so', () => {
  const addressOf = createClientAddress(['unix'])
  assert.equal(addressOf(asked(undefined, '198.51.100.1')), '198.51.100.1')
  assert.equal(addressOf(asked(undefined)), '')
  assert.equal(addressOf(asked('203.0.113.9', '198.51.100.1')), '203.0.113.9')
})

test('nothing is believed where no proxy is named, and Forwarded never is', () => {
  const open = createClientAddress()
  assert.equal(open(asked('::ffff:10.0.0.1', '198.51.100.1')), '10.0.0.1')
  const behind = createClientAddress(PROXIES)
  assert.equal(behind(asked('10.0.0.1', undefined, { forwarded: 'for=198.51.100.1' })), '10.0.0.1')
  assert.equal(behind(asked('10.0.0.1', '198.51.100.1', { forwarded: 'for=1.1.1.1' })), '198.51.100.1')
})
