/** A hosted registry in memory, and short ways to use it, for tests. */
import type { BlobStore } from '../blobs/blob-store.ts'
import { createMemoryBlobStore } from '../blobs/memory.ts'
import { openPrincipal } from '../auth/principal.ts'
import { silentLogger } from '../lib/logger.ts'
import { openMetadata, type Metadata } from '../metadata/open-metadata.ts'
import { createPullRecorder } from '../metadata/pulls.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { createHostedRegistry } from './hosted.ts'
import type { HostedRules } from './hosted-parts.ts'
import type { Call, Chunk, Registry } from './registry.ts'

export type Fixture = {
  registry: Registry
  metadata: Metadata
  store: BlobStore
  clock: { now(): number; advance(ms: number): void }
  call: Call
  close(): Promise<void>
}

export const defaultRules: HostedRules = {
  deletes: true,
  readOnly: false,
  keepMs: 86_400_000,
  maxReferences: 10_000,
  sparse: 'none',
  requiredPlatforms: 'all',
  urls: { allow: [], deny: [] },
}

export function createFixture(
  rules: Partial<HostedRules> = {},
  shared?: { folder?: string; store?: BlobStore },
): Fixture {
  let time = 1_800_000_000_000
  const clock = { now: () => time, advance: (ms: number) => void (time += ms) }
  const metadata = openMetadata({
    version: 'test',
    ...(shared?.folder !== undefined && { folder: shared.folder }),
  })
  const store = shared?.store ?? createMemoryBlobStore()
  const pulls = createPullRecorder(metadata.db, clock.now)
  const registry = createHostedRegistry({
    db: metadata.db,
    store,
    clock,
    log: silentLogger,
    pulls,
    processId: metadata.processId,
    boot: metadata.boot,
    rules: { ...defaultRules, ...rules },
  })
  return {
    registry,
    metadata,
    store,
    clock,
    call: createCall(),
    async close() {
      await registry.close()
      await metadata.db.close()
      if (shared?.store === undefined) await store.close()
    },
  }
}

/** A fixture for as long as `work` takes. */
export async function withFixture(
  work: (fixture: Fixture) => Promise<void>,
  rules: Partial<HostedRules> = {},
): Promise<void> {
  const fixture = createFixture(rules)
  try {
    await work(fixture)
  } finally {
    await fixture.close()
  }
}

export function createCall(signal: AbortSignal = new AbortController().signal): Call {
  return {
    principal: openPrincipal,
    requestId: 'test',
    address: '192.0.2.1',
    client: 'test',
    cause: 'push',
    signal,
    log: silentLogger,
  }
}

export const repository = (name: string): RepositoryName => name as RepositoryName
export const tag = (name: string): Tag => name as Tag

export function chunkOf(content: string | Uint8Array, from?: number): Chunk {
  const bytes = Buffer.from(content)
  return { body: bodyOf([bytes]), length: bytes.length, ...(from !== undefined && { from }) }
}

export async function* bodyOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

export const sha256 = (content: string | Uint8Array): Digest => digestOf('sha256', Buffer.from(content))

export async function pushBlob({ registry, call }: Fixture, name: string, content: string): Promise<Digest> {
  const digest = sha256(content)
  await registry.putBlob(call, repository(name), digest, chunkOf(content))
  return digest
}

/** The bytes of an image manifest over blobs that are to be pushed before. */
export function imageOf(config: string, layers: readonly string[], extra: object = {}): Buffer {
  const descriptor = (mediaType: string, content: string) => ({
    mediaType,
    digest: sha256(content),
    size: Buffer.byteLength(content),
  })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
      ...extra,
    }),
  )
}

export async function pushImage(
  fixture: Fixture,
  name: string,
  tags: readonly string[],
  layers: readonly string[] = ['layer'],
  extra: object = {},
): Promise<Digest> {
  for (const content of ['{}', ...layers]) await pushBlob(fixture, name, content)
  const bytes = imageOf('{}', layers, extra)
  const { digest } = await fixture.registry.putManifest(fixture.call, repository(name), {
    mediaType: MEDIA_TYPE.ociManifest,
    bytes,
    tags: tags.map(tag),
  })
  return digest
}

export async function readBlob(fixture: Fixture, name: string, digest: Digest): Promise<string> {
  const { source } = await fixture.registry.openBlob(fixture.call, repository(name), digest, undefined)
  const pieces: Buffer[] = source.whole === undefined ? [] : [Buffer.from(source.whole)]
  for (let piece = source.whole ? undefined : await source.read(); piece; piece = await source.read()) {
    pieces.push(Buffer.from(piece.bytes))
    piece.release()
  }
  source.close()
  return Buffer.concat(pieces).toString()
}
