/** `access`: what each form of it means, all its mistakes with their lines, and what is said of what is odd. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { compileRules, createAccessNow } from '../auth/rules/access-now.ts'
import { fileAccessOf, saysTheSame } from '../auth/rules/file-access.ts'
import { user } from '../auth/rules/rules.fixture.ts'
import { anonymousPrincipal, type Principal } from '../auth/principal.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { LEAST, load, loadFile, mistakesOf } from './files.fixture.ts'
import { showConfig } from './show.ts'

const ALL = ['pull', 'push', 'delete']

test('what each form of it means', () => {
  const cases: [
    string,
    Record<string, string>,
    { anonymous: string[]; 'signed-in': string[] } | undefined,
  ][] = [
    ['', {}, undefined],
    ['access: {}', {}, { anonymous: [], 'signed-in': ALL }],
    ['access:', {}, { anonymous: [], 'signed-in': ALL }],
    ['access: { anonymous: [pull] }', {}, { anonymous: ['pull'], 'signed-in': ALL }],
    ['access: { signed-in: [] }', {}, { anonymous: [], 'signed-in': [] }],
    ['access: { anonymous: , signed-in: [pull] }', {}, { anonymous: [], 'signed-in': ['pull'] }],
    ['', { REGISTRY_ACCESS_ENABLED: 'true' }, { anonymous: [], 'signed-in': ALL }],
    ['', { REGISTRY_ACCESS_ANONYMOUS: '[pull]' }, { anonymous: ['pull'], 'signed-in': ALL }],
    ['', { REGISTRY_ACCESS_SIGNEDIN: '[pull]' }, { anonymous: [], 'signed-in': ['pull'] }],
    ['', { REGISTRY_ACCESS_SIGNEDIN: '[]' }, { anonymous: [], 'signed-in': [] }],
    [
      'access: { signed-in: [push] }',
      { REGISTRY_ACCESS_SIGNEDIN_0: 'pull' },
      { anonymous: [], 'signed-in': ['pull'] },
    ],
  ]
  for (const [text, env, expected] of cases) {
    const loaded = loadFile(`${LEAST}${text}\n`, env)
    const { access } = loaded.config
    const found = access && { anonymous: access.anonymous, 'signed-in': access['signed-in'] }
    assert.deepEqual(found, expected, text)
    assert.equal(access?.enabled ?? true, true)
    // Printed back, it means the same.
    assert.deepEqual(loadFile(showConfig(loaded)).config, loaded.config, text)
  }
  assert.equal(load({ env: { REGISTRY_ACCESS_ENABLED: 'false' } }).config.access?.enabled, false)
  assert.equal(
    loadFile(
      `${LEAST}access: { enabled: false }\nauth: { token: { realm: https://a/t, service: s, issuer: i, rootcertbundle: /c } }\n`,
    ).config.access?.enabled,
    false,
  )
})

test('all mistakes at once, each with its line', () => {
  const text = `${LEAST}access:
  anonymous: [pul]
  signed-in:
  administrators: [alice, 'robot:x', 'user:root']
  groups:
    devs: [alice, 'robot:ci', 'group:ops']
    'group:ops': [bob]
  rules:
    - repositories: ['Team/app', 'x//y', '**/z']
      allow: {'grup:devs': [pull], everyone: [pull], 'user:': [pull], bob: [pull]}
    - repositories: ['{usr}/**', 'team/**']
      allow: {signed-in: [pull, fly]}
    - repositories: ['team/**', 'app*', 'team/app:1']
      allow: {}
    - repositories: []
    - repositories: secret/**
      allow: {anonymous: [pull]}
      alow: {}
`
  const first = LEAST.split('\n').length
  const lines = mistakesOf(() => loadFile(text)).map((line) =>
    line.replace(/^config\.yml:(\d+)/, (_, number: string) => String(Number(number) - first)),
  )
  assert.deepEqual(lines, [
    '1: access.anonymous[0]: must be one of pull, push, create, delete, admin, not "pul"',
    '2: access.signed-in: has no value: write [] for nothing, or leave the key out, which is [pull, push, delete]',
    '3: access.administrators[0]: names nobody: it must be anonymous, signed-in, user:NAME, group:NAME, robot:NAME or claim:NAME; write user:alice or group:alice, not "alice"',
    '3: access.administrators[1]: must be user:NAME or group:NAME, not "robot:x"',
    '5: access.groups.devs[2]: must be the name of a user, or robot:NAME; groups have no groups in them, not "group:ops"',
    '6: access.groups.group:ops: must be the name alone: write ops',
    '8: access.rules[0].repositories[0]: the pattern "Team/app" has "Team": names of repositories are lower case; write team',
    '8: access.rules[0].repositories[1]: the pattern "x//y" has an empty component: one of its slashes is too many',
    '8: access.rules[0].repositories[2]: the pattern "**/z" has ** before its end: it stands for all the rest; write * for one component',
    '9: access.rules[0].allow.grup:devs: names nobody: there is no kind "grup"; did you mean group:devs?',
    '9: access.rules[0].allow.everyone: names nobody; did you mean anonymous?',
    '9: access.rules[0].allow.user:: has no name: write it behind the colon, as user:NAME',
    '9: access.rules[0].allow.bob: names nobody: it must be anonymous, signed-in, user:NAME, group:NAME, robot:NAME or claim:NAME; write user:bob or group:bob',
    '10: access.rules[1].repositories[0]: the pattern "{usr}/**" has "{usr}": did you mean {user}? There is nothing else in braces',
    '11: access.rules[1].allow.signed-in[1]: must be one of pull, push, create, delete, admin, not "fly"',
    `12: access.rules[2].repositories[0]: team/** stands in access.rules[1] (config.yml:${first + 10}) already: make one rule of the two`,
    '12: access.rules[2].repositories[1]: the pattern "app*" has "app*": * stands for a whole component; write * alone, or the name without it',
    '12: access.rules[2].repositories[2]: the pattern "team/app:1" has "app:1": patterns are of repositories, not of tags or digests; leave out what follows the name',
    '14: access.rules[3].repositories: must name a pattern at least',
    '14: access.rules[3].allow: must say who may do what; {} is for nobody',
    '15: access.rules[4].repositories: must be a list, not "secret/**": write [secret/**]',
    '17: access.rules[4].alow: there is no such key; did you mean access.rules[4].allow?',
  ])
})

