import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSecret, hashSecret, parseSecret, randomCharacters } from './secrets.ts'

const KINDS = [
  ['robot', 'berth_robot_'],
  ['personal', 'berth_pat_'],
  ['refresh', 'berth_refresh_'],
  ['session', 'berth_session_'],
] as const

for (const [kind, prefix] of KINDS)
  test(`a secret (${kind}) begins with ${prefix}, and is known again by its form`, () => {
    const { text, hash, hint } = createSecret(kind)
    assert.match(text, new RegExp(`^${prefix}[0-9A-Za-z]{46}$`))
    assert.deepEqual(parseSecret(text), { kind, isWhole: true })
    assert.deepEqual(hashSecret(text), hash)
    assert.equal(hash.length, 32)
    assert.equal(hint, text.slice(0, prefix.length + 4))
    assert.notEqual(createSecret(kind).text, text)
  })

test('a secret with any one character changed, lost, doubled or added is not whole', () => {
  const { text } = createSecret('personal')
  for (let index = 'berth_pat_'.length; index < text.length; index++) {
    const other = text[index] === 'x' ? 'y' : 'x'
    for (const replacement of [other, '', `${text[index]}${text[index]}`]) {
      const changed = text.slice(0, index) + replacement + text.slice(index + 1)
      assert.deepEqual(parseSecret(changed), { kind: 'personal', isWhole: false }, changed)
    }
  }
  // Its rest under another prefix is none either.
  const moved = text.replace('berth_pat_', 'berth_robot_')
  assert.deepEqual(parseSecret(moved), { kind: 'robot', isWhole: false })
})

test('what a secret looks like is fixed: the checksum of a text is always the same', () => {
  const text = `berth_pat_${'0'.repeat(40)}2HytPh`
  assert.equal(parseSecret(text)?.isWhole, true)
})

const NONE = [
  '',
  'berth',
  'berth_',
  'berth_other_x',
  'BERTH_PAT_x',
  ' berth_pat_x',
  'hunter2',
  'eyJhbGciOi.x.y',
]
for (const text of NONE)
  test(`${JSON.stringify(text)} is none of ours`, () => assert.equal(parseSecret(text), undefined))

test('a prefix alone says what it claims to be, so that no other source is asked with it', () => {
  for (const text of [
    'berth_pat_',
    'berth_pat_x',
    `berth_pat_${'é'.repeat(46)}`,
    `berth_pat_${'a'.repeat(8000)}`,
  ])
    assert.deepEqual(parseSecret(text), { kind: 'personal', isWhole: false })
})

test('each of the 62 characters is as likely as any other', () => {
  const counts = new Map<string, number>()
  const all = randomCharacters(124_000)
  assert.equal(all.length, 124_000)
  for (const character of all) counts.set(character, (counts.get(character) ?? 0) + 1)
  assert.equal(counts.size, 62)
  // 2000 each, with a deviation of 45: eight of those. A modulo of bytes would give the first eight 25 % more.
  for (const [character, count] of counts) assert.ok(Math.abs(count - 2000) < 360, `${character}: ${count}`)
})
