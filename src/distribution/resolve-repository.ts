/** Which stored repository a request means. */
import type { RepositoryName } from '../oci/reference.ts'

/** Everything of a request that may say which registry the client had in mind. */
type AskedRepository = {
  /** `Host`. */
  host: string | undefined
  /** The name in the path. */
  name: RepositoryName
  /** `?ns=`, which containerd sends to mirrors (distribution-spec, "Registry Proxying"). */
  ns: string | undefined
  /** `OCI-Namespace`. */
  namespaceHeader: string | undefined
}

/**
 * The name as stored. A registry without upstreams hosts every name itself, so that a mirror's `?ns=` changes
 * nothing, as in CNCF Distribution. Pure, and called before authentication: permissions are asked for the result.
 */
export function resolveRepository({ name }: AskedRepository): RepositoryName {
  return name
}