test('words that others use, and near misses', () => {
  const cases: [string, RegExp][] = [
    ['all', /did you mean anonymous\?/],
    ['signedin', /did you mean signed-in\?/],
    ['authenticated', /did you mean signed-in\?/],
    ['Anonymous', /did you mean anonymous\?/],
    ['users:alice', /did you mean user:alice\?/],
    ['robto:ci', /did you mean robot:ci\?/],
    ['team:devs', /there is no kind "team"; it must be anonymous/],
    ['group', /write group:NAME/],
    ['user: alice', /a blank at its beginning/],
  ]
  for (const [who, expected] of cases) {
    const [line] = mistakesOf(() =>
      loadFile(
        `${LEAST}access: { rules: [{ repositories: [a], allow: { ${JSON.stringify(who)}: [pull] } }] }\n`,
      ),
    )
    assert.match(line ?? '', expected, who)
  }
})

test('access and an external token server are one too many', () => {
  const token = 'auth: { token: { realm: https://a/t, service: s, issuer: i, rootcertbundle: /c } }'
  const lines = mistakesOf(() => loadFile(`${LEAST}access: { anonymous: [pull] }\n${token}\n`))
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /: access: cannot stand beside auth\.token: there the other server decides/)
})

test('where passwords are known needs to be said', () => {
  const lines = mistakesOf(() =>
    loadFile(`${LEAST}auth:\n  htpasswd: { realm: x }\n  ldap: { url: 'ldaps://d' }\n`),
  )
  const line = LEAST.split('\n').length
  assert.deepEqual(lines, [
    `config.yml:${line + 1}: auth.htpasswd.path: must be set: it is the file with names and passwords`,
    `config.yml:${line + 2}: auth.ldap.userbase: must be set: it is where people are in it, as ou=people,dc=example,dc=com`,
  ])
  assert.match(
    mistakesOf(() => load({ env: { REGISTRY_AUTH: 'htpasswd' } }))[0] ?? '',
    /auth\.htpasswd\.path/,
  )
})

