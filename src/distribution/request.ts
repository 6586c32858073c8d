/** Method and URL → {@link Route}: everything that can be said about a request before asking who sent it. */
import { isDigest, isDigestAlgorithm, parseDigest, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import {
  isRepositoryName,
  parseReference,
  parseRepositoryName,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts'
import { takeApart, takeSearchApart, type Endpoint, type Path } from './path.ts'
import { parsePageSize, percentDecode, queryValue, queryValues } from './query.ts'
import { resolveRepository } from './resolve-repository.ts'
import type { InRepository, ListQuery, Route } from './route.ts'

/** Tags that one push by digest may set (distribution-spec wants at least 10). */
const MAX_TAGS_PER_PUSH = 100

/**
 * One trailing slash is forgiven.
 * @param url the request's target: origin form, or absolute form as proxies send it
 * @param prefix what stands before `/v2/`, without a trailing slash; `/` itself is not moved by it
 * @throws RegistryError UNSUPPORTED with status 404 for a path that is no endpoint; the specification's 400s
 */
export function parseRequest(
  method: string,
  url: string,
  prefix = '',
  host?: string,
  namespaceHeader?: string,
): Route {
  const target = url.startsWith('/') ? url : originForm(url)
  const mark = target.indexOf('?')
  let path = mark < 0 ? target : target.slice(0, mark)
  const query = mark < 0 ? '' : target.slice(mark + 1)
  if (path === '/') return { kind: 'root' }
  // Clients search at the root of the host, whatever stands before names there.
  if (prefix !== '' && takeSearchApart(path, query) === undefined) {
    if (!path.startsWith(prefix)) throw noSuchEndpoint(path)
    path = path.slice(prefix.length)
  }
  if (path === '/v2') return { kind: 'redirect' }
  const parts = path.startsWith('/v2/')
    ? takeApart(path.slice(4), query, host, namespaceHeader)
    : takeSearchApart(path, query)
  if (parts === undefined) throw noSuchEndpoint(path)
  const methods = ENDPOINTS[parts.endpoint]
  const build = methods.build.get(method)
  if (build !== undefined) return build(parts)
  return { kind: method === 'OPTIONS' ? 'options' : 'otherMethod', allow: methods.allow }
}

function originForm(url: string): string {
  const scheme = url.indexOf('://')
  if (scheme < 0) return url
  const slash = url.indexOf('/', scheme + 3)
  return slash < 0 ? '/' : url.slice(slash)
}

function noSuchEndpoint(path: string): RegistryError {
  const message = path.startsWith('/v1/')
    ? 'of version 1 of the protocol this registry has the search only: its API is below /v2/'
    : 'there is no such endpoint: the API is below /v2/, see the OCI Distribution Specification, "Endpoints"'
  return new RegistryError('UNSUPPORTED', message, { status: 404 })
}

type Build = (path: Path) => Route

function endpoint(build: Record<string, Build>): { allow: string; build: ReadonlyMap<string, Build> } {
  return { allow: Object.keys(build).join(', '), build: new Map(Object.entries(build)) }
}

const ENDPOINTS: Record<Endpoint, { allow: string; build: ReadonlyMap<string, Build> }> = {
  base: endpoint({ GET: () => ({ kind: 'ping' }), HEAD: () => ({ kind: 'ping' }) }),
  discover: endpoint({ GET: () => ({ kind: 'discover' }) }),
  catalog: endpoint({
    GET: (path) => ({ kind: 'listRepositories', ...listQuery(path, 'NAME_INVALID') }),
  }),
  search: endpoint({ GET: searchRepositories }),
  searchPing: endpoint({ GET: () => ({ kind: 'searchPing' }) }),
  manifest: endpoint({
    GET: (path) => ({ kind: 'getManifest', ...inRepository(path), reference: referenceOf(path) }),
    HEAD: (path) => ({ kind: 'statManifest', ...inRepository(path), reference: referenceOf(path) }),
    PUT: putManifest,
    DELETE: (path) => ({ kind: 'deleteManifest', ...inRepository(path), reference: referenceOf(path) }),
  }),
  blob: endpoint({
    GET: (path) => ({ kind: 'getBlob', ...inRepository(path), digest: digestOf(path) }),
    HEAD: (path) => ({ kind: 'statBlob', ...inRepository(path), digest: digestOf(path) }),
    DELETE: (path) => ({ kind: 'deleteBlob', ...inRepository(path), digest: digestOf(path) }),
  }),
  uploads: endpoint({ POST: beginUpload }),
  upload: endpoint({
    GET: (path) => ({ kind: 'getUpload', ...inRepository(path), id: uploadOf(path) }),
    HEAD: (path) => ({ kind: 'getUpload', ...inRepository(path), id: uploadOf(path) }),
    PATCH: (path) => ({ kind: 'appendUpload', ...inRepository(path), id: uploadOf(path) }),
    PUT: (path) => ({
      kind: 'finishUpload',
      ...inRepository(path),
      id: uploadOf(path),
      digest: closingDigest(path),
    }),
    DELETE: (path) => ({ kind: 'cancelUpload', ...inRepository(path), id: uploadOf(path) }),
  }),
  tags: endpoint({
    GET: (path) => ({ kind: 'listTags', ...inRepository(path), ...listQuery(path, 'TAG_INVALID') }),
  }),
  referrers: endpoint({ GET: listReferrers }),
}

function inRepository(path: Path): InRepository {
  const decoded = path.name.includes('%') ? decodedName(path.name) : path.name
  const asked = parseRepositoryName(decoded)
  return { repository: resolved(path, asked), asked }
}

function resolved({ host, namespaceHeader, query }: Path, name: RepositoryName): RepositoryName {
  return resolveRepository({ host, name, ns: queryValue(query, 'ns', 'NAME_INVALID'), namespaceHeader })
}

/** A slash that is escaped is not one that separates: such a name is refused, not read as another one. */
function decodedName(raw: string): string {
  const decoded = /%2f/i.test(raw) ? undefined : percentDecode(raw)
  if (decoded !== undefined) return decoded
  throw new RegistryError(
    'NAME_INVALID',
    'a repository name is not percent-encoded; its parts are separated by "/"',
  )
}

function referenceOf(path: Path): Reference {
  return parseReference(percentDecode(path.tail) ?? path.tail)
}

function digestOf(path: Path): Digest {
  return parseDigest(percentDecode(path.tail) ?? path.tail)
}

const UPLOAD_ID = /^[A-Za-z0-9][A-Za-z0-9._=-]{0,127}$/

function uploadOf(path: Path): string {
  if (UPLOAD_ID.test(path.tail)) return path.tail
  throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
}

function closingDigest(path: Path): Digest {
  const digest = queryValue(path.query, 'digest', 'DIGEST_INVALID')
  if (digest !== undefined) return parseDigest(digest)
  throw new RegistryError('DIGEST_INVALID', 'an upload is closed with ?digest=<digest of the whole blob>')
}

/** A mount that cannot be read as one is an upload: clients go on with it, but give up on an error. */
function beginUpload(path: Path): Route {
  const place = inRepository(path)
  const { query } = path
  if (query === '') return { kind: 'startUpload', ...place, algorithm: undefined }
  const mount = queryValue(query, 'mount', 'DIGEST_INVALID')
  if (mount !== undefined && isDigest(mount)) {
    const from = queryValue(query, 'from', 'NAME_INVALID')
    if (from === undefined) return { kind: 'mountBlob', ...place, digest: mount, from }
    if (isRepositoryName(from)) {
      return { kind: 'mountBlob', ...place, digest: mount, from: resolved(path, from) }
    }
  }
  const digest = mount === undefined ? queryValue(query, 'digest', 'DIGEST_INVALID') : undefined
  if (digest !== undefined) return { kind: 'putBlob', ...place, digest: parseDigest(digest) }
  return { kind: 'startUpload', ...place, algorithm: algorithmOf(query) }
}

function algorithmOf(query: string): DigestAlgorithm | undefined {
  const algorithm = queryValue(query, 'digest-algorithm', 'DIGEST_INVALID')
  if (algorithm === undefined || isDigestAlgorithm(algorithm)) return algorithm
  throw new RegistryError('DIGEST_INVALID', 'digest-algorithm is "sha256" or "sha512"')
}

/** distribution-spec, end-7b: `?tag=` belongs to a push by digest; beside a tag it means nothing. */
function putManifest(path: Path): Route {
  const place = inRepository(path)
  const reference = referenceOf(path)
  if (reference.kind === 'tag') return { kind: 'putManifest', ...place, reference, tags: [reference.tag] }
  const values = queryValues(path.query, 'tag', 'TAG_INVALID', MAX_TAGS_PER_PUSH)
  if (values.length > MAX_TAGS_PER_PUSH) {
    throw new RegistryError('TAG_INVALID', `one push sets at most ${MAX_TAGS_PER_PUSH} tags`, { status: 414 })
  }
  const tags: Tag[] = [...new Set(values)].map(parseTag)
  return { kind: 'putManifest', ...place, reference, tags }
}

function listReferrers(path: Path): Route {
  const place = inRepository(path)
  const subject = digestOf(path)
  const artifactType = queryValue(path.query, 'artifactType', 'MANIFEST_INVALID')
  const { n, last } = listQuery(path, 'DIGEST_INVALID')
  return {
    kind: 'listReferrers',
    ...place,
    subject,
    artifactType,
    n,
    last: last === undefined ? last : parseDigest(last),
  }
}

/** Docker Registry API V1, "Search". */
function searchRepositories({ query }: Path): Route {
  return {
    kind: 'searchRepositories',
    text: queryValue(query, 'q', 'NAME_INVALID') ?? '',
    n: parsePageSize(query),
  }
}

function listQuery(path: Path, code: 'NAME_INVALID' | 'TAG_INVALID' | 'DIGEST_INVALID'): ListQuery {
  if (path.query === '') return { n: undefined, last: undefined }
  return { n: parsePageSize(path.query), last: queryValue(path.query, 'last', code) }
}
