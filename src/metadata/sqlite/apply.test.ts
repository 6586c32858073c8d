import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Step, Transaction } from '../database.ts'
import { type Applied, createApplier } from './apply.ts'
import { openDatabase } from './open.ts'

const INSERT: Step = {
  statement: { name: 'insert', sql: 'INSERT INTO parents VALUES (:id)' },
  expect: 1,
}
const REMOVE: Step = { statement: { name: 'remove', sql: 'DELETE FROM parents WHERE id = :id' }, expect: 1 }
const CHILD: Step = { statement: { name: 'child', sql: 'INSERT INTO children VALUES (:id)' } }
const LOOK: Step = {
  statement: { name: 'look', sql: 'SELECT id FROM parents WHERE id = :id', rows: true },
  expect: 0,
}

function withDatabase(work: (db: DatabaseSync, apply: (...all: Transaction[]) => Applied[]) => void): void {
  const db = openDatabase(':memory:')
  db.exec('CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT')
  db.exec('CREATE TABLE children (id INTEGER REFERENCES parents ON DELETE RESTRICT) STRICT')
  const applier = createApplier({ db, processId: 'p', makeRoom: () => false })
  work(db, (...transactions) => applier.apply(transactions))
  db.close()
}

const of = (id: number, ...steps: Step[]): Transaction => ({ steps, params: { id }, touches: [] })
const kinds = (applied: Applied[]): string[] => applied.map(({ kind }) => kind)
const ids = (db: DatabaseSync): unknown[] =>
  db
    .prepare('SELECT id FROM parents')
    .all()
    .map((row) => row['id'])

test('in one commit each member stands for itself', () =>
  withDatabase((db, apply) => {
    const applied = apply(
      of(1, INSERT),
      of(1, INSERT), // the same key
      of(2, INSERT, REMOVE, REMOVE), // the second finds nothing
      of(3, CHILD), // no such parent
      of(4, INSERT),
    )
    assert.deepEqual(kinds(applied), ['done', 'failed', 'missed', 'foreign-key', 'done'])
    assert.deepEqual(applied[2], { kind: 'missed', missed: 2, rows: [] })
    assert.deepEqual(ids(db), [1, 4])
    assert.deepEqual(
      applied.map((one) => (one.kind === 'done' ? one.seq : 0)),
      [1, 0, 0, 0, 1],
    )
  }))

test('a miss tells what it found instead', () =>
  withDatabase((_db, apply) => {
    apply(of(7, INSERT))
    const [applied] = apply(of(7, LOOK))
    assert.deepEqual({ ...applied, rows: 1 }, { kind: 'missed', missed: 0, rows: 1 })
    assert.equal(applied?.kind === 'missed' && applied.rows[0]?.['id'], 7)
  }))

test('what is still named is not removed', () =>
  withDatabase((db, apply) => {
    assert.deepEqual(kinds(apply(of(1, INSERT, CHILD), of(1, REMOVE), of(2, INSERT))), [
      'done',
      'foreign-key',
      'done',
    ])
    assert.deepEqual(ids(db), [1, 2])
  }))

test('commits are counted once for all processes and once for each; those that change nothing are not', () =>
  withDatabase((db, apply) => {
    const other = createApplier({ db, processId: 'q', makeRoom: () => false })
    apply(of(1, INSERT), of(2, INSERT))
    apply(of(1, LOOK))
    other.apply([of(3, INSERT)])
    other.apply([{ steps: [], params: {}, touches: [] }])
    const counts = db.prepare('SELECT id, seq FROM processes UNION ALL SELECT NULL, seq FROM commits')
    assert.deepEqual(
      counts.all().map((row) => [row['id'], row['seq']]),
      [
        ['p', 1],
        ['q', 2],
        [null, 3],
      ],
    )
  }))

test('a process that forgets its row leaves none behind', () =>
  withDatabase((db, apply) => {
    apply(of(1, INSERT))
    const forget = { name: 'forget', sql: "DELETE FROM processes WHERE id = 'p'" }
    apply({ steps: [{ statement: forget, expect: 1 }], params: {}, touches: [] })
    assert.deepEqual(db.prepare('SELECT * FROM processes').all(), [])
  }))

test('a commit is synced unless all of its members can do without', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-apply-'))
  const db = openDatabase(join(folder, 'metadata.db'))
  db.exec('CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT')
  const applier = createApplier({ db, processId: 'p', makeRoom: () => false })
  const synced = (...transactions: Transaction[]): unknown => {
    assert.deepEqual(
      kinds(applier.apply(transactions)),
      transactions.map(() => 'done'),
    )
    return db.prepare('PRAGMA synchronous').get()?.['synchronous'] === 2
  }
  const without = (id: number): Transaction => ({ ...of(id, INSERT), synced: false })
  assert.equal(synced(without(1)), false)
  assert.equal(synced(without(2), without(3)), false)
  assert.equal(synced(of(4, INSERT)), true)
  assert.equal(synced(without(5)), false)
  assert.equal(synced(without(6), of(7, INSERT), without(8)), true)
  db.close()
  rmSync(folder, { recursive: true })
})
