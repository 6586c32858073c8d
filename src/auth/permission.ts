/** What a route asks for before its handler runs; the actions are those of Distribution's token scopes. */
import type { RepositoryName } from '../oci/reference.ts'

export type RepositoryAction = 'pull' | 'push' | 'delete'

export type Permission =
  /** Anyone who reaches the registry: `/v2/`, discovery. */
  | { on: 'registry' }
  /** The list of repositories; what it shows is filtered by what the asker may read. */
  | { on: 'catalog' }
  | { on: 'repository'; repository: RepositoryName; action: RepositoryAction }

export type Verdict = 'allowed' | 'denied'
