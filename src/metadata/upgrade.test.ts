/** Databases of older versions: upgraded with a snapshot before, whole after any interruption, and the way back told. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { DatabaseRefusedError } from './database.ts'
import { query, withFolder } from './metadata-fixtures.ts'
import { MIGRATIONS } from './migrations/migrations.ts'
import { openMetadata } from './open-metadata.ts'
import { openDatabase } from './sqlite/open.ts'
import { listSnapshots } from './sqlite/snapshot.ts'

const LATEST = MIGRATIONS.length

/** What schema 1 held, with a row in every table that a registry in use has. */
const ROWS = `
  UPDATE commits SET seq = 17;
  INSERT INTO repositories (id, name, created_at, created_by, published_at) VALUES (3, 'a/b', 1000, 'me', 1001), (4, 'c', 1002, 'me', NULL);
  INSERT INTO objects (id, state, digest, size, stamp, created_at) VALUES
    (x'01', 'live', x'01aa', 5, 77, 1000), (x'02', 'garbage', x'01bb', 6, NULL, 1000), (x'03', 'uploading', NULL, NULL, NULL, 1000);
  INSERT INTO blobs (digest, size, object_id, verified_at) VALUES (x'01aa', 5, x'01', 1000);
  INSERT INTO blob_links (digest, repository_id, lease_until, linked_at) VALUES (x'01aa', 3, 9000, 1000);
  INSERT INTO deletions (id, repository_id, what, deleted_by, deleted_by_name, client, request_id, at, cause)
    VALUES (5, 3, 'tag old', 'u1', 'me', 'docker', 'r1', 1005, 'push');
  INSERT INTO manifests (repository_id, digest, media_type, bytes, content_size, pushed_at, pushed_by, pushed_by_name, client, request_id, cause, pulls)
    VALUES (3, x'01cc', 'application/vnd.oci.image.manifest.v1+json', CAST('{}' AS BLOB), 5, 1001, 'u1', 'me', 'docker', 'r1', 'push', 12);
  INSERT INTO manifest_refs (repository_id, manifest, position, kind, digest, media_type, size, held_blob)
    VALUES (3, x'01cc', 0, 'config', x'01aa', 'application/json', 5, x'01aa');
  INSERT INTO tags (repository_id, name, digest, sort_key, moved_at, moved_by, pulls) VALUES (3, 'v1', x'01cc', 'v0011', 1001, 'me', 11);
  INSERT INTO tag_moves (repository_id, name, seq, at, to_digest, media_type, size, principal_id, principal_name, client, request_id, cause)
    VALUES (3, 'v1', 1, 1001, x'01cc', 'x', 2, 'u1', 'me', 'docker', 'r1', 'push');
  INSERT INTO uploads (id, object_id, repository_id, principal, algorithm, received, created_at, touched_at)
    VALUES (x'09', x'03', 4, 'u1', 'sha256', 3, 1003, 1004);
  INSERT INTO candidates (kind, repository_id, digest, due_at) VALUES ('link', 3, x'01aa', 9000);
  INSERT INTO pull_days VALUES (3, 20000, 12, 600);
  INSERT INTO jobs (kind, unique_key, run_at) VALUES ('snapshot', 'snapshot', 2000);
  INSERT INTO processes VALUES ('p0', '0.1', 1, 'host', 3, 1000, 1000);
`

function makeOld(path: string): void {
  const db = openDatabase(path, { migrations: MIGRATIONS.slice(0, 1) })
  db.exec(ROWS)
  db.close()
}

/** All that the first schema's tables hold. */
function dump(path: string): Record<string, unknown[]> {
  const first = new DatabaseSync(':memory:')
  first.exec(MIGRATIONS[0] as string)
  const tables = first.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as {
    name: string
  }[]
  const db = new DatabaseSync(path)
  const rows = tables
    .filter(({ name }) => !['sqlite_sequence', 'processes'].includes(name))
    .map(({ name }) => {
      const columns = (first.prepare(`PRAGMA table_info(${name})`).all() as { name: string }[]).map(
        (one) => one.name,
      )
      return [
        name,
        db
          .prepare(`SELECT ${columns.join(', ')} FROM ${name}`)
          .all()
          .map((row) => ({ ...row })),
      ]
    })
  db.close()
  first.close()
  return Object.fromEntries(rows) as Record<string, unknown[]>
}

function versionOf(path: string): number {
  const db = new DatabaseSync(path)
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  assert.deepEqual(
    db
      .prepare('PRAGMA integrity_check')
      .all()
      .map((row) => ({ ...row })),
    [{ integrity_check: 'ok' }],
  )
  db.close()
  return version
}

