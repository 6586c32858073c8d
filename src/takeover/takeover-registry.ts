/** A registry whose repositories may still lie in a folder of CNCF Distribution: each is imported before it is asked. */
import { createTurns } from '../lib/turns.ts'
import type { Waiting } from '../lib/waiting.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Call, NamePage, Page, Registry } from '../registry/registry.ts'
import { searchNames } from '../registry/search-names.ts'
import { translateStorageError } from '../registry/storage-errors.ts'
import type { Takeover } from './takeover.ts'

/** @returns the same verbs; once the takeover is complete they cost nothing more */
export function createTakeoverRegistry(
  inner: Registry,
  takeover: Pick<Takeover, 'ensure' | 'listWaiting' | 'isComplete'>,
): Registry {
  const takeTurn = createTurns()
  /** Undefined: nothing is to be waited for. */
  const waitFor = (...names: RepositoryName[]): Promise<unknown> | undefined =>
    takeover.isComplete()
      ? undefined
      : Promise.all(names.map((name) => takeover.ensure(name))).catch((error: unknown) => {
          throw translateStorageError(error)
        })
  function after<T>(waited: Promise<unknown> | undefined, work: () => Promise<T>): Promise<T>
  function after<T>(waited: Promise<unknown> | undefined, work: () => Waiting<T>): Waiting<T>
  function after<T>(waited: Promise<unknown> | undefined, work: () => Waiting<T>): Waiting<T> {
    return waited === undefined ? work() : waited.then(work)
  }

  return {
    getManifest: (call, name, reference) =>
      after(waitFor(name), () => inner.getManifest(call, name, reference)),
    statManifest: (call, name, reference) =>
      after(waitFor(name), () => inner.statManifest(call, name, reference)),
    putManifest: (call, name, manifest) =>
      after(waitFor(name), () => inner.putManifest(call, name, manifest)),
    deleteManifest: (call, name, digest) =>
      after(waitFor(name), () => inner.deleteManifest(call, name, digest)),
    deleteTag: (call, name, tag) => after(waitFor(name), () => inner.deleteTag(call, name, tag)),
    statBlob: (call, name, digest) => after(waitFor(name), () => inner.statBlob(call, name, digest)),
    openBlob: (call, name, digest, range) =>
      after(waitFor(name), () => inner.openBlob(call, name, digest, range)),
    deleteBlob: (call, name, digest) => after(waitFor(name), () => inner.deleteBlob(call, name, digest)),
    putBlob: (call, name, digest, chunk) =>
      after(waitFor(name), () => inner.putBlob(call, name, digest, chunk)),
    // Without `from` it is what has been imported that is looked at: "unavailable" only means an upload.
    mountBlob: (call, name, digest, from, isReadable) =>
      after(waitFor(name, ...(from === undefined ? [] : [from])), () =>
        inner.mountBlob(call, name, digest, from, isReadable),
      ),
    startUpload: (call, name, algorithm) =>
      after(waitFor(name), () => inner.startUpload(call, name, algorithm)),
    getUpload: (call, name, id) => after(waitFor(name), () => inner.getUpload(call, name, id)),
    appendUpload: (call, name, id, chunk) =>
      after(waitFor(name), () => inner.appendUpload(call, name, id, chunk)),
    finishUpload: (call, name, id, digest, chunk) =>
      after(waitFor(name), () => inner.finishUpload(call, name, id, digest, chunk)),
    cancelUpload: (call, name, id) => after(waitFor(name), () => inner.cancelUpload(call, name, id)),
    listTags: (call, name, page) => after(waitFor(name), () => inner.listTags(call, name, page)),
    listReferrers: (call, name, subject, artifactType, page) =>
      after(waitFor(name), () => inner.listReferrers(call, name, subject, artifactType, page)),
    listRepositories,
    searchRepositories: (call, text, page) =>
      takeover.isComplete()
        ? inner.searchRepositories(call, text, page)
        : searchNames((part) => listRepositories(call, part), text, page, call.signal, takeTurn),
  } satisfies Registry

  async function listRepositories(call: Call, page: Page): Promise<NamePage> {
    if (takeover.isComplete()) return inner.listRepositories(call, page)
    // As far as the rows fill the page, so that a folder that is almost done is not walked to its end.
    const first = await inner.listRepositories(call, page)
    const last = first.more ? first.names.at(-1) : undefined
    const waiting = await takeover.listWaiting(page.after ?? '', page.limit, last).catch((error: unknown) => {
      throw translateStorageError(error)
    })
    // Again: what was imported between the two looks is in the rows now.
    const here = await inner.listRepositories(call, page)
    return merge(waiting, here, page.limit, last)
  }
}

/** @param last what comes behind this name belongs to later pages */
function merge(one: NamePage, other: NamePage, limit: number, last: string | undefined): NamePage {
  const names = [...new Set([...one.names, ...other.names])].sort()
  const wanted = last === undefined ? names : names.filter((name) => name <= last)
  const more = last !== undefined || one.more || other.more || names.length > limit
  return { names: wanted.slice(0, limit), more }
}
