import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Statement, Transaction } from '../database.ts'
import { createStatementNumbers, unpack } from './sent-statements.ts'

const CHANGE: Statement = { name: 'change', sql: 'UPDATE notes SET text = :text' }
const LOOK: Statement = { name: 'look', sql: 'SELECT 1', rows: true }
const BOTH: Transaction = {
  steps: [{ statement: CHANGE, expect: 0 }, { statement: LOOK }],
  params: { text: 'a' },
  touches: ['r'],
}

test('a text crosses once, and again where it did not get there', () => {
  const numbers = createStatementNumbers()
  const lost: Statement[] = []
  numbers.pack(BOTH, lost)
  numbers.forget(lost)
  const there: Statement[] = []
  const first = numbers.pack({ ...BOTH, steps: [{ statement: LOOK }] }, there)
  const second = numbers.pack(BOTH, there)
  assert.deepEqual(there, [LOOK, CHANGE])
  assert.deepEqual(unpack(first, there).steps, [{ statement: LOOK }])
  assert.deepEqual(unpack(second, there), BOTH)
  assert.ok(!JSON.stringify(second).includes('UPDATE'))
})
