import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../oci/error.ts'
import { anonymousPrincipal, openPrincipal, type Principal } from './principal.ts'
import { createRateLimits, type RateRules } from './rate-limits.ts'

const MIB = 1024 * 1024
const alice: Principal = { ...anonymousPrincipal, id: 'user:1', name: 'alice', kind: 'user' }
const bob: Principal = { ...alice, id: 'user:2', name: 'bob' }

function fixture(rules: Partial<RateRules>) {
  let now = 1_800_000_000_000
  const limits = createRateLimits({ clock: { now: () => now }, requests: 0, burst: 0, bytes: 0, ...rules })
  /** Seconds to wait; 0: it may. */
  const ask = (who: Principal, address = '192.0.2.1', mayRefuse = true): number => {
    try {
      if (mayRefuse) limits.check(who, address)
      limits.count(who, address)
      return 0
    } catch (error) {
      assert.ok(error instanceof RegistryError && error.status === 429)
      return error.retryAfter ?? assert.fail('no Retry-After')
    }
  }
  return { limits, ask, pass: (ms: number) => (now += ms) }
}

test('requests a second, and a burst', () => {
  const { ask, pass, limits } = fixture({ requests: 5, burst: 20 })
  for (let i = 0; i < 20; i++) assert.equal(ask(alice), 0)
  assert.equal(ask(alice), 1)
  assert.equal(ask(bob), 0, 'each has their own')
  assert.equal(ask(alice, '192.0.2.99'), 1, 'an account is one, wherever from')
  pass(1000)
  for (let i = 0; i < 5; i++) assert.equal(ask(alice), 0)
  assert.equal(ask(alice), 1)
  pass(3_600_000)
  for (let i = 0; i < 20; i++) assert.equal(ask(alice), 0)
  assert.equal(ask(alice), 1)
  assert.equal(limits.figures.refused, 4)
})

test('who did not sign in is the address; ten seconds may come at once', () => {
  const { ask } = fixture({ requests: 1 })
  for (const who of [anonymousPrincipal, openPrincipal]) {
    const address = who === openPrincipal ? '2001:db8::1' : '192.0.2.1'
    for (let i = 0; i < 10; i++) assert.equal(ask(who, address), 0)
    assert.equal(ask(who, address), 1)
  }
  assert.equal(ask(openPrincipal, '2001:db8::ffff'), 1)
  assert.equal(ask(anonymousPrincipal, '192.0.2.2'), 0)
})

test('what cannot be sent again is never refused, but counts', () => {
  const { ask, pass } = fixture({ requests: 1, burst: 5 })
  for (let i = 0; i < 100; i++) assert.equal(ask(alice, '', false), 0)
  assert.equal(ask(alice), 6, 'the debt is bounded')
  pass(6000)
  assert.equal(ask(alice), 0)
})

test('bytes, in the mean of a minute', () => {
  const { ask, limits, pass } = fixture({ bytes: MIB })
  limits.pulled(alice, '', 50 * MIB)
  assert.equal(ask(alice), 0)
  limits.pulled(alice, '', 50 * MIB)
  assert.equal(ask(alice), 40)
  assert.equal(ask(alice, '', false), 0)
  assert.equal(ask(bob), 0)
  pass(40_000)
  assert.equal(ask(alice), 0)
  // One large blob goes through whole, and is paid for in a minute.
  limits.pulled(alice, '', 100_000 * MIB)
  assert.equal(ask(alice), 60)
})

test('memory is bounded, and a flood of addresses does not free one that is at its limit', () => {
  const { ask, pass } = fixture({ requests: 1, burst: 100 })
  for (let i = 0; i < 100; i++) ask(anonymousPrincipal, '192.0.2.1')
  const began = process.memoryUsage().heapUsed
  for (let i = 0; i < 300_000; i++) ask(anonymousPrincipal, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  assert.ok(process.memoryUsage().heapUsed - began < 64 * MIB)
  assert.equal(ask(anonymousPrincipal, '192.0.2.1'), 1)
  pass(-3_600_000)
  assert.ok(ask(anonymousPrincipal, '192.0.2.1') <= 1)
})