test('what is odd is said', () => {
  const text = `${LEAST}access:
  signed-in: [push]
  rules:
    - repositories: ['a/**']
      allow: {'group:devs': [push], 'user:x': [create, pull], 'robot:y': [create], 'user:root': [admin]}
    - repositories: ['b/**']
      allow: {anonymous: [pull], 'group:devs': [push]}
    - repositories: ['c/**']
      allow: {signed-in: [pull], 'user:x': [push], 'robot:y': [push]}
    - repositories: ['{user}/**']
      allow: {signed-in: [pull, push], anonymous: [pull], 'robot:y': []}
    - repositories: ['d/**']
      allow: {'claim:main': [pull]}
`
  const { warnings } = loadFile(text)
  const line = LEAST.split('\n').length
  const push =
    'gives push without pull, and docker and most others look before they push: give pull beside it'
  assert.deepEqual(warnings, [
    `config.yml:${line + 1}: access.signed-in: ${push}`,
    `config.yml:${line + 4}: access.rules[0].allow.group:devs: ${push}`,
    `config.yml:${line + 4}: access.rules[0].allow.robot:y: ${push}`,
    `config.yml:${line + 8}: access.rules[2].allow.robot:y: ${push}`,
    `config.yml:${line + 10}: access.rules[3].allow.anonymous: means nobody else in {user}/**: {user} is the name of the person who asks, so these repositories have this rule for that person only`,
    `config.yml:${line + 12}: access.rules[4].allow.claim:main: means nobody: no claim rule of auth.workloads has this name`,
  ])
})

test('rules know where they stand, and are printed back', () => {
  const text = `${LEAST}access:
  anonymous: [pull]
  groups: { devs: [dana, 'robot:ci'] }
  administrators: ['user:root']
  rules:
    - repositories: ['secret/**', 'vault']
      allow: { 'group:security': [pull, push, delete] }
`
  const loaded = loadFile(text)
  const access = loaded.config.access
  assert.ok(access)
  const file = fileAccessOf(access, loaded.sources)
  const line = LEAST.split('\n').length
  assert.deepEqual(
    file.rules.map(({ pattern, source }) => [pattern, source]),
    [
      ['secret/**', `config.yml:${line + 5}`],
      ['vault', `config.yml:${line + 5}`],
    ],
  )
  assert.equal(file.defaults.source, `config.yml:${line + 1}`)
  assert.deepEqual([...(file.groups.get('devs') ?? [])], ['dana', 'robot:ci'])
  assert.deepEqual([...file.administrators], ['user:root'])
  assert.equal(saysTheSame(file, fileAccessOf(access, loaded.sources)), true)
  const again = loadFile(showConfig(loaded))
  assert.deepEqual(again.config, loaded.config)
  const other = loadFile(text.replace('root', 'toor'))
  assert.ok(other.config.access)
  assert.equal(saysTheSame(file, fileAccessOf(other.config.access, other.sources)), false)
})

test('the example of the page works as the page says', () => {
  const page = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8')
  const chapter = page.slice(page.indexOf('## Rules'))
  const [, example = ''] = /```yaml\n(access:\n.*?)```/s.exec(chapter) ?? []
  assert.match(example, /secret\/\*\*/)
  const { config, sources, warnings } = loadFile(LEAST + example)
  assert.deepEqual(warnings, [])
  assert.ok(config.access)
  const { rules, defaults } = fileAccessOf(config.access, sources)
  const now = createAccessNow(compileRules({ rules, defaults }))
  const may = (name: string, action: 'pull' | 'push', repository: string, ...groups: string[]) =>
    now.may(name === '' ? anonymousPrincipal : user(name, { groups }), action, repository as RepositoryName)
  assert.equal(may('', 'pull', 'library/nginx'), true)
  assert.equal(may('', 'push', 'library/nginx'), false)
  assert.equal(may('', 'pull', 'team/app'), false)
  assert.equal(may('eve', 'pull', 'secret/plan'), false)
  assert.equal(may('sam', 'pull', 'secret/plan', 'security'), true)
  assert.equal(may('dana', 'push', 'team/app', 'devs'), true)
  const ci: Principal = { ...user('ci'), kind: 'robot' }
  assert.equal(now.may(ci, 'push', 'team/app' as RepositoryName), true)
  assert.equal(now.mayMoveTags(ci, 'team/app' as RepositoryName), false)
  assert.equal(may('eve', 'push', 'eve/app'), true)
  assert.equal(may('eve', 'push', 'dana/app'), true) // no rule matches: signed-in
})
