import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLastMade } from './last-made.ts'

test('made once for as long as the same is given', () => {
  const asked: string[] = []
  const upper = createLastMade((text: string) => (asked.push(text), text.toUpperCase()))
  assert.deepEqual(['', '', 'a', 'a', 'b', 'a'].map(upper), ['', '', 'A', 'A', 'B', 'A'])
  assert.deepEqual(asked, ['', 'a', 'b', 'a'])
})
