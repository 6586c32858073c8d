/**
 * What is asked of each kind of route, and what each identity must get: literally, so that a change of who may do what
 * shows here. A kind that the protocol gets later has no row, and fails the matrix until somebody has judged it.
 */
import type { RouteKind } from '../../src/distribution/route.ts'
import { blobOf, imageOf, type Blob } from '../lib/content.ts'
import type { Ask } from '../lib/http-client.ts'
import { expectStatus, type RegistryClient, withDigest } from '../lib/registry-client.ts'
import type { Content } from './content.ts'

export const IDENTITIES = [
  'anonymous',
  'outsider',
  'reader',
  'pusher',
  'creator',
  'deleter',
  'administrator',
  'expired token',
  'expired robot',
  'disabled',
] as const
export type Identity = (typeof IDENTITIES)[number]
export const REPOSITORIES = ['public/app', 'private/app', 'private/none'] as const
export type Repository = (typeof REPOSITORIES)[number]

export type Situation = {
  /** The administrator, who makes what a request needs. */
  admin: RegistryClient
  /** Begins an upload as who is judged; where they may begin none, as somebody else. @returns its address */
  upload(): Promise<string>
  foreignUpload(): Promise<string>
  repository: Repository
  /** Of the repository; for the one that is absent, that of the private one. */
  content: Content
  /** Of `public/app`. */
  publicContent: Content
  isAbsent: boolean
  /** Different each time. */
  fresh: string
}
export type Request = {
  line: string
  ask?: Ask
  /** Where it is refused: what stands there afterwards, as it did before. Undefined: nothing. */
  unchanged?: [path: string, digest: string | undefined]
}

/** A status for each of {@link IDENTITIES}. */
export type Statuses = string
export type Row = {
  what: string
  request(situation: Situation): Request | Promise<Request>
  public: Statuses
  private: Statuses
  absent: Statuses
  /** Where a token, of nobody too, makes a difference: the statuses in all three. */
  bearer?: Statuses
}

const NEVER = '401 401 401'
const everybody = (status: number): Pick<Row, 'public' | 'private' | 'absent'> => {
  const statuses = Array.from({ length: 10 }, () => status).join(' ')
  return { public: statuses, private: statuses, absent: statuses }
}

const line =
  (text: (situation: Situation) => string) =>
  (situation: Situation): Request => ({ line: text(situation) })

async function freshImage({
  admin,
  repository,
  fresh,
  isAbsent,
}: Situation): Promise<ReturnType<typeof imageOf>> {
  const config = blobOf(`config ${fresh}`, 20)
  if (!isAbsent) expectStatus(await admin.pushBlob(repository, config, 'post'), 201)
  return imageOf(config, [])
}

const small = (fresh: string): Blob => blobOf(fresh, 10)

const PULLED = `200 200 200 200 200 200 200 ${NEVER}`
const PULLED_BY_SOME = `401 403 200 200 200 200 200 ${NEVER}`
const PULLED_BUT_ABSENT = `401 403 404 404 404 404 404 ${NEVER}`
const pulled = { public: PULLED, private: PULLED_BY_SOME, absent: PULLED_BUT_ABSENT }

/** The same everywhere: pushing makes what is absent. */
const pushed = (status: number): Pick<Row, 'public' | 'private' | 'absent'> => {
  const statuses = `401 403 403 ${status} ${status} 403 ${status} ${NEVER}`
  return { public: statuses, private: statuses, absent: statuses }
}
const DELETED = `401 403 403 403 403 202 202 ${NEVER}`
const NOTHING_TO_DELETE = `401 403 403 403 403 404 404 ${NEVER}`
const deleted = { public: DELETED, private: DELETED, absent: NOTHING_TO_DELETE }

