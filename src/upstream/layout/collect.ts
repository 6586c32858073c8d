/** Everything below an image of a layout, in the order in which it must come to a registry. */
import type { Descriptor } from '../../oci/descriptor.ts'
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { type Layout, LayoutError, type Stored } from './layout.ts'
import { createManifestReader, DEEPEST, isManifestType, missing, tooDeep } from './read-manifest.ts'
import { damaged } from './read-stored.ts'

export type BlobToPush = { digest: Digest; stored: Stored }
export type ManifestToPush = { digest: Digest; mediaType: string; bytes: Buffer }

export type Content = {
  blobs: readonly BlobToPush[]
  /** Children first, the image itself last. */
  manifests: readonly ManifestToPush[]
  /** Layers that lie elsewhere, and are not pushed. */
  foreign: number
}

/**
 * Reads all manifests and compares them with their digests; of blobs it looks only at their sizes.
 * @throws LayoutError: something is missing, or not as its descriptor says
 */
export function collectContent(layout: Layout, root: Descriptor): Content {
  const read = createManifestReader(layout)
  const blobs = new Map<Digest, BlobToPush>()
  const manifests = new Map<Digest, ManifestToPush>()
  const foreign = new Set<Digest>()

  function addBlob({ digest, size }: Descriptor): void {
    if (blobs.has(digest)) return
    const stored = layout.find(digest)
    if (stored === undefined) throw missing(layout, digest)
    if (size === 0 && digestOf(algorithmOf(digest), new Uint8Array()) !== digest)
      throw damaged(stored, digest)
    if (stored.size !== size)
      throw new LayoutError(
        `${stored.shown} is damaged: it has ${stored.size} bytes, and should have ${size}`,
      )
    blobs.set(digest, { digest, stored })
  }

  function addManifest(descriptor: Descriptor, depth: number): void {
    if (manifests.has(descriptor.digest)) return
    if (depth > DEEPEST) throw tooDeep(layout)
    const { bytes, parsed } = read(descriptor)
    for (const { kind, descriptor: one, nonDistributable } of parsed.references) {
      if (nonDistributable) foreign.add(one.digest)
      else if (kind === 'child' && isManifestType(one.mediaType)) addManifest(one, depth + 1)
      else addBlob(one)
    }
    manifests.set(descriptor.digest, { digest: descriptor.digest, mediaType: parsed.mediaType, bytes })
  }

  addManifest(root, 0)
  return { blobs: [...blobs.values()], manifests: [...manifests.values()], foreign: foreign.size }
}
