/**
 * The protocol's requests as values: one member of {@link Route} per endpoint and method, named after the verb of
 * the registry it leads to. The numbers are those of distribution-spec, "Endpoints".
 */
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'

/** A repository as it is stored, and as the client wrote it: `Location` and `Link` keep the client's form. */
export type InRepository = { repository: RepositoryName; asked: RepositoryName }

/** The part of a list that was asked for; `n` absent: the list's own default. */
export type ListQuery = { n: number | undefined; last: string | undefined }

export type Route =
  /** Not of the protocol: probes ask for `/` and want 200. */
  | { kind: 'root' }
  /** `/v2` without its slash. */
  | { kind: 'redirect' }
  /** OPTIONS on any endpoint: which methods it has. */
  | { kind: 'options'; allow: string }
  /** An endpoint, but not with this method. */
  | { kind: 'otherMethod'; allow: string }
  /** end-1: GET /v2/ */
  | { kind: 'ping' }
  /** GET /v2/_oci/ext/discover (distribution-spec, extensions/_oci.md) */
  | { kind: 'discover' }
  /** GET /v2/_catalog (Docker Registry HTTP API V2, "Listing Repositories") */
  | ({ kind: 'listRepositories' } & ListQuery)
  /** GET /v1/_ping: what docker asks before it searches */
  | { kind: 'searchPing' }
  /** GET /v1/search: what `docker search` and `podman search` ask, of the API before `/v2/` */
  | { kind: 'searchRepositories'; text: string; n: number | undefined }
  /** end-2: GET /v2/<name>/blobs/<digest> */
  | ({ kind: 'getBlob'; digest: Digest } & InRepository)
  /** end-2: HEAD /v2/<name>/blobs/<digest> */
  | ({ kind: 'statBlob'; digest: Digest } & InRepository)
  /** end-3: GET /v2/<name>/manifests/<tag-or-digest> */
  | ({ kind: 'getManifest'; reference: Reference } & InRepository)
  /** end-3: HEAD /v2/<name>/manifests/<tag-or-digest> */
  | ({ kind: 'statManifest'; reference: Reference } & InRepository)
  /** end-4a: POST /v2/<name>/blobs/uploads/, and end-4c with `?digest-algorithm=` */
  | ({ kind: 'startUpload'; algorithm: DigestAlgorithm | undefined } & InRepository)
  /** end-4b: POST /v2/<name>/blobs/uploads/?digest=<digest> */
  | ({ kind: 'putBlob'; digest: Digest } & InRepository)
  /** end-11: POST /v2/<name>/blobs/uploads/?mount=<digest>, with or without `&from=<name>` */
  | ({ kind: 'mountBlob'; digest: Digest; from: RepositoryName | undefined } & InRepository)
  /** end-5: PATCH <upload> */
  | ({ kind: 'appendUpload'; id: string } & InRepository)
  /** end-6: PUT <upload>?digest=<digest> */
  | ({ kind: 'finishUpload'; id: string; digest: Digest } & InRepository)
  /** end-13: GET, HEAD <upload> */
  | ({ kind: 'getUpload'; id: string } & InRepository)
  /** end-14: DELETE <upload> */
  | ({ kind: 'cancelUpload'; id: string } & InRepository)
  /** end-7a: PUT /v2/<name>/manifests/<tag-or-digest>, and end-7b with the `?tag=` that a digest can be given */
  | ({ kind: 'putManifest'; reference: Reference; tags: readonly Tag[] } & InRepository)
  /** end-8a, end-8b: GET /v2/<name>/tags/list */
  | ({ kind: 'listTags' } & ListQuery & InRepository)
  /** end-9: DELETE /v2/<name>/manifests/<tag-or-digest> */
  | ({ kind: 'deleteManifest'; reference: Reference } & InRepository)
  /** end-10: DELETE /v2/<name>/blobs/<digest> */
  | ({ kind: 'deleteBlob'; digest: Digest } & InRepository)
  /** end-12a, end-12b: GET /v2/<name>/referrers/<digest> */
  | ({ kind: 'listReferrers'; subject: Digest; artifactType: string | undefined } & ListQuery & InRepository)

export type RouteKind = Route['kind']
export type RouteOf<K extends RouteKind> = Extract<Route, { kind: K }>