export const ROWS: Record<RouteKind, readonly Row[]> = {
  root: [{ what: 'GET /', request: line(() => 'GET /'), ...everybody(200) }],
  redirect: [{ what: 'GET /v2', request: line(() => 'GET /v2'), ...everybody(301) }],
  options: [
    {
      what: 'OPTIONS',
      request: line(({ repository }) => `OPTIONS /v2/${repository}/tags/list`),
      ...everybody(204),
    },
  ],
  otherMethod: [
    {
      what: 'another method',
      request: line(({ repository }) => `PUT /v2/${repository}/tags/list`),
      ...everybody(405),
    },
  ],
  searchPing: [{ what: 'GET /v1/_ping', request: line(() => 'GET /v1/_ping'), ...everybody(404) }],
  ping: [
    {
      what: 'GET /v2/',
      request: line(() => 'GET /v2/'),
      public: `401 200 200 200 200 200 200 ${NEVER}`,
      private: `401 200 200 200 200 200 200 ${NEVER}`,
      absent: `401 200 200 200 200 200 200 ${NEVER}`,
      bearer: `200 200 200 200 200 200 200 ${NEVER}`,
    },
  ],
  discover: [
    {
      what: 'discover',
      request: line(() => 'GET /v2/_oci/ext/discover'),
      public: `401 200 200 200 200 200 200 ${NEVER}`,
      private: `401 200 200 200 200 200 200 ${NEVER}`,
      absent: `401 200 200 200 200 200 200 ${NEVER}`,
      bearer: `200 200 200 200 200 200 200 ${NEVER}`,
    },
  ],
  listRepositories: [
    {
      what: 'the catalog',
      request: line(() => 'GET /v2/_catalog?n=1000'),
      public: `401 200 200 200 200 200 200 ${NEVER}`,
      private: `401 200 200 200 200 200 200 ${NEVER}`,
      absent: `401 200 200 200 200 200 200 ${NEVER}`,
      bearer: `200 200 200 200 200 200 200 ${NEVER}`,
    },
  ],
  searchRepositories: [
    {
      what: 'a search for the name',
      request: line(({ repository }) => `GET /v1/search?q=${encodeURIComponent(repository)}&n=100`),
      public: `200 200 200 200 200 200 200 ${NEVER}`,
      // Who has not signed in is told to where there is nothing for everybody.
      private: `401 200 200 200 200 200 200 ${NEVER}`,
      absent: `401 200 200 200 200 200 200 ${NEVER}`,
    },
    {
      what: 'a search for everything',
      request: line(() => 'GET /v1/search?q=&n=100'),
      public: `200 200 200 200 200 200 200 ${NEVER}`,
      private: `200 200 200 200 200 200 200 ${NEVER}`,
      absent: `200 200 200 200 200 200 200 ${NEVER}`,
    },
  ],
  listTags: [
    { what: 'tags', request: line(({ repository }) => `GET /v2/${repository}/tags/list`), ...pulled },
  ],
  listReferrers: [
    {
      what: 'referrers',
      request: line(({ repository, content }) => `GET /v2/${repository}/referrers/${content.image.digest}`),
      ...pulled,
      absent: PULLED_BY_SOME,
    },
  ],
  getManifest: [
    {
      what: 'GET by tag',
      request: line(({ repository, content }) => `GET /v2/${repository}/manifests/${content.tag}`),
      ...pulled,
    },
    {
      what: 'GET by digest',
      request: line(({ repository, content }) => `GET /v2/${repository}/manifests/${content.image.digest}`),
      ...pulled,
    },
  ],
  statManifest: [
    {
      what: 'HEAD by tag',
      request: line(({ repository, content }) => `HEAD /v2/${repository}/manifests/${content.tag}`),
      ...pulled,
    },
    {
      what: 'HEAD by digest',
      request: line(({ repository, content }) => `HEAD /v2/${repository}/manifests/${content.image.digest}`),
      ...pulled,
    },
  ],
  getBlob: [
    {
      what: 'GET',
      request: line(({ repository, content }) => `GET /v2/${repository}/blobs/${content.layer.digest}`),
      ...pulled,
    },
    {
      what: 'a range',
      request: ({ repository, content }) => ({
        line: `GET /v2/${repository}/blobs/${content.layer.digest}`,
        ask: { headers: { range: 'bytes=0-9' } },
      }),
      public: PULLED.replaceAll('200', '206'),
      private: PULLED_BY_SOME.replaceAll('200', '206'),
      absent: PULLED_BUT_ABSENT,
    },
  ],
  statBlob: [
    {
      what: 'HEAD',
      request: line(({ repository, content }) => `HEAD /v2/${repository}/blobs/${content.layer.digest}`),
      ...pulled,
    },
  ],
  putManifest: [
    {
      what: 'a new tag',
      request: async (situation) => {
        const { bytes, mediaType } = await freshImage(situation)
        return {
          line: `PUT /v2/${situation.repository}/manifests/new-${situation.fresh}`,
          ask: { body: bytes, headers: { 'content-type': mediaType } },
          unchanged: [`${situation.repository}/manifests/new-${situation.fresh}`, undefined],
        }
      },
      ...pushed(201),
      absent: pushed(400).absent,
    },
    {
      what: 'a tag that is there',
      request: async (situation) => {
        const { admin, repository, isAbsent, fresh } = situation
        const before = await freshImage({ ...situation, fresh: `before ${fresh}` })
        if (!isAbsent) expectStatus(await admin.putManifest(repository, `moving-${fresh}`, before), 201)
        const { bytes, mediaType } = await freshImage(situation)
        return {
          line: `PUT /v2/${repository}/manifests/moving-${fresh}`,
          ask: { body: bytes, headers: { 'content-type': mediaType } },
          unchanged: [`${repository}/manifests/moving-${fresh}`, isAbsent ? undefined : before.digest],
        }
      },
      public: `401 403 403 201 403 403 201 ${NEVER}`,
      private: `401 403 403 201 403 403 201 ${NEVER}`,
      absent: `401 403 403 400 400 403 400 ${NEVER}`,
    },
    {
      what: 'a tag that is there, by ?tag=',
      request: async (situation) => {
        const { admin, repository, isAbsent, fresh } = situation
        const before = await freshImage({ ...situation, fresh: `before ${fresh}` })
        if (!isAbsent) expectStatus(await admin.putManifest(repository, `moving-${fresh}`, before), 201)
        const { bytes, mediaType, digest } = await freshImage(situation)
        return {
          line: `PUT /v2/${repository}/manifests/${digest}?tag=other-${fresh}&tag=moving-${fresh}`,
          ask: { body: bytes, headers: { 'content-type': mediaType } },
          unchanged: [`${repository}/manifests/moving-${fresh}`, isAbsent ? undefined : before.digest],
        }
      },
      public: `401 403 403 201 403 403 201 ${NEVER}`,
      private: `401 403 403 201 403 403 201 ${NEVER}`,
      absent: `401 403 403 400 400 403 400 ${NEVER}`,
    },
  ],
  deleteManifest: [
    {
      what: 'a tag',
      request: async (situation) => {
        const { admin, repository, isAbsent, fresh } = situation
        const image = await freshImage(situation)
        if (!isAbsent) expectStatus(await admin.putManifest(repository, `going-${fresh}`, image), 201)
        const path = `${repository}/manifests/going-${fresh}`
        return { line: `DELETE /v2/${path}`, unchanged: [path, isAbsent ? undefined : image.digest] }
      },
      ...deleted,
    },
    {
      what: 'a manifest',
      request: async (situation) => {
        const { admin, repository, isAbsent } = situation
        const image = await freshImage(situation)
        if (!isAbsent) expectStatus(await admin.putManifest(repository, image.digest, image), 201)
        const path = `${repository}/manifests/${image.digest}`
        return { line: `DELETE /v2/${path}`, unchanged: [path, isAbsent ? undefined : image.digest] }
      },
      ...deleted,
    },
  ],
  deleteBlob: [
    {
      what: 'a blob',
      request: async ({ admin, repository, isAbsent, fresh }) => {
        const blob = small(`going ${fresh}`)
        if (!isAbsent) expectStatus(await admin.pushBlob(repository, blob, 'post'), 201)
        const path = `${repository}/blobs/${blob.digest}`
        return { line: `DELETE /v2/${path}`, unchanged: [path, isAbsent ? undefined : blob.digest] }
      },
      ...deleted,
    },
  ],
  startUpload: [
    {
      what: 'POST',
      request: line(({ repository }) => `POST /v2/${repository}/blobs/uploads/`),
      ...pushed(202),
    },
  ],
  putBlob: [
    {
      what: 'POST with the blob',
      request: ({ repository, fresh }) => ({
        line: `POST /v2/${repository}/blobs/uploads/?digest=${small(fresh).digest}`,
        ask: { body: small(fresh).bytes },
        unchanged: [`${repository}/blobs/${small(fresh).digest}`, undefined],
      }),
      ...pushed(201),
    },
    {
      what: 'a known digest with other bytes',
      request: ({ repository, content }) => ({
        line: `POST /v2/${repository}/blobs/uploads/?digest=${content.layer.digest}`,
        ask: { body: Buffer.from('other bytes') },
      }),
      ...pushed(400),
    },
  ],
  mountBlob: [
    {
      what: 'from where everybody may pull',
      request: line(
        ({ repository, publicContent }) =>
          `POST /v2/${repository}/blobs/uploads/?mount=${publicContent.layer.digest}&from=public/app`,
      ),
      ...pushed(201),
    },
    {
      what: 'from nowhere',
      request: line(
        ({ repository, fresh }) =>
          `POST /v2/${repository}/blobs/uploads/?mount=${small(`none ${fresh}`).digest}&from=private/none`,
      ),
      ...pushed(202),
    },
  ],
  getUpload: [
    { what: 'its own', request: async (x) => ({ line: `GET ${await x.upload()}` }), ...pushed(204) },
    {
      what: 'of another',
      request: async (x) => ({ line: `GET ${await x.foreignUpload()}` }),
      ...pushed(404),
    },
  ],
  appendUpload: [
    {
      what: 'its own',
      request: async (x) => ({ line: `PATCH ${await x.upload()}`, ask: { body: Buffer.from('some') } }),
      ...pushed(202),
    },
    {
      what: 'of another',
      request: async (x) => ({
        line: `PATCH ${await x.foreignUpload()}`,
        ask: { body: Buffer.from('some') },
      }),
      ...pushed(404),
    },
  ],
  finishUpload: [
    {
      what: 'its own',
      request: async (x) => ({
        line: `PUT ${withDigest(await x.upload(), small(x.fresh).digest)}`,
        ask: { body: small(x.fresh).bytes },
        unchanged: [`${x.repository}/blobs/${small(x.fresh).digest}`, undefined],
      }),
      ...pushed(201),
    },
    {
      what: 'of another',
      request: async (x) => ({
        line: `PUT ${withDigest(await x.foreignUpload(), small(x.fresh).digest)}`,
        ask: { body: small(x.fresh).bytes },
        unchanged: [`${x.repository}/blobs/${small(x.fresh).digest}`, undefined],
      }),
      ...pushed(404),
    },
  ],
  cancelUpload: [
    { what: 'its own', request: async (x) => ({ line: `DELETE ${await x.upload()}` }), ...pushed(204) },
    {
      what: 'of another',
      request: async (x) => ({ line: `DELETE ${await x.foreignUpload()}` }),
      ...pushed(404),
    },
  ],
}
