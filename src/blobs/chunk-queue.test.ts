import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesOf } from './blob-fixtures.ts'
import { createChunkQueue } from './chunk-queue.ts'

const step = fc.oneof(
  fc.record({ push: fc.oneof(fc.nat(5), fc.nat(5000), fc.nat(60_000)) }),
  fc.record({ move: fc.oneof(fc.nat(5), fc.nat(50_000)) }),
  fc.constant('takeAll' as const),
)

test('a queue gives what was put in, in order, whatever the sizes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const waiting = { bytes: 0 }
      const queue = createChunkQueue(waiting)
      const put: Uint8Array[] = []
      const got: Uint8Array[] = []
      for (const [index, one] of [...steps, 'takeAll' as const].entries()) {
        if (one === 'takeAll') got.push(...queue.takeAll())
        else if ('push' in one) {
          put.push(bytesOf(one.push, index + 1))
          queue.push(bytesOf(one.push, index + 1))
        } else {
          const target = new Uint8Array(one.move)
          got.push(target.subarray(0, queue.moveInto(target)))
        }
        assert.equal(waiting.bytes, queue.bytes)
        assert.equal(queue.bytes, Buffer.concat(put).byteLength - Buffer.concat(got).byteLength)
      }
      assert.ok(Buffer.concat(got).equals(Buffer.concat(put)))
    }),
    { numRuns: 300 },
  )
})

test('tiny chunks are held in few buffers', () => {
  const queue = createChunkQueue({ bytes: 0 })
  for (let count = 0; count < 100_000; count += 1) queue.push(new Uint8Array(1))
  assert.equal(queue.takeAll().length, 7)
})
