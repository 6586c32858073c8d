/** What a registry takes over a database of one size. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom, type Random } from '../../test/lib/content.ts'
import { createExchange } from '../content/exchange.ts'
import { verify } from '../content/verify.ts'
import { threadNanoseconds } from '../machine/cpu.ts'
import type { Running } from '../peers/running.ts'
import { ACCEPT_MANIFESTS } from '../rows/row.ts'
import { writeRequests, type Client } from '../tools/client.ts'
import type { Asked } from '../tools/figures.ts'
import { DELETED, manifestNamed, ONE, repositoryName, spareTag, tagName } from './content.ts'
import { databaseFile } from './fill.ts'

export type Cost = {
  /** Milliseconds. */
  p50: number
  p99: number
  /** Microseconds of the registry's processor time, each. */
  cpu: number
}
export type RoundResult = {
  /** Milliseconds from the start of the process to the first answer. */
  start: number
  databaseMiB: number
  /** One request at a time. `first`: nothing of it was asked for before. */
  operations: Record<Operation, Cost>
}
export type SizeResult = RoundResult & { size: number }

export const OPERATIONS = [
  'manifest by tag, first',
  'manifest by tag, again',
  'manifest by digest, first',
  'tags page, first',
  'catalog page, first',
  'push',
  'delete tag',
  'delete manifest',
] as const
export type Operation = (typeof OPERATIONS)[number]

const ASKED = 400
const PAGES = 100
const PAGE = 100

/** The registry is started again: what an earlier round asked for must not be in its memory. */
export async function measureRound(
  size: number,
  round: number,
  running: Running,
  client: Client,
  folder: string,
): Promise<RoundResult> {
  const start = await running.restart()
  const random = createRandom(size + round)
  const numbers = drawn(random, ASKED, size)
  const run: Run = (requests) => {
    const file = join(folder, 'growth.requests')
    writeRequests(file, requests)
    const work = { requests: file, connections: 1, seconds: 0, count: requests.length }
    return costOf(running, requests.length, client.pull(running.server, work))
  }
  await warmUp(running, run)
  const byTag = numbers.map((index) => getManifest(tagName(index), index))
  const byDigest = drawn(random, ASKED, size).map((index) =>
    getManifest(manifestNamed(tagName(index)).manifest.digest, index),
  )
  const from = Array.from({ length: PAGES }, () => random.between(0, size - PAGE - 1))
  const operations = {
    'manifest by tag, first': await run(byTag),
    'manifest by tag, again': await run(byTag),
    'manifest by digest, first': await run(byDigest),
    'tags page, first': await run(
      from.map((index) => page(`/v2/${ONE}/tags/list?n=${PAGE}&last=${tagName(index)}`)),
    ),
    'catalog page, first': await run(
      from.map((index) => page(`/v2/_catalog?n=${PAGE}&last=${repositoryName(index)}`)),
    ),
    ...(await change(round, running, client, run)),
  }
  const file = databaseFile(join(running.folder, 'data'))
  return { start, databaseMiB: statSync(file).size / 2 ** 20, operations }
}

/** Different numbers below `size`: one that came twice would be known the second time. */
function drawn(random: Random, count: number, size: number): number[] {
  const numbers = new Set<number>()
  while (numbers.size < count) numbers.add(random.between(0, size - 1))
  return [...numbers]
}

async function costOf(
  running: Running,
  count: number,
  work: Promise<{ p50: number; p99: number }>,
): Promise<Cost> {
  const before = threadNanoseconds(running.pid)
  const { p50, p99 } = await work
  return { p50, p99, cpu: (threadNanoseconds(running.pid) - before) / count / 1000 }
}

function getManifest(reference: string, index: number): Asked {
  const { manifest } = manifestNamed(tagName(index))
  const path = `/v2/${ONE}/manifests/${reference}`
  return { method: 'GET', path, status: 200, length: manifest.bytes.length, header: ACCEPT_MANIFESTS }
}

const page = (path: string): Asked => ({ method: 'GET', path, status: 200 })

type Run = (requests: readonly Asked[]) => Promise<Cost>

/** The code is compiled, the answers are looked at; other names than those that are measured. */
async function warmUp(running: Running, run: Run): Promise<void> {
  const exchange = createExchange(running.url)
  const tag = tagName(0)
  const { manifest } = manifestNamed(tag)
  const path = `/v2/${ONE}/manifests/${tag}`
  await verify(exchange, { path, header: ACCEPT_MANIFESTS, digest: manifest.digest })
  await verify(exchange, {
    path: `/v2/${ONE}/tags/list?n=${PAGE}&last=${tagName(0)}`,
    json: (document) => expectNames((document as { tags: string[] }).tags, tagName),
  })
  await verify(exchange, {
    path: `/v2/_catalog?n=${PAGE}&last=${repositoryName(0)}`,
    json: (document) => expectNames((document as { repositories: string[] }).repositories, repositoryName),
  })
  exchange.close()
  // Misses of every kind: 404s take the same way as what is found.
  await run(
    Array.from({ length: 3000 }, (_, index) => ({ method: 'GET', path: `${path}-${index}`, status: 404 })),
  )
  await run(Array.from({ length: 300 }, (_, index) => page(`/v2/${ONE}/tags/list?n=${PAGE}&last=a${index}`)))
  await run(Array.from({ length: 300 }, (_, index) => page(`/v2/_catalog?n=${PAGE}&last=a${index}`)))
}

function expectNames(got: readonly string[], name: (index: number) => string): string | undefined {
  const wanted = Array.from({ length: PAGE }, (_, index) => name(index + 1))
  return got.length === PAGE && got.every((one, index) => one === wanted[index])
    ? undefined
    : `not ${wanted[0]} to ${wanted.at(-1)}`
}

async function change(
  round: number,
  running: Running,
  client: Client,
  run: Run,
): Promise<Pick<SizeResult['operations'], 'push' | 'delete tag' | 'delete manifest'>> {
  const seed = `growth-${round}`
  const work = { connections: 1, shape: 'patch', repository: ONE, size: 4096, blobsPerImage: 1 } as const
  await client.push(running.server, { ...work, seed: `warm-${seed}`, count: 5 })
  const pushed = client.push(running.server, { ...work, seed, count: DELETED })
  const push = await costOf(running, DELETED, pushed)
  const path = `/v2/${ONE}/manifests/`
  const remove = (reference: string): Asked => ({ method: 'DELETE', path: path + reference, status: 202 })
  const spares = Array.from(
    { length: DELETED },
    (_, index) => manifestNamed(spareTag(round * DELETED + index)).manifest.digest,
  )
  return {
    push,
    'delete tag': await run(Array.from({ length: DELETED }, (_, index) => remove(`${seed}-${index}`))),
    'delete manifest': await run(spares.map(remove)),
  }
}
