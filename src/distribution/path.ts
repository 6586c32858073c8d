/** The paths of the protocol: which endpoint, of which repository. Names contain slashes, so they are read from the right. */

export type Endpoint =
  | 'base'
  | 'catalog'
  | 'search'
  | 'searchPing'
  | 'discover'
  | 'manifest'
  | 'blob'
  | 'uploads'
  | 'upload'
  | 'tags'
  | 'referrers'

/** A path taken apart, nothing decoded yet; `name` and `tail` are empty where the endpoint has none. */
export type Path = {
  endpoint: Endpoint
  name: string
  tail: string
  query: string
  host: string | undefined
  namespaceHeader: string | undefined
}

/** What stands after `/v2/`, by its last segments. */
export function takeApart(
  rest: string,
  query: string,
  host: string | undefined,
  namespaceHeader: string | undefined,
): Path | undefined {
  const path: Path = { endpoint: 'base', name: '', tail: '', query, host, namespaceHeader }
  if (rest === '') return path
  if (rest.endsWith('/blobs/uploads/')) return named(path, 'uploads', rest.slice(0, -15), '')
  const text = rest.endsWith('/') ? rest.slice(0, -1) : rest
  if (text === '_catalog') return named(path, 'catalog', '', '')
  if (text === '_oci/ext/discover') return named(path, 'discover', '', '')

  const slash = text.lastIndexOf('/')
  const before = slash < 0 ? '' : text.slice(0, slash)
  const tail = text.slice(slash + 1)
  if (before.endsWith('/manifests')) return named(path, 'manifest', before.slice(0, -10), tail)
  if (before.endsWith('/blobs/uploads')) return named(path, 'upload', before.slice(0, -14), tail)
  if (before.endsWith('/blobs')) {
    const name = before.slice(0, -6)
    return tail === 'uploads' ? named(path, 'uploads', name, '') : named(path, 'blob', name, tail)
  }
  if (before.endsWith('/tags') && tail === 'list') return named(path, 'tags', before.slice(0, -5), '')
  if (before.endsWith('/referrers')) return named(path, 'referrers', before.slice(0, -10), tail)
  return undefined
}

/** What is left of version 1 of the protocol. */
export function takeSearchApart(path: string, query: string): Path | undefined {
  const endpoint = SEARCH_PATHS.get(path.endsWith('/') ? path.slice(0, -1) : path)
  return endpoint && { endpoint, name: '', tail: '', query, host: undefined, namespaceHeader: undefined }
}

const SEARCH_PATHS: ReadonlyMap<string, Endpoint> = new Map([
  ['/v1/search', 'search'],
  ['/v1/_ping', 'searchPing'],
])

function named(path: Path, endpoint: Endpoint, name: string, tail: string): Path {
  path.endpoint = endpoint
  path.name = name
  path.tail = tail
  return path
}
