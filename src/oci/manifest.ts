/**
 * Manifests: what a body of a given media type names and says of itself. The bytes are never changed; this only reads
 * them (image-spec, manifest.md and image-index.md; Docker's manifest v2 schema 2).
 */
import { type Descriptor, isNonDistributable, MEDIA_TYPE, withoutParameters } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { RegistryError } from './error.ts'
import {
  annotationsOf,
  type DescriptorFields,
  descriptorOf,
  fieldNames,
  invalid,
  isObject,
  type JsonObject,
  optionalArray,
  optionalObject,
  optionalString,
  refuseOtherCase,
} from './manifest-fields.ts'

export type ManifestReference = {
  kind: 'config' | 'layer' | 'child'
  descriptor: DescriptorFields
  /** A layer that need not be in the registry. */
  nonDistributable: boolean
}

export type ParsedManifest = {
  mediaType: string
  kind: 'image' | 'index'
  /** In the order they stand; a digest may occur more than once. */
  references: readonly ManifestReference[]
  subject?: Descriptor
  config?: Descriptor
  /** What the referrers list shows: the manifest's own, else an image's config type. */
  artifactType?: string
  annotations?: Readonly<Record<string, string>>
}

const IMAGE_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest])
const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerList])
const SCHEMA1_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed])

/**
 * @param contentType as the client sent it; parameters are ignored
 * @param maxReferences descriptors a manifest may have
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseManifest(
  contentType: string | undefined,
  bytes: Uint8Array,
  maxReferences: number,
): ParsedManifest {
  const document = parseJson(bytes)
  refuseOtherCase(document, MANIFEST_FIELDS, 'the manifest')
  const mediaType = mediaTypeOf(contentType, document)
  refuseAmbiguity(document, mediaType)
  if (document['schemaVersion'] !== 2 && mediaType !== MEDIA_TYPE.ociArtifact) {
    throw invalid('schemaVersion must be 2')
  }
  if (INDEX_TYPES.has(mediaType)) return parseIndex(mediaType, document, maxReferences)
  if (mediaType === MEDIA_TYPE.ociArtifact) return parseArtifact(mediaType, document, maxReferences)
  return parseImage(mediaType, document, maxReferences)
}

const MANIFEST_FIELDS = fieldNames(
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'blobs',
  'fsLayers',
  'subject',
  'artifactType',
  'annotations',
)

function parseJson(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength === 0) throw invalid('the manifest is empty: send its JSON as the body')
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalid('the manifest is not JSON in UTF-8')
  }
  if (!isObject(document)) throw invalid('the manifest is not a JSON object')
  return document
}

function mediaTypeOf(contentType: string | undefined, document: JsonObject): string {
  const declared = optionalString(document, 'mediaType')
  const sent = contentType === undefined || contentType === '' ? undefined : withoutParameters(contentType)
  const mediaType = sent ?? declared ?? typeByShape(document)
  if (SCHEMA1_TYPES.has(mediaType) || document['schemaVersion'] === 1) {
    throw invalid(
      'Docker image manifest schema 1 is not supported: push with a client from after 2017 (schema 2 or OCI)',
    )
  }
  if (!IMAGE_TYPES.has(mediaType) && !INDEX_TYPES.has(mediaType) && mediaType !== MEDIA_TYPE.ociArtifact) {
    throw invalid(
      `Content-Type ${JSON.stringify(mediaType.slice(0, 100))} is not a manifest: use ${MEDIA_TYPE.ociManifest}, ` +
        `${MEDIA_TYPE.ociIndex}, or Docker's ${MEDIA_TYPE.dockerManifest} and ${MEDIA_TYPE.dockerList} ` +
        '(what an artifact is stands in artifactType or config.mediaType)',
    )
  }
  if (declared !== undefined && declared !== mediaType) {
    throw invalid(
      `mediaType in the manifest is ${JSON.stringify(declared.slice(0, 100))}, but Content-Type is ${mediaType}`,
    )
  }
  return mediaType
}

function typeByShape(document: JsonObject): string {
  if ('manifests' in document) return MEDIA_TYPE.ociIndex
  if ('layers' in document || 'config' in document) return MEDIA_TYPE.ociManifest
  throw invalid('neither Content-Type nor mediaType says what kind of manifest this is')
}

/** A document that is valid as two kinds would mean different things to different clients (CVE-2021-41190). */
function refuseAmbiguity(document: JsonObject, mediaType: string): void {
  const isIndex = INDEX_TYPES.has(mediaType)
  const foreign = isIndex ? ['config', 'layers', 'fsLayers'] : ['manifests', 'fsLayers']
  const found = foreign.find((key) => document[key] !== undefined)
  if (found === undefined) return
  throw invalid(`${isIndex ? 'an index' : 'an image manifest'} must not have ${JSON.stringify(found)}`)
}

