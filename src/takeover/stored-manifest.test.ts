import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStoredManifest } from './stored-manifest.ts'
import {
  describe,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  imageOf,
  indexOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  sha256Of,
} from './takeover-fixtures.ts'

const CONFIG = describe('config', OCI_CONFIG)
const LAYER = describe('layer', OCI_LAYER)
const CHILD = describe('child', OCI_MANIFEST)

/** Kinds and contents of what a manifest names, e.g. `config:config layer:layer`. */
function summary(text: string | Uint8Array): [string, string] {
  const result = readStoredManifest(Buffer.from(text))
  if (result.kind !== 'manifest') return [result.kind, result.kind === 'unreadable' ? result.why : '']
  const names = new Map(['config', 'layer', 'child', 'other'].map((content) => [sha256Of(content), content]))
  const references = result.parsed.references.map(({ kind, descriptor, nonDistributable }) => {
    return `${kind}:${names.get(descriptor.digest) ?? '?'}${nonDistributable ? '(elsewhere)' : ''}`
  })
  return [
    result.parsed.mediaType,
    [...references, ...result.dropped.map((one) => `dropped ${one}`)].join(' '),
  ]
}

const json = (fields: object): string => JSON.stringify({ schemaVersion: 2, ...fields })
const BOTH = 'config:config layer:layer'

