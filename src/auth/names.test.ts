import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMember, whyNoGroupName, whyNoPassword, whyNoRobotName, whyNoUserName } from './names.ts'

const NAMES: [string, { user: boolean; robot: boolean; group: boolean }][] = [
  ['alice', { user: true, robot: true, group: true }],
  ['a', { user: true, robot: true, group: true }],
  ['ci_build-2', { user: true, robot: true, group: true }],
  ['alice@example.com', { user: true, robot: false, group: true }],
  ['first.last', { user: true, robot: false, group: true }],
  ['Admins', { user: false, robot: false, group: true }],
  ['9', { user: true, robot: true, group: true }],
  ['x'.repeat(128), { user: true, robot: true, group: true }],
  ...[
    '',
    '-rf',
    '.x',
    '@x',
    '_x',
    'x'.repeat(129),
    'a b',
    'a:b',
    'a/b',
    'a\n',
    '\na',
    'a\u0000',
    'é',
    'a$b',
    'a*',
    '{user}',
    'ſ',
  ].map((name): [string, { user: boolean; robot: boolean; group: boolean }] => [
    name,
    { user: false, robot: false, group: false },
  ]),
]
for (const [name, { user, robot, group }] of NAMES)
  test(`${JSON.stringify(name.slice(0, 20))} as a name`, () => {
    assert.equal(whyNoUserName(name) === undefined, user)
    assert.equal(whyNoRobotName(name) === undefined, robot)
    assert.equal(whyNoGroupName(name) === undefined, group)
  })

test('members are users of any source, and robots', () => {
  assert.equal(parseMember('alice'), 'user:alice')
  assert.equal(parseMember('user:Zoë K.'), 'user:Zoë K.')
  assert.equal(parseMember('robot:ci'), 'robot:ci')
  for (const text of ['', 'user:', 'robot:', 'robot:C I', 'group:devs', 'user:a:b', 'a\nb', 'x'.repeat(256)])
    assert.equal(parseMember(text), undefined, text)
})

test('passwords have eight characters at least, and an end', () => {
  for (const password of ['12345678', 'pässwörd', 'with spaces in it', '🦜🦜🦜🦜🦜🦜🦜🦜'])
    assert.equal(whyNoPassword(password), undefined)
  for (const password of [
    '',
    '1234567',
    '🦜🦜🦜🦜',
    'line\nend and more',
    'nul\u0000nulnul',
    'x'.repeat(513),
  ])
    assert.notEqual(whyNoPassword(password), undefined, password.slice(0, 20))
})
