/** Rules × askers × names: literal tables, and properties against the plain reading of the words. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RepositoryName } from '../../oci/reference.ts'
import type { AccessNow } from '../access.ts'
import { anonymousPrincipal, openPrincipal, type Principal, type TokenGrant } from '../principal.ts'
import { RULE_ACTIONS, type RepositoryAction, type RuleAction } from '../permission.ts'
import { compileRules, createAccessNow } from './access-now.ts'
import { comparePatterns, isProblem, matchesPattern, parsePattern } from './pattern.ts'
import { actionsOf, type Rights, rightsOfActions } from './rights.ts'
import { type Defaults, type Rule, SIGNED_IN_MAY_ALL } from './rule.ts'
import { robot, rule, user, workload } from './rules.fixture.ts'
import { createNode, findMostSpecific, insertPattern } from './tree.ts'

const PUBLIC: Defaults = {
  allow: { anonymous: ['pull'], 'signed-in': ['pull', 'push', 'delete'] },
  source: 'default',
}
const accessOf = ({ rules, defaults }: { rules: readonly Rule[]; defaults: Defaults }): AccessNow =>
  createAccessNow(compileRules({ rules, defaults }))
const name = (text: string): RepositoryName => text as RepositoryName

/** What may be done, as `pull create push delete`; `push` stands for a push that may move tags. */
function rightsOf(access: AccessNow, principal: Principal, repository: string): string {
  const found: string[] = []
  if (access.may(principal, 'pull', name(repository))) found.push('pull')
  if (access.mayMoveTags(principal, name(repository))) found.push('push')
  else if (access.may(principal, 'push', name(repository))) found.push('create')
  if (access.may(principal, 'delete', name(repository))) found.push('delete')
  return found.join(' ')
}

// The example of docs/access.md.
const EXAMPLE = [
  rule('secret/**', { 'group:security': 'pull push delete' }),
  rule('team/**', { 'group:devs': 'pull push', 'user:ci': 'pull create', anonymous: '' }),
  rule('{user}/**', { 'signed-in': 'pull push delete' }),
]

test('the example: who may do what', () => {
  const access = accessOf({ rules: EXAMPLE, defaults: PUBLIC })
  const eve = user('eve')
  const dev = user('dana', { groups: ['devs'] })
  const guard = user('sam', { groups: ['security'] })
  const program = workload('github:repo:org/app', { claims: ['main'] })
  const cases: [Principal, string, string][] = [
    [anonymousPrincipal, 'library/nginx', 'pull'],
    [anonymousPrincipal, 'secret/plan', ''],
    [anonymousPrincipal, 'secret', ''],
    [anonymousPrincipal, 'secrets', 'pull'],
    [anonymousPrincipal, 'team/app', ''],
    [anonymousPrincipal, 'eve/app', 'pull'],
    [eve, 'library/nginx', 'pull push delete'],
    [eve, 'secret/plan', ''],
    [eve, 'team/app', ''],
    [eve, 'eve/app', 'pull push delete'],
    [eve, 'eve', 'pull push delete'],
    [dev, 'team/app/sub', 'pull push'],
    [dev, 'secret/plan', ''],
    [guard, 'secret/plan', 'pull push delete'],
    [user('ci'), 'team/app', 'pull create'],
    [robot('ci'), 'team/app', ''], // user:ci is a person
    [robot('r', { groups: ['devs'] }), 'team/app', 'pull push'],
    [robot('r'), 'library/nginx', 'pull'], // signed-in means people
    [robot('r'), 'r/app', 'pull'],
    [program, 'library/nginx', 'pull'],
    [openPrincipal, 'secret/plan', 'pull push delete'],
    [user('root', { isAdmin: true }), 'secret/plan', 'pull push delete'],
  ]
  for (const [principal, repository, expected] of cases)
    assert.equal(rightsOf(access, principal, repository), expected, `${principal.id} ${repository}`)
})

