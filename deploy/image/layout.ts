/** Images as files: an OCI layout of all architectures, and for each an archive that every engine loads. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Architecture } from './architectures.ts'
import { imageConfig, labelsOf, type About } from './image-config.ts'
import { sha256, type Layer } from './layers.ts'
import { tarOf, type Entries } from './tar.ts'

const TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const

type Descriptor = {
  mediaType: string
  digest: string
  size: number
  platform?: { architecture: Architecture; os: 'linux' }
  annotations?: Record<string, string>
}

export type Image = {
  architecture: Architecture
  layers: readonly Layer[]
  /** The manifest, and its bytes. */
  descriptor: Descriptor
  config: Descriptor
  /** All that the manifest names, and itself, by digest. */
  blobs: ReadonlyMap<string, Uint8Array>
}

export function createImage(layers: readonly Layer[], architecture: Architecture, about: About): Image {
  const blobs = new Map<string, Uint8Array>(layers.map(({ digest, bytes }) => [digest, bytes]))
  const config = addJson(blobs, TYPES.config, imageConfig(layers, { architecture, about }))
  const manifest = addJson(blobs, TYPES.manifest, {
    schemaVersion: 2,
    mediaType: TYPES.manifest,
    config,
    layers: layers.map(({ digest, bytes }) => ({ mediaType: TYPES.layer, digest, size: bytes.length })),
    annotations: labelsOf(about),
  })
  const descriptor = { ...manifest, platform: { architecture, os: 'linux' as const } }
  return { architecture, layers, descriptor, config, blobs }
}

/** @returns the digest of the index of all images, which is what the layout is pushed as */
export function writeLayout(folder: string, images: readonly Image[], about: About): string {
  const blobs = new Map(images.flatMap(({ blobs }) => [...blobs]))
  const index = addJson(blobs, TYPES.index, {
    schemaVersion: 2,
    mediaType: TYPES.index,
    manifests: images.map(({ descriptor }) => descriptor),
    annotations: labelsOf(about),
  })
  // One name only: programs that are told none take the one that is there.
  const named = { ...index, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }
  const incoming = `${folder}.${process.pid}`
  rmSync(incoming, { recursive: true, force: true })
  mkdirSync(incoming, { recursive: true })
  for (const [path, entry] of layoutEntries(blobs, [named])) {
    if (entry.kind !== 'file') continue
    mkdirSync(join(incoming, path, '..'), { recursive: true })
    writeFileSync(join(incoming, path), entry.bytes)
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(incoming, folder)
  return index.digest
}

/**
 * What `docker load` takes. Older ones read `manifest.json`, newer ones the layout beside it; the files are the same.
 * @param repository e.g. `berth`
 */
export async function writeArchive(
  path: string,
  image: Image,
  { repository, tags }: { repository: string; tags: readonly string[] },
): Promise<void> {
  const pathOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`
  const named = tags.map((tag) => ({
    ...image.descriptor,
    annotations: {
      'io.containerd.image.name': `docker.io/library/${repository}:${tag}`,
      'org.opencontainers.image.ref.name': tag,
    },
  }))
  const entries = layoutEntries(image.blobs, named)
  const manifest = [
    {
      Config: pathOf(image.config.digest),
      RepoTags: tags.map((tag) => `${repository}:${tag}`),
      Layers: image.layers.map(({ digest }) => pathOf(digest)),
    },
  ]
  entries.set('manifest.json', { kind: 'file', mode: 0o644, bytes: Buffer.from(JSON.stringify(manifest)) })
  const incoming = `${path}.${process.pid}`
  writeFileSync(incoming, await tarOf(entries))
  renameSync(incoming, path)
}

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
function layoutEntries(blobs: ReadonlyMap<string, Uint8Array>, manifests: readonly Descriptor[]): Entries {
  const file = (bytes: Uint8Array) => ({ kind: 'file' as const, mode: 0o644, bytes })
  const index = { schemaVersion: 2, mediaType: TYPES.index, manifests }
  return new Map([
    ['oci-layout', file(Buffer.from('{"imageLayoutVersion":"1.0.0"}'))],
    ['index.json', file(Buffer.from(JSON.stringify(index)))],
    ...[...blobs].map(([digest, bytes]) => [`blobs/${digest.replace(':', '/')}`, file(bytes)] as const),
  ])
}

function addJson(blobs: Map<string, Uint8Array>, mediaType: string, value: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = sha256(bytes)
  blobs.set(digest, bytes)
  return { mediaType, digest, size: bytes.length }
}
