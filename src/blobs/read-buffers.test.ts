import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReadBuffers } from './read-buffers.ts'

const KIB = 1024

test('a buffer is as large as it need be, and smaller when many are out', () => {
  const buffers = createReadBuffers()
  assert.equal(buffers.take(100).bytes.byteLength, 16 * KIB)
  assert.equal(buffers.take(16 * KIB + 1).bytes.byteLength, 64 * KIB)
  assert.equal(buffers.take(1024 * KIB).bytes.byteLength, 512 * KIB, 'two pieces')
  const sizes = Array.from({ length: 100 }, () => buffers.take(10_000_000).bytes.byteLength)
  const count = (size: number): number => sizes.filter((one) => one === size).length
  const tiers = [2048, 1024, 512, 64, 16].map((size) => count(size * KIB))
  assert.deepEqual(tiers, [2, 7, 23, 31, 37])
  assert.equal(buffers.plenty(), false)
  assert.equal(createReadBuffers().plenty(), true)
})

test('one reader by itself gets the largest, a few get half of that, several do not', () => {
  const buffers = createReadBuffers()
  const take = (): number => buffers.take(10_000_000).bytes.byteLength
  assert.deepEqual([take(), take(), take()], [2048 * KIB, 2048 * KIB, 1024 * KIB])
  for (let others = 0; others < 7; others += 1) take()
  assert.equal(take(), 512 * KIB)
  assert.equal(buffers.take(1_500_000).bytes.byteLength, 512 * KIB, 'too short for two large pieces')
  const others = createReadBuffers()
  const [one, two] = [others.take(100_000), others.take(100_000)]
  assert.equal(others.take(10_000_000).bytes.byteLength, 1024 * KIB)
  for (const lease of [one, two]) lease.giveBack()
  assert.equal(others.take(10_000_000).bytes.byteLength, 2048 * KIB)
})

test('what was given back is used again, once; what was abandoned is not', () => {
  const buffers = createReadBuffers()
  const [first, second] = [buffers.take(500_000), buffers.take(500_000)]
  assert.notEqual(first.bytes, second.bytes)
  first.giveBack()
  first.giveBack()
  second.abandon()
  second.giveBack()
  const again = [buffers.take(500_000), buffers.take(500_000)]
  assert.equal(again[0]?.bytes, first.bytes)
  assert.ok(again[1]?.bytes !== first.bytes && again[1]?.bytes !== second.bytes)
})

test('what stalled clients hold stops counting, once over', (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const buffers = createReadBuffers()
  const takeAll = () => Array.from({ length: 100 }, () => buffers.take(1_000_000))
  const large = (leases: ReturnType<typeof takeAll>) =>
    leases.filter(({ bytes }) => bytes.byteLength === 512 * KIB)
  const first = takeAll()
  assert.equal(large(first).length, 24)
  now = 999
  assert.equal(large(takeAll()).length, 0)
  now = 1000
  const second = takeAll()
  assert.equal(large(second).length, 24)
  now = 5000
  assert.equal(large(takeAll()).length, 0, 'not twice')
  for (const lease of large(first)) lease.giveBack()
  assert.equal(large(takeAll()).length, 24)
})
