import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEAST, load, loadFile, mistakesOf } from './files.fixture.ts'

const LINE = LEAST.split('\n').length
const ldap = (more: string): string =>
  `${LEAST}auth:\n  ldap: { url: 'ldaps://directory.example.com', userbase: 'ou=people,dc=example,dc=com'${more} }\n`

test('what can be said of passwords in one place and is wrong beside the rest', () => {
  const table: [string, RegExp][] = [
    [`${LEAST}auth:\n  htpasswd: { path: /x }\n`, /auth\.htpasswd\.realm: must be set/],
    [`${LEAST}auth:\n  htpasswd: { realm: x }\n`, /auth\.htpasswd\.path: must be set/],
    [`${LEAST}auth:\n  ldap: { userbase: x }\n`, /auth\.ldap\.url: must be set/],
    [ldap(', starttls: true'), /auth\.ldap\.starttls: is for ldap:\/\/ addresses/],
    [ldap(', bindpassword: hunter2'), /auth\.ldap\.bindpassword: needs binddn beside it/],
    [ldap(", binddn: 'cn=x'"), /auth\.ldap\.binddn: needs bindpassword beside it/],
    [ldap(", userfilter: '(uid=alice)'"), /auth\.ldap\.userfilter: must have \{name\}/],
    [
      ldap(", groupbase: 'ou=g', groupfilter: '(cn=x)'"),
      /auth\.ldap\.groupfilter: must have \{dn\} or \{name\}/,
    ],
    [ldap(', ca: /c').replace('ldaps:', 'ldap:'), /auth\.ldap\.ca: needs an ldaps:\/\/ address or starttls/],
    [ldap(', cache: 2h'), /auth\.ldap\.cache: must be at most 1h/],
    [ldap(', timeout: 1ms'), /auth\.ldap\.timeout: must be at least/],
    [ldap(', servers: [a]'), /auth\.ldap\.servers: there is no such key/],
  ]
  for (const [text, expected] of table) {
    const mistakes = mistakesOf(() => loadFile(text))
    assert.equal(mistakes.length, 1, `${text}: ${mistakes.join(' | ')}`)
    assert.match(mistakes[0] ?? '', expected, text)
    assert.ok(mistakes[0]?.startsWith(`config.yml:${LINE + 1}: auth.`), text)
    assert.ok(!mistakes.join().includes('hunter2'))
  }
})

test('what is right is taken, from the environment too', () => {
  const whole = ldap(
    ", binddn: 'svc@example.com', bindpassword: x, userfilter: '(|(uid={name})(mail={name}))'",
  )
  assert.equal(loadFile(whole).config.auth.ldap?.binddn, 'svc@example.com')
  const env = {
    REGISTRY_AUTH: 'htpasswd',
    REGISTRY_AUTH_HTPASSWD_REALM: 'Registry Realm',
    REGISTRY_AUTH_HTPASSWD_PATH: '/auth/htpasswd',
  }
  assert.deepEqual(load({ env }).config.auth.htpasswd, { realm: 'Registry Realm', path: '/auth/htpasswd' })
})
