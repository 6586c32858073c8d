/** May this principal do that: the rules of now, and the limits of its token. */
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { findRepository, recallRepository } from '../metadata/repositories.ts'
import type { Db } from '../metadata/database.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Access, AccessNow } from './access.ts'
import type { Guard, Permission, RepositoryAction, Verdict } from './permission.ts'
import type { Principal } from './principal.ts'

export type Decider = {
  verdict(principal: Principal, permission: Permission): Waiting<Verdict>
  guard: Guard
}

/** What was allowed, and the state of everything that it follows from. */
type Allowed = {
  readonly changes: number
  readonly now: AccessNow
  readonly principal: Principal
  readonly action: RepositoryAction
  readonly name: RepositoryName
}

/** Nothing here waits where the rules, and the repository's row, are in memory. */
export function createDecider({
  access,
  db,
}: {
  access: Access
  db: Pick<Db, 'cached' | 'recall' | 'changes'>
}): Decider {
  // The guard asks what the gate asked a moment ago, and the next request often the same.
  let last: Allowed | undefined

  const withNow = <T>(then: (now: AccessNow) => Waiting<T>): Waiting<T> => whenKnown(access.current(), then)

  /** A token is for the repository that was there when it was made, not for what got its name since. */
  function isForThis({ token }: Principal, repository: RepositoryName): Waiting<boolean> {
    const row = token?.rows?.get(repository)
    if (row === undefined) return true
    const known = recallRepository(db, repository)
    if (known !== undefined) return known.id === row
    return findRepository(db, repository).then((found) => found?.id === row)
  }

  function may(
    now: AccessNow,
    principal: Principal,
    action: RepositoryAction,
    name: RepositoryName,
  ): Waiting<boolean> {
    const changes = db.changes()
    const isAsBefore =
      last?.changes === changes &&
      last.now === now &&
      last.principal === principal &&
      last.action === action &&
      last.name === name
    if (isAsBefore) return true
    const allowed = now.may(principal, action, name) && isForThis(principal, name)
    if (allowed === true) last = { changes, now, principal, action, name }
    return allowed
  }

  function verdictIn(
    now: AccessNow,
    principal: Principal,
    action: RepositoryAction,
    name: RepositoryName,
  ): Waiting<Verdict> {
    return whenKnown(may(now, principal, action, name), (is) =>
      is ? 'allowed' : refusal(now, principal, action, name),
    )
  }

  return {
    verdict(principal, permission) {
      switch (permission.on) {
        case 'registry':
          return isStranger(principal) ? 'sign-in' : 'allowed'
        case 'catalog':
          if (isStranger(principal)) return 'sign-in'
          return principal.token === undefined || principal.token.catalog ? 'allowed' : 'wider-token'
        case 'search':
          return principal.token === undefined || principal.token.catalog ? 'allowed' : 'wider-token'
        case 'repository':
          return withNow((now) => verdictIn(now, principal, permission.action, permission.repository))
      }
    },
    guard: {
      may: (principal, action, name) => withNow((now) => may(now, principal, action, name)),
      mayMoveTags: (principal, name) => withNow((now) => now.mayMoveTags(principal, name)),
      mayList: (principal, name) =>
        withNow((now) =>
          principal.token?.catalog === true
            ? now.couldWithAnotherToken(principal, 'pull', name)
            : now.may(principal, 'pull', name),
        ),
    },
  }
}

function refusal(
  now: AccessNow,
  principal: Principal,
  action: RepositoryAction,
  name: RepositoryName,
): Verdict {
  if (principal.token !== undefined && now.couldWithAnotherToken(principal, action, name)) {
    return 'wider-token'
  }
  return principal.kind === 'anonymous' ? 'sign-in' : 'denied'
}

/** Clients choose how to sign in by the answer to `/v2/`: who has no token yet, of nobody either, is told how. */
function isStranger({ kind, token }: Principal): boolean {
  return kind === 'anonymous' && token === undefined
}
