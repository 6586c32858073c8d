import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSharedSync } from './shared-sync.ts'

/** A sync that ends when told, and tells when it began. */
function manualSync(): {
  sync: (key: string) => Promise<void>
  end: (error?: Error) => Promise<void>
  begun: string[]
} {
  const begun: string[] = []
  const ends: ((error?: Error) => void)[] = []
  return {
    begun,
    sync: (key) => {
      begun.push(key)
      return new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())))
    },
    end: async (error) => {
      ends.shift()?.(error)
      await new Promise(setImmediate)
    },
  }
}

test('who comes while a sync is under way waits for one that began later, and shares it', async () => {
  const { sync, end, begun } = manualSync()
  const shared = createSharedSync(sync)
  const done: string[] = []
  const wait = (name: string): Promise<unknown> => shared('a').then(() => done.push(name))
  void wait('first')
  void wait('second')
  void wait('third')
  assert.deepEqual(begun, ['a'])
  await end()
  assert.deepEqual(done, ['first'])
  assert.deepEqual(begun, ['a', 'a'])
  void wait('fourth')
  assert.deepEqual(begun, ['a', 'a'])
  await end()
  assert.deepEqual(done, ['first', 'second', 'third'])
  await end()
  assert.deepEqual(done, ['first', 'second', 'third', 'fourth'])
  assert.equal(begun.length, 3)
  void wait('fifth')
  assert.equal(begun.length, 4)
  await end()
  assert.equal(done.length, 5)
})

test('different folders are synced at the same time', async () => {
  const { sync, end, begun } = manualSync()
  const shared = createSharedSync(sync)
  const both = Promise.all([shared('a'), shared('b')])
  assert.deepEqual(begun, ['a', 'b'])
  await end()
  await end()
  await both
})

test('a sync that fails fails those who waited for it, and not the next', async () => {
  const { sync, end } = manualSync()
  const shared = createSharedSync(sync)
  const first = assert.rejects(shared('a'), /EIO/)
  const second = shared('a')
  await end(new Error('EIO'))
  await first
  await end()
  await second
})
