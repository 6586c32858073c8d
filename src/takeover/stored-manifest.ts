/**
 * Reads a manifest that Distribution took in. What is refused today in a push may be there from before: its bytes
 * and its type are as fixed as those of any other, so it is read as far as it says what it needs, and served.
 */
import { type Descriptor, isNonDistributable, MEDIA_TYPE } from '../oci/descriptor.ts'
import { isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { type ManifestReference, type ParsedManifest, parseManifest } from '../oci/manifest.ts'
import { type DescriptorFields, isObject, type JsonObject } from '../oci/manifest-fields.ts'

export type StoredManifest =
  | {
      kind: 'manifest'
      parsed: ParsedManifest
      /** What it names by a digest that nobody here understands. */
      dropped: readonly string[]
    }
  | { kind: 'schema1' }
  | { kind: 'unreadable'; why: string }

class UnreadableError extends Error {}

const SCHEMA1: ReadonlySet<unknown> = new Set([MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed])
const INDEX: ReadonlySet<string> = new Set([MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList])
const IMAGE: ReadonlySet<string> = new Set([MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest])

/** The media type is what the JSON says, else what its shape says, as Distribution has it (manifeststore.go, Get). */
export function readStoredManifest(bytes: Uint8Array): StoredManifest {
  try {
    return { kind: 'manifest', parsed: parseManifest(undefined, bytes, Infinity), dropped: [] }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
  }
  try {
    return readLeniently(foldKeys(parseJson(bytes)))
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    return { kind: 'unreadable', why: error.message }
  }
}

function parseJson(bytes: Uint8Array): JsonObject {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new UnreadableError('it is not JSON')
  }
  if (!isObject(document)) throw new UnreadableError('it is not a JSON object')
  return document
}

const FIELDS = [
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'digest',
  'size',
  'urls',
] as const
const FOLDED: ReadonlyMap<string, string> = new Map(FIELDS.map((field) => [field.toLowerCase(), field]))

/** Go, and so Distribution and most clients, ignores the case of keys. Lists under both spellings count both. */
function foldKeys(object: JsonObject): JsonObject {
  const folded: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(object)) {
    const name = FOLDED.get(key.toLowerCase()) ?? key
    const before = folded[name]
    folded[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : (value ?? before)
  }
  return folded
}

function readLeniently(document: JsonObject): StoredManifest {
  const { schemaVersion, mediaType } = document
  if (schemaVersion === 1 || SCHEMA1.has(mediaType)) return { kind: 'schema1' }
  if (schemaVersion !== 2) throw new UnreadableError(`its schemaVersion is ${short(schemaVersion)}, not 2`)
  const type = mediaTypeOf(document)
  const dropped: string[] = []
  const kind = INDEX.has(type) ? 'index' : 'image'
  const references = kind === 'index' ? childrenOf(document, dropped) : contentsOf(document, dropped)
  const config = references.find((reference) => reference.kind === 'config')?.descriptor
  const parsed: ParsedManifest = {
    mediaType: type,
    kind,
    references,
    ...(config && { config, artifactType: config.mediaType }),
    ...textOf(document, 'artifactType'),
    ...subjectOf(document),
    ...annotationsOf(document),
  }
  return { kind: 'manifest', parsed, dropped }
}

function mediaTypeOf(document: JsonObject): string {
  const { mediaType, manifests, layers, config } = document
  if (typeof mediaType === 'string' && (INDEX.has(mediaType) || IMAGE.has(mediaType))) return mediaType
  if (mediaType !== undefined && mediaType !== null && mediaType !== '') {
    throw new UnreadableError(`its mediaType ${short(mediaType)} is none that a registry serves`)
  }
  const isIndex = Array.isArray(manifests)
  if (isIndex && (Array.isArray(layers) || isObject(config))) {
    throw new UnreadableError('it can be read as an image and as an index (CVE-2021-41190)')
  }
  return isIndex ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest
}

function childrenOf(document: JsonObject, dropped: string[]): ManifestReference[] {
  return listOf(document, 'manifests').flatMap((entry) => referenceOf('child', entry, dropped))
}

function contentsOf(document: JsonObject, dropped: string[]): ManifestReference[] {
  const config = isObject(document['config']) ? referenceOf('config', document['config'], dropped) : []
  return [...config, ...listOf(document, 'layers').flatMap((entry) => referenceOf('layer', entry, dropped))]
}

function listOf(document: JsonObject, key: string): readonly unknown[] {
  const list = document[key]
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new UnreadableError(`its ${key} are no list`)
  return list
}

function referenceOf(
  kind: ManifestReference['kind'],
  value: unknown,
  dropped: string[],
): ManifestReference[] {
  if (!isObject(value)) throw new UnreadableError(`one of what it names is ${short(value)}`)
  const descriptor = descriptorOf(value)
  const { mediaType, urls } = foldKeys(value)
  const hasUrls = Array.isArray(urls) && urls.length > 0
  const isElsewhere = hasUrls || (typeof mediaType === 'string' && isNonDistributable(mediaType))
  if (descriptor === undefined) {
    if (!isElsewhere) dropped.push(short(foldKeys(value)['digest']))
    return []
  }
  return [{ kind, descriptor, nonDistributable: kind === 'layer' && isElsewhere }]
}

/** @returns undefined: its digest is none we know */
function descriptorOf(value: JsonObject): DescriptorFields | undefined {
  const { mediaType, digest, size, urls, platform } = foldKeys(value)
  if (typeof digest !== 'string' || !isDigest(digest)) return undefined
  const known = Array.isArray(urls) ? urls.filter((url): url is string => typeof url === 'string') : []
  const platformText = isObject(platform) ? textOfPlatform(platform) : undefined
  return {
    mediaType: typeof mediaType === 'string' && mediaType !== '' ? mediaType : 'application/octet-stream',
    digest,
    size: Number.isSafeInteger(size) ? Math.max(0, size as number) : 0,
    ...(known.length > 0 && { urls: known }),
    ...(platformText !== undefined && { platform: platformText }),
    ...textOf(value, 'artifactType'),
    ...annotationsOf(value),
  }
}

function textOfPlatform({ os, architecture, variant }: JsonObject): string | undefined {
  const parts = [os, architecture, variant].filter((part) => typeof part === 'string' && part !== '')
  return parts.length < 2 ? undefined : parts.join('/').slice(0, 200)
}

function subjectOf(document: JsonObject): { subject?: Descriptor } {
  const subject = isObject(document['subject']) ? descriptorOf(document['subject']) : undefined
  return subject === undefined ? {} : { subject }
}

function textOf(object: JsonObject, key: 'artifactType'): { artifactType?: string } {
  const text = object[key]
  return typeof text === 'string' && text !== '' ? { artifactType: text } : {}
}

function annotationsOf({ annotations }: JsonObject): { annotations?: Record<string, string> } {
  if (!isObject(annotations)) return {}
  const texts = Object.entries(annotations).filter(([, value]) => typeof value === 'string')
  return texts.length === 0 ? {} : { annotations: Object.fromEntries(texts) as Record<string, string> }
}

function short(value: unknown): string {
  return (JSON.stringify(value) ?? 'absent').slice(0, 100)
}
