/** What a route asks for before its handler runs; the actions are those of Distribution's token scopes. */
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Principal } from './principal.ts'

export type RepositoryAction = 'pull' | 'push' | 'delete'

/** What a rule allows. `create`: to push, but not to move a tag that is there. `admin`: all of it, and who else may. */
export type RuleAction = RepositoryAction | 'create' | 'admin'

export const RULE_ACTIONS: readonly RuleAction[] = ['pull', 'push', 'create', 'delete', 'admin']

export type Permission =
  /** Anyone who reaches the registry and is known: `/v2/`, discovery. */
  | { on: 'registry' }
  /** A list of repositories; what it shows is filtered by what the asker may read. */
  | { on: 'catalog' }
  /** The same, for clients that never sign in to ask: who did not sees what everybody may pull. */
  | { on: 'search' }
  | { on: 'repository'; repository: RepositoryName; action: RepositoryAction }

export type Verdict =
  | 'allowed'
  /** 403: signing in again would not help. */
  | 'denied'
  /** 401: whoever signs in may be allowed. */
  | 'sign-in'
  /** 401, `insufficient_scope`: another token of the same account may be allowed. */
  | 'wider-token'

/** What the domain asks, verb by verb, whatever was asked at the door. */
export type Guard = {
  /** `push` is also allowed to who may only `create`; {@link mayMoveTags} tells them apart. */
  may(principal: Principal, action: RepositoryAction, repository: RepositoryName): boolean | Promise<boolean>
  /** Whether a push may point a tag that is there to something else. */
  mayMoveTags(principal: Principal, repository: RepositoryName): boolean | Promise<boolean>
  /**
   * Whether lists show this repository: what the asker may pull, also where the token that was brought is for the list
   * and not for the repositories in it.
   */
  mayList(principal: Principal, repository: RepositoryName): boolean | Promise<boolean>
}

/**
 * What somebody is told who may not do that. By names only, so that it is the same whether the repository is there or
 * not.
 */
export function refusalOf(
  { kind, name }: Pick<Principal, 'kind' | 'name'>,
  action: RepositoryAction,
  repository: RepositoryName,
): RegistryError {
  if (kind === 'anonymous') return new RegistryError('UNAUTHORIZED')
  const who = kind === 'robot' ? `robot:${name}` : name
  const how = kind === 'workload' ? '' : ` ("berth access explain ${who} ${action} ${repository}")`
  return new RegistryError(
    'DENIED',
    `${name} may not ${action} here: ask who runs this registry, and can see why${how}`,
  )
}
