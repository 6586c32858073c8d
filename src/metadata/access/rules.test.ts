/** Every change of a rule is in the journal: a rebuild makes the same rows, ids and all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Db, JournalEntry } from '../database.ts'
import { actorAt, rowsOf, withMetadata } from '../metadata-fixtures.ts'
import { replayAccess } from './journal.ts'
import { removeRule, setRule } from './rules.ts'

const SQL = 'SELECT * FROM access_rules ORDER BY id'

test('rules that were made, changed and removed are made again from the journal', async () => {
  await withMetadata(['a', 'b'], async (here) => {
    const lines: JournalEntry[] = []
    const { db } = here
    const told: Db = {
      ...db,
      async write(transaction) {
        const outcome = await db.write(transaction)
        if (outcome.done) lines.push(...(transaction.journal ?? []))
        return outcome
      },
    }
    await setRule(told, { pattern: 'a', allow: { anonymous: ['pull'] } }, actorAt(1))
    await setRule(told, { pattern: 'b/**', allow: {} }, actorAt(2))
    await setRule(told, { pattern: 'a', allow: { 'user:x': ['pull', 'push'] } }, actorAt(3))
    await removeRule(told, 'b/**', actorAt(4))
    await setRule(told, { pattern: 'b/**', allow: { 'group:g': [] } }, actorAt(5))
    const rows = await rowsOf(db, SQL)
    assert.deepEqual(
      rows.map(({ id, pattern, changed_at }) => [id, pattern, changed_at]),
      [
        [1, 'a', 3],
        [3, 'b/**', 5],
      ],
    )
    assert.equal(lines.length, 5)
    await withMetadata(['c'], async (again) => {
      // Told twice, as where a snapshot has the first of them already.
      for (const line of [...lines.slice(0, 2), ...lines]) {
        const told = JSON.parse(JSON.stringify(line)) as JournalEntry
        assert.equal(await replayAccess(again.db, told), undefined)
      }
      assert.deepEqual(await rowsOf(again.db, SQL), rows)
    })
  })
})

test('two processes that set the same pattern at once: one makes it, the other changes it', async () => {
  await withMetadata(['a', 'b'], async (one, other) => {
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        setRule((index % 2 === 0 ? one : other).db, { pattern: 'a', allow: {} }, actorAt(index)),
      ),
    )
    assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1)
    assert.equal((await rowsOf(one.db, SQL)).length, 1)
    assert.deepEqual(await rowsOf(one.db, 'SELECT version, rules FROM access'), [{ version: 6, rules: 6 }])
  })
})
