/** What limits a principal, or gives to it, beside the rules: scopes of robots and personal tokens, grants of tokens. */
import type { Principal, Scope, TokenGrant } from '../principal.ts'
import { coversPattern, isProblem, matchesPattern, type Pattern, parsePattern } from './pattern.ts'
import { ADMIN, ALL, CREATE, DELETE, NOTHING, PULL, PUSH, type Rights, rightsOfActions } from './rights.ts'

type Compiled = { readonly pattern: Pattern; readonly rights: Rights }

/** Scopes are read once for each list of them; a list is never changed. */
const compiled = new WeakMap<readonly Scope[], readonly Compiled[]>()

/** A pattern that is none gives nothing: whoever made the scope has checked it. */
function compile(scopes: readonly Scope[]): readonly Compiled[] {
  const known = compiled.get(scopes)
  if (known !== undefined) return known
  const made = scopes.flatMap(({ repositories, actions }) => {
    const pattern = parsePattern(repositories)
    return isProblem(pattern) ? [] : [{ pattern, rights: rightsOfActions(actions) }]
  })
  compiled.set(scopes, made)
  return made
}

/** `{user}` of patterns means a person. */
export function personOf({ kind, name }: Principal): string | undefined {
  return kind === 'user' ? name : undefined
}

/** What all scopes that match give together. */
export function rightsInScopes(scopes: readonly Scope[], principal: Principal, repository: string): Rights {
  if (scopes.length === 0) return NOTHING
  const parts = repository.split('/')
  const user = personOf(principal)
  let rights = NOTHING
  for (const scope of compile(scopes)) if (matchesPattern(scope.pattern, parts, user)) rights |= scope.rights
  return rights
}

/** Whether one scope gives `admin` in everything that a pattern matches. */
export function scopesAdminister(scopes: readonly Scope[], principal: Principal, pattern: Pattern): boolean {
  const user = personOf(principal)
  return compile(scopes).some(
    (scope) => (scope.rights & ADMIN) !== 0 && coversPattern(scope.pattern, pattern, user),
  )
}

/**
 * What a token was asked for: by the exact name. `push` is what a token of somebody who may only create says, too:
 * the account's own rights tell them apart. `*` stands for every action. Never `admin`: no token is asked for that.
 */
export function rightsInToken(token: TokenGrant, repository: string): Rights {
  const actions = token.repositories.get(repository)
  if (actions === undefined) return NOTHING
  if (actions.has('*')) return ALL & ~ADMIN
  let rights = NOTHING
  if (actions.has('pull')) rights |= PULL
  if (actions.has('push')) rights |= PUSH | CREATE
  if (actions.has('create')) rights |= CREATE
  if (actions.has('delete')) rights |= DELETE
  return rights
}