test('who an entry means', () => {
  const cases: [Record<string, string>, Principal, string][] = [
    [{ anonymous: 'pull' }, anonymousPrincipal, 'pull'],
    [{ anonymous: 'pull' }, robot('x'), 'pull'],
    [{ anonymous: 'pull' }, workload('x'), 'pull'],
    [{ 'signed-in': 'pull' }, anonymousPrincipal, ''],
    [{ 'signed-in': 'pull' }, user('x'), 'pull'],
    [{ 'signed-in': 'pull' }, robot('x'), ''],
    [{ 'signed-in': 'pull' }, workload('x'), ''],
    [{ 'user:x': 'pull' }, user('x'), 'pull'],
    [{ 'user:x': 'pull' }, robot('x'), ''],
    [{ 'user:x': 'pull' }, workload('x'), ''],
    [{ 'user:anonymous': 'pull' }, anonymousPrincipal, ''],
    [{ 'robot:x': 'push' }, robot('x'), 'push'],
    [{ 'robot:x': 'push' }, user('x'), ''],
    [{ 'claim:main': 'create' }, workload('x', { claims: ['main'] }), 'create'],
    [{ 'claim:main': 'create' }, workload('x', { claims: ['other'] }), ''],
    [{ 'claim:main': 'create' }, user('x', { claims: ['main'] }), ''],
    [{ 'group:g': 'delete' }, user('x', { groups: ['g'] }), 'delete'],
    [{ 'group:g': 'delete' }, robot('x', { groups: ['f', 'g'] }), 'delete'],
    [{ 'group:g': 'delete' }, anonymousPrincipal, ''],
    [
      { 'group:g': 'pull', 'user:x': 'push', anonymous: 'delete' },
      user('x', { groups: ['g'] }),
      'pull push delete',
    ],
    [{ 'user:x': 'admin' }, user('x'), 'pull push delete'],
    [{ 'user:x': 'create push' }, user('x'), 'push'],
    [{ 'user:constructor': 'pull' }, user('toString'), ''],
    [{}, user('x'), ''],
  ]
  for (const [allow, principal, expected] of cases) {
    const access = accessOf({ rules: [rule('a/**', allow)], defaults: PUBLIC })
    assert.equal(rightsOf(access, principal, 'a/b'), expected, `${JSON.stringify(allow)} ${principal.kind}`)
  }
})

test('scopes of robots, ceilings of personal tokens, grants of tokens', () => {
  const access = accessOf({
    rules: [rule('team/**', { 'user:ci': 'pull create', 'robot:r': 'delete' })],
    defaults: SIGNED_IN_MAY_ALL,
  })
  const token = (repository: string, ...actions: string[]): { token: TokenGrant } => ({
    token: { repositories: new Map([[repository, new Set(actions)]]), catalog: false },
  })
  const scopes = (repositories: string, ...actions: RuleAction[]) => [{ repositories, actions }]
  const cases: [Principal, string, string][] = [
    [robot('r', { grants: scopes('team/*', 'pull', 'push') }), 'team/a', 'pull push delete'],
    [robot('r', { grants: scopes('team/*', 'pull') }), 'team/a/b', 'delete'],
    [robot('q', { grants: scopes('other/**', 'create') }), 'other', 'create'],
    [robot('q', { grants: scopes('{user}/**', 'pull') }), 'q/a', ''], // {user} is a person
    [robot('q', { grants: scopes('not a pattern', 'pull') }), 'q/a', ''],
    [user('x', { ceiling: scopes('**', 'pull') }), 'a', 'pull'],
    [user('x', { ceiling: scopes('b/**', 'pull', 'push') }), 'a', ''],
    [user('x', { ceiling: scopes('{user}/**', 'push') }), 'x/a', 'push'],
    [user('x', { ceiling: [] }), 'a', ''],
    [user('x', { ceiling: scopes('**', 'create') }), 'a', 'create'],
    [user('x', { isAdmin: true, ceiling: scopes('**', 'pull') }), 'team/a', 'pull'],
    [user('x', token('a', 'pull')), 'a', 'pull'],
    [user('x', token('a', 'pull')), 'a/b', ''],
    [user('x', token('a', 'pull', 'push')), 'a', 'pull push'],
    [user('x', token('a', '*')), 'a', 'pull push delete'],
    [user('x', token('a')), 'a', ''],
    [user('x', token('**', '*')), 'a', ''], // names, not patterns
    [user('ci', token('team/a', 'pull', 'push')), 'team/a', 'pull create'],
    [user('ci', token('team/a', '*')), 'team/a', 'pull create'],
    [user('x', token('a', 'create')), 'a', 'create'],
    [user('y', { ...token('team/a', 'pull', 'push'), isAdmin: true }), 'team/a', 'pull push'],
    [{ ...anonymousPrincipal, ...token('a', 'pull', 'push') }, 'a', ''],
  ]
  for (const [principal, repository, expected] of cases) {
    assert.equal(rightsOf(access, principal, repository), expected, JSON.stringify(principal))
    // The second time from memory.
    assert.equal(rightsOf(access, principal, repository), expected, JSON.stringify(principal))
  }
  const narrow = user('x', token('a', 'pull'))
  assert.equal(access.couldWithAnotherToken(narrow, 'push', name('a')), true)
  assert.equal(access.couldWithAnotherToken(narrow, 'pull', name('team/a')), false)
  assert.equal(
    access.couldWithAnotherToken({ ...narrow, ceiling: scopes('**', 'pull') }, 'push', name('a')),
    false,
  )
})

