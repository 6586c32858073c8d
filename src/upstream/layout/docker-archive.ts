/**
 * What `docker save` wrote before Docker 25: layers and configurations, and no manifests. These are made here, in OCI's
 * form; the bytes of layers stay as they are, so those that are not compressed are pushed so.
 */
import { MEDIA_TYPE } from '../../oci/descriptor.ts'
import { createDigestHash, type Digest, digestOf } from '../../oci/digest.ts'
import { platformText } from '../../oci/manifest-fields.ts'
import { type Layout, type LayoutEntry, LayoutError, type Stored } from './layout.ts'
import type { FindFile } from './open-layout.ts'
import { readRange, readSmall } from './read-stored.ts'

const LARGEST_CONFIG = 16 * 1024 * 1024
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar'

type Image = { Config: string; RepoTags: string[]; Layers: string[] }

/** @param list manifest.json. @throws LayoutError */
export async function openDockerArchive(path: string, find: FindFile, list: unknown): Promise<Layout> {
  if (!Array.isArray(list)) throw new LayoutError(`manifest.json in ${path} is no list of images`)
  const files = new Map<Digest, Stored>()
  const made = new Map<Digest, Buffer>()
  const entries: LayoutEntry[] = []
  const layers = new Map<string, Promise<LayerDescriptor>>()
  const layerOf = (name: string, diffId: string | undefined): Promise<LayerDescriptor> => {
    const known = layers.get(name) ?? describeLayer(existing(find, name, path), diffId, files)
    layers.set(name, known)
    return known
  }
  for (const [position, value] of list.entries()) {
    const image = imageOf(value, `manifest.json[${position}] in ${path}`)
    const config = describeConfig(existing(find, image.Config, path), files)
    const described: LayerDescriptor[] = []
    for (const [index, name] of image.Layers.entries())
      described.push(await layerOf(name, config.diffIds[index]))
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: config.descriptor,
        layers: described,
      }),
    )
    const digest = digestOf('sha256', manifest)
    made.set(digest, manifest)
    entries.push({
      descriptor: {
        mediaType: MEDIA_TYPE.ociManifest,
        digest,
        size: manifest.length,
        ...(config.platform !== undefined && { platform: config.platform }),
      },
      names: image.RepoTags,
    })
  }
  return { shown: path, entries, made, find: (digest) => files.get(digest) }
}

type LayerDescriptor = { mediaType: string; digest: Digest; size: number }

function imageOf(value: unknown, at: string): Image {
  const { Config, RepoTags, Layers } = (value ?? {}) as Record<string, unknown>
  const isText = (one: unknown): one is string => typeof one === 'string'
  if (!isText(Config) || !Array.isArray(Layers) || !Layers.every(isText))
    throw new LayoutError(`${at} has no Config and Layers`)
  return { Config, Layers, RepoTags: Array.isArray(RepoTags) ? RepoTags.filter(isText) : [] }
}

function existing(find: FindFile, name: string, path: string): Stored {
  const found = find(name)
  if (found === undefined) throw new LayoutError(`${path} has no ${name}, which its manifest.json names`)
  return found
}

function describeConfig(stored: Stored, files: Map<Digest, Stored>) {
  const bytes = readSmall(stored, LARGEST_CONFIG)
  const digest = digestOf('sha256', bytes)
  files.set(digest, stored)
  let document: { rootfs?: { diff_ids?: unknown } }
  try {
    document = JSON.parse(bytes.toString('utf8')) as typeof document
  } catch {
    throw new LayoutError(`${stored.shown} is no configuration of an image`)
  }
  const ids = document.rootfs?.diff_ids
  return {
    descriptor: { mediaType: CONFIG_TYPE, digest, size: bytes.length },
    diffIds: Array.isArray(ids) ? (ids as string[]) : [],
    platform: platformText(document as Record<string, unknown>, stored.shown),
  }
}

/** Read whole, once more than it is pushed: only so is its digest known. */
async function describeLayer(
  stored: Stored,
  diffId: string | undefined,
  files: Map<Digest, Stored>,
): Promise<LayerDescriptor> {
  const hash = createDigestHash('sha256')
  let isGzip = false
  let isFirst = true
  for await (const piece of readRange(stored, 0, stored.size)) {
    if (isFirst) isGzip = piece[0] === 0x1f && piece[1] === 0x8b
    isFirst = false
    hash.update(piece)
  }
  const digest = `sha256:${hash.digest('hex')}` as Digest
  if (!isGzip && diffId !== digest)
    throw new LayoutError(
      `${stored.shown} is damaged: its configuration says ${diffId}. Save the image again`,
    )
  files.set(digest, stored)
  return { mediaType: isGzip ? `${LAYER_TYPE}+gzip` : LAYER_TYPE, digest, size: stored.size }
}
