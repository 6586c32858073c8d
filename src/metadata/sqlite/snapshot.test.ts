import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { linkBlob, pushManifest, query, rowsOf, withFolder } from '../metadata-fixtures.ts'
import { openMetadata } from '../open-metadata.ts'
import { openDatabase } from './open.ts'

test('a snapshot is the database of one moment, while writes go on', () =>
  withFolder(async (folder) => {
    const metadata = openMetadata({ folder, version: 'test' })
    const { db } = metadata
    const digest = await pushManifest(db, ['v'])
    for (let n = 0; n < 200; n++) await linkBlob(db, `before ${n}`)
    let done = false
    const path = metadata.snapshot?.().finally(() => (done = true))
    let during = 0
    while (!done) await linkBlob(db, `during ${during++}`)
    assert.ok(during > 0)
    const copy = openDatabase(await (path as Promise<string>))
    const row = copy
      .prepare(
        `SELECT (SELECT count(*) FROM blobs) AS blobs, (SELECT seq FROM commits) AS seq,
         (SELECT lower(hex(digest)) FROM tags WHERE name = 'v') AS tag,
         (SELECT count(*) FROM pragma_foreign_key_check) AS torn, (SELECT * FROM pragma_integrity_check) AS check_`,
      )
      .get() as Record<string, number>
    assert.ok((row['blobs'] as number) >= 201 && (row['blobs'] as number) <= 201 + during)
    assert.deepEqual([row['tag'], row['torn'], row['check_']], [`01${digest.slice(7)}`, 0, 'ok'])
    // Each blob is a commit: the count of commits says exactly which lines of the journal come after it.
    const [now] = await db.read(query('SELECT seq, (SELECT count(*) FROM blobs) AS blobs FROM commits'), {})
    assert.equal(
      (now?.['blobs'] as number) - (row['blobs'] as number),
      (now?.['seq'] as number) - (row['seq'] as number),
    )
    copy.close()
    await db.close()
  }))

test('the newest three stay, with those of before a migration, and the journal that they need', () =>
  withFolder(async (folder) => {
    const metadata = openMetadata({ folder, version: 'test' })
    await rowsOf(metadata.db, 'SELECT 1')
    const snapshots = join(folder, 'snapshots')
    const journal = join(folder, 'journal')
    mkdirSync(snapshots)
    mkdirSync(journal, { recursive: true })
    const kept = ['metadata-2026-01-01T00-00-00-000Z-before-2.db', 'notes.txt', 'metadata-x.db.part']
    const daily = [3, 4, 5].map((day) => `metadata-2026-01-0${day}T00-00-00-000Z.db`)
    for (const name of [...kept, ...daily, 'metadata-old.db.part']) writeFileSync(join(snapshots, name), '')
    utimesSync(join(snapshots, 'metadata-old.db.part'), 1, 1)
    const days = [1, 2, 3, 4, 5].map((day) => `2026-01-0${day}-ab.jsonl`)
    for (const name of days) writeFileSync(join(journal, name), '')
    const path = (await metadata.snapshot?.()) as string
    const names = readdirSync(snapshots).sort()
    assert.deepEqual(names, [...kept, ...daily.slice(1), path.split('/').at(-1)].sort())
    assert.deepEqual(
      readdirSync(journal).filter((name) => name.includes('-ab.')),
      days.slice(2),
    )
    await metadata.db.close()
  }))

test('a copy has nothing in it that somebody could sign in with: no key, no session, not even in free pages', () =>
  withFolder(async (folder) => {
    const { db, snapshot, copyTo } = openMetadata({ folder, version: 'test' })
    const marks = { key: 'canary of a private key', session: 'canary of a session', robot: 'stays here' }
    const steps = [
      "INSERT INTO signing_keys VALUES ('k', :key, 0, 1, 2)",
      `INSERT INTO secrets (kind, hash, hint, holder, holder_name, created_at, created_by)
       VALUES ('session', x'01', :session, 'user:1', 'a', 0, 'a'), ('robot', x'02', :robot, 'robot:1', 'b', 0, 'b')`,
    ].map((sql) => ({ statement: { name: 'fill', sql } }))
    await db.write({ steps, params: marks, touches: ['*'] })
    const copy = join(folder, 'copy.db')
    await copyTo?.(copy)
    for (const path of [copy, (await snapshot?.()) as string]) {
      const bytes = readFileSync(path)
      assert.deepEqual(
        Object.values(marks).map((mark) => bytes.includes(mark)),
        [false, false, true],
      )
    }
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('copy.db')),
      ['copy.db'],
    )
    assert.equal((await rowsOf(db, 'SELECT id FROM signing_keys')).length, 1)
    await db.close()
  }))