// Few words, so that patterns and names meet.
const part = fc.constantFrom('a', 'b', 'c')
const patternPart = fc.constantFrom('a', 'b', 'c', '*', '{user}')
const patternText = fc
  .tuple(fc.array(patternPart, { maxLength: 4 }), fc.boolean())
  .map(([parts, rest]) => [...parts, ...(rest || parts.length === 0 ? ['**'] : [])].join('/'))
const repositoryName = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'))
const actions = fc.subarray([...RULE_ACTIONS])
const who = fc.constantFrom('anonymous', 'signed-in', 'user:a', 'user:b', 'group:g', 'robot:a', 'claim:m')
const anyRule = fc
  .tuple(patternText, fc.dictionary(who, actions, { maxKeys: 3 }))
  .map(([pattern, allow]): Rule => ({ pattern, allow: { ...allow }, source: 'test' }))
const anyRules = fc.uniqueArray(anyRule, { selector: ({ pattern }) => pattern, maxLength: 12 })
const asker = fc.constantFrom(
  anonymousPrincipal,
  user('a'),
  user('b', { groups: ['g'] }),
  user('Z'),
  robot('a'),
  robot('b', { groups: ['g'] }),
  workload('a', { claims: ['m'] }),
)

/** The words of the rules, read plainly: all that match, the most specific one, the union of what means the asker. */
function plainly(
  rules: readonly Rule[],
  defaults: Defaults,
  principal: Principal,
  repository: string,
): Rights {
  const person = principal.kind === 'user' ? principal.name : undefined
  const matching = rules.flatMap((one) => {
    const pattern = parsePattern(one.pattern)
    if (isProblem(pattern)) return assert.fail(pattern.problem)
    return matchesPattern(pattern, repository.split('/'), person) ? [{ one, pattern }] : []
  })
  const [deciding] = matching.toSorted((x, y) => comparePatterns(x.pattern, y.pattern))
  const names = new Set(['anonymous', ...principal.groups.map((group) => `group:${group}`)])
  if (principal.kind === 'user') names.add('signed-in').add(`user:${principal.name}`)
  if (principal.kind === 'robot') names.add(`robot:${principal.name}`)
  for (const claim of principal.claims) names.add(`claim:${claim}`)
  return Object.entries<readonly RuleAction[]>(deciding?.one.allow ?? defaults.allow)
    .filter(([text]) => names.has(text))
    .reduce((rights, [, given]) => rights | rightsOfActions(given), 0)
}

