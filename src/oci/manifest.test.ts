import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA_TYPE } from './descriptor.ts'
import { type Digest, digestOf } from './digest.ts'
import { fallbackTag, parseManifest } from './manifest.ts'

const digest = digestOf('sha256', Buffer.from('x'))
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 1 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 1 }
const foreign = { ...layer, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' }
const image = { schemaVersion: 2, config, layers: [layer] }
const index = { schemaVersion: 2, manifests: [{ ...layer, mediaType: MEDIA_TYPE.ociManifest }] }
const OCI = MEDIA_TYPE.ociManifest
const INDEX = MEDIA_TYPE.ociIndex

const parse = (type: string | undefined, body: unknown) =>
  parseManifest(type, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), 10)

const GOOD: readonly [name: string, type: string | undefined, body: unknown][] = [
  ['an image', OCI, image],
  ['an index', INDEX, index],
  ["Docker's image", MEDIA_TYPE.dockerManifest, image],
  ["Docker's list", MEDIA_TYPE.dockerList, index],
  ['parameters of Content-Type', `${OCI}; charset=utf-8`, image],
  ['Content-Type in other case', 'Application/Vnd.OCI.Image.Manifest.v1+JSON', image],
  ['no Content-Type, but mediaType', undefined, { ...image, mediaType: OCI }],
  ['neither, but the shape of an index', undefined, index],
  ['an empty index', INDEX, { schemaVersion: 2, manifests: [] }],
  ['no layers', OCI, { ...image, layers: [] }],
  ['layers null, as Go writes it', OCI, { ...image, layers: null }],
  [
    'parameters in the media type of a layer',
    OCI,
    { ...image, layers: [{ ...layer, mediaType: 'text/plain; charset=utf-8' }] },
  ],
  ['an unknown field', OCI, { ...image, somethingNew: { manifests: 1 } }],
  ['a foreign layer with urls', OCI, { ...image, layers: [{ ...foreign, urls: ['https://example.com/l'] }] }],
  ['data that fits', OCI, { ...image, config: { ...config, data: Buffer.from('x').toString('base64') } }],
  [
    'an artifact',
    MEDIA_TYPE.ociArtifact,
    { mediaType: MEDIA_TYPE.ociArtifact, artifactType: 'a/b', blobs: [layer] },
  ],
  ['a subject that is not here', OCI, { ...image, subject: { ...layer, mediaType: OCI } }],
  ['the largest size', OCI, { ...image, layers: [{ ...layer, size: Number.MAX_SAFE_INTEGER }] }],
]

for (const [name, type, body] of GOOD) test(`accepted: ${name}`, () => void parse(type, body))

