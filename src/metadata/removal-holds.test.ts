import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimGarbage } from './garbage.ts'
import { rowsOf, NOW, withMetadata } from './metadata-fixtures.ts'
import { holdRemovals, holdsInForce } from './removal-holds.ts'

const MINUTE = 60_000

test('whoever stood still for longer than the hold knows it at the next look, before any renewal', () =>
  withMetadata(['a', 'b'], async ({ db }, other) => {
    let now = NOW
    const clock = () => now
    const hold = await holdRemovals(db, {
      reason: 'backup',
      ms: 10 * MINUTE,
      renewEveryMs: 60 * MINUTE,
      now: clock,
    })
    await db.write({
      steps: [
        {
          statement: {
            name: 'garbage',
            sql: `INSERT INTO objects (id, state, created_at, delete_after) VALUES (x'01', 'garbage', 0, 0)`,
          },
        },
      ],
      params: {},
      touches: [],
    })
    now += 9 * MINUTE
    assert.deepEqual([hold.isInForce(), (await claimGarbage(other.db, now, 10)).length], [true, 0])
    await hold.renew()
    now += 9 * MINUTE
    assert.deepEqual([hold.isInForce(), (await claimGarbage(other.db, now, 10)).length], [true, 0])
    now += 2 * MINUTE
    assert.equal((await claimGarbage(other.db, now, 10)).length, 1)
    assert.equal(hold.isInForce(), false)
    await hold.renew()
    assert.equal(hold.isInForce(), false, 'what is over is not taken again')
    now -= 5 * MINUTE
    assert.equal(hold.isInForce(), false, 'nor by a clock that is set back')
    await hold.release()
    assert.deepEqual(await holdsInForce(db, now), [])
    assert.deepEqual(await rowsOf(db, 'SELECT * FROM removal_holds'), [])
  }))
