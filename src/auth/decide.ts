/** May this principal do that: the rules of now, and the limits of its token. */
import type { Waiting } from '../lib/waiting.ts'
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

/** Nothing here waits where the rules, and the repository's row, are in memory. */
export function createDecider({
  access,
  db,
}: {
  access: Access
  db: Pick<Db, 'cached' | 'recall'>
}): Decider {
  const just = createJustAllowed()
  const withNow = <T>(then: (now: AccessNow) => Waiting<T>): Waiting<T> => {
    const now = access.current()
    return now instanceof Promise ? now.then(then) : then(now)
  }

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
    return now.may(principal, action, name) && isForThis(principal, name)
  }

  function inRepository(
    principal: Principal,
    action: RepositoryAction,
    name: RepositoryName,
  ): Waiting<Verdict> {
    return withNow((now) => {
      const allowed = may(now, principal, action, name)
      if (allowed instanceof Promise) {
        return allowed.then((is) => (is ? 'allowed' : refusal(now, principal, action, name)))
      }
      if (!allowed) return refusal(now, principal, action, name)
      just.remember(principal, action, name)
      return 'allowed'
    })
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
          return inRepository(principal, permission.action, permission.repository)
      }
    },
    guard: {
      may: (principal, action, name) =>
        just.has(principal, action, name) || withNow((now) => may(now, principal, action, name)),
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

/** What the gate has allowed a moment ago, without waiting since: the guard behind it asks the same. */
function createJustAllowed() {
  let asker: Principal | undefined
  let asked: RepositoryAction | undefined
  let where: RepositoryName | undefined
  const forget = (): void => {
    asker = undefined
  }
  return {
    remember(principal: Principal, action: RepositoryAction, name: RepositoryName): void {
      if (asker === undefined) queueMicrotask(forget)
      asker = principal
      asked = action
      where = name
    },
    has: (principal: Principal, action: RepositoryAction, name: RepositoryName): boolean =>
      asker === principal && asked === action && where === name,
  }
}

/** Clients choose how to sign in by the answer to `/v2/`: who has no token yet, of nobody either, is told how. */
function isStranger({ kind, token }: Principal): boolean {
  return kind === 'anonymous' && token === undefined
}
