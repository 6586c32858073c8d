/** For wrappers that look at changes only. */
import type { Registry } from './registry.ts'

type Reads =
  | 'getManifest'
  | 'statManifest'
  | 'statBlob'
  | 'openBlob'
  | 'listTags'
  | 'listReferrers'
  | 'listRepositories'
  | 'searchRepositories'

/** The verbs that change nothing, as they are: a read costs nothing more. A registry's verbs know no `this`. */
export function readsOf({
  getManifest,
  statManifest,
  statBlob,
  openBlob,
  listTags,
  listReferrers,
  listRepositories,
  searchRepositories,
}: Registry): Pick<Registry, Reads> {
  return {
    getManifest,
    statManifest,
    statBlob,
    openBlob,
    listTags,
    listReferrers,
    listRepositories,
    searchRepositories,
  }
}
