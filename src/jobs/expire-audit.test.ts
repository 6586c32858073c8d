import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { insertAudit, type NewAuditRow } from '../metadata/audit.ts'
import { openMetadata } from '../metadata/open-metadata.ts'
import { rowsOf } from '../metadata/metadata-fixtures.ts'
import { expireRecord } from './expire-audit.ts'

const DAY = 86_400_000

test('the record is kept for a time, and up to a number', async (t) => {
  const { db } = openMetadata({ version: 'test' })
  t.after(() => db.close())
  const now = 1_800_000_000_000
  const rowAt = (at: number): NewAuditRow => ({
    ...{ at, act: 'push', outcome: 'done', principalId: 'user:1', principalName: 'alice', target: 'a:1' },
    ...{ detail: undefined, address: '', client: '', requestId: '', times: 1 },
  })
  await insertAudit(
    db,
    Array.from({ length: 100 }, (_, day) => rowAt(now - (100 - day) * DAY)),
  )
  const lines: unknown[] = []
  const log = { ...silentLogger, info: (_: string, fields: unknown) => void lines.push(fields) }
  const parts = { db, log, now: () => now }
  const { signal } = new AbortController()
  const left = async () => (await rowsOf(db, 'SELECT count(*) AS n, min(at) AS first FROM audit'))[0]
  await expireRecord(parts, { keepMs: 90 * DAY, most: 1000 }, signal)
  assert.deepEqual(await left(), { n: 90, first: now - 90 * DAY })
  await expireRecord(parts, { keepMs: 90 * DAY, most: 50 }, signal)
  assert.deepEqual(await left(), { n: 50, first: now - 50 * DAY })
  await expireRecord(parts, { keepMs: 90 * DAY, most: 50 }, signal)
  assert.deepEqual(lines, [{ entries: 10 }, { entries: 40 }])
})
