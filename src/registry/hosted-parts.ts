/** What a hosted registry is made of and told. */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import type { PullRecorder } from '../metadata/pulls.ts'
import { RegistryError } from '../oci/error.ts'

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

/** @throws RegistryError UNSUPPORTED */
export function requireDeletes(rules: HostedRules): void {
  if (rules.deletes) return
  throw new RegistryError(
    'UNSUPPORTED',
    'deletes are switched off: set storage.delete.enabled (REGISTRY_STORAGE_DELETE_ENABLED=true)',
  )
}
