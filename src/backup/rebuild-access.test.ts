/** Who there is and what they may, made again from the journal: the same rows, ids and all; and what ends with a loss. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import {
  addMember,
  createGroup,
  describeGroup,
  removeGroup,
  removeMember,
} from '../metadata/access/groups.ts'
import { journalGone, journalRow, journalSet, replayAccess } from '../metadata/access/journal.ts'
import { changeRobot, createRobot, removeRobot } from '../metadata/access/robots.ts'
import { addSecret, revokeSecret, type SecretKind } from '../metadata/access/secrets.ts'
import { changeUser, removeUser } from '../metadata/access/user-changes.ts'
import { createUser, findUserByName } from '../metadata/access/users.ts'
import type { Db, JournalEntry } from '../metadata/database.ts'
import { actorAt, NOW, rowsOf, withFolder, withMetadata } from '../metadata/metadata-fixtures.ts'
import { openMetadata } from '../metadata/open-metadata.ts'
import { dumpDatabase } from './dump.fixture.ts'
import { rebuild, type RebuildReport } from './rebuild.ts'
import { replayLine } from './replay.ts'

const TABLES = ['users', 'groups', 'group_members', 'robots', 'secrets', 'access_rules'] as const

let hashes = 0
const at = (n: number) => actorAt(NOW + n)

async function addUser(db: Db, name: string): Promise<number> {
  const user = { name, password: `hash of ${name}`, stamp: `stamp of ${name}`, isAdmin: name === 'root' }
  const made = await createUser(db, user, at(1))
  assert.ok('id' in made, name)
  return made.id
}

async function addRobot(db: Db, name: string): Promise<number> {
  const scopes = [{ repositories: `${name}/**`, actions: ['pull', 'push'] }]
  const made = await createRobot(db, { name, description: 'of CI', scopes, expiresAt: NOW + 9 }, at(2))
  assert.ok('id' in made, name)
  return made.id
}

async function addOne(db: Db, kind: SecretKind, holder: string): Promise<number> {
  const hash = new Uint8Array(32).fill(++hashes)
  const more = kind === 'personal' ? { scopes: [{ repositories: 'a', actions: ['pull'] }], stamp: 's' } : {}
  return addSecret(db, { kind, hash, hint: 'h', holder, holderName: 'n', expiresAt: NOW + 5, ...more }, at(3))
}

/** Each function that changes such a row, at least once; what is there before the snapshot is changed after it. */
async function before(db: Db): Promise<void> {
  for (const name of ['root', 'alice', 'bob', 'gone']) await addUser(db, name)
  for (const name of ['ci', 'old']) await addRobot(db, name)
  for (const name of ['devs', 'left']) await createGroup(db, { name, description: name }, at(4))
  for (const member of ['user:alice', 'user:gone', 'robot:old', 'user:elsewhere'] as const) {
    await addMember(db, 1, member, at(5))
    await addMember(db, 2, member, at(5))
  }
  for (const [kind, holder] of [
    ['personal', 'user:2'],
    ['personal', 'user:4'],
    ['robot', 'robot:1'],
    ['robot', 'robot:1'],
    ['robot', 'robot:2'],
    ['personal', 'htpasswd:carl'],
  ] as const)
    await addOne(db, kind, holder)
}

async function after(db: Db): Promise<void> {
  await changeUser(db, 2, { set: 'password', password: 'another', stamp: 's2' }, at(6))
  await changeUser(db, 2, { set: 'admin', isAdmin: true }, at(7))
  await changeUser(db, 3, { set: 'disabled', stamp: 's3' }, at(8))
  await changeUser(db, 1, { set: 'disabled', stamp: 's4' }, at(9))
  await changeUser(db, 1, { set: 'enabled' }, at(10))
  await removeUser(db, { id: 4, name: 'gone' }, at(11))
  await addUser(db, 'gone')
  await changeRobot(db, 1, { isDisabled: true, expiresAt: null, description: '' }, at(12))
  await removeRobot(db, { id: 2, name: 'old' }, at(13))
  await describeGroup(db, 1, 'who writes', at(14))
  await removeMember(db, 1, 'user:elsewhere', at(15))
  await removeGroup(db, 2, at(16))
  await revokeSecret(db, { id: 3, kind: 'robot' }, at(17))
  await revokeSecret(db, { id: await addOne(db, 'personal', 'user:2'), kind: 'personal' }, at(18))
  await addOne(db, 'personal', 'user:2')
  await addOne(db, 'refresh', 'user:2')
  await addOne(db, 'session', 'user:2')
  const rule = { id: 1, pattern: 'team/**', allow: '{}', changed_at: NOW, changed_by: 'me' }
  await db.write({
    steps: [
      {
        statement: {
          name: 'rule',
          sql: 'INSERT INTO access_rules (id, pattern, allow, changed_at, changed_by) VALUES (:id, :pattern, :allow, :changed_at, :changed_by)',
        },
      },
    ],
    params: rule,
    touches: ['*'],
    journal: [journalRow('access_rules', rule, at(19))],
  })
}

async function rebuilt(root: string): Promise<RebuildReport> {
  const store = await createFilesystemBlobStore({ root })
  try {
    return await rebuild({
      folder: join(root, 'berth'),
      databasePath: join(root, 'berth', 'metadata.db'),
      store,
      now: NOW,
      isDryRun: false,
      progress: () => undefined,
      signal: new AbortController().signal,
    })
  } finally {
    await store.close()
  }
}

function loseDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
}

for (const base of ['nothing', 'a snapshot between'] as const)
  test(`accounts, secrets and rules are made again as they were, from ${base}`, () =>
    withFolder(async (root) => {
      const folder = join(root, 'berth')
      const path = join(folder, 'metadata.db')
      const { db, snapshot } = openMetadata({ folder, version: 'test' })
      await before(db)
      await addOne(db, 'session', 'user:2')
      await db.write({
        steps: [
          {
            statement: { name: 'key', sql: "INSERT INTO signing_keys VALUES ('k', 'private', 0, 1, 2)" },
          },
        ],
        params: {},
        touches: ['*'],
      })
      if (base !== 'nothing') await snapshot?.()
      await after(db)
      await db.close()
      const was = dumpDatabase(path)
      for (const table of TABLES) assert.ok((was[table]?.length ?? 0) > 0, table)
      loseDatabase(path)
      const report = await rebuilt(root)
      assert.deepEqual([report.journal.refused, report.journal.gaps], [{ count: 0, first: [] }, []])
      assert.equal(report.base === undefined, base === 'nothing')
      const is = dumpDatabase(path)
      for (const table of TABLES) assert.deepEqual(is[table], was[table], table)

      const again = openMetadata({ folder, version: 'test' })
      const counts =
        "SELECT (SELECT count(*) FROM secrets WHERE kind IN ('refresh', 'session')) AS given, (SELECT count(*) FROM signing_keys) AS keys"
      assert.deepEqual(await rowsOf(again.db, counts), [{ given: 0, keys: 0 }])
      // No id of somebody who is gone comes back.
      assert.equal(await addUser(again.db, 'later'), 6)
      assert.equal(await addRobot(again.db, 'later-robot'), 3)
      await again.db.close()
    }))

test('no line has more than a hash of what was given out, and none tells of sessions', () =>
  withFolder(async (root) => {
    const folder = join(root, 'berth')
    const { db } = openMetadata({ folder, version: 'test' })
    await before(db)
    await addOne(db, 'session', 'user:2')
    const session = Buffer.from(new Uint8Array(32).fill(hashes)).toString('hex')
    await db.close()
    const text = readdirSync(join(folder, 'journal'))
      .map((name) => readFileSync(join(folder, 'journal', name), 'utf8'))
      .join('')
    assert.match(text, /"do":"access-row","table":"secrets"/)
    assert.ok(!text.includes(session))
  }))

const line = (entry: JournalEntry) => ({ ...entry, seq: 1 })

test('a line said twice changes nothing, and one whose name was taken since wins', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const row = { id: 7, name: 'alice', password: null, stamp: 's', created_at: NOW, created_by: 'me' }
    const entry = line(journalRow('users', row, at(0)))
    for (let n = 0; n < 2; n++) assert.equal(await replayLine(db, entry), undefined)
    assert.equal((await findUserByName(db, 'alice'))?.id, 7)
    assert.equal(await replayLine(db, line(journalRow('users', { ...row, id: 9 }, at(0)))), undefined)
    assert.deepEqual(await rowsOf(db, 'SELECT id, name FROM users'), [{ id: 9, name: 'alice' }])
    assert.equal(await replayLine(db, line(journalGone('users', { id: 9 }, at(0)))), undefined)
    assert.equal(await replayLine(db, line(journalGone('users', { id: 9 }, at(0)))), undefined)
    const changed = line(journalSet('users', { id: 9 }, { is_admin: 1 }, at(0)))
    assert.equal(await replayLine(db, changed), 'it is not there')
    const member = journalRow('group_members', { group_id: 5, member: 'user:alice' }, at(0))
    assert.equal(await replayLine(db, line(member)), 'it needs what is not there')
  }))

test('lines that are not as this version writes them are left out, and never run', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    await addUser(db, 'alice')
    const lines: Record<string, unknown>[] = [
      { do: 'access-row', table: 'sqlite_schema', row: { id: 1 } },
      { do: 'access-row', table: 'audit', row: { id: 1 } },
      { do: 'access-row', table: 'users', row: { id: 2, 'name = 1; DROP TABLE users; --': 'x' } },
      { do: 'access-row', table: 'users', row: { id: '2', name: 'x' } },
      { do: 'access-row', table: 'users', row: { name: 'x' } },
      { do: 'access-row', table: 'users', row: { id: 2 } },
      { do: 'access-row', table: 'users', row: { id: 2, constructor: 'x' } },
      { do: 'access-row', table: 'secrets', row: { id: 2, hash: 'not hex' } },
      { do: 'access-row', table: '__proto__', row: { id: 2 } },
      { do: 'access-row', table: 'users', row: null },
      { do: 'access-row', table: 'users', row: [] },
      { do: 'access-set', table: 'users', key: {}, row: { is_admin: 1 } },
      { do: 'access-set', table: 'users', key: { id: 1 }, row: {} },
      { do: 'access-set', table: 'secrets', key: { id: 1 }, row: { last_used_at: 1 } },
      { do: 'access-gone', table: 'users', key: {} },
      { do: 'access-gone', table: 'users' },
    ]
    for (const one of lines) assert.match((await replayAccess(db, one)) ?? 'done', /^the line does not say/)
    assert.deepEqual(await rowsOf(db, 'SELECT name, is_admin FROM users'), [{ name: 'alice', is_admin: 0 }])
  }))
