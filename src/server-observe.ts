/** Part of the composition: what the protocol tells of a request, in the words of logs and metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Principal } from './auth/principal.ts'
import type { TokenEnd } from './auth/tokens/endpoint.ts'
import type { DistributionEvent } from './distribution/exchange.ts'
import type { RouteKind } from './distribution/route.ts'
import type { Told } from './management/options.ts'
import type { Observation, Observe } from './serving/observe.ts'

/** Distribution's names of its routes, so that its dashboards and alerts go on working. */
const HANDLER: Readonly<Record<RouteKind, string>> = {
  root: 'root',
  redirect: 'base',
  options: 'options',
  otherMethod: 'other',
  ping: 'base',
  discover: 'extensions',
  listRepositories: 'catalog',
  searchPing: 'search',
  searchRepositories: 'search',
  getBlob: 'blob',
  statBlob: 'blob',
  deleteBlob: 'blob',
  startUpload: 'blob_upload',
  putBlob: 'blob_upload',
  mountBlob: 'blob_upload',
  appendUpload: 'blob_upload_chunk',
  finishUpload: 'blob_upload_chunk',
  getUpload: 'blob_upload_chunk',
  cancelUpload: 'blob_upload_chunk',
  getManifest: 'manifest',
  statManifest: 'manifest',
  putManifest: 'manifest',
  deleteManifest: 'manifest',
  listTags: 'tags',
  listReferrers: 'referrers',
}

/** A property of the request, since a WeakMap of all requests costs each of them, and the collector, more. */
const OBSERVATION = Symbol('observation')
type Observed = IncomingMessage & { [OBSERVATION]?: Observation }

export type RequestObserver = {
  begin(request: IncomingMessage, response: ServerResponse): Observation
  /** The id that {@link begin} gave. */
  idOf(request: IncomingMessage): string
  /** Where it comes from, as {@link begin} found it. */
  addressOf(request: IncomingMessage): string
  told(event: DistributionEvent): void
  /** Another endpoint than the protocol's answers it. */
  taken(request: IncomingMessage, kind: string): void
  tokenTold(request: IncomingMessage, end: TokenEnd): void
  apiTold(told: Told): void
}

export function createRequestObserver(observe: Observe): RequestObserver {
  const of = (request: Observed): Observation | undefined => request[OBSERVATION]
  return {
    begin(request: Observed, response) {
      const observation = observe(request, response)
      request[OBSERVATION] = observation
      return observation
    },
    idOf: (request) => of(request)?.id ?? '',
    addressOf: (request) => of(request)?.address ?? '',
    told({ request, route, principal, status, contentType, contentLength, error }) {
      const observation = of(request)
      if (observation === undefined) return
      observation.kind = route === undefined ? 'other' : HANDLER[route.kind]
      observation.contentType = contentType
      observation.bytesOut = request.method === 'HEAD' || status === 304 ? 0 : contentLength
      observation.user = userOf(principal)
      if (route !== undefined && 'repository' in route) observation.repository = route.repository
      observation.error = error
    },
    taken(request, kind) {
      const observation = of(request)
      if (observation !== undefined) observation.kind = kind
    },
    tokenTold(request, { principal, bytes, error }) {
      const observation = of(request)
      if (observation === undefined) return
      observation.contentType = 'application/json'
      observation.bytesOut = request.method === 'HEAD' ? 0 : bytes
      observation.user = userOf(principal)
      observation.error = error && { code: error.code, message: error.message }
    },
    apiTold({ request, principal, problem }) {
      const observation = of(request)
      if (observation === undefined) return
      observation.user = userOf(principal)
      observation.error = problem && { code: problem.code, message: problem.message }
    },
  }
}

/** For the access log: who signed in, if anybody did. */
function userOf(principal: Principal | undefined): string | undefined {
  if (principal === undefined || principal.kind === 'open' || principal.kind === 'anonymous') return undefined
  return principal.name
}
