/** What the config blob of an image says of it, for lists; never needed to serve it. */
import type { BlobStore, StoredObject } from '../blobs/blob-store.ts'
import type { LinkedBlob } from '../metadata/blob-links.ts'
import type { ManifestDetails } from '../metadata/manifests.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { isObject, optionalString, platformText } from '../oci/manifest-fields.ts'
import { readAll } from './read-source.ts'

const CONFIG_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])
/** Larger ones are not read: nothing here is worth it. */
const MAX_BYTES = 1024 * 1024

/** Platform and creation time; empty where the blob is not an image's config or does not say. */
export async function readImageConfig(
  store: BlobStore,
  config: Descriptor,
  blob: LinkedBlob,
): Promise<ManifestDetails> {
  if (!isImageConfig(config.mediaType, blob.size)) return {}
  try {
    const object: StoredObject = {
      id: blob.object,
      digest: config.digest,
      ...(blob.path !== undefined && { path: blob.path }),
    }
    const source = await store.open(object, blob.size, undefined, undefined)
    if (source === undefined || source === 'changed') return {}
    return imageConfigDetails(await readAll(source))
  } catch {
    // An image whose config cannot be read is stored all the same.
    return {}
  }
}

/** Whether a config of this type and size says something of its image. */
export function isImageConfig(mediaType: string, size: number): boolean {
  return CONFIG_TYPES.has(mediaType) && size <= MAX_BYTES
}

/** What these bytes of a config say; empty where they cannot be understood. */
export function imageConfigDetails(bytes: Buffer): ManifestDetails {
  try {
    return detailsOf(JSON.parse(bytes.toString('utf8')))
  } catch {
    return {}
  }
}

function detailsOf(document: unknown): ManifestDetails {
  if (!isObject(document)) return {}
  const created = Date.parse(optionalString(document, 'created') ?? '')
  return {
    platform: platformText(document, 'config'),
    ...(Number.isSafeInteger(created) && { created }),
  }
}
