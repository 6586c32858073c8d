/** Users, groups and robots as rows: names, ids, what goes with them, and that every process sees a change at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actorAt, NOW, rowsOf, withFolder, withMetadata } from '../metadata-fixtures.ts'
import type { Db } from '../database.ts'
import { openMetadata } from '../open-metadata.ts'
import {
  addMember,
  createGroup,
  findGroupByName,
  groupsOfMember,
  listGroups,
  listMembers,
  recallGroupsOf,
  removeGroup,
  removeMember,
} from './groups.ts'
import {
  changeRobot,
  createRobot,
  findRobotById,
  findRobotByName,
  listRobots,
  removeRobot,
} from './robots.ts'
import { addSecret, findSecretById } from './secrets.ts'
import { changeUser, removeUser } from './user-changes.ts'
import {
  createFirstAdministrator,
  createUser,
  findUserById,
  findUserByName,
  hasAdministrator,
  listUsers,
  recallUserById,
} from './users.ts'
import { findAccessVersion } from './version.ts'

const ACTOR = actorAt()
const user = (name: string) => ({
  name,
  password: `hash of ${name}`,
  stamp: `stamp of ${name}`,
  isAdmin: false,
})
const robot = (name: string) => ({
  name,
  description: 'd',
  scopes: [{ repositories: 'team/**', actions: ['pull'] }],
  expiresAt: undefined,
})

async function made(db: Db, name: string): Promise<number> {
  const outcome = await createUser(db, user(name), ACTOR)
  assert.equal(outcome.kind, 'created')
  return 'id' in outcome ? outcome.id : 0
}

async function versionOf(db: Db): Promise<number> {
  return (await findAccessVersion(db)).version
}

test('a user is found by name and id as it was made, and lists show no hash', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const id = await made(db, 'alice')
    const expected = {
      id,
      ...user('alice'),
      disabledAt: undefined,
      createdAt: NOW,
      createdBy: 'me',
    }
    assert.deepEqual(await findUserByName(db, 'alice'), expected)
    assert.deepEqual(await findUserById(db, id), expected)
    assert.equal(recallUserById(db, id), await findUserById(db, id))
    assert.equal(await findUserByName(db, 'Alice'), undefined)
    for (const name of ['carl', 'bob']) await made(db, name)
    const page = await listUsers(db, 'alice', 1)
    assert.deepEqual(
      page.map(({ name }) => name),
      ['bob'],
    )
    const listed = await listUsers(db, '', 10)
    assert.deepEqual(
      listed.map(({ name, hasPassword }) => [name, hasPassword]),
      [
        ['alice', true],
        ['bob', true],
        ['carl', true],
      ],
    )
    assert.doesNotMatch(JSON.stringify(listed), /hash of|stamp of/)
  }))

test('names are not shared by users and robots, and an id is never used again', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const id = await made(db, 'alice')
    assert.deepEqual(await createUser(db, user('alice'), ACTOR), { kind: 'taken', by: 'user' })
    assert.deepEqual(await createRobot(db, robot('alice'), ACTOR), { kind: 'taken', by: 'user' })
    const ci = await createRobot(db, robot('ci'), ACTOR)
    assert.deepEqual(await createUser(db, user('ci'), ACTOR), { kind: 'taken', by: 'robot' })
    assert.deepEqual(await createRobot(db, robot('ci'), ACTOR), { kind: 'taken', by: 'robot' })
    assert.equal(await removeUser(db, { id, name: 'alice' }, ACTOR), true)
    assert.equal(await removeUser(db, { id, name: 'alice' }, ACTOR), false)
    assert.equal(await made(db, 'alice'), id + 1)
    assert.ok('id' in ci)
    await removeRobot(db, { id: ci.id, name: 'ci' }, ACTOR)
    assert.equal(await made(db, 'ci'), id + 2)
    assert.deepEqual(await createRobot(db, robot('deploy'), ACTOR), { kind: 'created', id: ci.id + 1 })
    const group = (await createGroup(db, { name: 'g', description: '' }, ACTOR)) ?? 0
    assert.equal(await createGroup(db, { name: 'g', description: '' }, ACTOR), undefined)
    await removeGroup(db, group, ACTOR)
    assert.equal(await createGroup(db, { name: 'g', description: '' }, ACTOR), group + 1)
  }))

test('two processes that make users at the same time give each its own id', () =>
  withMetadata(['a', 'b'] as const, async (a, b) => {
    const names = Array.from({ length: 20 }, (_, index) => `u${index}`)
    const outcomes = await Promise.all(
      names.flatMap((name) => [createUser(a.db, user(name), ACTOR), createUser(b.db, user(name), ACTOR)]),
    )
    const ids = outcomes.flatMap((outcome) => ('id' in outcome ? [outcome.id] : []))
    assert.equal(new Set(ids).size, 20)
    assert.equal(outcomes.filter(({ kind }) => kind === 'taken').length, 20)
  }))

test('every change holds in the other process with its next look, and raises the version', () =>
  withMetadata(['a', 'b'] as const, async ({ db }, other) => {
    const id = await made(db, 'alice')
    const seen = async () => findUserById(other.db, id)
    const changes = [
      [
        { set: 'disabled', stamp: 's2' },
        { disabledAt: NOW, stamp: 's2' },
      ],
      [{ set: 'enabled' }, { disabledAt: undefined, stamp: 's2' }],
      [
        { set: 'password', password: 'other', stamp: 's3' },
        { password: 'other', stamp: 's3' },
      ],
      [{ set: 'password', password: undefined, stamp: 's4' }, { password: undefined }],
      [{ set: 'admin', isAdmin: true }, { isAdmin: true }],
    ] as const
    for (const [change, expected] of changes) {
      const before = await versionOf(other.db)
      assert.equal(await changeUser(db, id, change, ACTOR), true)
      const now = await seen()
      assert.deepEqual({ ...now, ...expected }, now)
      assert.equal(await versionOf(other.db), before + 1)
    }
    const compared = { set: 'password', password: 'x', stamp: 's5', wasStamp: 's1' } as const
    assert.equal(await changeUser(db, id, compared, ACTOR), false)
    assert.equal(await changeUser(db, id, { ...compared, wasStamp: 's4' }, ACTOR), true)
    assert.equal(await changeUser(db, id + 1, { set: 'enabled' }, ACTOR), false)
    await removeUser(db, { id, name: 'alice' }, ACTOR)
    assert.equal(await seen(), undefined)
    assert.equal(recallUserById(other.db, id), undefined)
  }))

test('groups have members of any source; who is removed is in none', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const id = await made(db, 'alice')
    const devs = (await createGroup(db, { name: 'devs', description: 'who writes' }, ACTOR)) ?? 0
    const ops = (await createGroup(db, { name: 'ops', description: '' }, ACTOR)) ?? 0
    for (const member of ['user:alice', 'user:from-ldap', 'robot:ci'] as const) {
      assert.equal(await addMember(db, devs, member, ACTOR), true)
      assert.equal(await addMember(db, devs, member, ACTOR), false)
    }
    await addMember(db, ops, 'user:alice', ACTOR)
    assert.equal(await addMember(db, 99, 'user:alice', ACTOR), false)
    assert.deepEqual(await groupsOfMember(db, 'user:alice'), ['devs', 'ops'])
    assert.equal(recallGroupsOf(db, 'user:alice'), await groupsOfMember(db, 'user:alice'))
    assert.deepEqual(await groupsOfMember(db, 'user:nobody'), [])
    assert.deepEqual(await listMembers(db, devs, 'robot:ci', 1), ['user:alice'])
    assert.deepEqual(
      (await listGroups(db, '', 10)).map(({ name, members }) => [name, members]),
      [
        ['devs', 3],
        ['ops', 1],
      ],
    )
    await removeUser(db, { id, name: 'alice' }, ACTOR)
    assert.deepEqual(await groupsOfMember(db, 'user:alice'), [])
    assert.equal(await removeMember(db, devs, 'user:from-ldap', ACTOR), true)
    assert.equal(await removeMember(db, devs, 'user:from-ldap', ACTOR), false)
    assert.equal(await removeGroup(db, devs, ACTOR), true)
    assert.equal(await findGroupByName(db, 'devs'), undefined)
    assert.deepEqual(await groupsOfMember(db, 'robot:ci'), [])
  }))

test('a robot changes where it is told to, and takes its secrets and memberships with it', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const created = await createRobot(db, { ...robot('ci'), expiresAt: NOW + 5 }, ACTOR)
    assert.ok('id' in created)
    const { id } = created
    const before = await findRobotById(db, id)
    assert.deepEqual(before, {
      id,
      ...robot('ci'),
      expiresAt: NOW + 5,
      disabledAt: undefined,
      createdAt: NOW,
      createdBy: 'me',
    })
    await changeRobot(db, id, { isDisabled: true }, ACTOR)
    assert.deepEqual(await findRobotById(db, id), { ...before, disabledAt: NOW })
    await changeRobot(db, id, { isDisabled: false, expiresAt: null, scopes: [], description: 'e' }, ACTOR)
    assert.deepEqual(await findRobotByName(db, 'ci'), {
      ...before,
      expiresAt: undefined,
      scopes: [],
      description: 'e',
    })
    assert.equal(await changeRobot(db, id, {}, ACTOR), true)
    assert.equal(await changeRobot(db, id + 1, { description: 'x' }, ACTOR), false)
    const group = (await createGroup(db, { name: 'g', description: '' }, ACTOR)) ?? 0
    await addMember(db, group, 'robot:ci', ACTOR)
    const secret = await addSecret(
      db,
      { kind: 'robot', hash: new Uint8Array(32), hint: 'h', holder: `robot:${id}`, holderName: 'ci' },
      ACTOR,
    )
    assert.deepEqual(
      (await listRobots(db, '', 10)).map(({ name }) => name),
      ['ci'],
    )
    await removeRobot(db, { id, name: 'ci' }, ACTOR)
    assert.equal(await findSecretById(db, secret), undefined)
    assert.deepEqual(await groupsOfMember(db, 'robot:ci'), [])
  }))

test('of processes that make the first administrator at the same time, one does', () =>
  withFolder(async (folder) => {
    const opened = ['a', 'b', 'c', 'd'].map((version) => openMetadata({ folder, version }))
    try {
      const outcomes = await Promise.all(
        opened.map(({ db }, index) =>
          createFirstAdministrator(db, { ...user(`admin${index % 2}`), isAdmin: true }, ACTOR),
        ),
      )
      assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), [
        'created',
        'there-is-one',
        'there-is-one',
        'there-is-one',
      ])
      const db = opened[0]?.db as Db
      assert.equal(await hasAdministrator(db), true)
      assert.deepEqual(await rowsOf(db, 'SELECT count(*) AS n FROM users'), [{ n: 1 }])
    } finally {
      for (const { db } of opened) await db.close()
    }
  }))

test('the first administrator does not take a name that belongs to somebody', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    await createRobot(db, robot('admin'), ACTOR)
    const outcome = await createFirstAdministrator(db, { ...user('admin'), isAdmin: true }, ACTOR)
    assert.deepEqual(outcome, { kind: 'taken', by: 'robot' })
    assert.equal(await hasAdministrator(db), false)
  }))
