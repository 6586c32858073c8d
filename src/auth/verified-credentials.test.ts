import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Account, Attempt } from './identity.ts'
import { anonymousPrincipal } from './principal.ts'
import { createVerifiedCredentials, type Answer } from './verified-credentials.ts'

const attempt = (name: string, password: string): Attempt => ({ name, password, address: '192.0.2.1' })

/** Accounts that a test can change, and how often they were asked for. */
function accounts(passwords: Record<string, string>) {
  const asked: string[] = []
  const accountOf = (name: string): Account | undefined => {
    const password = passwords[name]
    if (password === undefined) return undefined
    return {
      principal: { ...anonymousPrincipal, kind: 'user', id: `users:${name}`, name },
      stamp: `stamp of ${password}`,
    }
  }
  return {
    passwords,
    asked,
    find: (id: string) => accountOf(id.slice('users:'.length)),
    async ask({ name, password }: Attempt): Promise<Answer> {
      asked.push(`${name}/${password}`)
      const account = accountOf(name)
      await new Promise((resolve) => setTimeout(resolve, 5))
      if (account === undefined) return 'unknown'
      return account.stamp === `stamp of ${password}` ? account : 'wrong'
    },
  }
}

const nameOf = (answer: Answer | undefined): string | undefined =>
  typeof answer === 'object' ? answer.principal.name : answer

test('what was right is not asked again; what was wrong or unknown is, each time', async () => {
  const clock = { now: () => 1000 }
  const known = accounts({ alice: 'right' })
  const verified = createVerifiedCredentials({ clock, find: known.find })
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(nameOf(await verified.verify(attempt('alice', 'right'), known.ask)), 'alice')
    assert.equal(await verified.verify(attempt('alice', 'wrong'), known.ask), 'wrong')
    assert.equal(await verified.verify(attempt('bob', 'right'), known.ask), 'unknown')
  }
  assert.deepEqual(known.asked.filter((one) => one === 'alice/right').length, 1)
  assert.equal(known.asked.length, 7)
  // Without waiting, as the account is known in memory.
  assert.equal(nameOf(verified.recall(attempt('alice', 'right')) as Account), 'alice')
  assert.equal(verified.recall(attempt('alice', 'wrong')), undefined)
  // The parts cannot be taken for each other.
  assert.equal(verified.recall(attempt('alicer', 'ight')), undefined)
  assert.equal(verified.recall(attempt('', 'aliceright')), undefined)
  verified.clear()
  assert.equal(verified.recall(attempt('alice', 'right')), undefined)
})

test('a changed password, a disabled account and an end are in force with the next look', async () => {
  let now = 1000
  const known = accounts({ alice: 'right', bob: 'right', carol: 'right' })
  const find = (id: string): Account | undefined => {
    const account = known.find(id)
    return account && id.endsWith('carol') ? { ...account, expiresAt: 5000 } : account
  }
  const ask = async (given: Attempt): Promise<Answer> => {
    const answer = await known.ask(given)
    return typeof answer === 'string' ? answer : (find(answer.principal.id) ?? 'unknown')
  }
  const verified = createVerifiedCredentials({ clock: { now: () => now }, find })
  for (const name of ['alice', 'bob', 'carol'])
    assert.equal(nameOf(await verified.verify(attempt(name, 'right'), ask)), name)
  known.passwords['alice'] = 'another'
  assert.equal(verified.recall(attempt('alice', 'right')), undefined)
  assert.equal(await verified.verify(attempt('alice', 'right'), ask), 'wrong')
  assert.equal(nameOf(await verified.verify(attempt('alice', 'another'), ask)), 'alice')
  delete known.passwords['bob']
  assert.equal(await verified.verify(attempt('bob', 'right'), ask), 'unknown')
  // It is forgotten, not only passed over: a new account of the same name is not the old one.
  now = 5000
  assert.equal(verified.recall(attempt('carol', 'right')), undefined)
})

test('it holds no longer than it may, for some shorter than for others', async () => {
  let now = 0
  const known = accounts({ alice: 'right' })
  const verified = createVerifiedCredentials({
    clock: { now: () => now },
    find: known.find,
    age: 9000,
    ages: { users: 500 },
  })
  await verified.verify(attempt('alice', 'right'), known.ask)
  now = 499
  assert.equal(nameOf(await verified.verify(attempt('alice', 'right'), known.ask)), 'alice')
  assert.equal(known.asked.length, 1)
  now = 500
  assert.equal(nameOf(await verified.verify(attempt('alice', 'right'), known.ask)), 'alice')
  assert.equal(known.asked.length, 2)
  const never = createVerifiedCredentials({ clock: { now: () => now }, find: known.find, ages: { users: 0 } })
  await never.verify(attempt('alice', 'right'), known.ask)
  await never.verify(attempt('alice', 'right'), known.ask)
  assert.equal(known.asked.length, 4)
})

test('equal attempts at the same time ask once, and all of them hear of a change meanwhile', async () => {
  const known = accounts({ alice: 'right' })
  const verified = createVerifiedCredentials({ clock: { now: () => 0 }, find: known.find })
  const all = Array.from({ length: 100 }, () => verified.verify(attempt('alice', 'right'), known.ask))
  assert.deepEqual(new Set((await Promise.all(all)).map(nameOf)), new Set(['alice']))
  assert.equal(known.asked.length, 1)
  verified.clear()
  const during = [verified.verify(attempt('alice', 'right'), known.ask)]
  await new Promise(setImmediate)
  known.passwords['alice'] = 'another'
  during.push(verified.verify(attempt('alice', 'right'), known.ask))
  assert.deepEqual(await Promise.all(during), ['wrong', 'wrong'])
  assert.equal(verified.recall(attempt('alice', 'right')), undefined)
})

test('a failure comes to all who wait, and is not kept', async () => {
  const known = accounts({ alice: 'right' })
  const verified = createVerifiedCredentials({ clock: { now: () => 0 }, find: known.find })
  const fails = (): Promise<Answer> => Promise.reject(new Error('no directory'))
  const all = [0, 1].map(() => verified.verify(attempt('alice', 'right'), fails))
  for (const one of await Promise.allSettled(all)) assert.equal(one.status, 'rejected')
  assert.equal(nameOf(await verified.verify(attempt('alice', 'right'), known.ask)), 'alice')
})

test('secrets end by themselves, not with the account: they are asked each time', async () => {
  const known = accounts({ ci: 'secret' })
  const verified = createVerifiedCredentials({ clock: { now: () => 0 }, find: () => undefined })
  const ask = async (given: Attempt): Promise<Answer> => ({
    ...((await known.ask(given)) as Account),
    secretId: 4,
  })
  for (let turn = 0; turn < 2; turn++)
    assert.equal(nameOf(await verified.verify(attempt('ci', 'secret'), ask)), 'ci')
  assert.equal(known.asked.length, 2)
})

test('what is kept is bounded: the one that was not used for longest goes', async () => {
  const names = Array.from({ length: 5 }, (_, n) => `user${n}`)
  const known = accounts(Object.fromEntries(names.map((name) => [name, 'right'])))
  const verified = createVerifiedCredentials({ clock: { now: () => 0 }, find: known.find, most: 3 })
  for (const name of names.slice(0, 3)) await verified.verify(attempt(name, 'right'), known.ask)
  void verified.recall(attempt('user0', 'right'))
  await verified.verify(attempt('user3', 'right'), known.ask)
  const isKept = names.map((name) => verified.recall(attempt(name, 'right')) !== undefined)
  assert.deepEqual(isKept, [true, false, true, true, false])
})
