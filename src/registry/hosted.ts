/** A registry over a database and a blob store: the rules of the specification, put together. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import type { PullRecorder } from '../metadata/pulls.ts'
import { createHostedBlobs } from './hosted-blobs.ts'
import { createHostedListings } from './hosted-listings.ts'
import { createHostedManifests } from './hosted-manifests.ts'
import { createHostedUploads } from './hosted-uploads.ts'
import type { Registry } from './registry.ts'
import { withStorageErrors } from './storage-errors.ts'

/** Settings of the domain; `config/` has their defaults and docs. */
export type HostedRules = {
  /** Whether DELETE of tags, manifests and blobs is allowed. */
  deletes: boolean
  /** Nothing is written at all, not even leases. */
  readOnly: boolean
  /** How long what was deleted can be restored. Milliseconds. */
  keepMs: number
  /** Descriptors in a manifest at most. */
  maxReferences: number
  /** Which manifests may name what is not here. */
  sparse: 'none' | 'indexes' | 'all'
  /**
   * Which children of an index must be here, where sparse indexes are not allowed altogether: all, or those of these
   * platforms (`linux/amd64`).
   */
  requiredPlatforms: 'all' | readonly string[]
  /** Where the bytes of non-distributable layers may lie; absent: anywhere. */
  urls: { allow: readonly RegExp[]; deny: readonly RegExp[] }
}

export type HostedParts = {
  db: Db
  store: BlobStore
  clock: Clock
  log: Logger
  pulls: PullRecorder
  processId: string
  boot: string
  rules: HostedRules
}

export function createHostedRegistry(parts: HostedParts): Registry & {
  /** Stops what is coming in and puts away what has come; no upload stays claimed. */
  close(): Promise<void>
} {
  const uploads = createHostedUploads(parts)
  const registry = {
    ...createHostedManifests(parts),
    ...createHostedBlobs(parts),
    ...uploads.verbs,
    ...createHostedListings(parts),
  }
  return { ...withStorageErrors(registry), close: uploads.close }
}
