/** A registry over a database and a blob store: the rules of the specification, put together. */
import { createHostedBlobs } from './hosted-blobs.ts'
import { createHostedListings } from './hosted-listings.ts'
import { createHostedManifests } from './hosted-manifests.ts'
import type { HostedParts } from './hosted-parts.ts'
import { createHostedUploads } from './hosted-uploads.ts'
import type { Registry } from './registry.ts'
import { withStorageErrors } from './storage-errors.ts'

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
