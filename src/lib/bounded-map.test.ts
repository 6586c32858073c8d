import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBoundedMap } from './bounded-map.ts'

test('beyond the number of entries the oldest goes; set again, one is the newest', () => {
  const map = createBoundedMap<number>({ most: 2 })
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  map.set('c', 4)
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => map.get(key)),
    [3, undefined, 4],
  )
})

test('characters of keys are bounded too, and given back', () => {
  const map = createBoundedMap<number>({ most: 10, mostCharacters: 6 })
  map.set('aaa', 1)
  map.set('aaa', 2)
  map.set('bbb', 3)
  assert.equal(map.get('aaa'), 2)
  map.delete('aaa')
  map.delete('aaa')
  map.set('ccc', 4)
  assert.equal(map.get('bbb'), 3)
  map.set('d', 5)
  assert.deepEqual(
    ['bbb', 'ccc', 'd'].map((key) => map.get(key)),
    [undefined, 4, 5],
  )
  map.set('longer than all', 6)
  assert.deepEqual(
    ['ccc', 'd', 'longer than all'].map((key) => map.get(key)),
    [undefined, undefined, undefined],
  )
  map.set('eeeeee', 7)
  assert.equal(map.get('eeeeee'), 7)
  map.clear()
  map.set('ffffff', 8)
  assert.equal(map.get('ffffff'), 8)
})
