import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { DatabaseBusyError, DatabaseLostError, type Transaction } from '../database.ts'
import { withFolder } from '../metadata-fixtures.ts'
import { openDatabase } from './open.ts'
import { createThreadWriter, type Writer } from './writer.ts'

const ADD = { name: 'add', sql: 'INSERT INTO notes VALUES (:id)' }
const adding = (id: number): Transaction => ({ steps: [{ statement: ADD }], params: { id }, touches: [] })

function withWriter(
  work: (writer: Writer, ids: () => unknown[], folder: string) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const path = join(folder, 'metadata.db')
    const db = openDatabase(path)
    db.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY) STRICT')
    const writer = createThreadWriter({
      path,
      processId: 'a1',
      journalFolder: join(folder, 'journal'),
      ballastPath: join(folder, 'ballast'),
      waitMs: 200,
    })
    const ids = () =>
      db
        .prepare('SELECT id FROM notes')
        .all()
        .map((row) => row['id'])
    try {
      await work(writer, ids, folder)
    } finally {
      await writer.close()
      db.close()
    }
  })
}

test('an answer comes after its commit, in a connection that was open before', () =>
  withWriter(async (writer, ids) => {
    for (let id = 1; id <= 3; id++) {
      const outcome = await writer.write(adding(id))
      assert.deepEqual(outcome, { done: true, rows: [[]], changes: [1] })
      assert.equal(ids().length, id)
    }
  }))

test('many at once share commits', () =>
  withWriter(async (writer, ids, folder) => {
    await Promise.all(Array.from({ length: 500 }, (_, id) => writer.write(adding(id))))
    assert.equal(ids().length, 500)
    const look = new DatabaseSync(join(folder, 'metadata.db'))
    const { seq } = look.prepare('SELECT seq FROM commits').get() as { seq: number }
    look.close()
    assert.ok(seq >= Math.ceil(500 / 64) && seq < 250, `${seq} commits`)
  }))

test('what nobody waits for goes behind what a request writes, and is written all the same', () =>
  withWriter(async (writer, ids) => {
    await writer.write(adding(-1))
    const done: number[] = []
    const note = (id: number) => () => void done.push(id)
    const behind = Array.from({ length: 400 }, (_, id) =>
      writer.write({ ...adding(id), background: true }).then(note(id)),
    )
    await writer.write(adding(1000)).then(note(1000))
    assert.ok(done.indexOf(1000) <= 64, `${done.indexOf(1000)} went first`)
    await Promise.all(behind)
    assert.equal(ids().length, 402)
  }))

test('one that cannot be sent to the thread fails alone', () =>
  withWriter(async (writer, ids) => {
    const bad = { ...adding(2), params: { id: (() => 2) as unknown as number } }
    const all = await Promise.allSettled([
      writer.write(adding(1)),
      writer.write(bad),
      writer.write(adding(3)),
    ])
    assert.deepEqual(
      all.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(ids(), [1, 3])
  }))

test('closing writes what was handed over, and refuses what comes later', () =>
  withWriter(async (writer, ids) => {
    const written = Array.from({ length: 200 }, (_, id) => writer.write(adding(id)))
    await writer.close()
    assert.equal((await Promise.all(written)).length, 200)
    assert.equal(ids().length, 200)
    await assert.rejects(writer.write(adding(1000)), /closed/)
  }))

test('a thread that dies answers everyone, and the next write has a new one', () =>
  withWriter(async (writer, ids) => {
    await writer.write(adding(1))
    // Nothing a caller can say, but a way to make the thread fail after a commit.
    const bad = { ...adding(2), journal: [{ do: 'x', id: 1n as unknown as number }] }
    const rest = Array.from({ length: 100 }, (_, index) => writer.write(adding(10 + index)))
    const all = await Promise.allSettled([writer.write(bad), ...rest])
    const lost = all.filter(({ status }) => status === 'rejected')
    for (const one of lost) assert.ok((one as PromiseRejectedResult).reason instanceof DatabaseLostError)
    // One that is handed over while the thread ends is lost with it.
    await writer.write(adding(3)).catch(() => writer.write(adding(3)))
    assert.ok(ids().includes(3))
    const answered = all.length - lost.length
    assert.ok(ids().length >= answered + 2, 'what was answered is there')
  }))

test('what cannot be sent is refused and leaves nothing waiting', () =>
  withWriter(async (writer) => {
    const params = { id: (() => 1) as unknown as number }
    await assert.rejects(writer.write({ ...adding(1), params }), { name: 'DataCloneError' })
    await writer.write(adding(1))
  }))

test('a database held by another program is told as such, once for all that wait', () =>
  withWriter(async (writer, _ids, folder) => {
    await writer.write(adding(1))
    const holder = new DatabaseSync(join(folder, 'metadata.db'))
    holder.exec('BEGIN IMMEDIATE')
    const before = performance.now()
    const all = await Promise.allSettled(Array.from({ length: 40 }, (_, id) => writer.write(adding(id + 2))))
    const took = performance.now() - before
    holder.exec('ROLLBACK')
    holder.close()
    for (const one of all) {
      assert.ok(one.status === 'rejected' && one.reason instanceof DatabaseBusyError)
    }
    assert.ok(took < 2000, `${took} ms`)
    await writer.write(adding(2))
  }))

test('the reserve is set aside at the first chance, a step at a time', () =>
  withWriter(async (writer, _ids, folder) => {
    writer.refill()
    await writer.write(adding(1))
    assert.ok(existsSync(join(folder, 'ballast')))
  }))
