/** Patterns: what is one, what is wrong with the others, which is more specific. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ANY,
  comparePatterns,
  coversPattern,
  isProblem,
  matchesPattern,
  type Pattern,
  parsePattern,
  USER,
} from './pattern.ts'

function pattern(text: string): Pattern {
  const parsed = parsePattern(text)
  if (isProblem(parsed)) assert.fail(`${text}: ${parsed.problem}`)
  return parsed
}

test('patterns that are fine', () => {
  const cases: [string, Pattern['components'], boolean][] = [
    ['**', [], true],
    ['*', [ANY], false],
    ['team', ['team'], false],
    ['team/app', ['team', 'app'], false],
    ['team/**', ['team'], true],
    ['team/*/cache', ['team', ANY, 'cache'], false],
    ['{user}/**', [USER], true],
    ['a/{user}/*/**', ['a', USER, ANY], true],
    ['my.team_x/app__y/z--1', ['my.team_x', 'app__y', 'z--1'], false],
    ['a'.repeat(255), ['a'.repeat(255)], false],
  ]
  for (const [text, components, hasRest] of cases)
    assert.deepEqual(parsePattern(text), { text, components, hasRest }, text)
})

test('patterns with a mistake say what to do', () => {
  const cases: [string, string][] = [
    ['', 'is empty: write ** for every repository'],
    ['/team', 'begins or ends with a slash: leave it out'],
    ['team/', 'begins or ends with a slash: leave it out'],
    ['/**', 'begins or ends with a slash: leave it out'],
    ['team//app', 'has an empty component: one of its slashes is too many'],
    ['team//**', 'has an empty component: one of its slashes is too many'],
    ['**/app', 'has ** before its end: it stands for all the rest; write * for one component'],
    ['a/**/**', 'has ** before its end: it stands for all the rest; write * for one component'],
    ['Team/app', 'has "Team": names of repositories are lower case; write team'],
    ['{usr}/**', 'has "{usr}": did you mean {user}? There is nothing else in braces'],
    ['{user', 'has "{user": did you mean {user}? There is nothing else in braces'],
    ['x-{user}', 'has "x-{user}": {user} stands for a whole component; write it alone between slashes'],
    ['app*', 'has "app*": * stands for a whole component; write * alone, or the name without it'],
    ['***', 'has "***": * stands for a whole component; write * alone, or the name without it'],
    [
      'team/app:1',
      'has "app:1": patterns are of repositories, not of tags or digests; leave out what follows the name',
    ],
    [
      'te am',
      'has "te am": a component is lower-case letters and digits, joined by ".", "_", "__" or "-", or it is *, {user} or, at the end, **',
    ],
    ['a'.repeat(256), 'has more than 255 characters, which no repository name has'],
  ]
  for (const [text, problem] of cases) assert.deepEqual(parsePattern(text), { problem }, text)
})

test('what a pattern matches', () => {
  const cases: [string, string, string | undefined, boolean][] = [
    ['team/**', 'team', undefined, true],
    ['team/**', 'team/a/b/c', undefined, true],
    ['team/**', 'teams', undefined, false],
    ['team/*', 'team', undefined, false],
    ['team/*', 'team/a', undefined, true],
    ['team/*', 'team/a/b', undefined, false],
    ['{user}/**', 'alice/app', 'alice', true],
    ['{user}/**', 'alice/app', 'bob', false],
    ['{user}/**', 'alice/app', undefined, false],
    ['**', 'a', undefined, true],
  ]
  for (const [text, name, user, expected] of cases)
    assert.equal(matchesPattern(pattern(text), name.split('/'), user), expected, `${text} ${name} ${user}`)
})

test('which pattern covers another', () => {
  const cases: [string, string, string | undefined, boolean][] = [
    ['**', 'team/**', undefined, true],
    ['team/**', 'team/**', undefined, true],
    ['team/**', 'team/a/*', undefined, true],
    ['team/**', '**', undefined, false],
    ['team/**', '*/**', undefined, false],
    ['team/*/**', 'team/**', undefined, false], // team itself is not below
    ['team/*', 'team/{user}', undefined, true],
    ['{user}/**', 'alice/app', 'alice', true],
    ['{user}/**', '{user}/**', 'alice', false], // those of others, too
    ['team/app', 'team/app', undefined, true],
    ['team/app', 'team/app/**', undefined, false],
  ]
  for (const [outer, inner, user, expected] of cases)
    assert.equal(
      coversPattern(pattern(outer), pattern(inner), user),
      expected,
      `${outer} ⊇ ${inner} (${user})`,
    )
})

test('more specific first', () => {
  const sorted = [
    'team/app',
    'team/{user}',
    'team/*/x',
    'team/*',
    'team',
    'team/**',
    '{user}/**',
    '*/app',
    '*',
    '**',
  ]
  const shuffled = sorted.toReversed().map(pattern)
  assert.deepEqual(
    shuffled.toSorted(comparePatterns).map(({ text }) => text),
    ['team/app', 'team/{user}', 'team/*/x', 'team/*', 'team', 'team/**', '{user}/**', '*/app', '*', '**'],
  )
})
