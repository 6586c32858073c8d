/** What the scenario pushes: named, literal, always the same bytes. */
import { createHash } from 'node:crypto'

export const TYPE = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  foreign: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  schema1: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const

export function digest(algorithm: 'sha256' | 'sha512', text: string): string {
  return `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`
}

const BLOBS = {
  hello: 'hello, world',
  'hel-': 'hel',
  '-lo': 'lo, world',
  '-xyz': 'xyz',
  nothing: '',
  braces: '{}',
  config: '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}',
  layer: '0123456789'.repeat(500),
  'layer-1': '0123456789'.repeat(200),
  'layer-2': '0123456789'.repeat(300),
  other: 'some other bytes',
  never: 'bytes that nobody ever pushes',
} as const

const part = (mediaType: string, text: string, more: object = {}): object => ({
  mediaType,
  digest: digest('sha256', text),
  size: Buffer.byteLength(text),
  ...more,
})
const config = part(TYPE.config, BLOBS.config)
const layer = part(TYPE.layer, BLOBS.layer)
const oci = (more: object = {}): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: TYPE.manifest, config, layers: [layer], ...more })
const index = (more: object): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: TYPE.index, manifests: [], ...more })

const image = oci()
const second = oci({ annotations: { which: 'second' } })
const docker = JSON.stringify({
  schemaVersion: 2,
  mediaType: TYPE.dockerManifest,
  config: part(TYPE.dockerConfig, BLOBS.config),
  layers: [part(TYPE.dockerLayer, BLOBS.layer)],
})
const amd64 = { platform: { os: 'linux', architecture: 'amd64' } }
const arm64 = { platform: { os: 'linux', architecture: 'arm64' } }

const MANIFESTS = {
  image,
  second,
  docker,
  untyped: JSON.stringify({ schemaVersion: 2, config, layers: [layer] }),
  'no-layers': oci({ layers: [] }),
  artifact: oci({ artifactType: 'application/x.test', config: part(TYPE.empty, BLOBS.braces), layers: [] }),
  referrer: oci({ annotations: { of: 'image' }, subject: part(TYPE.manifest, image) }),
  sparse: oci({ layers: [part(TYPE.layer, BLOBS.never)] }),
  foreign: oci({ layers: [part(TYPE.foreign, BLOBS.never, { urls: ['https://example.com/layer'] })] }),
  'foreign-elsewhere': oci({
    layers: [part(TYPE.foreign, BLOBS.never, { urls: ['https://elsewhere.example/layer'] })],
  }),
  'urls-on-layer': oci({ layers: [part(TYPE.layer, BLOBS.layer, { urls: ['https://example.com/layer'] })] }),
  index: index({ manifests: [part(TYPE.manifest, image, amd64)] }),
  'index-empty': index({}),
  'index-sparse': index({
    manifests: [part(TYPE.manifest, image, amd64), part(TYPE.manifest, oci({ a: 1 }), arm64)],
  }),
  'docker-list': JSON.stringify({
    schemaVersion: 2,
    mediaType: TYPE.dockerList,
    manifests: [part(TYPE.dockerManifest, docker, amd64)],
  }),
  'both-kinds': oci({ manifests: [] }),
  'wrong-media-type': oci({ mediaType: TYPE.index }),
  'version-1': oci({ schemaVersion: 1 }),
  'version-3': oci({ schemaVersion: 3 }),
  'no-version': oci({ schemaVersion: undefined }),
  'no-config': oci({ config: undefined }),
  'bad-digest': oci({ layers: [{ mediaType: TYPE.layer, digest: 'sha256:abc', size: 1 }] }),
  'no-digest': oci({ layers: [{ mediaType: TYPE.layer, size: 1 }] }),
  'negative-size': oci({ layers: [part(TYPE.layer, BLOBS.layer, { size: -1 })] }),
  'size-is-text': oci({ layers: [part(TYPE.layer, BLOBS.layer, { size: '1' })] }),
  'annotations-are-a-list': oci({ annotations: ['a'] }),
  'half-json': '{"schemaVersion":2',
  null: 'null',
  list: '[]',
  schema1: JSON.stringify({ schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [], history: [] }),
  'too-large': oci({ annotations: { much: 'x'.repeat(4 * 1024 * 1024) } }),
} as const

export const CONTENT = { ...BLOBS, ...MANIFESTS }
export type ContentName = keyof typeof CONTENT
