import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeRobot, removeRobot } from '../metadata/access/robots.ts'
import { revokeSecret } from '../metadata/access/secrets.ts'
import { changeUser, removeUser } from '../metadata/access/user-changes.ts'
import { NOW } from '../metadata/metadata-fixtures.ts'
import { ACTOR, type AccountsFixture, withAccounts } from './accounts.fixture.ts'
import type { Account } from './identity.ts'

const SCOPES = [{ repositories: 'team/**', actions: ['pull', 'push'] }]

/** What every way to use a secret says of it: as a password, and by its number for what was given out for it. */
async function stateOf(f: AccountsFixture, name: string, { id, text }: { id: number; text: string }) {
  const found = await f.withSecret(name, text)
  const bySecret = await f.secrets.findBySecret(id)
  assert.deepEqual(typeof found === 'string' ? undefined : found, bySecret)
  return found
}

test('a robot signs in with its name and any of its secrets, and may what its scopes say', () =>
  withAccounts(async (f) => {
    const id = await f.addRobot('ci', { scopes: SCOPES })
    const [first, second] = [
      await f.give('robot', `robot:${id}`, 'ci'),
      await f.give('robot', `robot:${id}`, 'ci'),
    ]
    const account = await stateOf(f, 'ci', first)
    assert.deepEqual(account, {
      principal: {
        id: `robot:${id}`,
        name: 'ci',
        kind: 'robot',
        groups: [],
        claims: [],
        isAdmin: false,
        grants: SCOPES,
      },
      stamp: String(NOW),
      secretId: first.id,
    })
    assert.deepEqual(await stateOf(f, 'ci', second), { ...(account as Account), secretId: second.id })
    assert.deepEqual(f.used, [`secret:${first.id} 192.0.2.1`, `secret:${second.id} 192.0.2.1`])
    // Rotation: one ends, the other goes on.
    await revokeSecret(f.db, { id: first.id, kind: 'robot' }, ACTOR)
    assert.equal(await stateOf(f, 'ci', first), 'wrong')
    assert.notEqual(await stateOf(f, 'ci', second), 'wrong')
  }))

test('the name must be the holder’s, whole and as it is written', () =>
  withAccounts(async (f) => {
    const id = await f.addRobot('ci')
    await f.addRobot('other')
    await f.addUser('alice', 'x')
    const { text } = await f.give('robot', `robot:${id}`, 'ci')
    for (const name of ['', 'CI', 'ci ', 'other', 'alice', 'robot:ci', `robot:${id}`, '*', '__proto__'])
      assert.equal(await f.withSecret(name, text), 'wrong', name)
  }))

test('what looks like a secret and is none is wrong at once; what does not is for others', () =>
  withAccounts(async (f) => {
    const id = await f.addRobot('ci')
    const { text } = await f.give('robot', `robot:${id}`, 'ci')
    const other = text.at(-1) === 'x' ? 'y' : 'x'
    const given = [
      `${text}x`,
      text.slice(0, -1),
      `${text.slice(0, -1)}${other}`,
      'berth_pat_',
      'berth_robot_x',
    ]
    for (const password of given) assert.equal(await f.withSecret('ci', password), 'wrong')
    for (const password of ['', 'hunter2', ` ${text}`, text.toUpperCase()])
      assert.equal(await f.withSecret('ci', password), 'unknown')
    assert.deepEqual(f.used, [])
  }))

test('refresh tokens and sessions are no passwords', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'x')
    for (const kind of ['refresh', 'session'] as const)
      assert.equal(await stateOf(f, 'alice', await f.give(kind, `user:${id}`, 'alice')), 'wrong')
  }))

test('a robot that is disabled, expired or removed does not come in; one that is enabled again does', () =>
  withAccounts(async (f) => {
    const id = await f.addRobot('ci', { expiresAt: NOW + 1000 })
    const secret = await f.give('robot', `robot:${id}`, 'ci', { expiresAt: NOW + 2000 })
    assert.equal(((await stateOf(f, 'ci', secret)) as Account).expiresAt, NOW + 1000)
    await changeRobot(f.db, id, { isDisabled: true }, ACTOR)
    assert.equal(await stateOf(f, 'ci', secret), 'wrong')
    assert.equal(await f.secrets.find(`robot:${id}`), undefined)
    await changeRobot(f.db, id, { isDisabled: false }, ACTOR)
    assert.notEqual(await stateOf(f, 'ci', secret), 'wrong')
    f.setNow(NOW + 999)
    assert.notEqual(await stateOf(f, 'ci', secret), 'wrong')
    f.setNow(NOW + 1000)
    assert.equal(await stateOf(f, 'ci', secret), 'wrong')
    assert.equal(await f.secrets.find(`robot:${id}`), undefined)
    await changeRobot(f.db, id, { expiresAt: null }, ACTOR)
    assert.equal(((await stateOf(f, 'ci', secret)) as Account).expiresAt, NOW + 2000)
    f.setNow(NOW + 2000)
    assert.equal(await stateOf(f, 'ci', secret), 'wrong')
    f.setNow(NOW)
    await removeRobot(f.db, { id, name: 'ci' }, ACTOR)
    assert.equal(await stateOf(f, 'ci', secret), 'wrong')
    const again = await f.addRobot('ci')
    assert.notEqual(again, id)
    assert.equal(await stateOf(f, 'ci', secret), 'wrong')
  }))

