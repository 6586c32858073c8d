/** The rules of file and database as one: at once where nothing changed, never older than the database. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Db } from '../../metadata/database.ts'
import { actorAt, rowsOf, withMetadata } from '../../metadata/metadata-fixtures.ts'
import { findRule, listRules, removeRule, setRule } from '../../metadata/access/rules.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { RegistryError } from '../../oci/error.ts'
import type { AccessNow } from '../access.ts'
import { anonymousPrincipal } from '../principal.ts'
import { createAccess } from './create-access.ts'
import { type FileAccess, SIGNED_IN_MAY_ALL } from './rule.ts'
import { rule, user } from './rules.fixture.ts'

const fileWith = (...rules: FileAccess['rules']): FileAccess => ({
  rules,
  defaults: SIGNED_IN_MAY_ALL,
  groups: new Map(),
  administrators: new Set(),
})
const silent = { error: () => undefined }
const eve = user('eve')
const canPull = (now: AccessNow, repository: string) => now.may(eve, 'pull', repository as RepositoryName)

test('one object while nothing changes, at once; another with each change, also of another process', async () => {
  await withMetadata(['a', 'b'], async (own, other) => {
    const { db } = own
    let file = fileWith()
    const access = createAccess({ db, file: () => file, log: silent })
    const first = await access.current()
    assert.equal(access.current(), first)
    assert.equal(canPull(first, 'team/app'), true)

    assert.equal(await setRule(db, { pattern: 'team/**', allow: {} }, actorAt()), 'created')
    const second = await access.current()
    assert.notEqual(second, first)
    assert.equal(access.current(), second)
    assert.equal(canPull(second, 'team/app'), false)
    assert.equal(canPull(first, 'team/app'), true)

    const allow = { 'user:eve': ['pull'] }
    assert.equal(await setRule(other.db, { pattern: 'team/**', allow }, actorAt()), 'changed')
    assert.equal(canPull(await access.current(), 'team/app'), true)
    assert.equal((await removeRule(other.db, 'team/**', actorAt()))?.pattern, 'team/**')
    assert.equal(await removeRule(db, 'team/**', actorAt()), undefined)
    assert.equal(canPull(await access.current(), 'team/app'), true)

    const before = await access.current()
    file = fileWith(rule('team/**', {}, 'config.yml:3'))
    const after = await access.current()
    assert.notEqual(after, before)
    assert.equal(canPull(after, 'team/app'), false)
    assert.equal(access.current(), after)
  })
})

test('of one pattern the rule of the file holds', async () => {
  await withMetadata(['a'], async ({ db }) => {
    await setRule(db, { pattern: 'team/**', allow: { 'user:eve': ['pull'] } }, actorAt())
    const file = fileWith(rule('team/**', {}, 'config.yml:3'))
    const now = await createAccess({ db, file: () => file, log: silent }).current()
    assert.deepEqual(now.explain(eve, 'pull', 'team/app' as RepositoryName), {
      allowed: false,
      pattern: 'team/**',
      source: 'config.yml:3',
      why: 'the rule for team/** decides, and it gives nothing to eve',
    })
  })
})

test('many that ask at once read once; one that comes after a change waits for what it says', async () => {
  await withMetadata(['a'], async ({ db }) => {
    let reads = 0
    /** Holds the answer of a reading back, as a slow disk does. */
    let gate: Promise<void> | undefined
    const slow: Pick<Db, 'read' | 'cached' | 'recall' | 'changes'> = {
      cached: db.cached,
      changes: () => db.changes(),
      recall: db.recall,
      async read(statement, params) {
        reads++
        const rows = await db.read(statement, params)
        await gate
        return rows
      },
    }
    const file = fileWith()
    const access = createAccess({ db: slow, file: () => file, log: silent })
    let open = (): void => undefined
    gate = new Promise((resolve) => {
      open = () => resolve()
    })
    const early = Array.from({ length: 20 }, async () => access.current())
    // The reading has its rows, of before the change, and is still under way.
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(reads, 1)
    await setRule(db, { pattern: 'team/**', allow: {} }, actorAt())
    const late = Promise.all([access.current(), access.current()])
    await new Promise((resolve) => setTimeout(resolve, 20))
    open()
    for (const now of await Promise.all(early)) assert.equal(canPull(now, 'team/app'), true)
    for (const now of await late) assert.equal(canPull(now, 'team/app'), false)
    assert.equal(reads, 2)
    assert.equal(canPull(await access.current(), 'team/app'), false)
    assert.equal(reads, 2)
  })
})

test('rows that are not understood: an entry gives nothing, a pattern stops everything', async () => {
  await withMetadata(['a'], async ({ db }) => {
    const file = fileWith()
    const said: string[] = []
    const access = createAccess({ db, file: () => file, log: { error: (line) => void said.push(line) } })
    const allow = { 'usr:eve': ['admin'], 'user:eve': ['pull', 'fly'], anonymous: 'pull' }
    await setRule(db, { pattern: 'team/**', allow: allow as unknown as Record<string, string[]> }, actorAt())
    const now = await access.current()
    assert.equal(canPull(now, 'team/app'), true)
    assert.equal(now.may(eve, 'push', 'team/app' as RepositoryName), false)
    assert.equal(now.may(anonymousPrincipal, 'pull', 'team/app' as RepositoryName), false)
    assert.deepEqual(said, [])

    await setRule(db, { pattern: 'Secret/**', allow: {} }, actorAt())
    await assert.rejects(
      async () => access.current(),
      (error: unknown) => error instanceof RegistryError && error.code === 'UNAVAILABLE',
    )
    assert.match(said[0] ?? '', /"Secret\/\*\*" has "Secret": names of repositories are lower case/)
    await removeRule(db, 'Secret/**', actorAt())
    assert.equal(canPull(await access.current(), 'other'), true)
  })
})

test('rows of rules: listed in pages, with who changed them', async () => {
  await withMetadata(['a'], async ({ db }) => {
    for (const pattern of ['b/**', 'a', '**', 'c/*'])
      await setRule(db, { pattern, allow: { anonymous: ['pull'] } }, actorAt(5))
    const [first] = await listRules(db, '', 1)
    assert.deepEqual(first, {
      id: 3,
      pattern: '**',
      allow: { anonymous: ['pull'] },
      changedAt: 5,
      changedBy: 'me',
    })
    assert.deepEqual(
      (await listRules(db, '**', 2)).map(({ pattern }) => pattern),
      ['a', 'b/**'],
    )
    assert.equal((await findRule(db, 'c/*'))?.id, 4)
    assert.deepEqual(await rowsOf(db, 'SELECT version, rules FROM access'), [{ version: 4, rules: 4 }])
  })
})
