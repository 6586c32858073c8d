import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { asDistributionReads, MAX_MANIFEST_BYTES } from './as-distribution-reads.ts'

const child = (platform: unknown) => ({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest: 'sha256:0', size: 1, platform }],
})
const text = (document: unknown): string => JSON.stringify(document)

/** A type where Distribution serves it, a reason where it does not. */
const CASES: readonly [string, string][] = [
  [text({ schemaVersion: 2, mediaType: MEDIA_TYPE.dockerManifest }), MEDIA_TYPE.dockerManifest],
  [text({ schemaVersion: 2, mediaType: MEDIA_TYPE.dockerList }), MEDIA_TYPE.dockerList],
  [text({ schemaVersion: 2, config: {}, layers: [] }), MEDIA_TYPE.ociManifest],
  [text({ schemaVersion: 2, mediaType: '', manifests: [] }), MEDIA_TYPE.ociIndex],
  [text({ schemaVersion: 2, mediaType: null, manifests: null, config: {} }), MEDIA_TYPE.ociManifest],
  [text(child({ os: 'linux', 'os.features': ['a'], 'os.version': null })), MEDIA_TYPE.ociIndex],
  [text(child({ os: 'linux', 'os.features': 'a' })), 'a platform in it is of a form'],
  [text(child({ os: 'linux', 'os.version': 10 })), 'a platform in it is of a form'],
  [text(child({ OS: 10 })), 'a platform in it is of a form'],
  ['{"schemaVersion":2,"config":{"size":1e3}}', 'size is not written as a whole number'],
  ['{"schemaVersion":2.0}', 'schemaVersion is not written as a whole number'],
  [text({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociArtifact }), 'Distribution does not know'],
  [text({ mediaType: MEDIA_TYPE.ociArtifact }), 'its schemaVersion is not 2'],
  [' '.repeat(MAX_MANIFEST_BYTES) + '{}', 'it has 4194306 bytes'],
  ['{"SchemaVersion":2,"MediaType":"","Manifests":[]}', MEDIA_TYPE.ociIndex],
  ['{', 'it is no JSON'],
]

for (const [document, expected] of CASES) {
  test(`${document.slice(0, 100)}: ${expected}`, () => {
    const read = asDistributionReads(Buffer.from(document))
    const said = 'type' in read ? read.type : read.refused
    assert.ok(said.startsWith(expected), said)
    assert.equal('type' in read, expected.startsWith('application/'))
  })
}
