/** Secrets as rows: found by hash, several at a time, revoked, expired, forgotten; and when they were last used. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Db } from '../database.ts'
import { actorAt, NOW, rowsOf, withMetadata } from '../metadata-fixtures.ts'
import { createRobot, findRobotByName } from './robots.ts'
import {
  addSecret,
  findSecretByHash,
  findSecretById,
  forgetOldSecrets,
  isLive,
  listSecretsOf,
  type NewSecret,
  recallSecretById,
  revokeSecret,
} from './secrets.ts'
import { createUser, listUsers } from './users.ts'
import { createUseRecorder } from './uses.ts'
import { findAccessVersion } from './version.ts'

const DAY = 86_400_000
const ACTOR = actorAt()
const hashOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const secret = (n: number, more: Partial<NewSecret> = {}): NewSecret => ({
  kind: 'robot',
  hash: hashOf(n),
  hint: `berth_robot_${n}`,
  holder: 'robot:3',
  holderName: 'ci',
  ...more,
})

async function isGood(db: Db, id: number, now = NOW): Promise<boolean> {
  const row = await findSecretById(db, id)
  return row !== undefined && isLive(row, now)
}

test('a secret is found by its hash and id, as it was added; one more of a holder ends no other', () =>
  withMetadata(['a', 'b'] as const, async ({ db }, other) => {
    const scopes = [{ repositories: 'a', actions: ['pull'] }]
    const id = await addSecret(db, secret(1, { scopes, name: 'laptop', expiresAt: NOW + DAY }), ACTOR)
    const expected = {
      id,
      kind: 'robot',
      hint: 'berth_robot_1',
      holder: 'robot:3',
      holderName: 'ci',
      stamp: undefined,
      parent: undefined,
      name: 'laptop',
      scopes,
      createdAt: NOW,
      createdBy: 'me',
      expiresAt: NOW + DAY,
      revokedAt: undefined,
    }
    assert.deepEqual(await findSecretByHash(other.db, hashOf(1)), expected)
    assert.deepEqual(await findSecretById(other.db, id), expected)
    assert.equal(await findSecretByHash(db, hashOf(2)), undefined)
    const second = await addSecret(db, secret(2), ACTOR)
    // Found from now on, although it was looked for in vain before.
    assert.equal((await findSecretByHash(db, hashOf(2)))?.id, second)
    assert.deepEqual([await isGood(other.db, id), await isGood(other.db, second)], [true, true])
    assert.equal(await isGood(db, id, NOW + DAY), false)
    assert.equal(await isGood(db, second, NOW + 1000 * DAY), true)
  }))

test('what is added at each sign-in leaves the version; what ends something raises it, for every process', () =>
  withMetadata(['a', 'b'] as const, async ({ db }, other) => {
    const version = async () => (await findAccessVersion(other.db)).version
    const first = await version()
    const id = await addSecret(db, secret(1), ACTOR)
    const child = await addSecret(db, secret(2, { kind: 'refresh', parent: id }), ACTOR)
    const unrelated = await addSecret(db, secret(3), ACTOR)
    assert.equal(await version(), first)
    assert.equal(await isGood(other.db, child), true)
    assert.equal(await revokeSecret(db, { id, kind: 'robot' }, ACTOR), true)
    assert.equal(await revokeSecret(db, { id, kind: 'robot' }, ACTOR), false)
    assert.equal(recallSecretById(other.db, child), undefined)
    assert.deepEqual(
      [await isGood(other.db, id), await isGood(other.db, child), await isGood(other.db, unrelated)],
      [false, false, true],
    )
    assert.equal(await version(), first + 1)
  }))

test('what has been of no use for a while is removed, the rest stays', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const expired = await addSecret(db, secret(1, { expiresAt: NOW - 40 * DAY }), ACTOR)
    const justExpired = await addSecret(db, secret(2, { expiresAt: NOW - DAY }), ACTOR)
    const revoked = await addSecret(db, secret(3), ACTOR)
    const good = await addSecret(db, secret(4), ACTOR)
    await revokeSecret(db, { id: revoked, kind: 'robot' }, actorAt(NOW - 31 * DAY))
    assert.equal(await forgetOldSecrets(db, NOW - 30 * DAY, 100), 2)
    assert.deepEqual(await rowsOf(db, 'SELECT id FROM secrets ORDER BY id'), [
      { id: justExpired },
      { id: good },
    ])
    assert.equal(await findSecretByHash(db, hashOf(1)), undefined)
    assert.ok(![justExpired, good].includes(expired))
    assert.equal(await addSecret(db, secret(5), ACTOR), good + 1)
  }))

test('last use is written later, the latest of all processes, and changes nothing that anybody may', () =>
  withMetadata(['a', 'b'] as const, async ({ db }, other) => {
    const id = await addSecret(db, secret(1), ACTOR)
    await createUser(db, { name: 'alice', password: undefined, stamp: 's', isAdmin: false }, ACTOR)
    const version = await findAccessVersion(db)
    let now = NOW
    const uses = createUseRecorder(db, () => now)
    const others = createUseRecorder(other.db, () => NOW + 5)
    await uses.flush()
    uses.secret(id, '192.0.2.1')
    uses.user(1)
    now += 10
    uses.secret(id, '192.0.2.2')
    others.secret(id, '192.0.2.9')
    const [before] = await listSecretsOf(db, 'robot:3', 'robot', 0, 1)
    assert.equal(before?.lastUsedAt, undefined)
    await uses.flush()
    await others.flush()
    const [after] = await listSecretsOf(other.db, 'robot:3', 'robot', 0, 1)
    assert.deepEqual([after?.lastUsedAt, after?.lastUsedFrom], [NOW + 10, '192.0.2.2'])
    assert.equal((await listUsers(db, '', 1))[0]?.lastUsedAt, NOW)
    assert.deepEqual(await findAccessVersion(db), version)
  }))

test('100,000 robots: a look-up is a search of an index by the whole key, and takes no longer than with ten', () =>
  withMetadata(['a'] as const, async ({ db }) => {
    const fill = `WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000)
      INSERT INTO`
    for (const sql of [
      `${fill} robots (name, scopes, created_at, created_by) SELECT 'r' || x, '[]', 0, 'me' FROM n`,
      `${fill} secrets (kind, hash, hint, holder, holder_name, created_at, created_by)
        SELECT 'robot', CAST(printf('%032d', x) AS BLOB), 'h', 'robot:' || x, 'r' || x, 0, 'me' FROM n`,
      `INSERT INTO groups (name, created_at, created_by) VALUES ('all', 0, 'me')`,
      `${fill} group_members (group_id, member) SELECT 1, 'robot:r' || x FROM n`,
    ])
      await db.write({ steps: [{ statement: { name: 'fill', sql } }], params: {}, touches: ['*'] })
    const began = process.cpuUsage()
    for (let n = 1; n <= 1000; n++) {
      const hash = Buffer.from(String(n * 97).padStart(32, '0'))
      const found = await findSecretByHash(db, hash)
      assert.equal(found?.holderName, `r${n * 97}`)
      assert.equal((await findRobotByName(db, `r${n * 97}`))?.id, n * 97)
    }
    // Some 30 ms; one walk through a table for each would be 10 s.
    assert.ok(process.cpuUsage(began).user < 2_000_000)
    const plan = `EXPLAIN QUERY PLAN SELECT id FROM secrets WHERE hash = x'00'`
    assert.match(
      String((await rowsOf(db, plan))[0]?.['detail']),
      /^SEARCH secrets USING .*INDEX .*\(hash=\?\)$/,
    )
    // One more is added among them as fast as any.
    const robot = { name: 'new', description: '', scopes: [], expiresAt: undefined }
    assert.deepEqual(await createRobot(db, robot, ACTOR), { kind: 'created', id: 100_001 })
  }))
