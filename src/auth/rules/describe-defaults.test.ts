import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RuleAction } from '../permission.ts'
import { describeDefaults } from './describe-defaults.ts'

test('what holds where no rule matches, in words', () => {
  const cases: [RuleAction[], RuleAction[], string][] = [
    [[], [], 'nobody may do anything'],
    [[], ['pull', 'push', 'delete'], 'who signed in may pull, push and delete, and nobody else anything'],
    [['pull'], ['pull', 'push', 'delete'], 'everybody may pull, and who signed in may also push and delete'],
    [['pull'], [], 'everybody may pull'],
    [['pull', 'push'], ['create'], 'everybody may pull and push'],
    [[], ['admin'], 'who signed in may do everything, and nobody else anything'],
    [['create'], [], 'everybody may create'],
  ]
  for (const [anonymous, signedIn, expected] of cases)
    assert.equal(
      describeDefaults({ allow: { anonymous, 'signed-in': signedIn } }),
      `where no rule matches, ${expected}`,
    )
})
