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

/** The verbs that change nothing, as they are. */
export function readsOf(inner: Registry): Pick<Registry, Reads> {
  return {
    getManifest: (call, name, reference) => inner.getManifest(call, name, reference),
    statManifest: (call, name, reference) => inner.statManifest(call, name, reference),
    statBlob: (call, name, digest) => inner.statBlob(call, name, digest),
    openBlob: (call, name, digest, range) => inner.openBlob(call, name, digest, range),
    listTags: (call, name, page) => inner.listTags(call, name, page),
    listReferrers: (call, name, subject, artifactType, page) =>
      inner.listReferrers(call, name, subject, artifactType, page),
    listRepositories: (call, page) => inner.listRepositories(call, page),
    searchRepositories: (call, text, page) => inner.searchRepositories(call, text, page),
  }
}
