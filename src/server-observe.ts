/** Part of the composition: what the protocol tells of a request, in the words of logs and metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DistributionEvent } from './distribution/exchange.ts'
import type { RouteKind } from './distribution/route.ts'
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

type RequestObserver = {
  begin(request: IncomingMessage, response: ServerResponse): Observation
  /** The id that {@link begin} gave. */
  idOf(request: IncomingMessage): string
  /** Where it comes from, as {@link begin} found it. */
  addressOf(request: IncomingMessage): string
  told(event: DistributionEvent): void
}

export function createRequestObserver(observe: Observe): RequestObserver {
  const observations = new WeakMap<IncomingMessage, Observation>()
  return {
    begin(request, response) {
      const observation = observe(request, response)
      observations.set(request, observation)
      return observation
    },
    idOf: (request) => observations.get(request)?.id ?? '',
    addressOf: (request) => observations.get(request)?.address ?? '',
    told({ request, route, principal, status, contentType, contentLength, error }) {
      const observation = observations.get(request)
      if (observation === undefined) return
      observation.kind = route === undefined ? 'other' : HANDLER[route.kind]
      observation.contentType = contentType
      observation.bytesOut = request.method === 'HEAD' || status === 304 ? 0 : contentLength
      if (principal?.kind === 'user' || principal?.kind === 'robot') observation.user = principal.name
      const name = route !== undefined && 'repository' in route ? { 'vars.name': route.repository } : {}
      observation.fields = {
        ...name,
        ...(error && {
          'err.code': error.code.toLowerCase(),
          'err.message': error.message,
          'err.detail': error.detail,
        }),
      }
      if (error !== undefined) observation.failed = true
    },
  }
}
