/** Blobs: reading, mounting, unlinking. */
import type { ByteSource, StoredObject } from '../blobs/blob-store.ts'
import {
  findLinkedBlob,
  findSources,
  LEASE_PROMISE_MS,
  type LinkedBlob,
  markDamaged,
  mountFrom,
  renewLease,
  restampObject,
} from '../metadata/blob-links.ts'
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { unlinkBlob } from '../metadata/deletions.ts'
import { findOrCreateRepository, findRepository } from '../metadata/repositories.ts'
import { algorithmOf, type Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { actorOf } from './actor.ts'
import { type HostedParts, requireDeletes } from './hosted-parts.ts'
import { hashAll } from './read-source.ts'
import type { ByteRange, Call, IsReadable, Registry } from './registry.ts'
import { areMostlyGone, createFilesCheck } from './sample-files.ts'
import { ignoringFullDisk } from './storage-errors.ts'

type BlobVerbs = Pick<Registry, 'statBlob' | 'openBlob' | 'deleteBlob' | 'mountBlob'>
/** No path of the server is told. */
const FILES_GONE =
  'the registry does not find the files of most blobs: its disk may not be mounted. Its log says more; try again'

/** Repositories that are considered as the source of a mount that names none. */
const MAX_SOURCES = 8

type Bounds = { first: number; last: number }

export function createHostedBlobs(parts: HostedParts): BlobVerbs {
  const { db, store, clock, rules, pulls } = parts
  const filesThere = createFilesCheck(parts)

  function find(repository: RepositoryName, digest: Digest): Waiting<LinkedBlob> {
    return whenKnown(findLinkedBlob(db, repository, digest), (blob) => {
      if (blob === undefined) throw unknownBlob(digest)
      return blob
    })
  }

  /** A 200 promises as much; where there is no room to write it down, reading goes on. */
  async function lease(
    repository: RepositoryName,
    digest: Digest,
    blob: LinkedBlob,
    now: number,
  ): Promise<void> {
    const there = await ignoringFullDisk(renewLease(db, repository, blob, digest, now))
    if (there === false) throw unknownBlob(digest)
  }

  /** The bytes do not match the row: this blob is refused from now on, and the next push heals it. */
  async function refuseDamaged(call: Call, digest: Digest, blob: LinkedBlob, what: string): Promise<never> {
    if ((await store.stat(objectOf(digest, blob))) === undefined) await requireFiles(call)
    call.log.error('a stored blob is damaged and no longer served; push it again to heal it', {
      digest,
      object: blob.object,
      what,
    })
    if (!rules.readOnly) await ignoringFullDisk(markDamaged(db, digest, blob.object, clock.now()))
    throw new RegistryError('BLOB_UNKNOWN', 'the stored bytes of this blob are damaged: push it again', {
      detail: { digest },
    })
  }

  /** A disk that is not mounted must not make every blob that is asked for a damaged one. */
  async function requireFiles(call: Call): Promise<void> {
    const sample = await filesThere()
    if (!areMostlyGone(sample)) return
    call.log.error(
      'the files of most blobs are missing: is the disk mounted? If they are lost, "berth check --repair --yes" marks them as damaged, so that pushes bring them back',
      sample,
    )
    throw new RegistryError('UNAVAILABLE', FILES_GONE, { retryAfter: 30 })
  }

  /** The store says that the bytes were touched behind our back: they are right if the digest is. */
  async function rehash(call: Call, digest: Digest, blob: LinkedBlob): Promise<void> {
    const object = objectOf(digest, blob)
    const source = await store.open(object, blob.size, undefined, undefined)
    if (source === undefined || source === 'changed') return refuseDamaged(call, digest, blob, 'missing')
    const hash = store.createHash(algorithmOf(digest), { length: blob.size })
    try {
      await hashAll(source, hash)
      if ((await hash.digest()) !== digest) return await refuseDamaged(call, digest, blob, 'other bytes')
    } finally {
      hash.close()
      source.close()
    }
    const stat = await store.stat(object)
    if (stat?.stamp !== undefined && !rules.readOnly) {
      await ignoringFullDisk(restampObject(db, blob.object, stat.stamp))
    }
  }

  function openWhole(
    call: Call,
    digest: Digest,
    blob: LinkedBlob,
    bounds: Bounds | undefined,
  ): Waiting<ByteSource> {
    return whenKnown(store.open(objectOf(digest, blob), blob.size, bounds, blob.stamp), (source) => {
      if (source === 'changed') return openChanged(call, digest, blob, bounds)
      return source ?? refuseDamaged(call, digest, blob, 'missing or cut')
    })
  }

  async function openChanged(
    call: Call,
    digest: Digest,
    blob: LinkedBlob,
    bounds: Bounds | undefined,
  ): Promise<ByteSource> {
    await rehash(call, digest, blob)
    const source = await store.open(objectOf(digest, blob), blob.size, bounds, undefined)
    if (source !== undefined && source !== 'changed') return source
    return refuseDamaged(call, digest, blob, 'missing or cut')
  }

  async function findSource(
    digest: Digest,
    isReadable: IsReadable | undefined,
  ): Promise<RepositoryName | undefined> {
    for (const source of await findSources(db, digest, isReadable === undefined ? 1 : MAX_SOURCES)) {
      const readable = isReadable?.(source) ?? true
      if (readable === true || (await readable)) return source
    }
    return undefined
  }

  return {
    statBlob: (_call, repository, digest) =>
      whenKnown(find(repository, digest), (blob) => {
        const now = clock.now()
        const isLeased = rules.readOnly || blob.leaseUntil >= now + LEASE_PROMISE_MS
        const answer = { size: blob.size }
        return isLeased ? answer : lease(repository, digest, blob, now).then(() => answer)
      }),
    openBlob: (call, repository, digest, range) =>
      whenKnown(find(repository, digest), (blob) => {
        const bounds = range === undefined ? undefined : boundsOf(range, blob.size)
        return whenKnown(openWhole(call, digest, blob, bounds), (source) => {
          pulls.blob(blob.repositoryId, source.length)
          return bounds === undefined
            ? { digest, size: blob.size, source }
            : { digest, size: blob.size, source, range: bounds }
        })
      }),
    async deleteBlob(call, repository, digest) {
      requireDeletes(rules)
      const row = await findRepository(db, repository)
      const actor = actorOf(call, clock.now())
      const removed = row !== undefined && (await unlinkBlob(db, row, digest, rules.keepMs, actor))
      if (!removed) throw unknownBlob(digest)
    },
    async mountBlob(call, repository, digest, from, isReadable) {
      const source = from ?? (await findSource(digest, isReadable))
      if (source === undefined) return 'unavailable'
      const known = await findLinkedBlob(db, source, digest)
      if (known === undefined) return 'unavailable'
      const actor = actorOf(call, clock.now())
      const target = await findOrCreateRepository(db, repository, actor.principalName, actor.now)
      return (await mountFrom(db, source, target, digest, actor)) ? 'mounted' : 'unavailable'
    },
  }
}

function objectOf(digest: Digest, blob: LinkedBlob): StoredObject {
  return { id: blob.object, digest, ...(blob.path !== undefined && { path: blob.path }) }
}

function unknownBlob(digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', undefined, { detail: { digest } })
}

/** RFC 9110, section 14.1.2. @throws RegistryError RANGE_INVALID */
function boundsOf(range: ByteRange, size: number): Bounds {
  const bounds =
    'suffix' in range
      ? { first: Math.max(0, size - range.suffix), last: size - 1 }
      : { first: range.first, last: Math.min(range.last ?? size - 1, size - 1) }
  const isEmpty = 'suffix' in range && range.suffix === 0
  if (bounds.first <= bounds.last && !isEmpty) return bounds
  throw new RegistryError('RANGE_INVALID', `the blob has ${size} bytes; the range asked for lies outside`, {
    detail: { size },
  })
}
