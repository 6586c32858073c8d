/**
 * A registry that asks before each verb whether who calls may do that. The protocol asks at its door, too, by the entry
 * of the route; this is the second lock, for whoever else calls the verbs, and the only one for what a request names
 * beside its repository: the source of a mount, the repositories of a list, the tags that a push moves.
 */
import { setTimeout } from 'node:timers/promises'
import { type Guard, refusalOf, type RepositoryAction } from '../auth/permission.ts'
import { createTurns } from '../lib/turns.ts'
import type { Waiting } from '../lib/waiting.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Call, FoundNames, IsReadable, NamePage, Page, Registry } from './registry.ts'

/**
 * A mount without a source that comes to nothing takes at least as long, so that nobody learns from the time whether the
 * blob lies where they may not read. To look at the sources takes a part of one.
 */
const SOURCES_LOOKED_AT_MS = 2

/** Names of a list that are looked at between two turns of the event loop. */
const PAGE = 1000

/**
 * Where the guard answers at once, a verb costs one call more, and no promise. Lists show what who asks may pull.
 * Every verb throws UNAUTHORIZED (to anonymous) or DENIED besides its own errors.
 */
export function createGuardedRegistry(registry: Registry, guard: Guard): Registry {
  const takeTurn = createTurns()

  type Asked = [action: RepositoryAction, call: Call, name: RepositoryName]
  function asked<T>(...given: [...Asked, work: () => Promise<T>]): Promise<T>
  function asked<T>(...given: [...Asked, work: () => Waiting<T>]): Waiting<T>
  function asked<T>(
    action: RepositoryAction,
    call: Call,
    name: RepositoryName,
    work: () => Waiting<T>,
  ): Waiting<T> {
    const { principal } = call
    const may = guard.may(principal, action, name)
    if (may === true) return work()
    if (may === false) return Promise.reject(refusalOf(principal, action, name))
    return may.then((isAllowed) => {
      if (isAllowed) return work()
      throw refusalOf(principal, action, name)
    })
  }

  const listedFor =
    ({ principal }: Call): IsReadable =>
    (name) =>
      guard.mayList(principal, name)

  async function mountFrom(
    call: Call,
    name: RepositoryName,
    digest: Parameters<Registry['mountBlob']>[2],
    from: RepositoryName | undefined,
  ): Promise<'mounted' | 'unavailable'> {
    // As if the source were not there: clients upload then, and give up on an error.
    const isReadable: IsReadable = (source) => guard.may(call.principal, 'pull', source)
    if (from !== undefined) {
      return (await isReadable(from)) ? registry.mountBlob(call, name, digest, from) : 'unavailable'
    }
    const least = setTimeout(SOURCES_LOOKED_AT_MS, undefined, { ref: false })
    const outcome = await registry.mountBlob(call, name, digest, undefined, isReadable)
    if (outcome === 'unavailable') await least
    return outcome
  }

  function putManifest(...[call, name, put]: Parameters<Registry['putManifest']>) {
    const store = (mayMove: boolean) =>
      registry.putManifest(call, name, mayMove ? put : { ...put, keepsTags: true })
    const may = put.tags.length === 0 || guard.mayMoveTags(call.principal, name)
    return typeof may === 'boolean' ? store(may) : may.then(store)
  }

  /**
   * Full pages, and `more` only where who asks may see more: all names are looked at, if need be, a part at a time. The
   * next page begins behind a name that was shown, so that no other is ever told.
   */
  async function listRepositories(call: Call, { limit, after }: Page): Promise<NamePage> {
    const isListed = listedFor(call)
    const names: string[] = []
    let page = await registry.listRepositories(call, { limit, after })
    for (;;) {
      for (const name of page.names) {
        const listed = isListed(name as RepositoryName)
        if (listed !== true && !(await listed)) continue
        if (names.length === limit) return { names, more: true }
        names.push(name)
      }
      if (!page.more || page.names.length === 0) return { names, more: false }
      await takeTurn()
      if (call.signal.aborted) return { names, more: false }
      page = await registry.listRepositories(call, { limit: PAGE, after: page.names.at(-1) })
    }
  }

  async function searchRepositories(call: Call, text: string, { limit, after }: Page): Promise<FoundNames> {
    const isListed = listedFor(call)
    const found = await registry.searchRepositories(call, text, { limit: PAGE, after })
    const names: string[] = []
    for (const name of found.names) {
      const listed = isListed(name as RepositoryName)
      if (listed !== true && !(await listed)) continue
      names.push(name)
      if (names.length === limit) return { names, next: name }
    }
    return found.next === undefined ? { names } : { names, next: found.next }
  }

  return {
    getManifest: (call, name, reference) =>
      asked('pull', call, name, () => registry.getManifest(call, name, reference)),
    statManifest: (call, name, reference) =>
      asked('pull', call, name, () => registry.statManifest(call, name, reference)),
    putManifest: (call, name, put) => asked('push', call, name, () => putManifest(call, name, put)),
    deleteManifest: (call, name, digest) =>
      asked('delete', call, name, () => registry.deleteManifest(call, name, digest)),
    deleteTag: (call, name, tag) => asked('delete', call, name, () => registry.deleteTag(call, name, tag)),
    statBlob: (call, name, digest) => asked('pull', call, name, () => registry.statBlob(call, name, digest)),
    openBlob: (call, name, digest, range) =>
      asked('pull', call, name, () => registry.openBlob(call, name, digest, range)),
    deleteBlob: (call, name, digest) =>
      asked('delete', call, name, () => registry.deleteBlob(call, name, digest)),
    putBlob: (call, name, digest, chunk) =>
      asked('push', call, name, () => registry.putBlob(call, name, digest, chunk)),
    mountBlob: (call, name, digest, from) =>
      asked('push', call, name, () => mountFrom(call, name, digest, from)),
    startUpload: (call, name, algorithm) =>
      asked('push', call, name, () => registry.startUpload(call, name, algorithm)),
    getUpload: (call, name, id) => asked('push', call, name, () => registry.getUpload(call, name, id)),
    appendUpload: (call, name, id, chunk) =>
      asked('push', call, name, () => registry.appendUpload(call, name, id, chunk)),
    finishUpload: (call, name, id, digest, chunk) =>
      asked('push', call, name, () => registry.finishUpload(call, name, id, digest, chunk)),
    cancelUpload: (call, name, id) => asked('push', call, name, () => registry.cancelUpload(call, name, id)),
    listTags: (call, name, page) => asked('pull', call, name, () => registry.listTags(call, name, page)),
    listReferrers: (call, name, subject, artifactType, page) =>
      asked('pull', call, name, () => registry.listReferrers(call, name, subject, artifactType, page)),
    listRepositories,
    searchRepositories,
  } satisfies Registry
}
