/** An image layout on disk: a folder, or a tar of one (image-spec, image-layout.md). */
import type { DescriptorFields } from '../../oci/manifest-fields.ts'
import type { Digest } from '../../oci/digest.ts'

/** Bytes in a file: all of it, or a member of a tar. */
export type Stored = {
  path: string
  /** Where it begins in the file. */
  at: number
  size: number
  /** For people: `blobs/sha256/… in image.tar`. */
  shown: string
}

/** What stands in index.json. */
export type LayoutEntry = {
  descriptor: DescriptorFields
  /** `org.opencontainers.image.ref.name`, or names that an engine gave. */
  names: readonly string[]
}

export type Layout = {
  /** As a person named it. */
  shown: string
  entries: readonly LayoutEntry[]
  /** Manifests that were made of what is there and stand in no file. */
  made: ReadonlyMap<Digest, Buffer>
  /** Not whether the bytes are right. */
  find(digest: Digest): Stored | undefined
}

/** What is wrong with a layout, and where. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError'
}
