import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRecentMap as createTwoPart } from './recent-map.ts'

/** Keys of the tests are of one letter and a number: the letter is the first part. */
function createRecentMap<Value>(most: number) {
  const map = createTwoPart<Value>(most)
  const parts = (key: string): [string, string] => [key.slice(0, 1), key.slice(1)]
  return {
    get: (key: string) => map.get(...parts(key)),
    set: (key: string, value: Value, weight: number) => map.set(...parts(key), value, weight),
    delete: (key: string) => map.delete(...parts(key)),
    clear: () => map.clear(),
  }
}

const kept = (map: { get(key: string): unknown }, keys: readonly string[]): string =>
  keys.filter((key) => map.get(key) !== undefined).join('')

test('what is used stays, what is not goes, and the weight is never more than may be', () => {
  const map = createRecentMap<{ at: number }>(100)
  for (let at = 0; at < 1000; at += 1) {
    map.set(`x${at}`, { at }, 10)
    assert.deepEqual(map.get('x0'), { at: 0 }, `used all the time, at ${at}`)
  }
  const left = Array.from({ length: 1000 }, (_, at) => `x${at}`).filter((key) => map.get(key) !== undefined)
  assert.ok(left.length <= 10, `${left.length} of 10 each`)
  assert.ok(map.get('x999') !== undefined)
})

test('set again: the new value, of the new weight', () => {
  const map = createRecentMap<number>(100)
  for (let at = 0; at < 50; at += 1) map.set('a', at, 40)
  map.set('b', 1, 10)
  assert.equal(map.get('a'), 49)
  assert.equal(map.get('b'), 1)
  map.set('a', 50, 1)
  for (const key of ['c', 'd', 'e']) map.set(key, 1, 13)
  assert.equal(kept(map, ['a', 'b', 'c', 'd', 'e']), 'abcde')
})

test('a value that was put over an older one is never the old one again', () => {
  const map = createRecentMap<number>(40)
  map.set('a', 1, 10)
  map.set('b', 1, 11) // a is in the older half now
  map.set('a', 2, 5)
  map.set('c', 1, 20)
  map.delete('c')
  assert.equal(map.get('a'), 2)
  map.set('a', 3, 30)
  assert.equal(map.get('a'), undefined, 'too heavy, and the one before is not it')
})

test('what is taken out is gone from both halves; cleared, all is', () => {
  const map = createRecentMap<number>(40)
  map.set('a', 1, 15)
  map.set('b', 1, 15)
  for (const key of ['a', 'b', 'nobody']) map.delete(key)
  assert.equal(kept(map, ['a', 'b']), '')
  map.set('c', 1, 20)
  map.set('d', 1, 20)
  assert.equal(kept(map, ['c', 'd']), 'cd')
  map.clear()
  assert.equal(kept(map, ['c', 'd']), '')
})
