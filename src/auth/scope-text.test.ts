import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkScope, meansUser, parseScope, scopeText } from './scope-text.ts'

const RIGHT: [string, string, string[]][] = [
  ['team/**:pull,push', 'team/**', ['pull', 'push']],
  ['**:pull', '**', ['pull']],
  ['a/*/b:delete,pull,pull', 'a/*/b', ['pull', 'delete']],
  ['{user}/**:admin', '{user}/**', ['admin']],
  ['a:create', 'a', ['create']],
]
for (const [text, repositories, actions] of RIGHT)
  test(`${text} is a scope`, () => {
    const scope = parseScope(text)
    assert.deepEqual(scope, { repositories, actions })
    assert.ok('actions' in scope)
    assert.deepEqual(parseScope(scopeText(scope)), scope)
  })

const WRONG: [string, RegExp][] = [
  ['', /does not say what is allowed/],
  ['team/**', /does not say what is allowed: write it as team/],
  [':pull', /names no repositories: the pattern is empty/],
  ['Team:pull', /write team/],
  ['a/**/b:pull', /\*\* before its end/],
  ['a:tag:pull', /leave out what follows/],
  ['a:', /allows nothing: say some of pull, push, create, delete, admin/],
  ['a:,', /allows nothing/],
  ['a:pull,', /has "": actions are/],
  ['a:PULL', /has "PULL": actions are/],
  ['a:pull, push', /has " push"/],
  [`a:${'x'.repeat(5000)}`, /^has "x{60}": actions/],
]
for (const [text, problem] of WRONG)
  test(`${JSON.stringify(text.slice(0, 30))} is none, and why is said`, () => {
    const found = parseScope(text)
    assert.ok('problem' in found)
    assert.match(found.problem, problem)
  })

test('scopes from outside have known actions only', () => {
  assert.deepEqual(checkScope({ repositories: 'a', actions: ['push', 'pull'] }), {
    repositories: 'a',
    actions: ['pull', 'push'],
  })
  for (const actions of [[], [''], ['constructor'], ['__proto__'], ['*']])
    assert.ok('problem' in checkScope({ repositories: 'a', actions }), String(actions))
})

test('{user} means a person', () => {
  assert.equal(meansUser({ repositories: '{user}/**', actions: [] }), true)
  assert.equal(meansUser({ repositories: 'user/**', actions: [] }), false)
})
