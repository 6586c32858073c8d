import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditRow } from '../metadata/audit.ts'
import { auditCells, auditHeader, auditJson } from './audit-text.ts'
import { readMoment } from './moment-argument.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

test('moments as they are typed', () => {
  const table: [string, number | undefined][] = [
    ['30s', NOW - 30_000],
    ['2h', NOW - 7_200_000],
    ['7d', NOW - 7 * 86_400_000],
    ['1w', NOW - 7 * 86_400_000],
    ['2026-11-22', new Date(2026, 10, 22).getTime()],
    ['2026-11-22 14:30', new Date(2026, 10, 22, 14, 30).getTime()],
    ['2026-11-22T14:30:05', new Date(2026, 10, 22, 14, 30, 5).getTime()],
    ['2026-11-22T14:30:00Z', Date.parse('2026-11-22T14:30:00Z')],
    ['2026-11-22T14:30:00.250+01:00', Date.parse('2026-11-22T13:30:00.250Z')],
    ['', undefined],
    ['2', undefined],
    ['-2h', undefined],
    ['2 h', undefined],
    ['yesterday', undefined],
    ['2026-13-01', undefined],
    ['2026-11-22Z', undefined],
    ['14:30', undefined],
  ]
  for (const [text, moment] of table) assert.equal(readMoment(text, NOW), moment, text)
})

test('a row as a person and as a program reads it, whatever is in it', () => {
  const nasty = 'a\u001b[31m\nb\u202e"'
  const row: AuditRow = {
    id: 7,
    at: NOW,
    act: 'sign-in',
    outcome: 'refused',
    principalId: 'unknown',
    principalName: nasty,
    target: `user:${nasty}`,
    detail: { code: nasty },
    address: '192.0.2.1',
    client: nasty,
    requestId: 'r1',
    times: 4100,
  }
  const cells = auditCells(row, NOW, false)
  assert.deepEqual(cells.slice(1), ['a?[31m?b?"', 'sign-in refused ×4,100', '192.0.2.1', 'user:a?[31m?b?"'])
  for (const isWide of [false, true]) {
    const wide = auditCells(row, NOW, isWide)
    assert.equal(wide.length, auditHeader(NOW, isWide).length)
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(wide.join(''), /[\u0000-\u001f\u202e]/)
  }
  const json = auditJson(row)
  assert.match(json, /^[ -~]+$/)
  assert.deepEqual(JSON.parse(json), {
    id: 7,
    at: '2026-11-22T12:00:00.000Z',
    act: 'sign-in',
    outcome: 'refused',
    by: nasty,
    byId: 'unknown',
    target: `user:${nasty}`,
    address: '192.0.2.1',
    client: nasty,
    requestId: 'r1',
    times: 4100,
    detail: { code: nasty },
  })
})
