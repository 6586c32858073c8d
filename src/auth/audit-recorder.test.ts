import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { type AuditRow, eachAudit } from '../metadata/audit.ts'
import { DatabaseFullError, type Db, type Transaction } from '../metadata/database.ts'
import { openMetadata } from '../metadata/open-metadata.ts'
import type { AuditEntry } from './audit.ts'
import { createAuditFigures } from './audit-figures.ts'
import { createAuditRecorder } from './audit-recorder.ts'

const PUSH: AuditEntry = {
  act: 'push',
  outcome: 'done',
  principal: { id: 'user:1', name: 'alice' },
  target: 'team/app:1',
  address: '192.0.2.1',
  client: 'docker/29',
  requestId: 'r1',
}
const WRONG: AuditEntry = {
  ...PUSH,
  act: 'sign-in',
  outcome: 'refused',
  principal: { id: 'unknown', name: 'alice' },
  target: 'user:alice',
}
const TOKEN: AuditEntry = { ...PUSH, act: 'token', target: 'repository:team/app:pull' }

function fixture(t: TestContext, isLogged = false) {
  const { db } = openMetadata({ version: 'test' })
  t.after(() => db.close())
  let now = 1_800_000_000_000
  let isFull = false
  let writes = 0
  const guarded: Pick<Db, 'write'> = {
    async write(transaction: Transaction) {
      writes += 1
      if (isFull) throw new DatabaseFullError('full')
      return db.write(transaction)
    },
  }
  const figures = createAuditFigures()
  const lines: [string, unknown][] = []
  const log = { ...silentLogger, info: (text: string, fields: unknown) => void lines.push([text, fields]) }
  const clock = { now: () => now }
  const recorder = createAuditRecorder({ db: guarded, clock, log, figures, isLogged })
  const rows = async (): Promise<AuditRow[]> => {
    const found: AuditRow[] = []
    for await (const page of eachAudit(db, {}, { limit: 1000 })) found.push(...page)
    return found
  }
  return {
    recorder,
    rows,
    figures,
    lines,
    writes: () => writes,
    pass: (ms: number) => (now += ms),
    fill: (full: boolean) => (isFull = full),
  }
}

test('entries are written a moment later, in one batch, as they were', async (t) => {
  const { recorder, rows, writes } = fixture(t)
  recorder.record({ ...PUSH, detail: { digest: 'sha256:1' } })
  recorder.record({ ...PUSH, act: 'delete' })
  recorder.record(PUSH)
  assert.equal((await rows()).length, 0)
  for (let tries = 0; tries < 200 && (await rows()).length === 0; tries++) await wait(20)
  const [first, ...others] = await rows()
  assert.deepEqual(first, {
    id: 1,
    at: 1_800_000_000_000,
    act: 'push',
    outcome: 'done',
    principalId: 'user:1',
    principalName: 'alice',
    target: 'team/app:1',
    detail: { digest: 'sha256:1' },
    address: '192.0.2.1',
    client: 'docker/29',
    requestId: 'r1',
    times: 1,
  })
  assert.deepEqual(
    others.map(({ act, times }) => [act, times]),
    [
      ['delete', 1],
      ['push', 1],
    ],
  )
  assert.equal(writes(), 1)
  await recorder.close()
})

test('the same refusal within a minute is one row, and so is the same token', async (t) => {
  const { recorder, rows, pass, figures } = fixture(t)
  for (const entry of [WRONG, TOKEN])
    for (let i = 0; i < 10; i++) recorder.record({ ...entry, requestId: `r${i}` })
  await recorder.flush()
  for (let i = 0; i < 1000; i++) recorder.record(WRONG)
  recorder.record({ ...WRONG, address: '192.0.2.2' })
  pass(59_000)
  recorder.record(WRONG)
  await recorder.flush()
  pass(2000)
  recorder.record(WRONG)
  await recorder.close()
  assert.deepEqual(
    (await rows()).map(({ act, address, requestId, times }) => [act, address, requestId, times]),
    [
      ['sign-in', '192.0.2.1', 'r0', 1011],
      ['token', '192.0.2.1', 'r0', 10],
      ['sign-in', '192.0.2.2', 'r1', 1],
      ['sign-in', '192.0.2.1', 'r1', 1],
    ],
  )
  assert.deepEqual([figures.signInsRefused, figures.tokens, figures.signIns], [1013, 10, 0])
})