test('a personal token stands for its user, cut to its scopes, and ends with the user, not with the password', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'x', true)
    await f.join('devs', 'user:alice')
    const all = await f.give('personal', `user:${id}`, 'alice')
    const some = await f.give('personal', `user:${id}`, 'alice', { scopes: SCOPES })
    const own = (await f.users.find(`user:${id}`)) as Account
    assert.deepEqual(await stateOf(f, 'alice', all), { ...own, secretId: all.id })
    assert.deepEqual(await stateOf(f, 'alice', some), {
      ...own,
      principal: { ...own.principal, ceiling: SCOPES },
      secretId: some.id,
    })
    await changeUser(f.db, id, { set: 'password', password: 'y', stamp: 'new' }, ACTOR)
    assert.equal(((await stateOf(f, 'alice', all)) as Account).stamp, 'new')
    await changeUser(f.db, id, { set: 'admin', isAdmin: false }, ACTOR)
    assert.equal(((await stateOf(f, 'alice', all)) as Account).principal.isAdmin, false)
    await changeUser(f.db, id, { set: 'disabled', stamp: 'newer' }, ACTOR)
    assert.equal(await stateOf(f, 'alice', all), 'wrong')
    await changeUser(f.db, id, { set: 'enabled' }, ACTOR)
    assert.notEqual(await stateOf(f, 'alice', all), 'wrong')
    await removeUser(f.db, { id, name: 'alice' }, ACTOR)
    await f.addUser('alice', 'x')
    assert.equal(await stateOf(f, 'alice', all), 'wrong')
    assert.equal(await stateOf(f, 'alice', some), 'wrong')
  }))

test('a token that was bound to a stamp ends with it', () =>
  withAccounts(async (f) => {
    const id = await f.addUser('alice', 'x')
    const { stamp } = (await f.users.find(`user:${id}`)) as Account
    const bound = await f.give('personal', `user:${id}`, 'alice', { stamp })
    assert.notEqual(await stateOf(f, 'alice', bound), 'wrong')
    await changeUser(f.db, id, { set: 'password', password: 'y', stamp: 'new' }, ACTOR)
    assert.equal(await stateOf(f, 'alice', bound), 'wrong')
  }))

test('a personal token of somebody whom another source knows ends where that one is gone', () =>
  withAccounts(async (f) => {
    const principal = { id: 'ldap:zoë', name: 'zoë', kind: 'user', groups: ['staff'] } as const
    const account: Account = {
      principal: { ...principal, claims: [], isAdmin: false, grants: [] },
      stamp: 's',
    }
    f.elsewhere.set('ldap:zoë', account)
    const token = await f.give('personal', 'ldap:zoë', 'zoë', { expiresAt: NOW + 5 })
    assert.deepEqual(await stateOf(f, 'zoë', token), { ...account, expiresAt: NOW + 5, secretId: token.id })
    f.elsewhere.delete('ldap:zoë')
    assert.equal(await stateOf(f, 'zoë', token), 'wrong')
  }))

test('a personal token is for the person it was made for, whoever has the name now', () =>
  withAccounts(async (f) => {
    const principal = { id: 'ldap:zoë', name: 'zoë', kind: 'user', groups: [], claims: [] } as const
    const account: Account = {
      principal: { ...principal, isAdmin: false, grants: [] },
      stamp: 's',
      person: 'one',
    }
    f.elsewhere.set('ldap:zoë', account)
    const token = await f.give('personal', 'ldap:zoë', 'zoë', { stamp: 'one' })
    assert.notEqual(await stateOf(f, 'zoë', token), 'wrong')
    f.elsewhere.set('ldap:zoë', { ...account, stamp: 'another password' })
    assert.notEqual(await stateOf(f, 'zoë', token), 'wrong')
    f.elsewhere.set('ldap:zoë', { ...account, stamp: 't', person: 'another' })
    assert.equal(await stateOf(f, 'zoë', token), 'wrong')
  }))

test('where the owner’s source cannot be asked, that is said, and nobody is let in', () =>
  withAccounts(async (f) => {
    const token = await f.give('personal', 'ldap:zoë', 'zoë')
    f.elsewhere.get = () => {
      throw new Error('the directory does not answer')
    }
    await assert.rejects(f.withSecret('zoë', token.text), /does not answer/)
  }))

test('by its number a secret is found in memory without waiting', () =>
  withAccounts(async (f) => {
    const id = await f.addRobot('ci')
    const secret = await f.give('robot', `robot:${id}`, 'ci')
    const first = await f.secrets.findBySecret(secret.id)
    assert.deepEqual(f.secrets.findBySecret(secret.id), first)
    assert.equal(await f.secrets.findBySecret(secret.id + 1), undefined)
  }))
