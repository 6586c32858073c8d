/** Reads the fields of a manifest's JSON; each failure is MANIFEST_INVALID and names the field. */
import { algorithmOf, type Digest, digestOf, isDigest } from './digest.ts'
import type { Descriptor } from './descriptor.ts'
import { RegistryError } from './error.ts'

export type JsonObject = { readonly [key: string]: unknown }

export type DescriptorFields = Descriptor & { urls?: readonly string[]; platform?: string; role?: string }

export function invalid(message: string, detail?: unknown): RegistryError {
  return new RegistryError('MANIFEST_INVALID', message, detail === undefined ? {} : { detail })
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Go's decoder, which most clients have, ignores the case of keys: `Layers` beside `layers` would mean one thing to
 * them and another to everyone else.
 */
export function refuseOtherCase(object: JsonObject, known: ReadonlyMap<string, string>, at: string): void {
  for (const key of Object.keys(object)) {
    const meant = known.get(key.toLowerCase())
    if (meant !== undefined && meant !== key) {
      throw invalid(
        `${at} has ${JSON.stringify(key)}, which some clients read as ${JSON.stringify(meant)}: write it so`,
      )
    }
  }
}

/** Lower case → as the specification writes it. */
export function fieldNames(...names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.map((name) => [name.toLowerCase(), name]))
}

const DESCRIPTOR_FIELDS = fieldNames(
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'artifactType',
  'platform',
)

/** Absent and null are the same, as Go's decoder has it. */
export function optionalObject(parent: JsonObject, key: string, at = key): JsonObject | undefined {
  const value = parent[key]
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw invalid(`${at} must be an object`)
  return value
}

export function optionalArray(parent: JsonObject, key: string, at = key): readonly unknown[] | undefined {
  const value = parent[key]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw invalid(`${at} must be a list`)
  return value
}

export function optionalString(parent: JsonObject, key: string, at = key): string | undefined {
  const value = parent[key]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalid(`${at} must be a string`)
  return value
}

function stringMap(parent: JsonObject, key: string, at: string): Record<string, string> | undefined {
  const map = optionalObject(parent, key, at)
  if (map === undefined) return undefined
  for (const [name, value] of Object.entries(map)) {
    if (typeof value !== 'string')
      throw invalid(`${at}[${JSON.stringify(name.slice(0, 100))}] must be a string`)
  }
  return map as Record<string, string>
}

export function annotationsOf(parent: JsonObject, at = 'annotations'): Record<string, string> | undefined {
  return stringMap(parent, 'annotations', at)
}

function digestField(parent: JsonObject, at: string): Digest {
  const digest = optionalString(parent, 'digest', `${at}.digest`)
  if (digest === undefined) throw invalid(`${at} has no digest`)
  if (!isDigest(digest)) {
    throw invalid(`${at}.digest is not a sha256 or sha512 digest`, { digest: digest.slice(0, 200) })
  }
  return digest
}

function sizeField(parent: JsonObject, at: string): number {
  const size = parent['size']
  if (typeof size !== 'number') throw invalid(`${at}.size must be a number of bytes`)
  if (!Number.isSafeInteger(size) || size < 0)
    throw invalid(`${at}.size must be a whole number of bytes, 0 or more`)
  return size
}

/** `linux/arm/v7`, as people write it. */
export function platformText(platform: JsonObject | undefined, at: string): string | undefined {
  if (platform === undefined) return undefined
  const os = optionalString(platform, 'os', `${at}.os`)
  const architecture = optionalString(platform, 'architecture', `${at}.architecture`)
  const variant = optionalString(platform, 'variant', `${at}.variant`)
  if (os === undefined && architecture === undefined) return undefined
  return [os ?? 'unknown', architecture ?? 'unknown', ...(variant ? [variant] : [])].join('/').slice(0, 200)
}

/** image-spec, descriptor.md. `at` is where it stands, for the message. */
export function descriptorOf(value: unknown, at: string): DescriptorFields {
  if (!isObject(value))
    throw invalid(`${at} must be a descriptor (an object with mediaType, digest and size)`)
  refuseOtherCase(value, DESCRIPTOR_FIELDS, at)
  const mediaType = optionalString(value, 'mediaType', `${at}.mediaType`)
  if (mediaType === undefined || mediaType === '') throw invalid(`${at} has no mediaType`)
  const digest = digestField(value, at)
  const size = sizeField(value, at)
  const annotations = annotationsOf(value, `${at}.annotations`)
  const platform = platformText(optionalObject(value, 'platform', `${at}.platform`), `${at}.platform`)
  const artifactType = optionalString(value, 'artifactType', `${at}.artifactType`)
  const role = annotations?.['vnd.docker.reference.type']
  checkData(value, at, digest, size)
  return {
    mediaType,
    digest,
    size,
    ...(annotations && { annotations }),
    ...(platform && { platform }),
    ...(artifactType && { artifactType }),
    ...(role && { role: role.slice(0, 100) }),
    ...urlsOf(value, at),
  }
}

function urlsOf(value: JsonObject, at: string): { urls?: readonly string[] } {
  const urls = optionalArray(value, 'urls', `${at}.urls`)
  if (urls === undefined || urls.length === 0) return {}
  for (const url of urls) {
    if (typeof url !== 'string') throw invalid(`${at}.urls must be a list of strings`)
    if (!/^https?:\/\/[^/?#]/i.test(url)) throw invalid(`${at}.urls must be http or https URLs`)
    if (url.includes('#')) throw invalid(`${at}.urls must not have a fragment`)
  }
  return { urls: urls as readonly string[] }
}

/** Content embedded in the descriptor (descriptor.md, "data") must be what digest and size say: clients may trust it. */
function checkData(value: JsonObject, at: string, digest: Digest, size: number): void {
  const data = optionalString(value, 'data', `${at}.data`)
  if (data === undefined) return
  const bytes = Buffer.from(data, 'base64')
  if (bytes.toString('base64').replace(/=+$/, '') !== data.replace(/=+$/, '')) {
    throw invalid(`${at}.data is not base64`)
  }
  if (bytes.length !== size) throw invalid(`${at}.data has ${bytes.length} bytes, but size says ${size}`)
  if (digestOf(algorithmOf(digest), bytes) !== digest)
    throw invalid(`${at}.data does not have the digest beside it`)
}
