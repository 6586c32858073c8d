/** What a token is asked for: Distribution's scopes (its "Token Scope Documentation"), `repository:team/app:pull,push`. */
import { isRepositoryName, type RepositoryName } from '../../oci/reference.ts'
import type { RepositoryAction } from '../permission.ts'

export type AskedScopes = {
  /** In the order in which they were asked for; a repository that is named twice is asked for once, with all actions. */
  repositories: ReadonlyMap<RepositoryName, ReadonlySet<RepositoryAction>>
  /** `registry:catalog:*` */
  catalog: boolean
}

/** Scopes that are looked at; a push that mounts from everywhere asks for some ten. */
const MOST_SCOPES = 100
const REPOSITORY_ACTIONS: readonly RepositoryAction[] = ['pull', 'push', 'delete']
const KIND = /^([a-z0-9]+)(?:\([a-z0-9]+\))?:/

/**
 * What cannot be read, or is of a kind that is not known, asks for nothing: the rest is granted all the same.
 * @param texts values of `scope`: one scope each (GET), or several with spaces between (POST)
 */
export function parseScopes(texts: readonly string[]): AskedScopes {
  const repositories = new Map<RepositoryName, Set<RepositoryAction>>()
  let catalog = false
  const scopes = texts.flatMap((text) => text.split(' ')).filter((scope) => scope !== '')
  for (const scope of scopes.slice(0, MOST_SCOPES)) {
    const kind = KIND.exec(scope)
    // The name may have a colon, of a host's port: the actions stand behind the last one.
    const last = scope.lastIndexOf(':')
    if (kind === null || last < kind[0].length) continue
    const name = scope.slice(kind[0].length, last)
    const actions = scope.slice(last + 1).split(',')
    // docker asks for "search" before it searches.
    const isList = actions.includes('*') || actions.includes('search')
    if (kind[1] === 'registry') catalog ||= name === 'catalog' && isList
    if (kind[1] !== 'repository' || !isRepositoryName(name)) continue
    const asked = repositories.get(name) ?? new Set()
    for (const action of REPOSITORY_ACTIONS) {
      if (actions.includes(action) || actions.includes('*')) asked.add(action)
    }
    repositories.set(name, asked)
  }
  return { repositories, catalog }
}
