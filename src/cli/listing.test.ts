/** What commands share that list: tables, times, and names as they are typed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readNamed } from './named.ts'
import { createTable, digestText, fit } from './table.ts'
import { cellText, isoText, localText, momentText, zoneText } from './times.ts'

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`

test('names as they are typed', () => {
  for (const [text, expected] of [
    ['app', { repository: 'app' }],
    ['team/app', { repository: 'team/app' }],
    ['team/app:v1', { repository: 'team/app', tag: 'v1' }],
    [`team/app@${DIGEST}`, { repository: 'team/app', digest: DIGEST }],
    ['Team/app:v1', '"Team/app" is no name of a repository (like team/app)'],
    ['', '"" is no name of a repository (like team/app)'],
    [
      'localhost:5000/app:v1',
      '"localhost:5000/app" is no name of a repository (like team/app, without the registry’s address before it)',
    ],
    ['app:', '"" is no tag'],
    ['app:-v', '"-v" is no tag'],
    ['app@sha256:12', '"sha256:12" is no digest: "sha256:" and 64 hexadecimal digits'],
  ] as const)
    assert.deepEqual(readNamed(text), expected, text)
})

test('a table in pages keeps its columns, and nothing from outside draws on the terminal', () => {
  const table = createTable(['ID', 'WHAT', 'BY'])
  assert.equal(
    table.lines([
      ['1', 'a long one', 'me'],
      ['200', 'b', ''],
    ]),
    'ID   WHAT        BY\n1    a long one  me\n200  b\n',
  )
  assert.equal(table.lines([['3', 'c', 'you']]), '3    c           you\n')
  assert.equal(fit('red\u001b[31m\r\n\u202eevil'), 'red?[31m???evil')
  assert.equal(fit('abcdef', 4), 'abc…')
  assert.equal(fit('日本語', 3), '日本語')
  assert.equal(digestText(DIGEST, false), '0123456789ab')
  assert.equal(digestText(DIGEST, true), DIGEST)
})

test('times say their zone, also over a change of the clocks', (t) => {
  const before = process.env['TZ']
  t.after(() => {
    if (before === undefined) delete process.env['TZ']
    else process.env['TZ'] = before
  })
  const winter = Date.UTC(2026, 0, 5, 3, 4, 5)
  const summer = Date.UTC(2026, 6, 5, 3, 4, 5)
  for (const [zone, text, name, other] of [
    ['UTC', '2026-01-05 03:04:05', 'UTC', '2026-07-05 03:04:05'],
    ['Europe/Berlin', '2026-01-05 04:04:05', 'UTC+01:00', '2026-07-05 05:04:05 UTC+02:00'],
    ['America/St_Johns', '2026-01-04 23:34:05', 'UTC-03:30', '2026-07-05 00:34:05 UTC-02:30'],
  ] as const) {
    process.env['TZ'] = zone
    assert.equal(localText(winter), text)
    assert.equal(zoneText(winter), name)
    assert.equal(momentText(winter), `${text} ${name}`)
    assert.equal(cellText(summer, winter), other)
    assert.equal(isoText(winter), '2026-01-05T03:04:05.000Z')
  }
})
