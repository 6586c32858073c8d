import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalPath } from './path.ts'

test('a name is one segment, however its slashes came', () => {
  for (const [path, canonical] of [
    ['/me', '/me'],
    ['/openapi.json', '/openapi.json'],
    ['/users/alice', '/users/alice'],
    ['/rules/team/app', '/rules/team%2Fapp'],
    ['/rules/team%2Fapp', '/rules/team%2Fapp'],
    ['/rules/team%2fapp/**', '/rules/team%2Fapp%2F**'],
    ['/rules/%7Buser%7D/**', '/rules/%7Buser%7D%2F**'],
    ['/robots/team/ci/-/secrets', '/robots/team%2Fci/-/secrets'],
    ['/robots/team%2Fci/-/secrets/5', '/robots/team%2Fci/-/secrets/5'],
    ['/groups/devs/-/members/user:a/b', '/groups/devs/-/members/user%3Aa%2Fb'],
    // Decoded once, not twice.
    ['/users/%252e', '/users/%252e'],
    ['/', '/-'],
    ['', '/-'],
    ['/users/', '/-'],
    ['/users//x', '/users/%2Fx'],
    ['/users/%', '/-'],
    ['/users/%ff', '/-'],
    ['/users/a\n', '/users/a%0A'],
    ['/-/x', '/-'],
    ['/robots/a/-/', '/robots/a%2F-%2F'],
  ] as const)
    assert.equal(canonicalPath(path), canonical, path)
})
