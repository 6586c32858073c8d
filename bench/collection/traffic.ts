/** One client that pulls and pushes all the time, and how long it waits. */
import {
  blobOf,
  type Blob,
  type DescriptorOf,
  descriptorOf,
  OCI_MANIFEST,
  OCI_CONFIG,
} from '../../test/lib/content.ts'
import { digestOf, type Manifest } from '../../test/lib/content.ts'
import { createRegistryClient, expectStatus } from '../../test/lib/registry-client.ts'

export const REPOSITORY = 'bench/collection'

export const ACTIONS = ['pull manifest', 'pull blob', 'push blob', 'push manifest'] as const
export type Action = (typeof ACTIONS)[number]
export type Latencies = Record<Action, number[]>

/** An image of its own config and layers that all share. */
export function imageOf(name: string, layers: readonly DescriptorOf[]): { config: Blob; manifest: Manifest } {
  const config = blobOf(`config ${name}`, 1024)
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(config, OCI_CONFIG),
      layers,
    }),
  )
  return { config, manifest: { bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST } }
}

export type Traffic = {
  /** What was measured since the last time. */
  take(): Latencies
  stop(): Promise<void>
}

/** @param kept tags that stay for the whole time, and their config blobs */
export function startTraffic(
  url: string,
  kept: readonly { tag: string; config: string }[],
  layers: readonly DescriptorOf[],
): Traffic {
  const client = createRegistryClient(url)
  let latencies = none()
  let isOver = false
  const measured = async <T>(action: Action, work: () => Promise<T>): Promise<T> => {
    const began = performance.now()
    const result = await work()
    latencies[action].push(performance.now() - began)
    return result
  }
  const round = async (count: number): Promise<void> => {
    const { tag, config } = kept[count % kept.length] as { tag: string; config: string }
    const image = imageOf(`traffic ${process.pid} ${count}`, layers)
    expectStatus(await measured('pull manifest', () => client.getManifest(REPOSITORY, tag)), 200)
    expectStatus(await measured('pull blob', () => client.getBlob(REPOSITORY, config)), 200)
    expectStatus(await measured('push blob', () => client.pushBlob(REPOSITORY, image.config, 'post')), 201)
    const push = () => client.putManifest(REPOSITORY, `new-${count}`, image.manifest)
    expectStatus(await measured('push manifest', push), 201)
  }
  const done = (async () => {
    for (let count = 0; !isOver; count++) await round(count)
  })()
  return {
    take() {
      const taken = latencies
      latencies = none()
      return taken
    },
    async stop() {
      isOver = true
      await done
      client.close()
    },
  }
}

function none(): Latencies {
  return { 'pull manifest': [], 'pull blob': [], 'push blob': [], 'push manifest': [] }
}