test('the tree decides as the words say', () => {
  fc.assert(
    fc.property(
      anyRules,
      asker,
      fc.array(repositoryName, { minLength: 1, maxLength: 5 }),
      (rules, principal, names) => {
        const access = accessOf({ rules, defaults: PUBLIC })
        for (const repository of names) {
          const rights = plainly(rules, PUBLIC, principal, repository)
          for (const action of RULE_ACTIONS)
            assert.equal(
              access.explain(principal, action, name(repository)).allowed,
              actionsOf(rights).includes('admin') ||
                actionsOf(rights).includes(action) ||
                (action === 'create' && actionsOf(rights).includes('push')),
            )
          for (const action of ['pull', 'push', 'delete'] as RepositoryAction[]) {
            const needed = action === 'push' ? 'create' : action
            const bit = rightsOfActions([needed])
            assert.equal(access.may(principal, action, name(repository)), (rights & bit) !== 0)
          }
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('who may administer a pattern may do so in each name it matches, and else there is one where not', () => {
  const every: string[] = []
  const parts = ['a', 'b', 'c', 'other']
  for (let depth = 1, names = ['']; depth <= 6; depth++) {
    names = names.flatMap((before) => parts.map((one) => (before === '' ? one : `${before}/${one}`)))
    // From the fourth component on, few of them tell the same as all.
    if (depth > 3) names = names.filter((_, index) => index % (depth === 4 ? 1 : 3) === 0)
    every.push(...names)
  }
  const adminRules = fc.uniqueArray(
    fc
      .tuple(
        fc
          .tuple(fc.array(patternPart, { maxLength: 3 }), fc.boolean())
          .map(([some, rest]) => [...some, ...(rest || some.length === 0 ? ['**'] : [])].join('/')),
        fc.constantFrom<RuleAction[]>(['admin'], ['admin'], ['pull']),
      )
      .map(([pattern, given]): Rule => ({ pattern, allow: { 'user:a': given }, source: 'test' })),
    { selector: ({ pattern }) => pattern, maxLength: 8 },
  )
  const asked = fc
    .tuple(fc.array(patternPart, { maxLength: 2 }), fc.boolean())
    .map(([some, rest]) => [...some, ...(rest || some.length === 0 ? ['**'] : [])].join('/'))
  const seen = { yes: 0, no: 0 }
  fc.assert(
    fc.property(adminRules, asked, (rules, text) => {
      const access = accessOf({ rules, defaults: PUBLIC })
      const principal = user('a')
      const pattern = parsePattern(text)
      if (isProblem(pattern)) return assert.fail(pattern.problem)
      const broad = {
        ...pattern,
        components: pattern.components.map((one) => (typeof one === 'string' ? one : parsedAny)),
      }
      const holdsInAll = every
        .filter((repository) => matchesPattern(broad, repository.split('/'), undefined))
        .every((repository) => access.explain(principal, 'admin', name(repository)).allowed)
      seen[holdsInAll ? 'yes' : 'no']++
      assert.equal(access.mayAdminister(principal, text), holdsInAll)
    }),
    { numRuns: 400 },
  )
  assert.ok(seen.yes > 20 && seen.no > 20, JSON.stringify(seen))
})
const any = parsePattern('*')
if (isProblem(any)) throw new Error(any.problem)
const parsedAny = any.components[0] as (typeof any.components)[number]

test('who may administer what: by hand', () => {
  const rules = [
    rule('team/**', { 'group:leads': 'admin', 'robot:keeper': 'admin' }),
    rule('team/vault/**', { 'group:security': 'admin' }),
    rule('{user}/**', { 'signed-in': 'admin' }),
  ]
  const access = accessOf({ rules, defaults: SIGNED_IN_MAY_ALL })
  const lead = user('lea', { groups: ['leads'] })
  const whole = [{ repositories: '**', actions: ['admin'] }] as const
  const cases: [Principal, string, boolean][] = [
    [lead, 'team/app/**', true],
    [lead, 'team/app', true],
    [lead, 'team/**', false], // the vault is not hers
    [lead, 'team/*', false],
    [lead, 'team/vault', false],
    [lead, 'team', true],
    [lead, '**', false],
    [lead, 'lea/**', true],
    [lead, '{user}/**', false], // those of all others, too
    [lead, 'bad//pattern', false],
    [lead, '', false],
    [user('eve'), 'team/app', false],
    [user('root', { isAdmin: true }), '**', true],
    [user('root', { isAdmin: true, ceiling: [{ repositories: 'a/**', actions: ['admin'] }] }), 'a/b', true],
    [user('root', { isAdmin: true, ceiling: [{ repositories: 'a/**', actions: ['admin'] }] }), '**', false],
    [user('root', { isAdmin: true, ceiling: [{ repositories: '**', actions: ['push'] }] }), 'a', false],
    [{ ...lead, ceiling: whole }, 'team/app', true],
    [{ ...lead, token: { repositories: new Map(), catalog: true } }, 'team/app', false],
    [robot('keeper'), 'team/app', true],
    [robot('r', { grants: whole }), '**', true],
    [robot('r', { grants: [{ repositories: 'x/**', actions: ['pull'] }] }), 'x/y', false],
    [anonymousPrincipal, 'team/app', false],
    [openPrincipal, '**', false],
  ]
  for (const [principal, pattern, expected] of cases)
    assert.equal(access.mayAdminister(principal, pattern), expected, `${principal.name} ${pattern}`)
})

test('ten thousand rules: as many steps as ten, and each step once', () => {
  const build = (count: number) => {
    const root = createNode<number>()
    for (let index = 0; index < count; index++) {
      for (const text of [`team${index}/**`, `team${index}/*/cache`, `team${index}/{user}/x`]) {
        const pattern = parsePattern(text)
        if (isProblem(pattern)) return assert.fail(pattern.problem)
        assert.equal(insertPattern(root, pattern, index), true)
        assert.equal(insertPattern(root, pattern, -1), false)
      }
    }
    return root
  }
  const few = build(10)
  const many = build(10_000)
  for (const text of ['team7/alice/cache', 'team7/bob/x', 'team7', 'elsewhere/a/b/c', 'team7/a/b/c/d']) {
    const steps = [few, many].map((root) => {
      let count = 0
      findMostSpecific(root, text, 'alice', () => count++)
      return count
    })
    assert.equal(steps[0], steps[1], text)
    assert.ok((steps[0] as number) <= 2 * text.split('/').length + 1, `${text}: ${steps[0]}`)
  }
})

test('why: for people', () => {
  const access = accessOf({
    rules: EXAMPLE.map((one, index) => ({ ...one, source: `config.yml:${index + 4}` })),
    defaults: { ...PUBLIC, source: 'config.yml:2' },
  })
  const token = { repositories: new Map([['a', new Set(['pull'])]]), catalog: false }
  const cases: [Principal, RuleAction, string, boolean, string | undefined, string, string][] = [
    [
      user('dana', { groups: ['devs'] }),
      'push',
      'team/app',
      true,
      'team/**',
      'config.yml:5',
      'the rule for team/** decides, and it gives pull, push to group:devs',
    ],
    [
      user('ci'),
      'push',
      'team/app',
      false,
      'team/**',
      'config.yml:5',
      'the rule for team/** decides, and it gives pull, create to user:ci; new tags may be pushed, but none that is there may be moved',
    ],
    [
      user('ci'),
      'create',
      'team/app',
      true,
      'team/**',
      'config.yml:5',
      'the rule for team/** decides, and it gives pull, create to user:ci',
    ],
    [
      user('eve'),
      'pull',
      'secret/x',
      false,
      'secret/**',
      'config.yml:4',
      'the rule for secret/** decides, and it gives nothing to eve',
    ],
    [
      anonymousPrincipal,
      'pull',
      'team/app',
      false,
      'team/**',
      'config.yml:5',
      'the rule for team/** decides, and it gives nothing to who did not sign in',
    ],
    [
      user('eve'),
      'delete',
      'library/x',
      true,
      undefined,
      'config.yml:2',
      'no rule matches library/x, and the defaults give pull to anonymous and pull, push, delete to signed-in',
    ],
    [
      user('eve', { token }),
      'push',
      'a',
      false,
      undefined,
      'config.yml:2',
      'no rule matches a, and the defaults give pull to anonymous and pull, push, delete to signed-in; its token was not asked for push there',
    ],
    [
      user('eve', { ceiling: [] }),
      'pull',
      'a',
      false,
      undefined,
      'config.yml:2',
      'no rule matches a, and the defaults give pull to anonymous and pull, push, delete to signed-in; its personal token is not for pull there',
    ],
    [
      user('root', { isAdmin: true }),
      'admin',
      'secret/x',
      true,
      undefined,
      'administrators',
      'root is an administrator',
    ],
    [
      robot('r', { grants: [{ repositories: 'secret/*', actions: ['pull'] }] }),
      'pull',
      'secret/x',
      true,
      undefined,
      'scopes',
      'its own scopes give it pull there',
    ],
    [openPrincipal, 'push', 'a', true, undefined, 'default', 'the registry is open to everyone'],
  ]
  for (const [principal, action, repository, allowed, pattern, source, why] of cases)
    assert.deepEqual(access.explain(principal, action, name(repository)), { allowed, pattern, source, why })
})
