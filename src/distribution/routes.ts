/** What each kind of route asks for, and who answers it. A kind without a permission does not compile. */
import type { Permission, RepositoryAction } from '../auth/permission.ts'
import type { Waiting } from '../lib/waiting.ts'
import { deleteBlob, getBlob, statBlob } from './blobs.ts'
import { discover, options, ping, redirect, root } from './discover.ts'
import { otherMethod } from './error.ts'
import type { Exchange } from './exchange.ts'
import { listReferrers, listRepositories, listTags } from './listings.ts'
import { deleteManifest, getManifest, putManifest, statManifest } from './manifests.ts'
import type { InRepository, Route, RouteKind, RouteOf } from './route.ts'
import { pingForSearch, searchRepositories } from './search.ts'
import {
  appendUpload,
  cancelUpload,
  finishUpload,
  getUpload,
  mountBlob,
  putBlob,
  startUpload,
} from './uploads.ts'

export type Handler<K extends RouteKind> = (x: Exchange, route: RouteOf<K>) => Waiting<void>

type RouteTable = {
  readonly [K in RouteKind]: {
    /** All of them must be allowed. None: nobody is asked who they are. */
    readonly permission: (route: RouteOf<K>) => readonly Permission[]
    readonly handle: Handler<K>
  }
}

const NONE: readonly Permission[] = []
const nobody = (): readonly Permission[] => NONE
const REGISTRY: readonly Permission[] = [{ on: 'registry' }]
const registry = (): readonly Permission[] => REGISTRY
const CATALOG: readonly Permission[] = [{ on: 'catalog' }]
const SEARCH: readonly Permission[] = [{ on: 'search' }]

function on(action: RepositoryAction): (route: InRepository) => readonly Permission[] {
  return ({ repository }) => [{ on: 'repository', repository, action }]
}
const pull = on('pull')
const push = on('push')
const remove = on('delete')

const ROUTES: RouteTable = {
  root: { permission: nobody, handle: root },
  redirect: { permission: nobody, handle: redirect },
  options: { permission: nobody, handle: options },
  otherMethod: { permission: nobody, handle: otherMethod },
  ping: { permission: registry, handle: ping },
  discover: { permission: registry, handle: discover },
  listRepositories: { permission: () => CATALOG, handle: listRepositories },
  // Says nothing of anybody.
  searchPing: { permission: nobody, handle: pingForSearch },
  searchRepositories: { permission: () => SEARCH, handle: searchRepositories },
  listTags: { permission: pull, handle: listTags },
  listReferrers: { permission: pull, handle: listReferrers },
  getManifest: { permission: pull, handle: getManifest },
  statManifest: { permission: pull, handle: statManifest },
  putManifest: { permission: push, handle: putManifest },
  deleteManifest: { permission: remove, handle: deleteManifest },
  getBlob: { permission: pull, handle: getBlob },
  statBlob: { permission: pull, handle: statBlob },
  deleteBlob: { permission: remove, handle: deleteBlob },
  startUpload: { permission: push, handle: startUpload },
  putBlob: { permission: push, handle: putBlob },
  // Reading the source is asked for by the handler: a "no" there makes it an ordinary upload.
  mountBlob: { permission: push, handle: mountBlob },
  getUpload: { permission: push, handle: getUpload },
  appendUpload: { permission: push, handle: appendUpload },
  finishUpload: { permission: push, handle: finishUpload },
  cancelUpload: { permission: push, handle: cancelUpload },
}

/** Every kind there is. */
export const ROUTE_KINDS = Object.keys(ROUTES) as readonly RouteKind[]

/** The entry for a route; the table's type says that kind and entry belong together. */
export function entryOf<R extends Route>(
  route: R,
): { permission: (route: R) => readonly Permission[]; handle: (x: Exchange, route: R) => Waiting<void> } {
  return ROUTES[route.kind] as never
}
