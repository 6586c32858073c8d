/** Whom a token of another server stands for, and what it grants. */
import type { Principal } from '../principal.ts'
import type { VerifiedToken } from './verify-token.ts'

/** A token without a subject is one for everybody. */
export function principalOf({ subject, access }: Pick<VerifiedToken, 'subject' | 'access'>): Principal {
  const repositories = new Map<string, Set<string>>()
  let catalog = false
  for (const { type, name, actions } of access) {
    if (type === 'registry' && name === 'catalog') catalog ||= actions.includes('*')
    if (type !== 'repository') continue
    const known = repositories.get(name) ?? new Set()
    for (const action of actions) known.add(action)
    repositories.set(name, known)
  }
  return {
    id: `issuer:${subject}`,
    name: subject === '' ? 'anonymous' : subject,
    kind: subject === '' ? 'anonymous' : 'user',
    groups: [],
    claims: [],
    isAdmin: false,
    grants: [],
    token: { repositories, catalog },
  }
}

/** By exact name; `*` among the actions is all of them. */
export function grants({ token }: Principal, repository: string, action: string): boolean {
  const actions = token?.repositories.get(repository)
  return actions !== undefined && (actions.has(action) || actions.has('*'))
}