test('a database of schema 1 is upgraded with every row, after a snapshot of how it was', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'metadata.db')
    makeOld(path)
    const before = dump(path)
    assert.ok(
      Object.values(before).every((rows) => rows.length > 0),
      'a row in each table',
    )
    const metadata = openMetadata({ folder, version: 'new' })
    const [tag] = await metadata.db.read(query('SELECT pulls FROM tags'), {})
    assert.equal(tag?.['pulls'], 11)
    await metadata.db.close()
    assert.deepEqual(dump(path), before)
    assert.equal(versionOf(path), LATEST)
    const [snapshot, ...others] = listSnapshots(join(folder, 'snapshots'))
    assert.equal(others.length, 0)
    assert.equal(snapshot?.before, 2)
    assert.equal(versionOf(snapshot?.path as string), 1)
    assert.deepEqual(dump(snapshot?.path as string), before)
    // Once: the next start migrates nothing.
    await openMetadata({ folder, version: 'new' }).db.close()
    assert.equal(listSnapshots(join(folder, 'snapshots')).length, 1)
  }))

test('an older version names the snapshot of before, and what to do', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'metadata.db')
    makeOld(path)
    await openMetadata({ folder, version: 'new' }).db.close()
    const snapshots = join(folder, 'snapshots')
    writeFileSync(join(snapshots, 'metadata-2099-01-01T00-00-00-000Z-before-7.db'), '')
    writeFileSync(join(snapshots, 'metadata-2099-01-01T00-00-00-000Z.db'), '')
    const [name] = readdirSync(snapshots).filter((one) => one.includes('-before-2'))
    assert.throws(
      () => openDatabase(path, { migrations: MIGRATIONS.slice(0, 1), snapshots }),
      (error: Error) => {
        assert.ok(error instanceof DatabaseRefusedError)
        assert.match(error.message, new RegExp(`schema ${LATEST}; this one knows 1`))
        assert.match(
          error.message,
          /Start the newer version again; or go back: .*run "berth rebuild --force"/,
        )
        assert.ok(error.message.includes(join(snapshots, name as string)), error.message)
        return true
      },
    )
  }))

test('a migration that fails leaves the old database usable', () =>
  withFolder((folder) => {
    const path = join(folder, 'metadata.db')
    makeOld(path)
    const before = dump(path)
    const migrations = [MIGRATIONS[0] as string, `${MIGRATIONS[1]}; CREATE TABLE broken (x; `]
    assert.throws(() => openDatabase(path, { migrations }))
    assert.deepEqual([versionOf(path), dump(path)], [1, before])
    openDatabase(path).close()
    assert.deepEqual([versionOf(path), dump(path)], [LATEST, before])
  }))

/** A migration that takes a while, and tells when it is under way. */
const SLOW = `
  import { openDatabase } from ${JSON.stringify(new URL('./sqlite/open.ts', import.meta.url).href)}
  import { writeSnapshot } from ${JSON.stringify(new URL('./sqlite/snapshot.ts', import.meta.url).href)}
  import { MIGRATIONS } from ${JSON.stringify(new URL('./migrations/migrations.ts', import.meta.url).href)}
  const [folder] = process.argv.slice(1)
  const path = folder + '/metadata.db'
  const filler = "CREATE TABLE filler AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT x, randomblob(40) AS y FROM n"
  process.stdout.write('begun')
  openDatabase(path, {
    migrations: [MIGRATIONS[0], MIGRATIONS[1] + ';' + filler],
    beforeMigration: () => writeSnapshot({ databasePath: path, snapshots: folder + '/snapshots', journal: folder + '/journal' }, '-before-2'),
  }).close()
`

test('an upgrade that is killed at any point is as if it had not begun, or done', { timeout: 60_000 }, () =>
  withFolder(async (folder) => {
    const seen = new Set<number>()
    for (const afterMs of [0, 15, 30, 60, 90, 130, 180, 5000]) {
      const one = join(folder, String(afterMs))
      mkdirSync(one)
      const path = join(one, 'metadata.db')
      makeOld(path)
      const before = dump(path)
      const child = spawn(process.execPath, ['--input-type=module', '-e', SLOW, one], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended])
      const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
      await ended
      clearTimeout(timer)
      const version = versionOf(path)
      seen.add(version)
      assert.deepEqual(dump(path), before, `killed after ${afterMs} ms`)
      openDatabase(path).close()
      assert.deepEqual([versionOf(path), dump(path)], [LATEST, before])
    }
    assert.deepEqual([...seen].sort(), [1, 2], 'some were killed in time, the last one was not')
  }),
)
