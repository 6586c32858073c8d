/** What a store or database cannot do, told in the protocol's words. */
import { LostBytesError } from '../blobs/blob-store.ts'
import type { Waiting } from '../lib/waiting.ts'
import { RegistryError } from '../oci/error.ts'
import { DatabaseBusyError, DatabaseFullError, DatabaseLostError } from '../metadata/database.ts'
import type { Registry } from './registry.ts'

/**
 * Docker stops retrying on DENIED and on this text, and shows it; a 5xx it would repeat for minutes.
 * (moby distribution/errors.go)
 */
const NO_SPACE =
  'no space left on device: delete what is not needed or give the registry more room; what is stored stays readable'
const BUSY = 'the metadata database is held by another program: try again in a moment'
const LOST = 'the metadata database did not answer: try again'
const READ_ONLY = 'the registry cannot write to its storage: it is mounted read-only'

const BY_SYSTEM_CODE: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', NO_SPACE],
  ['EDQUOT', NO_SPACE],
  ['EROFS', READ_ONLY],
])

export function translateStorageError(error: unknown): unknown {
  if (error instanceof RegistryError) return error
  if (error instanceof DatabaseFullError) return new RegistryError('DENIED', NO_SPACE, { cause: error })
  if (error instanceof DatabaseBusyError) {
    return new RegistryError('UNAVAILABLE', BUSY, { retryAfter: 5, cause: error })
  }
  if (error instanceof DatabaseLostError) {
    return new RegistryError('UNAVAILABLE', LOST, { retryAfter: 1, cause: error })
  }
  if (error instanceof LostBytesError) {
    return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the bytes of this upload were lost: begin a new one', {
      cause: error,
    })
  }
  const message = BY_SYSTEM_CODE.get((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  return message === undefined ? error : new RegistryError('DENIED', message, { cause: error })
}

/** @returns the same verbs, throwing DENIED where the disk is full or read-only, UNAVAILABLE where the database is busy */
export function withStorageErrors(inner: Registry): Registry {
  const tell = (error: unknown): Promise<never> => Promise.reject(translateStorageError(error))
  const told = <T>(result: Promise<T>): Promise<T> => result.catch(tell)
  const toldAtOnce = <T>(verb: () => Waiting<T>): Waiting<T> => {
    try {
      const result = verb()
      return result instanceof Promise ? told(result) : result
    } catch (error) {
      return tell(error)
    }
  }
  return {
    getManifest: (call, name, reference) => toldAtOnce(() => inner.getManifest(call, name, reference)),
    statManifest: (call, name, reference) => toldAtOnce(() => inner.statManifest(call, name, reference)),
    openBlob: (call, name, digest, range) => toldAtOnce(() => inner.openBlob(call, name, digest, range)),
    listTags: (...args) => told(inner.listTags(...args)),
    listReferrers: (...args) => told(inner.listReferrers(...args)),
    listRepositories: (...args) => told(inner.listRepositories(...args)),
    searchRepositories: (...args) => told(inner.searchRepositories(...args)),
    statBlob: (call, name, digest) => toldAtOnce(() => inner.statBlob(call, name, digest)),
    putManifest: (...args) => told(inner.putManifest(...args)),
    deleteManifest: (...args) => told(inner.deleteManifest(...args)),
    deleteTag: (...args) => told(inner.deleteTag(...args)),
    deleteBlob: (...args) => told(inner.deleteBlob(...args)),
    putBlob: (...args) => told(inner.putBlob(...args)),
    mountBlob: (...args) => told(inner.mountBlob(...args)),
    startUpload: (...args) => told(inner.startUpload(...args)),
    getUpload: (...args) => told(inner.getUpload(...args)),
    appendUpload: (...args) => told(inner.appendUpload(...args)),
    finishUpload: (...args) => told(inner.finishUpload(...args)),
    cancelUpload: (...args) => told(inner.cancelUpload(...args)),
  } satisfies Registry
}

/** A lease is a promise for later; reading must go on where there is no room to write it down. */
export async function ignoringFullDisk<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write
  } catch (error) {
    if (error instanceof DatabaseFullError) return undefined
    throw error
  }
}
