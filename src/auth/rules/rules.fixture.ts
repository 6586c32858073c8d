/** Principals and rules for tests. */
import type { RuleAction } from '../permission.ts'
import { anonymousPrincipal, type Principal } from '../principal.ts'
import type { Rule } from './rule.ts'

export function user(name: string, more: Partial<Principal> = {}): Principal {
  return { ...anonymousPrincipal, id: `htpasswd:${name}`, name, kind: 'user', ...more }
}

export function robot(name: string, more: Partial<Principal> = {}): Principal {
  return { ...anonymousPrincipal, id: 'robot:1', name, kind: 'robot', ...more }
}

export function workload(name: string, more: Partial<Principal> = {}): Principal {
  return { ...anonymousPrincipal, id: `workload:${name}`, name, kind: 'workload', ...more }
}

/** `allow` as `{ 'group:devs': 'pull push' }`. */
export function rule(pattern: string, allow: Readonly<Record<string, string>>, source = 'test'): Rule {
  const entries = Object.entries(allow).map(
    ([who, actions]) => [who, actions.split(' ').filter(Boolean) as RuleAction[]] as const,
  )
  return { pattern, allow: Object.fromEntries(entries), source }
}
