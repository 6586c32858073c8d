/** Manifests of a layout: read, compared with their digests, understood. */
import { MEDIA_TYPE, type Descriptor } from '../../oci/descriptor.ts'
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/error.ts'
import { type ParsedManifest, parseManifest } from '../../oci/manifest.ts'
import { platformText } from '../../oci/manifest-fields.ts'
import { type Layout, LayoutError } from './layout.ts'
import { damaged, readSmall } from './read-stored.ts'

export type LayoutManifest = {
  bytes: Buffer
  parsed: ParsedManifest
  /** Of an image, from its configuration. Undefined: it says none. */
  platform(): string | undefined
}

export type ReadManifest = (descriptor: Descriptor) => LayoutManifest

/** Indexes in indexes; deeper is a mistake or an attack. */
export const DEEPEST = 8

const LARGEST_MANIFEST = 16 * 1024 * 1024
const MOST_REFERENCES = 100_000
const TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociArtifact,
  MEDIA_TYPE.dockerManifest,
  MEDIA_TYPE.dockerList,
])

/** Indexes may name blobs too: BuildKit's caches do. */
export const isManifestType = (mediaType: string): boolean => TYPES.has(mediaType)

/** Each is read once as long as the reader lives. */
export function createManifestReader(layout: Layout): ReadManifest {
  const known = new Map<Digest, LayoutManifest>()
  return (descriptor) => {
    const found = known.get(descriptor.digest) ?? readManifest(layout, descriptor)
    known.set(descriptor.digest, found)
    return found
  }
}

/** @throws LayoutError: it is not there, damaged, or no manifest */
function readManifest(layout: Layout, { digest, mediaType, size }: Descriptor): LayoutManifest {
  const { bytes, shown } = bytesOf(layout, digest, size)
  try {
    const parsed = parseManifest(mediaType, bytes, MOST_REFERENCES)
    return { bytes, parsed, platform: () => configPlatform(layout, parsed) }
  } catch (error) {
    if (error instanceof RegistryError)
      throw new LayoutError(`${shown} is no good manifest: ${error.message}`)
    throw error
  }
}

function bytesOf(layout: Layout, digest: Digest, size: number): { bytes: Buffer; shown: string } {
  const made = layout.made.get(digest)
  if (made !== undefined) return { bytes: made, shown: `the manifest made of ${layout.shown}` }
  const stored = layout.find(digest)
  if (stored === undefined) throw missing(layout, digest)
  const bytes = readSmall(stored, LARGEST_MANIFEST)
  if (bytes.length !== size || digestOf(algorithmOf(digest), bytes) !== digest) throw damaged(stored, digest)
  return { bytes, shown: stored.shown }
}

function configPlatform(layout: Layout, { config }: ParsedManifest): string | undefined {
  const stored = config && layout.find(config.digest)
  if (stored === undefined) return undefined
  try {
    return platformText(
      JSON.parse(readSmall(stored, LARGEST_MANIFEST).toString('utf8')) as Record<string, unknown>,
      stored.shown,
    )
  } catch {
    return undefined
  }
}

export function tooDeep({ shown }: Layout): LayoutError {
  return new LayoutError(`${shown} has indexes in indexes, more than ${DEEPEST} deep`)
}

export function missing(layout: Layout, digest: Digest): LayoutError {
  return new LayoutError(
    `${layout.shown} does not have ${digest}, which its index or a manifest names: make or copy it again, or push one image of it with --platform`,
  )
}
