/** An OCI image layout on disk: what skopeo, crane, regctl, oras and podman push from and pull to. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  digestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  randomBytesOf,
  type DescriptorOf,
} from '../lib/content.ts'
import { tarOf, type Entry } from './tar.ts'

type LayoutDescriptor = DescriptorOf & {
  platform?: { architecture: string; os: string; variant?: string }
}

type ImageOptions = {
  /** One tar a layer. */
  layers: Entry[][]
  architecture?: string
  command?: string[]
  /** Layers stay as they are: no client compresses or names them anew. */
  uncompressed?: boolean
  annotations?: Record<string, string>
}

export function createLayout(folder: string) {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const tagged: (LayoutDescriptor & { annotations: Record<string, string> })[] = []
  const add = (bytes: Buffer, mediaType: string): DescriptorOf => {
    const digest = digestOf(bytes)
    writeFileSync(blobPath(folder, digest), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const addImage = (options: ImageOptions): LayoutDescriptor => {
    const tars = options.layers.map((entries) => tarOf(entries))
    const layers = tars.map((tar) =>
      options.uncompressed ? add(tar, OCI_LAYER) : add(gzipSync(tar, { level: 1 }), `${OCI_LAYER}+gzip`),
    )
    const architecture = options.architecture ?? hostArchitecture()
    const config = {
      architecture,
      os: 'linux',
      config: { Cmd: options.command ?? ['/bin/sh'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
      history: tars.map(() => ({ created_by: 'test' })),
    }
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: add(Buffer.from(JSON.stringify(config)), OCI_CONFIG),
      layers,
      ...(options.annotations ? { annotations: options.annotations } : {}),
    }
    const descriptor = add(Buffer.from(JSON.stringify(manifest)), OCI_MANIFEST)
    return { ...descriptor, platform: { architecture, os: 'linux' } }
  }
  const addIndex = (manifests: LayoutDescriptor[]): LayoutDescriptor =>
    add(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })), OCI_INDEX)
  const tag = (descriptor: LayoutDescriptor, name: string): void => {
    tagged.push({ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': name } })
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: tagged }
    writeFileSync(join(folder, 'index.json'), JSON.stringify(index))
  }
  return { folder, addImage, addIndex, tag }
}

export const blobPath = (folder: string, digest: string): string =>
  join(folder, 'blobs', ...digest.split(':'))

/** What a client has pulled into a layout, by tag or, where there is but one, without. */
export function taggedDigest(folder: string, name?: string): string {
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
    manifests: { digest: string; annotations?: Record<string, string> }[]
  }
  const found = index.manifests.find(
    ({ annotations }) => name === undefined || annotations?.['org.opencontainers.image.ref.name'] === name,
  )
  if (!found) throw new Error(`no ${name ?? 'manifest'} in the layout ${folder}`)
  return found.digest
}

/** Every digest below a manifest or index of a layout, itself first. @throws where a blob has other bytes */
export function digestsBelow(folder: string, digest: string): string[] {
  const bytes = readFileSync(blobPath(folder, digest))
  if (digestOf(bytes) !== digest) throw new Error(`the layout's ${digest} has other bytes`)
  const found = [digest]
  const document = isJson(bytes) ? parseManifest(bytes) : undefined
  for (const child of document?.manifests ?? []) found.push(...digestsBelow(folder, child.digest))
  for (const blob of [document?.config, ...(document?.layers ?? [])])
    if (blob) found.push(...digestsBelow(folder, blob.digest))
  return [...new Set(found)]
}

type Parsed = {
  mediaType?: string
  schemaVersion?: number
  config?: DescriptorOf
  layers?: DescriptorOf[]
  manifests?: DescriptorOf[]
}

export function parseManifest(bytes: Buffer): Parsed | undefined {
  const document = JSON.parse(bytes.toString()) as Parsed
  return document.schemaVersion === 2 ? document : undefined
}

export const isJson = (bytes: Buffer): boolean => bytes.length < 4_000_000 && bytes[0] === 0x7b

export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch
}

const folder = (path: string): Entry => ({ kind: 'folder', path, mode: 0o755 })

/** A root folder that runs: a static busybox as its shell. */
export function busyboxLayer(busybox: string): Entry[] {
  const bytes = readFileSync(busybox)
  const links = ['sh', 'cat', 'echo', 'ls', 'sha256sum', 'true'].map((name): Entry => ({
    kind: 'link',
    path: `bin/${name}`,
    target: 'busybox',
    mode: 0o777,
  }))
  const folders = ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev'].map(folder)
  return [...folders, { kind: 'file', path: 'bin/busybox', mode: 0o755, bytes }, ...links]
}

export function fileLayer(path: string, bytes: Buffer | string): Entry[] {
  return [{ kind: 'file', path, mode: 0o644, bytes: Buffer.from(bytes) }]
}

export const randomLayer = (seed: string, length: number): Entry[] =>
  fileLayer(`random-${seed.replaceAll(/\W/g, '-')}`, randomBytesOf(seed, length))
