import type { Account, Attempt } from '../identity.ts'
import type { LdapOptions } from './source.ts'
import { SEARCH } from './slapd.fixture.ts'

export const attempt = (name: string, password: string): Attempt => ({ name, password, address: '192.0.2.1' })

/** An account as `ldap:alice devs,security`; any other answer as it is. */
export function shown(answer: Account | string | undefined): string | undefined {
  if (typeof answer !== 'object') return answer
  return [answer.principal.id, answer.principal.groups.join()].join(' ').trim()
}

export const OPTIONS: Omit<LdapOptions, 'url'> = {
  starttls: false,
  ca: undefined,
  binddn: SEARCH.dn,
  bindpassword: SEARCH.password,
  userbase: 'ou=people,dc=example,dc=org',
  userfilter: '(uid={name})',
  nameattribute: 'uid',
  groupbase: 'ou=groups,dc=example,dc=org',
  groupfilter: '(member={dn})',
  groupattribute: 'cn',
  timeout: 3000,
  cache: 60_000,
}

export function movableClock(): { time: number; now(): number } {
  const clock = { time: 1_000_000, now: () => clock.time }
  return clock
}