function checkedLength(list: readonly unknown[], max: number, what: string): readonly unknown[] {
  if (list.length <= max) return list
  throw new RegistryError(
    'MANIFEST_INVALID',
    `the manifest names ${list.length} ${what}; at most ${max} are allowed`,
  )
}

function subjectOf(document: JsonObject): { subject?: Descriptor } {
  const subject = document['subject']
  return subject === undefined || subject === null ? {} : { subject: descriptorOf(subject, 'subject') }
}

function annotated(document: JsonObject): { annotations?: Record<string, string> } {
  const annotations = annotationsOf(document)
  return annotations === undefined ? {} : { annotations }
}

function referencesOf(
  list: readonly unknown[] | undefined,
  kind: 'layer' | 'child',
  at: string,
): ManifestReference[] {
  return (list ?? []).map((entry, index) => {
    const descriptor = descriptorOf(entry, `${at}[${index}]`)
    const nonDistributable = kind === 'layer' && isNonDistributable(descriptor.mediaType)
    if (descriptor.urls !== undefined && kind === 'layer' && !nonDistributable) {
      throw invalid(
        `${at}[${index}].urls: only non-distributable layers may lie elsewhere; push this one and leave urls out`,
      )
    }
    return { kind, descriptor, nonDistributable }
  })
}

function parseIndex(mediaType: string, document: JsonObject, max: number): ParsedManifest {
  const manifests = optionalArray(document, 'manifests')
  if (manifests === undefined) throw invalid('an index must have a list of manifests (it may be empty)')
  const artifactType = optionalString(document, 'artifactType')
  return {
    mediaType,
    kind: 'index',
    references: referencesOf(checkedLength(manifests, max, 'manifests'), 'child', 'manifests'),
    ...subjectOf(document),
    ...(artifactType && { artifactType }),
    ...annotated(document),
  }
}

function parseImage(mediaType: string, document: JsonObject, max: number): ParsedManifest {
  if (optionalObject(document, 'config') === undefined)
    throw invalid('an image manifest must have a config descriptor')
  const config = descriptorOf(document['config'], 'config')
  const layers = optionalArray(document, 'layers')
  const artifactType = optionalString(document, 'artifactType') || config.mediaType
  const references = referencesOf(checkedLength(layers ?? [], max, 'layers'), 'layer', 'layers')
  return {
    mediaType,
    kind: 'image',
    references: [{ kind: 'config', descriptor: config, nonDistributable: false }, ...references],
    config,
    artifactType,
    ...subjectOf(document),
    ...annotated(document),
  }
}

function parseArtifact(mediaType: string, document: JsonObject, max: number): ParsedManifest {
  const artifactType = optionalString(document, 'artifactType')
  if (!artifactType) throw invalid('an artifact manifest must have an artifactType')
  const blobs = checkedLength(optionalArray(document, 'blobs') ?? [], max, 'blobs')
  return {
    mediaType,
    kind: 'image',
    references: referencesOf(blobs, 'layer', 'blobs'),
    artifactType,
    ...subjectOf(document),
    ...annotated(document),
  }
}

/** The fallback tag under which clients list referrers where there is no referrers API (distribution-spec, "Referrers Tag Schema"). */
export function fallbackTag(subject: Digest): string {
  const [algorithm = '', encoded = ''] = subject.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`
}