test('a flood of wrong names is no flood of rows, from one address or from many', async (t) => {
  const { recorder, rows } = fixture(t)
  const wrong = (name: string, address: string) =>
    recorder.record({ ...WRONG, principal: { id: 'unknown', name }, target: `user:${name}`, address })
  for (let i = 0; i < 5000; i++) wrong(`one${i}`, `2001:db8::${i.toString(16)}`)
  await recorder.flush()
  const ofOne = await rows()
  assert.equal(ofOne.length, 21)
  const { principalName, target, address, times } = ofOne[20] as AuditRow
  assert.deepEqual(
    [principalName, target, address, times],
    ['(several)', '(several)', '2001:db8:0:0::/64', 4980],
  )
  for (let i = 0; i < 5000; i++) wrong(`many${i}`, `10.0.${i >> 8}.${i & 255}`)
  await recorder.close()
  const all = await rows()
  assert.equal(all.length, 202)
  const last = all.at(-1) as AuditRow
  assert.deepEqual([last.principalName, last.address, last.times], ['(several)', '(several)', 4820])
})

test('somebody known who tries many doors stays known', async (t) => {
  const { recorder, rows } = fixture(t)
  for (let i = 0; i < 100; i++) recorder.record({ ...PUSH, outcome: 'refused', target: `secret/${i}` })
  await recorder.close()
  const all = await rows()
  assert.equal(all.length, 21)
  const { principalName, target, times } = all[20] as AuditRow
  assert.deepEqual([principalName, target, times], ['alice', '(several)', 80])
})

test('ordinary sign-ins and tokens of an hour are a few rows', async (t) => {
  const { recorder, rows, pass } = fixture(t)
  for (let minute = 0; minute < 50; minute++) {
    for (let i = 0; i < 30; i++) recorder.record({ ...TOKEN, address: `10.0.0.${i}` })
    pass(60_000)
  }
  await recorder.flush()
  const all = await rows()
  assert.equal(all.length, 21)
  assert.deepEqual(
    all.slice(-2).map(({ principalName, target, address, times }) => [principalName, target, address, times]),
    [
      ['alice', 'repository:team/app:pull', '10.0.0.19', 50],
      ['alice', '(several)', '(several)', 500],
    ],
  )
  for (let i = 0; i < 10; i++) recorder.record(PUSH)
  await recorder.close()
  assert.equal((await rows()).length, 31, 'what changes something is a row each time')
})

test('a full disk: nothing fails, what can be kept is kept, and what is lost is said', async (t) => {
  const { recorder, rows, fill, figures } = fixture(t)
  fill(true)
  recorder.record(WRONG)
  for (let i = 0; i < 5000; i++) recorder.record({ ...PUSH, requestId: `r${i}` })
  await recorder.flush()
  recorder.record(WRONG)
  await recorder.flush()
  assert.equal((await rows()).length, 0)
  fill(false)
  await recorder.flush()
  const all = await rows()
  // The oldest are kept, and the loss stands among them.
  assert.equal(all.length, 4001)
  assert.deepEqual([all[0]?.act, all[0]?.times], ['sign-in', 2])
  const lost = all.filter(({ act }) => act === 'audit')
  assert.deepEqual(
    lost.map(({ outcome, detail }) => [outcome, detail]),
    [['failed', { lost: 1001 }]],
  )
  assert.equal(figures.dropped, 1001)
  await recorder.close()
})

test('what comes from outside is bounded, and no part of it breaks a row', async (t) => {
  const { recorder, rows } = fixture(t)
  const name = `a\n\u0000'"\ud800${'x'.repeat(10_000)}`
  recorder.record({
    ...WRONG,
    principal: { id: 'unknown', name },
    client: name,
    target: name,
    detail: { name },
  })
  await recorder.close()
  const [row] = await rows()
  assert.equal(row?.principalName.length, 256)
  assert.ok(row.principalName.startsWith('a\n\ufffd\'"\ufffdxxx'))
  assert.deepEqual(
    [row.client.length, row.target.length, String(row.detail?.['name']).length],
    [256, 1024, 1024],
  )
})

test('as lines of the log too, where that is wanted', async (t) => {
  const { recorder, lines } = fixture(t, true)
  recorder.record({ ...PUSH, detail: { digest: 'sha256:1' } })
  await recorder.close()
  assert.deepEqual(lines, [
    [
      'audit',
      {
        'audit.act': 'push',
        'audit.outcome': 'done',
        'audit.principal': 'alice',
        'audit.principal.id': 'user:1',
        'audit.target': 'team/app:1',
        'audit.detail': { digest: 'sha256:1' },
        'audit.address': '192.0.2.1',
        'audit.client': 'docker/29',
        'http.request.id': 'r1',
      },
    ],
  ])
})
