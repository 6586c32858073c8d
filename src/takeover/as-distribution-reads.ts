/**
 * As what CNCF Distribution would serve a manifest: it stores no type beside the bytes, so the JSON decides
 * (registry/storage/manifeststore.go there). One that it cannot read is worse than an absent one: it is a 500 to
 * clients, and ends its garbage collection.
 */
import { MEDIA_TYPE } from '../oci/descriptor.ts'

/** Larger ones are refused by Distribution, also when they are read (registry/storage/io.go). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

type AsRead = { type: string } | { refused: string }

const KNOWN: ReadonlySet<string> = new Set([
  MEDIA_TYPE.dockerManifest,
  MEDIA_TYPE.dockerList,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.ociIndex,
])

/** @param bytes of a manifest that Berth serves, so that much about it has been checked already */
export function asDistributionReads(bytes: Uint8Array): AsRead {
  if (bytes.byteLength > MAX_MANIFEST_BYTES)
    return { refused: `it has ${bytes.byteLength} bytes, and Distribution reads at most 4 MiB` }
  const strange = { key: '' }
  let document: Record<string, unknown>
  try {
    const text = Buffer.from(bytes).toString()
    const isPlain = !ODD_NUMBER.test(text)
    document = byLowerCase(JSON.parse(text, isPlain ? undefined : wholeNumbers(strange)) as object)
  } catch {
    return { refused: 'it is no JSON' }
  }
  if (strange.key !== '') return { refused: `${strange.key} is not written as a whole number` }
  if (document['schemaversion'] !== 2) return { refused: 'its schemaVersion is not 2' }
  if (!hasReadablePlatforms(document))
    return { refused: 'a platform in it is of a form that Distribution does not read' }
  const declared = document['mediatype']
  if (typeof declared === 'string' && declared !== '') {
    return KNOWN.has(declared) ? { type: declared } : { refused: `Distribution does not know ${declared}` }
  }
  return { type: Array.isArray(document['manifests']) ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest }
}

/** Perhaps: it may stand in a text as well. Looking closer costs much more. */
const ODD_NUMBER = /"(?:size|schemaVersion)"\s*:\s*-?\d+[.e]/i

/** Go ignores the case of keys, and reads the last of those that are the same to it. */
function byLowerCase(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [key.toLowerCase(), value as unknown]),
  )
}

/** `1e3` is a number to us; Go's decoder refuses it where it wants a whole one. */
function wholeNumbers(strange: { key: string }) {
  return (key: string, value: unknown, context?: { source?: string }): unknown => {
    const isWhole = /^-?\d+$/.test(context?.source ?? '0')
    if (typeof value === 'number' && (key === 'size' || key === 'schemaVersion') && !isWhole)
      strange.key = key
    return value
  }
}

function hasReadablePlatforms(document: Record<string, unknown>): boolean {
  const manifests = document['manifests']
  const layers = document['layers']
  const all = [manifests, layers].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
  return [...all, document['config']].every((descriptor) => {
    const platform = (descriptor as { platform?: unknown } | null | undefined)?.platform
    return platform === undefined || platform === null || isReadablePlatform(platform)
  })
}

function isReadablePlatform(platform: object): boolean {
  return Object.entries(platform).every(([key, value]: [string, unknown]) => {
    if (value === null) return true
    switch (key.toLowerCase()) {
      case 'os':
      case 'architecture':
      case 'variant':
      case 'os.version':
        return typeof value === 'string'
      case 'os.features':
      case 'features':
        return Array.isArray(value) && value.every((one) => typeof one === 'string')
      default:
        return true
    }
  })
}