const TABLE: [string, string | Uint8Array, string, string][] = [
  ['an image', imageOf('config', ['layer']), OCI_MANIFEST, BOTH],
  ['Docker', imageOf('config', ['layer'], { mediaType: DOCKER_MANIFEST }), DOCKER_MANIFEST, BOTH],
  ['a list of Docker', indexOf(['child'], { mediaType: DOCKER_LIST }), DOCKER_LIST, 'child:child'],
  ['no type: an image by its shape', json({ config: CONFIG, layers: [LAYER] }), OCI_MANIFEST, BOTH],
  ['no type: an index by its shape', json({ manifests: [CHILD] }), OCI_INDEX, 'child:child'],
  ['an empty type', json({ mediaType: '', manifests: [CHILD] }), OCI_INDEX, 'child:child'],
  [
    'no manifests, but layers',
    json({ manifests: null, config: CONFIG, layers: [LAYER] }),
    OCI_MANIFEST,
    BOTH,
  ],
  ['an index without a list', json({ mediaType: OCI_INDEX }), OCI_INDEX, ''],
  ['other case', json({ MediaType: OCI_MANIFEST, Config: CONFIG, LAYERS: [LAYER] }), OCI_MANIFEST, BOTH],
  [
    'both cases',
    json({
      mediaType: OCI_MANIFEST,
      config: CONFIG,
      layers: [LAYER],
      Layers: [describe('other', OCI_LAYER)],
    }),
    OCI_MANIFEST,
    `${BOTH} layer:other`,
  ],
  [
    'a type, and fields of another one',
    imageOf('config', ['layer'], { manifests: [CHILD] }),
    OCI_MANIFEST,
    BOTH,
  ],
  ['schema 2 with fsLayers', imageOf('config', ['layer'], { fsLayers: [] }), OCI_MANIFEST, BOTH],
  ['an index with a config', indexOf(['child'], { config: CONFIG }), OCI_INDEX, 'child:child'],
  [
    'a descriptor without a type',
    imageOf('config', [], { layers: [{ ...LAYER, mediaType: undefined }] }),
    OCI_MANIFEST,
    BOTH,
  ],
  ['a negative size', imageOf('config', [], { layers: [{ ...LAYER, size: -1 }] }), OCI_MANIFEST, BOTH],
  [
    'data that do not fit',
    imageOf('config', [], { layers: [{ ...LAYER, data: 'eA==' }] }),
    OCI_MANIFEST,
    BOTH,
  ],
  [
    'odd annotations',
    imageOf('config', ['layer'], { annotations: { a: null, b: 1, c: 'c' } }),
    OCI_MANIFEST,
    BOTH,
  ],
  [
    'an odd platform',
    indexOf([], { manifests: [{ ...CHILD, platform: { os: 1 } }] }),
    OCI_INDEX,
    'child:child',
  ],
  ['a subject that is none', imageOf('config', ['layer'], { subject: { digest: 'x' } }), OCI_MANIFEST, BOTH],
  [
    'URLs of an ordinary layer',
    imageOf('config', [], { layers: [{ ...LAYER, urls: ['ftp://a/#b'] }] }),
    OCI_MANIFEST,
    'config:config layer:layer(elsewhere)',
  ],
  [
    'many layers',
    imageOf(
      'config',
      Array.from({ length: 12_000 }, () => 'layer'),
    ),
    OCI_MANIFEST,
    `config:config${' layer:layer'.repeat(12_000)}`,
  ],
  [
    'a digest of another kind',
    imageOf('config', [], { layers: [{ ...LAYER, digest: 'sha384:ab' }] }),
    OCI_MANIFEST,
    'config:config dropped "sha384:ab"',
  ],
  [
    'the same, elsewhere',
    imageOf('config', [], { layers: [{ ...LAYER, digest: 'sha384:ab', urls: ['https://a'] }] }),
    OCI_MANIFEST,
    'config:config',
  ],
  [
    'no UTF-8',
    Buffer.from(imageOf('config', ['layer'], { annotations: { a: 'ü' } }), 'latin1'),
    OCI_MANIFEST,
    BOTH,
  ],
  ['schema 1', json({ schemaVersion: 1, fsLayers: [] }), 'schema1', ''],
  [
    'schema 1, signed',
    json({ mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws' }),
    'schema1',
    '',
  ],
  [
    'two kinds at once',
    json({ manifests: [CHILD], config: CONFIG, layers: [LAYER] }),
    'unreadable',
    'it can be read as an image and as an index (CVE-2021-41190)',
  ],
  [
    'a type of nobody',
    imageOf('config', [], { mediaType: 'text/html' }),
    'unreadable',
    'its mediaType "text/html" is none that a registry serves',
  ],
  [
    'no version',
    JSON.stringify({ mediaType: OCI_MANIFEST }),
    'unreadable',
    'its schemaVersion is absent, not 2',
  ],
  ['a list', '[]', 'unreadable', 'it is not a JSON object'],
  ['no JSON', '{', 'unreadable', 'it is not JSON'],
  ['nothing', 'null', 'unreadable', 'it is not a JSON object'],
  [
    'layers that are no list',
    json({ mediaType: OCI_MANIFEST, config: CONFIG, layers: {} }),
    'unreadable',
    'its layers are no list',
  ],
  [
    'a layer that is text',
    imageOf('config', [], { layers: ['x'] }),
    'unreadable',
    'one of what it names is "x"',
  ],
]

test('what Distribution took in is read as far as it says what it needs', () => {
  for (const [what, text, type, references] of TABLE)
    assert.deepEqual(summary(text), [type, references], what)
})

test('what is kept of a manifest that a push would refuse', () => {
  const subject = describe('subject', OCI_MANIFEST)
  const result = readStoredManifest(
    Buffer.from(
      imageOf('config', [], {
        Layers: null,
        subject,
        artifactType: 'text/plain',
        annotations: { a: 'a', b: 1 },
        layers: [
          {
            ...LAYER,
            platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
            annotations: { x: 'y' },
          },
        ],
      }),
    ),
  )
  assert.equal(result.kind, 'manifest')
  assert.deepEqual(result.kind === 'manifest' && result.parsed, {
    mediaType: OCI_MANIFEST,
    kind: 'image',
    references: [
      { kind: 'config', descriptor: CONFIG, nonDistributable: false },
      {
        kind: 'layer',
        descriptor: { ...LAYER, platform: 'linux/arm/v7', annotations: { x: 'y' } },
        nonDistributable: false,
      },
    ],
    config: CONFIG,
    artifactType: 'text/plain',
    subject,
    annotations: { a: 'a' },
  })
})
