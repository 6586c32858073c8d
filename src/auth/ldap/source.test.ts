/** Against a real OpenLDAP server. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Attribute, Change } from 'ldapts'
import { missingPrograms } from '../../../test/lib/prerequisite.ts'
import { recordingLog } from '../../../test/lib/recording-log.ts'
import { startSlapd, type Slapd } from './slapd.fixture.ts'
import { attempt, movableClock, OPTIONS, shown } from './source.fixture.ts'
import { createLdapSource, type LdapOptions } from './source.ts'

const skip = missingPrograms('slapd', 'slapadd', 'openssl')
let slapd: Slapd

const endings: (() => Promise<void>)[] = []

before(async () => {
  if (skip === false) slapd = await startSlapd({ after: (action) => void endings.push(action) })
})
after(async () => {
  for (const end of endings.reverse()) await end()
})

async function setUp(options: Partial<LdapOptions> = {}) {
  const [log, clock] = [recordingLog(), movableClock()]
  const source = await createLdapSource({ options: { ...OPTIONS, url: slapd.url, ...options }, log, clock })
  return { source, log, clock }
}

test('names, passwords and groups of the directory', { skip }, async () => {
  const { source, log } = await setUp()
  const table: [string, string, string][] = [
    ['alice', 'alice-password', 'ldap:alice devs,security'],
    ['bob', 'bob-password', 'ldap:bob devs'],
    ['jürgen', 'pässwörd', 'ldap:jürgen'],
    ['we*ird', 'weird-password', 'ldap:we*ird'],
    ['alice', 'bob-password', 'wrong'],
    ['alice', 'alice-password ', 'wrong'],
    ['nopassword', 'x', 'wrong'],
    ['carol', 'x', 'unknown'],
    // A reference to another directory is not followed.
    ['elsewhere', 'x', 'unknown'],
  ]
  for (const [name, password, expected] of table)
    assert.equal(shown(await source.verify(attempt(name, password))), expected, name)
  assert.equal(shown(await source.find('ldap:alice')), 'ldap:alice devs,security')
  for (const id of ['ldap:carol', 'ldap:', 'htpasswd:alice', 'ldap:*', 'ldap:Alice'])
    assert.equal(await source.find(id), undefined, id)
  assert.deepEqual(log.lines, [])
})

test('an empty password is nobody’s: a directory would let it in', { skip }, async () => {
  const { source } = await setUp()
  // This one does.
  await slapd.change((client) => client.bind('uid=alice,ou=people,dc=example,dc=org', ''))
  for (const name of ['alice', 'carol', ''])
    for (const password of ['', '\0', 'alice-password\0'])
      assert.equal(await source.verify(attempt(name, password)), 'wrong')
})

test('what somebody typed has no meaning in a filter (RFC 4515)', { skip }, async () => {
  const { source } = await setUp()
  const names = [
    '*',
    'ali*',
    'alice)(uid=*',
    'alice)(|(uid=*)',
    '*)(uid=*))(|(uid=*',
    'alice)(!(uid=x)',
    '\\61lice',
    '\\2a',
    'alice\0',
    'alice\\',
    '(',
    ')',
    '&',
    '{dn}',
    '{name}',
    'we*',
    'uid=alice,ou=people,dc=example,dc=org',
    'x'.repeat(255),
    '\uD800',
  ]
  for (const name of names)
    assert.equal(shown(await source.verify(attempt(name, 'alice-password'))), 'unknown', JSON.stringify(name))
})

test('a name has one way to be written, and only who knows the password hears which', { skip }, async () => {
  const { source } = await setUp()
  for (const name of ['Alice', 'ALICE', ' alice', 'alice ']) {
    await assert.rejects(source.verify(attempt(name, 'alice-password')), {
      code: 'UNAUTHORIZED',
      message: /as the directory writes it: alice/,
    })
    assert.equal(await source.verify(attempt(name, 'x')), 'wrong')
    assert.equal(await source.find(`ldap:${name}`), undefined)
  }
  // Signing in by another attribute gives the name too.
  const byMail = await setUp({ userfilter: '(mail={name})', nameattribute: 'mail' })
  assert.equal(
    shown(await byMail.source.verify(attempt('alice@example.org', 'alice-password'))),
    'ldap:alice@example.org devs,security',
  )
})

test('two entries with one name: neither', { skip }, async () => {
  const { source, log } = await setUp({ userfilter: '(mail={name})' })
  assert.equal(await source.verify(attempt('double@example.org', 'double-password')), 'wrong')
  assert.equal(await source.find('ldap:double@example.org'), undefined)
  assert.match(log.lines[0] ?? '', /error somebody of the directory is refused .*several entries/)
})

test(
  'groups: taken away in the directory, they are gone when the cache is over, for tokens too',
  { skip },
  async () => {
    const { source, clock } = await setUp()
    const member = (operation: 'add' | 'delete') =>
      slapd.change((client) =>
        client.modify(
          'cn=security,ou=groups,dc=example,dc=org',
          new Change({
            operation,
            modification: new Attribute({
              type: 'member',
              values: ['uid=bob,ou=people,dc=example,dc=org'],
            }),
          }),
        ),
      )
    await member('add')
    assert.equal(shown(await source.verify(attempt('bob', 'bob-password'))), 'ldap:bob devs,security')
    await member('delete')
    clock.time += 59_999
    const known = source.find('ldap:bob')
    assert.ok(!(known instanceof Promise), 'without waiting')
    assert.equal(shown(known), 'ldap:bob devs,security')
    clock.time += 1
    assert.equal(shown(await source.find('ldap:bob')), 'ldap:bob devs')
    // security.md, C11: and a new sign-in has what is true then, not both.
    assert.equal(shown(await source.verify(attempt('bob', 'bob-password'))), 'ldap:bob devs')
  },
)

test('a changed password, another person of the same name, and nobody', { skip }, async () => {
  const { source, clock } = await setUp()
  const dn = 'uid=temporary,ou=people,dc=example,dc=org'
  const entry = { objectClass: 'inetOrgPerson', cn: 't', sn: 't', userPassword: 'first' }
  const stamps: (string | undefined)[] = []
  const persons: (string | undefined)[] = []
  const look = async (): Promise<void> => {
    clock.time += 60_000
    const account = await source.find('ldap:temporary')
    stamps.push(account?.stamp)
    persons.push(account?.person)
  }
  await slapd.change((client) => client.add(dn, entry))
  await look()
  await look()
  assert.equal(stamps[0], stamps[1])
  await slapd.change((client) =>
    client.modify(
      dn,
      new Change({
        operation: 'replace',
        modification: new Attribute({ type: 'userPassword', values: ['second'] }),
      }),
    ),
  )
  assert.equal(await source.verify(attempt('temporary', 'first')), 'wrong')
  assert.equal(shown(await source.verify(attempt('temporary', 'second'))), 'ldap:temporary')
  await look()
  assert.notEqual(stamps[2], stamps[1])
  assert.ok(persons[0] !== undefined)
  assert.deepEqual(persons.slice(1), [persons[0], persons[0]], 'who it is does not change with the password')
  await slapd.change((client) => client.del(dn))
  await look()
  assert.equal(stamps[3], undefined)
  await slapd.change((client) => client.add(dn, entry))
  await look()
  assert.ok(stamps[4] !== undefined && !stamps.slice(0, 4).includes(stamps[4]))
  assert.ok(persons[4] !== undefined && persons[4] !== persons[0], 'another one')
  await slapd.change((client) => client.del(dn))
})

test('without a cache, and without groups', { skip }, async () => {
  const { source } = await setUp({ cache: 0, groupbase: '' })
  assert.equal(shown(await source.verify(attempt('alice', 'alice-password'))), 'ldap:alice')
  assert.ok(source.find('ldap:alice') instanceof Promise)
})

test(
  'TLS, from the first byte and after StartTLS; a certificate that does not fit is refused',
  { skip },
  async () => {
    const { ca, otherCa, tlsUrl, url } = slapd
    const named = url.replace('127.0.0.1', 'localhost')
    const table: [Partial<LdapOptions>, string | RegExp][] = [
      [{ url: tlsUrl, ca }, 'ldap:alice devs,security'],
      [{ url, starttls: true, ca }, 'ldap:alice devs,security'],
      [{ url: named, starttls: true, ca }, 'ldap:alice devs,security'],
      [{ url: tlsUrl, ca: otherCa }, /certificate|verify|self.signed/i],
      [{ url: tlsUrl }, /certificate|verify|self.signed/i],
      [{ url, starttls: true, ca: otherCa }, /certificate|verify|self.signed/i],
      // The certificate is for localhost and 127.0.0.1.
      [{ url: url.replace('127.0.0.1', '127.0.0.2'), starttls: true, ca }, /ECONNREFUSED|127\.0\.0\.2/],
      // TLS where there is none, and none where there is TLS.
      [{ url: url.replace('ldap:', 'ldaps:'), ca }, /./],
      [{ url: tlsUrl.replace('ldaps:', 'ldap:') }, /./],
    ]
    for (const [options, expected] of table) {
      const { source, log } = await setUp({ ...options, timeout: 1500 })
      const what = JSON.stringify(options)
      if (typeof expected === 'string') {
        assert.equal(shown(await source.verify(attempt('alice', 'alice-password'))), expected, what)
        continue
      }
      await assert.rejects(source.verify(attempt('alice', 'alice-password')), { code: 'UNAVAILABLE' }, what)
      assert.match(log.lines.join('\n'), expected, what)
    }
  },
)

test(
  'who searches is refused, or the place to search is not there: 503, and the log says why',
  { skip },
  async () => {
    const table: [Partial<LdapOptions>, RegExp][] = [
      [{ bindpassword: 'canary-password' }, /refuses binddn or bindpassword/],
      [{ bindpassword: undefined }, /without a name or a password/],
      [{ userbase: 'ou=nowhere,dc=example,dc=org' }, /it answers/],
      [{ groupbase: 'ou=nowhere,dc=example,dc=org' }, /it answers/],
      [{ url: 'ldap://127.0.0.1:1' }, /ECONNREFUSED/],
      [{ url: 'ldaps://no-such-host.invalid' }, /ENOTFOUND|EAI_AGAIN|no answer/],
    ]
    for (const [options, expected] of table) {
      const { source, log } = await setUp(options)
      for (let turn = 0; turn < 2; turn++)
        await assert.rejects(source.verify(attempt('alice', 'alice-password')), {
          code: 'UNAVAILABLE',
          status: 503,
        })
      await assert.rejects(async () => await source.find('ldap:alice'), { code: 'UNAVAILABLE' })
      assert.equal(log.lines.length, 1, log.lines.join('\n'))
      assert.match(log.lines[0] ?? '', expected)
      // security.md, C22
      assert.ok(!/canary|alice-password/.test(log.lines.join()))
    }
    // As nobody in particular, who finds nobody here: not an error, and not a door.
    const { source } = await setUp({ binddn: '', bindpassword: undefined })
    await assert.rejects(source.verify(attempt('alice', 'alice-password')), { code: 'UNAVAILABLE' })
  },
)

test('settings that cannot be used stop the start', { skip }, async () => {
  await assert.rejects(setUp({ userfilter: '(uid={name}' }), /auth\.ldap\.userfilter is no filter/)
  await assert.rejects(setUp({ groupfilter: '' }), /auth\.ldap\.groupfilter is no filter/)
  await assert.rejects(setUp({ ca: '/no/such/file' }), /auth\.ldap\.ca: .*ENOENT/)
  const { log } = await setUp({ url: 'ldap://directory.example.com' })
  assert.match(log.lines[0] ?? '', /warn passwords go to the directory without encryption/)
})

test('many at once: a few connections, and all are answered', { skip }, async () => {
  const { source } = await setUp()
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      source.verify(attempt(n % 2 ? 'alice' : 'bob', n % 3 ? 'x' : `${n % 2 ? 'alice' : 'bob'}-password`)),
    ),
  )
  for (const [n, answer] of answers.entries()) assert.equal(typeof answer, n % 3 ? 'string' : 'object')
})

// security.md, C10
test('a name that the directory does not have takes as long as one that it has', { skip }, async (t) => {
  const { source } = await setUp()
  const times: Record<string, number[]> = { alice: [], nobody: [] }
  await source.verify(attempt('alice', 'guess'))
  for (let turn = 0; turn < 25; turn++) {
    for (const [name, list] of Object.entries(times)) {
      const began = performance.now()
      await source.verify(attempt(name, 'guess'))
      list.push(performance.now() - began)
    }
  }
  const median = (values: number[] = []): number => values.toSorted((a, b) => a - b)[12] ?? 0
  const [known, unknown] = [median(times['alice']), median(times['nobody'])]
  t.diagnostic(`known ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms`)
  assert.ok(Math.abs(known - unknown) < Math.max(2, known * 0.5))
})