const BAD: readonly [name: string, type: string | undefined, body: unknown, says: RegExp][] = [
  ['nothing', OCI, '', /empty/],
  ['not JSON', OCI, '{', /not JSON/],
  [
    'not UTF-8',
    OCI,
    Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1').replace('ÿ', '\u{d800}'),
    /config|JSON/,
  ],
  ['null', OCI, 'null', /not a JSON object/],
  ['a list', OCI, '[]', /not a JSON object/],
  ['an empty object', OCI, '{}', /schemaVersion/],
  ['schemaVersion as text', OCI, { ...image, schemaVersion: '2' }, /schemaVersion must be 2/],
  ['schema 1', MEDIA_TYPE.dockerSchema1, { schemaVersion: 1 }, /schema 1/],
  ['schema 1 under another type', OCI, { schemaVersion: 1 }, /schema 1/],
  ['a type that is no manifest', 'application/json', image, /not a manifest/],
  ['no type at all', undefined, { schemaVersion: 2 }, /what kind/],
  ['two types', OCI, { ...image, mediaType: INDEX }, /mediaType in the manifest/],
  ['mediaType that is a number', OCI, { ...image, mediaType: 7 }, /mediaType must be a string/],
  ['image and index at once', OCI, { ...image, manifests: [] }, /must not have "manifests"/],
  ['index and image at once', INDEX, { ...index, layers: [] }, /must not have "layers"/],
  ['index and config at once', INDEX, { ...index, config }, /must not have "config"/],
  ['an index without manifests', INDEX, { schemaVersion: 2 }, /list of manifests/],
  ['an image without config', OCI, { schemaVersion: 2, layers: [] }, /config descriptor/],
  ['config as text', OCI, { ...image, config: 'x' }, /config must be an object/],
  ['layers as object', OCI, { ...image, layers: {} }, /layers must be a list/],
  ['a layer that is null', OCI, { ...image, layers: [null] }, /layers\[0\] must be a descriptor/],
  ['no digest', OCI, { ...image, layers: [{ ...layer, digest: undefined }] }, /layers\[0\] has no digest/],
  [
    'digest of an unknown algorithm',
    OCI,
    { ...image, layers: [{ ...layer, digest: 'md5:00' }] },
    /layers\[0\].digest/,
  ],
  ['digest in upper case', OCI, { ...image, layers: [{ ...layer, digest: digest.toUpperCase() }] }, /digest/],
  ['no media type', OCI, { ...image, layers: [{ digest, size: 1 }] }, /has no mediaType/],
  ['no size', OCI, { ...image, layers: [{ ...layer, size: undefined }] }, /size must be a number/],
  ['size as text', OCI, { ...image, layers: [{ ...layer, size: '1' }] }, /size must be a number/],
  ['negative size', OCI, { ...image, layers: [{ ...layer, size: -1 }] }, /0 or more/],
  ['half a byte', OCI, { ...image, layers: [{ ...layer, size: 1.5 }] }, /whole number/],
  ['size beyond what is exact', OCI, { ...image, layers: [{ ...layer, size: 1e300 }] }, /whole number/],
  ['annotation that is a number', OCI, { ...image, annotations: { a: 1 } }, /annotations\["a"\]/],
  ['annotations as list', OCI, { ...image, annotations: [] }, /annotations must be an object/],
  [
    'urls on an ordinary layer',
    OCI,
    { ...image, layers: [{ ...layer, urls: ['https://example.com'] }] },
    /non-distributable/,
  ],
  [
    'urls that are no URLs',
    OCI,
    { ...image, layers: [{ ...foreign, urls: ['file:///etc/passwd'] }] },
    /http or https/,
  ],
  ['data of another size', OCI, { ...image, config: { ...config, data: 'eHg=' } }, /2 bytes/],
  ['data of another digest', OCI, { ...image, config: { ...config, data: 'eQ==' } }, /digest beside it/],
  ['data that is not base64', OCI, { ...image, config: { ...config, data: '%%%' } }, /base64/],
  ['a key that Go reads as another', OCI, { ...image, Layers: [] }, /"Layers".*"layers"/],
  ['the same in a layer', OCI, { ...image, layers: [{ ...layer, Digest: digest }] }, /"Digest"/],
  ['a subject without digest', OCI, { ...image, subject: {} }, /subject/],
  [
    'too many layers',
    OCI,
    { ...image, layers: Array.from({ length: 11 }, () => layer) },
    /11 layers; at most 10/,
  ],
  ['an artifact without type', MEDIA_TYPE.ociArtifact, { blobs: [] }, /artifactType/],
]

for (const [name, type, body, says] of BAD) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => parse(type, body),
      (error: { code?: string; message: string }) => {
        assert.equal(error.code, 'MANIFEST_INVALID')
        assert.match(error.message, says)
        return true
      },
    )
  })
}

test('what an image says of itself', () => {
  const parsed = parse(OCI, { ...image, annotations: { a: 'b' }, subject: { ...layer, mediaType: OCI } })
  assert.equal(parsed.kind, 'image')
  assert.equal(parsed.artifactType, config.mediaType, 'an image without artifactType is known by its config')
  assert.deepEqual(
    parsed.references.map(({ kind }) => kind),
    ['config', 'layer'],
  )
  assert.equal(parsed.subject?.digest, digest)
  assert.deepEqual(parsed.annotations, { a: 'b' })
})

test('what an index says of itself', () => {
  const child = {
    ...layer,
    mediaType: OCI,
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  }
  const parsed = parse(INDEX, { schemaVersion: 2, manifests: [child] })
  assert.equal(parsed.artifactType, undefined, 'an index without artifactType has none')
  assert.equal(parsed.references[0]?.descriptor.platform, 'linux/arm/v7')
  assert.equal(parsed.references[0]?.descriptor.role, 'attestation-manifest')
})

test('100,000 levels of nesting are only text', () => {
  const deep = `{"schemaVersion":2,"manifests":[],"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  assert.equal(parseManifest(INDEX, Buffer.from(deep), 10).kind, 'index')
})

test('the fallback tag of a digest, cut where tags must be', () => {
  assert.equal(fallbackTag(digest), digest.replace(':', '-'))
  const long = `sha512:${'a'.repeat(128)}` as Digest
  assert.equal(fallbackTag(long), `sha512-${'a'.repeat(64)}`)
})
