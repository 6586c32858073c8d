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
  if (htpasswd !== undefined)
    need('auth.htpasswd', 'path', htpasswd.path, 'the file with names and passwords')
  // Beside tokens of another server it has to go anyway.
  if (ldap !== undefined && auth.token === undefined) {
    need('auth.ldap', 'url', ldap.url, 'where the directory is, as ldaps://directory.example.com')
    if (ldap.url !== '')
      need('auth.ldap', 'userbase', ldap.userbase, 'where people are in it, as ou=people,dc=example,dc=com')
  }
  return mistakes
}
