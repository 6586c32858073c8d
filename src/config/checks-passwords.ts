/** What the places where passwords are known cannot do without. */
import { type Mistake, mistakeAt } from './mistakes.ts'
import type { Config } from './schema.ts'
import type { Origin } from './tree.ts'

type Given = { config: Config; origins: ReadonlyMap<string, Origin> }

export function checkPasswords({ config: { auth }, origins }: Given): Mistake[] {
  const { htpasswd, ldap } = auth
  const mistakes: Mistake[] = []
  const need = (section: string, key: string, value: string, why: string): void => {
    if (value === '')
      mistakes.push(mistakeAt(origins.get(section), `${section}.${key}`, `must be set: it is ${why}`))
  }
  if (htpasswd !== undefined) {
    need('auth.htpasswd', 'path', htpasswd.path, 'the file with names and passwords')
    need('auth.htpasswd', 'realm', htpasswd.realm, 'what clients show when they ask for a password')
  }
  // Beside tokens of another server it has to go anyway.
  if (ldap !== undefined && auth.token === undefined) {
    need('auth.ldap', 'url', ldap.url, 'where the directory is, as ldaps://directory.example.com')
    if (ldap.url !== '')
      need('auth.ldap', 'userbase', ldap.userbase, 'where people are in it, as ou=people,dc=example,dc=com')
    for (const [key, message] of ldapProblems(ldap)) {
      const path = `auth.ldap.${key}`
      mistakes.push(mistakeAt(origins.get(path) ?? origins.get('auth.ldap'), path, message))
    }
  }
  return mistakes
}

type Ldap = NonNullable<Config['auth']['ldap']>

function* ldapProblems(ldap: Ldap): Generator<[key: keyof Ldap, message: string]> {
  const { url, starttls, ca, binddn, bindpassword, userfilter, groupbase, groupfilter } = ldap
  const isTls = /^ldaps:/i.test(url)
  if (isTls && starttls)
    yield ['starttls', 'is for ldap:// addresses, and ldaps:// is TLS from the first byte: take it away']
  if (url !== '' && !isTls && !starttls && ca !== undefined)
    yield ['ca', 'needs an ldaps:// address or starttls beside it: without TLS there is no certificate']
  if (binddn === '' && bindpassword !== undefined)
    yield ['bindpassword', 'needs binddn beside it: whose password it is']
  // RFC 4513, section 5.1.2: a directory takes a name without a password as nobody in particular.
  if (binddn !== '' && bindpassword === undefined) yield ['binddn', 'needs bindpassword beside it']
  if (!userfilter.includes('{name}'))
    yield ['userfilter', 'must have {name} in it, which stands for the name']
  if (groupbase !== '' && !/\{(?:name|dn)\}/.test(groupfilter))
    yield ['groupfilter', 'must have {dn} or {name} in it: whose groups they are']
}
