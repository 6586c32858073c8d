import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AuditFilter,
  type AuditRow,
  eachAudit,
  expireAudit,
  insertAudit,
  lastAuditId,
  listAudit,
  type NewAuditRow,
} from './audit.ts'
import type { Db } from './database.ts'
import { NOW, rowsOf, withMetadata } from './metadata-fixtures.ts'

const MINUTE = 60_000
const forever = new AbortController().signal

function rowAt(index: number, more: Partial<NewAuditRow> = {}): NewAuditRow {
  return {
    at: NOW + index * MINUTE,
    act: 'push',
    outcome: 'done',
    principalId: 'user:1',
    principalName: 'alice',
    target: `team/app:${index}`,
    detail: undefined,
    address: '192.0.2.1',
    client: 'docker/29',
    requestId: `r${index}`,
    times: 1,
    ...more,
  }
}

/** All pages. */
async function newest(db: Db, filter: AuditFilter, limit = 3): Promise<AuditRow[]> {
  const rows: AuditRow[] = []
  let before: number | undefined
  do {
    const page = await listAudit(db, filter, { limit, before })
    assert.ok(page.rows.length <= limit)
    rows.push(...page.rows)
    before = page.next
  } while (before !== undefined)
  return rows
}

async function oldest(db: Db, filter: AuditFilter, after = 0): Promise<AuditRow[]> {
  const rows: AuditRow[] = []
  for await (const page of eachAudit(db, filter, { after, limit: 3 })) rows.push(...page)
  return rows
}

test('rows are given back as they were written, and filtered', async () => {
  await withMetadata(['one'], async ({ db }) => {
    assert.deepEqual(await listAudit(db, {}, { limit: 5 }), { rows: [], next: undefined })
    assert.deepEqual([await oldest(db, {}), await lastAuditId(db)], [[], 0])
    const odd = {
      principalName: 'a\n\u001b[31m"’\ud83d\ude00',
      target: "x'); DROP TABLE audit; --",
      detail: { digest: 'sha256:…', count: 3, yes: true, none: null },
      times: 7,
    }
    const rows = [
      rowAt(0),
      rowAt(1, { act: 'delete' }),
      rowAt(2, { act: 'sign-in', outcome: 'refused', principalName: 'bob', target: 'registry' }),
      rowAt(3, odd),
      rowAt(4, { act: 'delete', principalName: 'bob' }),
    ]
    const ids = [...(await insertAudit(db, rows.slice(0, 3))), ...(await insertAudit(db, rows.slice(3)))]
    assert.deepEqual(ids, [1, 2, 3, 4, 5])
    assert.deepEqual(
      await oldest(db, {}),
      rows.map((row, index) => ({ id: index + 1, ...row })),
    )
    const table: [filter: AuditFilter, ids: number[]][] = [
      [{}, [5, 4, 3, 2, 1]],
      [{ principal: 'bob' }, [5, 3]],
      [{ principal: 'bob', acts: ['delete'] }, [5]],
      [{ principal: 'bo' }, []],
      [{ principal: odd.principalName }, [4]],
      [{ target: 'team/app' }, [5, 2, 1]],
      [{ target: 'team/app:1' }, [2]],
      [{ target: 'eam' }, []],
      [{ target: 'team/%' }, []],
      [{ acts: ['push', 'sign-in'] }, [4, 3, 1]],
      [{ acts: ['pus'] }, []],
      [{ outcome: 'refused' }, [3]],
      [{ since: NOW + MINUTE, until: NOW + 3 * MINUTE }, [3, 2]],
      [{ since: NOW + MINUTE + 1, acts: ['delete'] }, [5]],
      [{ since: NOW + 5 * MINUTE }, []],
    ]
    for (const [filter, expected] of table) {
      const found = await newest(db, filter)
      assert.deepEqual(
        found.map(({ id }) => id),
        expected,
        JSON.stringify(filter),
      )
      assert.deepEqual(
        (await oldest(db, filter)).map(({ id }) => id),
        expected.toReversed(),
      )
    }
    assert.deepEqual(
      (await oldest(db, {}, 3)).map(({ id }) => id),
      [4, 5],
    )
  })
})

test('the same again raises the count of its row', async () => {
  await withMetadata(['one'], async ({ db }) => {
    const [first = 0] = await insertAudit(db, [rowAt(0), rowAt(1)])
    await insertAudit(db, [], [{ id: first, more: 41 }])
    await insertAudit(
      db,
      [rowAt(2)],
      [
        { id: first, more: 1 },
        { id: 99, more: 5 },
      ],
    )
    assert.deepEqual(
      (await oldest(db, {})).map(({ times }) => times),
      [43, 1, 1],
    )
  })
})

test('what is old goes, and what is too much', async () => {
  await withMetadata(['one'], async ({ db }) => {
    await insertAudit(
      db,
      Array.from({ length: 5000 }, (_, index) => rowAt(index)),
    )
    assert.equal(await expireAudit(db, { before: NOW + 1500 * MINUTE, most: 10_000 }, forever), 1500)
    assert.equal(await expireAudit(db, { before: NOW, most: 1200 }, forever), 2300)
    const [row] = await rowsOf(db, 'SELECT count(*) AS n, min(at) AS first FROM audit')
    assert.deepEqual(row, { n: 1200, first: NOW + 3800 * MINUTE })
    assert.equal(await expireAudit(db, { before: NOW, most: 1200 }, forever), 0)
    assert.deepEqual((await newest(db, { acts: ['delete'] })).length, 0)
    assert.equal((await newest(db, { target: 'team/app:4999' })).length, 1)
  })
})

test('a rare row among many is found, and no statement looks at too many', async () => {
  await withMetadata(['one'], async ({ db }) => {
    await insertAudit(db, [rowAt(0, { target: 'rare', principalName: 'carol' })])
    const many = Array.from({ length: 30_000 }, (_, index) => rowAt(1, { requestId: `r${index}` }))
    for (let count = 0; count < 2; count++) await insertAudit(db, many)
    const page = await listAudit(db, { target: 'rare' }, { limit: 5, looks: 1 })
    assert.deepEqual(page.rows, [])
    assert.ok(page.next !== undefined && page.next > 1)
    assert.equal((await newest(db, { target: 'rare' })).length, 1)
    assert.equal((await listAudit(db, { principal: 'carol' }, { limit: 5, looks: 1 })).rows.length, 1)
  })
})
