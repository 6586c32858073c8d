import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { createRobot } from '../metadata/access/robots.ts'
import { changeUser } from '../metadata/access/user-changes.ts'
import { createUser, findUserByName } from '../metadata/access/users.ts'
import type { Db } from '../metadata/database.ts'
import { actorAt, NOW, withMetadata } from '../metadata/metadata-fixtures.ts'
import { ensureAdministrator } from './first-administrator.ts'

type Given = { name?: string; password?: string; named?: number }

/** @returns what was said, and what was warned of */
async function start(db: Db, { name = 'admin', password, named = 0 }: Given = {}) {
  const said: string[] = []
  const logged: string[] = []
  await ensureAdministrator({
    db,
    hasher: { hash: async (text) => `hash of ${text}` },
    configured: { name, password },
    named: { size: named },
    log: { ...silentLogger, info: (text) => logged.push(text), warn: (text) => logged.push(text) },
    say: (text) => void said.push(text),
    now: () => NOW,
  })
  return { said, logged }
}

test('at a start without an administrator one is made, and its random password said once', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const { said, logged } = await start(db)
    assert.equal(said.length, 1)
    const [, password] = /^ {4}name {6}admin\n {4}password {2}([0-9A-Za-z]{24})$/m.exec(said[0] ?? '') ?? []
    assert.ok(password !== undefined, said.join())
    assert.match(said[0] ?? '', /shown once and kept nowhere.*berth user passwd admin/)
    assert.deepEqual(logged, [])
    const made = await findUserByName(db, 'admin')
    assert.deepEqual([made?.isAdmin, made?.password], [true, `hash of ${password}`])
    assert.deepEqual(await start(db), { said: [], logged: [] })
    assert.deepEqual(await start(db, { name: 'other', password: 'another one' }), { said: [], logged: [] })
    assert.deepEqual(await findUserByName(db, 'admin'), made)
    assert.equal(await findUserByName(db, 'other'), undefined)
  }))

test('a password of the configuration is taken and not said', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const { said, logged } = await start(db, { name: 'root', password: 'canary-password' })
    assert.deepEqual(said, [])
    assert.deepEqual(logged, ['made the first administrator, root, with the password of the configuration'])
    assert.equal((await findUserByName(db, 'root'))?.password, 'hash of canary-password')
  }))

test('of two processes that start at once one makes it, and only that one says so', () =>
  withMetadata(['a', 'b'] as const, async (a, b) => {
    const both = await Promise.all([start(a.db), start(b.db)])
    const said = both.flatMap((one) => one.said)
    assert.equal(said.length, 1)
    const [, password] = /password {2}(\w+)/.exec(said[0] ?? '') ?? []
    assert.equal((await findUserByName(a.db, 'admin'))?.password, `hash of ${password}`)
  }))

test('none is made where the configuration names administrators, or a disabled one is there', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    assert.deepEqual(await start(db, { named: 1 }), { said: [], logged: [] })
    assert.equal(await findUserByName(db, 'admin'), undefined)
    await createUser(db, { name: 'boss', password: 'x', stamp: 's', isAdmin: true }, actorAt())
    await changeUser(db, 1, { set: 'disabled', stamp: 't' }, actorAt())
    assert.deepEqual(await start(db), { said: [], logged: [] })
    assert.equal(await findUserByName(db, 'admin'), undefined)
  }))

test('a name that is somebody’s is left to them, and what to do is said', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    await createRobot(db, { name: 'admin', description: '', scopes: [], expiresAt: undefined }, actorAt())
    const { said, logged } = await start(db)
    assert.deepEqual(said, [])
    assert.match(logged[0] ?? '', /the name admin belongs to a robot.*"berth user admin NAME"/)
  }))
