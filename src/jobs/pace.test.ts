import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPace } from './pace.ts'

const never = new AbortController().signal

async function restOf(perSecond: number, count: number, tookMs: number, signal = never): Promise<number> {
  const began = performance.now()
  await createPace(perSecond).rest(count, tookMs, signal)
  return performance.now() - began
}

test('rests for as long as the rate asks, and never less than the work took', async () => {
  const table: [perSecond: number, count: number, tookMs: number, atLeast: number][] = [
    [1000, 100, 10, 90],
    [0, 100, 5, 10],
    [0, 100, 60, 60],
    [1_000_000, 100, 40, 40],
  ]
  for (const [perSecond, count, tookMs, atLeast] of table) {
    const rest = await restOf(perSecond, count, tookMs)
    // A timer may be a millisecond early.
    assert.ok(rest >= atLeast - 2, `${rest} ms where ${atLeast} are due`)
  }
})

test('a rest ends when told to, without an error', async () => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 20)
  assert.ok((await restOf(1, 100, 0, controller.signal)) < 20_000)
  assert.ok((await restOf(1, 100, 0, controller.signal)) < 20_000)
})
