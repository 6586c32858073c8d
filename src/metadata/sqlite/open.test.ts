import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { DatabaseRefusedError } from '../database.ts'
import { withFolder } from '../metadata-fixtures.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'
import { openMetadata } from '../open-metadata.ts'
import { type OpenOptions, openDatabase } from './open.ts'

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() as object)[0]
}

function refused(path: string, message: RegExp, options: OpenOptions = {}): void {
  assert.throws(
    () => openDatabase(path, options),
    (error) => error instanceof DatabaseRefusedError && message.test(error.message),
  )
}

test('a fresh database is made as it has to be, and is opened again as it is', () =>
  withFolder((folder) => {
    const path = join(folder, 'deep', 'metadata.db')
    for (let time = 0; time < 2; time++) {
      const db = openDatabase(path, { beforeMigration: () => assert.fail('nothing is migrated') })
      assert.equal(pragma(db, 'journal_mode'), 'wal')
      assert.equal(pragma(db, 'synchronous'), 2)
      assert.equal(pragma(db, 'foreign_keys'), 1)
      assert.equal(pragma(db, 'user_version'), MIGRATIONS.length)
      assert.equal(pragma(db, 'integrity_check'), 'ok')
      db.close()
    }
  }))

test('a newer, a foreign and a damaged file are refused and not touched', () =>
  withFolder((folder) => {
    const path = join(folder, 'metadata.db')
    openDatabase(path).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 99')
    db.close()
    refused(
      path,
      /newer Berth \(schema 99; this one knows 3\)\. Start the newer version again: no snapshot .* is left$/,
    )

    const foreign = join(folder, 'foreign.db')
    const other = new DatabaseSync(foreign)
    other.exec('CREATE TABLE theirs (x)')
    other.close()
    const before = readFileSync(foreign)
    refused(foreign, /not Berth's/)
    assert.deepEqual(readFileSync(foreign), before)

    const damaged = join(folder, 'damaged.db')
    const bytes = readFileSync(path)
    bytes.fill(0x58, 0, 100)
    writeFileSync(damaged, bytes)
    refused(damaged, /damaged .*run "berth rebuild"/)
    assert.deepEqual(readFileSync(damaged), bytes)

    refused(join(path, 'below', 'metadata.db'), /ENOTDIR|cannot be written/)
  }))

test('a database that another program holds is refused after a while', () =>
  withFolder((folder) => {
    const path = join(folder, 'metadata.db')
    openDatabase(path).close()
    const holder = new DatabaseSync(path)
    holder.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    const before = performance.now()
    refused(path, /locked by another program/, { waitMs: 300 })
    assert.ok(performance.now() - before >= 300, 'a process that is just ending is waited for')
    holder.close()
    openDatabase(path).close()
  }))

const LATEST = MIGRATIONS.length
const NEXT = 'ALTER TABLE jobs ADD COLUMN note TEXT'

test('a migration is made once, after a look at who runs, and a broken one changes nothing', () =>
  withFolder((folder) => {
    const path = join(folder, 'metadata.db')
    const old = openDatabase(path)
    old.prepare("INSERT INTO processes VALUES ('p1', '1.0', 1, 'host', 0, 0, ?)").run(Date.now())
    const migrations = [...MIGRATIONS, NEXT]
    const seen: number[] = []
    const options = { migrations, beforeMigration: (from: number) => void seen.push(from) }
    refused(path, /a Berth 1.0 on host is running/, options)
    assert.throws(() =>
      openDatabase(path, { ...options, migrations: [...MIGRATIONS, 'CREATE x'], gone: ['p1'] }),
    )
    assert.equal(pragma(old, 'user_version'), LATEST)
    old.close()
    const db = openDatabase(path, { ...options, gone: ['p1'] })
    assert.equal(pragma(db, 'user_version'), LATEST + 1)
    db.exec('SELECT note FROM jobs')
    db.close()
    openDatabase(path, options).close()
    assert.deepEqual(seen, [LATEST, LATEST], 'the broken one and the right one')
    refused(path, new RegExp(`schema ${LATEST + 1}; this one knows ${LATEST}`))
  }))

test('what the database needs lies beside it, what is kept of it in the data folder', () =>
  withFolder(async (folder) => {
    const databasePath = join(folder, 'elsewhere', 'meta.db')
    const metadata = openMetadata({ folder: join(folder, 'berth'), databasePath, version: 'test' })
    await metadata.db.write({ steps: [], params: {}, touches: [], journal: [{ do: 'test' }] })
    await metadata.snapshot?.()
    await metadata.db.close()
    assert.deepEqual(readdirSync(join(folder, 'berth')).sort(), ['journal', 'snapshots'])
    assert.deepEqual(readdirSync(join(folder, 'elsewhere')).sort(), [
      'meta.db',
      'meta.db-ballast',
      'meta.db-processes',
    ])
  }))
