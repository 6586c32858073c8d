import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMember, removeGroup } from '../metadata/access/groups.ts'
import { changeUser, removeUser } from '../metadata/access/user-changes.ts'
import { ACTOR, withAccounts } from './accounts.fixture.ts'
import type { Account } from './identity.ts'

test('a user of the database signs in with its password; others are unknown, or wrong', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'right')
    await f.addUser('closed', undefined)
    const account = (await f.signIn('alice', 'right')) as Account
    assert.deepEqual(account, {
      principal: {
        id: `user:${id}`,
        name: 'alice',
        kind: 'user',
        groups: [],
        claims: [],
        isAdmin: false,
        grants: [],
      },
      stamp: 's1',
    })
    assert.equal(await f.signIn('alice', 'wrong'), 'wrong')
    assert.equal(await f.signIn('alice', ''), 'wrong')
    assert.equal(await f.signIn('alice', 'hash of right'), 'wrong')
    assert.equal(await f.signIn('Alice', 'right'), 'unknown')
    assert.equal(await f.signIn('nobody', 'right'), 'unknown')
    assert.equal(await f.signIn('closed', ''), 'wrong')
    assert.equal(await f.signIn('closed', 'undefined'), 'wrong')
    assert.deepEqual(f.used, [`user:${id}`])
    assert.equal(await f.users.find(`user:${id}`), account)
    // In memory by now: without waiting, and the same object.
    assert.equal(f.users.find(`user:${id}`), account)
    for (const other of [
      'user:99',
      'user:',
      'user:alice',
      'user:1e3',
      'user:01',
      'robot:1',
      'htpasswd:alice',
    ])
      assert.equal(await f.users.find(other), undefined, other)
  }))

test('a disabled user is as one with a wrong password, in what it costs too, and what it had is gone', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'right')
    const before = (await f.signIn('alice', 'right')) as Account
    await changeUser(f.db, id, { set: 'disabled', stamp: 'other' }, ACTOR)
    f.hashed.length = 0
    assert.equal(await f.signIn('alice', 'right'), 'wrong')
    assert.deepEqual(f.hashed, ['nobody'])
    assert.equal(await f.users.find(`user:${id}`), undefined)
    await changeUser(f.db, id, { set: 'enabled' }, ACTOR)
    const after = (await f.signIn('alice', 'right')) as Account
    assert.notEqual(after.stamp, before.stamp)
    await removeUser(f.db, { id, name: 'alice' }, ACTOR)
    assert.equal(await f.signIn('alice', 'right'), 'unknown')
    assert.equal(await f.users.find(`user:${id}`), undefined)
    assert.notEqual(await f.addUser('alice', 'right'), id)
  }))

const MEANWHILE = {
  'its password is changed': { set: 'password', password: 'hash of new', stamp: 'new' },
  'it is disabled': { set: 'disabled', stamp: 'new' },
} as const
for (const [what, change] of Object.entries(MEANWHILE))
  test(`where ${what} while the old password is looked at, that is not good any more`, () =>
    withAccounts(async (f) => {
      const id = await f.addUser('alice', 'right')
      f.meanwhile.work = () => changeUser(f.db, id, change, ACTOR)
      assert.equal(await f.signIn('alice', 'right'), 'wrong')
    }))

test('where it is removed, and made again with the same stamp, while its password is looked at: wrong', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'right')
    f.meanwhile.work = () => removeUser(f.db, { id, name: 'alice' }, ACTOR)
    assert.equal(await f.signIn('alice', 'right'), 'wrong')
  }))

test('groups are those of the database and the file; an administrator is one by row, by name or by group', () =>
  withAccounts(async (f) => {
    await f.addUser('alice', 'x')
    await f.addUser('bob', 'x', true)
    await f.addUser('carl', 'x')
    const devs = await f.join('devs', 'user:alice')
    const of = async (name: string) => ((await f.signIn(name, 'x')) as Account).principal
    assert.deepEqual((await of('alice')).groups, ['devs'])
    f.file.access = {
      groups: new Map([
        ['ops', new Set(['alice', 'user:carl', 'robot:bob'])],
        ['devs', new Set(['alice'])],
      ]),
      administrators: new Set(['user:alice', 'group:admins']),
    }
    assert.deepEqual((await of('alice')).groups, ['devs', 'ops'])
    assert.deepEqual((await of('carl')).groups, ['ops'])
    assert.deepEqual((await of('bob')).groups, [])
    assert.deepEqual(
      [(await of('alice')).isAdmin, (await of('bob')).isAdmin, (await of('carl')).isAdmin],
      [true, true, false],
    )
    const admins = await f.join('admins')
    await addMember(f.db, admins, 'user:carl', ACTOR)
    assert.equal((await of('carl')).isAdmin, true)
    await removeGroup(f.db, admins, ACTOR)
    assert.equal((await of('carl')).isAdmin, false)
    f.file.access = { groups: new Map(), administrators: new Set() }
    assert.deepEqual((await of('alice')).groups, ['devs'])
    assert.equal((await of('alice')).isAdmin, false)
    await removeGroup(f.db, devs, ACTOR)
    assert.deepEqual((await of('alice')).groups, [])
  }))
