/** Fills a registry through its API. */
import type { Blob } from '../../test/lib/content.ts'
import { BenchFailure } from '../failure.ts'
import type { Client } from '../tools/client.ts'
import type { Server } from '../tools/figures.ts'
import {
  APP,
  EMPTY,
  LARGE_SEED,
  REFERRERS,
  SIZES,
  SPREAD,
  TAG,
  TAGS,
  type Content,
  type LargeSize,
  type Part,
  type SmallSize,
} from './content.ts'
import type { Exchange } from './exchange.ts'
import { pushBlob, putManifest } from './push.ts'

type Seeding = { exchange: Exchange; server: Server; client: Client; content: Content }

/** How many requests are under way at once. */
const WIDTH = 16

/** @throws BenchFailure where the registry refuses any of it */
export async function seed(part: Part, seeding: Seeding): Promise<void> {
  const { exchange, content } = seeding
  switch (part) {
    case 'app':
      await pushAll(exchange, APP, [
        ...Object.values(content.blobs),
        content.image.config,
        ...content.image.layers,
      ])
      for (const tag of [TAG, 'another']) await putManifest(exchange, APP, tag, content.image.manifest)
      return
    case 'blob-64m':
      return seedLarge('64m', seeding)
    case 'blob-1g':
      return seedLarge('1g', seeding)
    case 'spread-4k':
      return seedSpread('4k', seeding)
    case 'spread-64k':
      return seedSpread('64k', seeding)
    case 'spread-1m':
      return seedSpread('1m', seeding)
    case 'tags':
      await pushAll(exchange, TAGS, [content.small.config, content.small.layer])
      return inParallel(content.counts.tags, (index) =>
        putManifest(exchange, TAGS, content.tagName(index), content.small.manifest),
      )
    case 'catalog':
      return inParallel(content.counts.repositories, async (index) => {
        const repository = content.repositoryName(index)
        await pushAll(exchange, repository, [content.small.config, content.small.layer])
        await putManifest(exchange, repository, TAG, content.small.manifest)
      })
    case 'referrers':
      await pushAll(exchange, REFERRERS, [content.small.config, content.small.layer, EMPTY])
      await putManifest(exchange, REFERRERS, TAG, content.small.manifest)
      return inParallel(content.counts.referrers, async (index) => {
        const manifest = content.referrer(index)
        await putManifest(exchange, REFERRERS, manifest.digest, manifest)
      })
  }
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: WIDTH }, worker))
}

async function pushAll(exchange: Exchange, repository: string, blobs: readonly Blob[]): Promise<void> {
  for (const blob of blobs) await pushBlob(exchange, repository, blob)
}

async function seedSpread(size: SmallSize, { exchange, content }: Seeding): Promise<void> {
  await inParallel(content.counts.spread, (index) => pushBlob(exchange, SPREAD, content.spread(size, index)))
}

async function seedLarge(size: LargeSize, { server, client, content }: Seeding): Promise<void> {
  const { last } = await client.push(server, {
    connections: 1,
    shape: 'put',
    repository: APP,
    seed: LARGE_SEED,
    size: SIZES[size],
    count: 1,
  })
  const known = (content.large[size] ??= last)
  if (known !== last) throw new BenchFailure(`the blob of ${size} is not the same on all sides`)
}

/** What a registry can do that not all can. */
export type Abilities = { singlePost: boolean; referrers: boolean; tagPages: boolean }

/** Asks for it once, small. */
export async function probeAbilities(exchange: Exchange, content: Content): Promise<Abilities> {
  const blob = content.blobs['4k']
  const posted = await exchange
    .ask('POST', `/v2/bench/probe/blobs/uploads/?digest=${blob.digest}`, {
      headers: { 'content-type': 'application/octet-stream' },
      body: blob.bytes,
    })
    .catch(() => undefined)
  const referrers = await exchange.ask('GET', `/v2/${APP}/referrers/${content.image.manifest.digest}`)
  const page = await exchange.ask('GET', `/v2/${APP}/tags/list?n=1`)
  return {
    singlePost: posted?.status === 201,
    referrers: referrers.status === 200,
    tagPages: page.status === 200 && page.body.includes('another') && !page.body.includes(TAG),
  }
}
