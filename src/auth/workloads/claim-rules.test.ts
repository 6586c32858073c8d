import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClaimRule, matches, rulesMet } from './claim-rules.ts'

const MATCHES: readonly [pattern: string, text: string, matches: boolean][] = [
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['*', 'anything/at all', true],
  ['a', 'a', true],
  ['a', 'A', false],
  ['a', 'ab', false],
  ['org/*', 'org/app', true],
  ['org/*', 'org/', true],
  ['org/*', 'org', false],
  ['org/*', 'evil-org/app', false],
  ['*/app', 'org/app', true],
  ['*/app', 'org/app2', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*c', 'a--b--c', true],
  ['a*b*c', 'a--c--b', false],
  ['a*bb*c', 'abc', false],
  ['*ab*ab*', 'ab', false],
  ['*ab*ab*', 'xabab', true],
  ['a**b', 'ab', true],
  ['ab*b', 'ab', false],
  ['a.c', 'abc', false],
  ['a*b', 'a\nb', true],
  ['refs/heads/*', 'refs/heads/feature/x', true],
  ['a*b*b', 'ab', false],
]

test('a pattern is for the whole text', () => {
  for (const [pattern, text, expected] of MATCHES)
    assert.equal(matches(pattern, text), expected, `${pattern} ${text}`)
})

test('a pattern of many parts takes no longer than the text is long', () => {
  const begin = process.cpuUsage().user
  assert.equal(matches(`${'a*'.repeat(2000)}b`, 'a'.repeat(8000)), false)
  assert.ok(process.cpuUsage().user - begin < 500_000)
})

const CLAIMS = {
  sub: 'x',
  number: 7,
  flag: true,
  list: ['one', 'two', ['nested'], 3],
  empty: [],
  nothing: null,
  'kubernetes.io': { namespace: 'builds', pod: { name: 'p' }, list: ['a'] },
  'https://example.com/role': 'admin',
  'a/b': 'whole',
  a: { b: 'part' },
}

const RULES: readonly [match: Record<string, string>, met: boolean][] = [
  [{ sub: 'x' }, true],
  [{ sub: 'x', number: '7' }, true],
  [{ sub: 'x', number: '8' }, false],
  [{ flag: 'true' }, true],
  [{ list: 'two' }, true],
  [{ list: '3' }, true],
  [{ list: 'nested' }, false],
  [{ empty: '*' }, false],
  [{ nothing: '*' }, false],
  [{ absent: '*' }, false],
  [{ 'kubernetes.io/namespace': 'builds' }, true],
  [{ 'kubernetes.io/pod/name': 'p' }, true],
  [{ 'kubernetes.io/pod': '*' }, false],
  [{ 'kubernetes.io/list': 'a' }, true],
  [{ 'kubernetes.io/list/0': 'a' }, false],
  [{ 'https://example.com/role': 'admin' }, true],
  [{ 'a/b': 'whole' }, true],
  [{ 'a/b': 'part' }, false],
  [{ constructor: '*' }, false],
  [{ '__proto__/constructor/name': '*' }, false],
  [{ 'sub/length': '1' }, false],
  [{}, false],
]

test('a rule is met by claims that fit all that it names', () => {
  for (const [match, met] of RULES)
    assert.deepEqual(rulesMet([{ name: 'r', match }], CLAIMS), met ? ['r'] : [], JSON.stringify(match))
  const rules: ClaimRule[] = [
    { name: 'a', match: { sub: 'x' } },
    { name: 'b', match: { sub: 'y' } },
    { name: 'c', match: { list: '*' } },
  ]
  assert.deepEqual(rulesMet(rules, CLAIMS), ['a', 'c'])
})
