/**
 * Twenty clients push, skip what a HEAD says is there, mount, delete and push again the same content, while collection
 * runs without a pause, in the registry and by command: no promise is broken, no tag loses what it names, and in the end
 * the disk holds what live images need and nothing else. BERTH_SLOW=1: ten minutes, and a hundred kills;
 * BERTH_STRESS_MINUTES says how many minutes; BERTH_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf, createRandom, imageOf, type Blob } from '../lib/content.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import type { TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { type Clocked, createClocked, HOUR_MS } from './clocked.ts'
import { pullEverything, REPOSITORIES, sharedLayers, startStress, type Stress } from './collect-load.ts'
import {
  type Collected,
  collectedBy,
  type Collector,
  type GcReport,
  metricsOf,
  startCollector,
} from './collector.ts'
import { inParallel } from './verify.ts'

const SLOW = process.env['BERTH_SLOW'] !== undefined
const MINUTES = Number(process.env['BERTH_STRESS_MINUTES'] ?? (SLOW ? 10 : 0.12))
const KILLS = Number(process.env['BERTH_KILLS'] ?? (SLOW ? 100 : 10))
const SEED = Number(process.env['BERTH_SEED'] ?? Date.now() % 1_000_000)
/** The lease of a HEAD, 36 h, takes three seconds; with more time to spare half a minute. */
const FACTOR = SLOW ? 4320 : 43_200
const LIVE = 'still/life'

type Registry = {
  clocked: Clocked
  servers: (TestServer & { metrics: string })[]
  clients: RegistryClient[]
  /** By all that have ended. */
  collected: Collected
}

async function start(context: TestContext, count: number): Promise<Registry> {
  const clocked = createClocked(
    temporaryFolder(context, 'collect'),
    temporaryFolder(context, 'commands'),
    FACTOR,
  )
  const collected: Collected = { manifests: 0, links: 0, blobs: 0, bytes: 0 }
  const registry: Registry = { clocked, servers: [], clients: [], collected }
  afterwards(context, async () => {
    for (const client of registry.clients) client.close()
    await Promise.all(registry.servers.map((server) => server.kill()))
  })
  for (let index = 0; index < count; index++) await serveAt(registry, index, '1h')
  return registry
}

async function serveAt(registry: Registry, index: number, keep: string): Promise<void> {
  const server = await registry.clocked.serve(keep)
  registry.servers[index] = { ...server, metrics: metricsOf(server.log()) }
  registry.clients[index] = createRegistryClient(server.url)
}

async function end(registry: Registry, index: number, how: 'kill' | 'stop'): Promise<void> {
  const server = registry.servers[index] as Registry['servers'][number]
  for (const [name, count] of Object.entries(await collectedBy(server.metrics)))
    registry.collected[name as keyof Collected] += count
  await server[how]()
  registry.clients[index]?.close()
}

/** What nobody deletes; half of its layers are those that everybody else deletes. */
async function pushStillLife(client: RegistryClient): Promise<Blob[]> {
  const own = [0, 1].map((n) => blobOf(`still life ${n}`, 50_000))
  const config = blobOf('still life config', 300)
  const blobs = [config, ...own, ...sharedLayers.flatMap((layers) => layers.slice(0, 2))]
  for (const blob of blobs) expectStatus(await client.pushBlob(LIVE, blob, 'post'), 201)
  expectStatus(await client.putManifest(LIVE, 'latest', imageOf(config, blobs.slice(1))), 201)
  return blobs
}

function startClients(
  registry: Registry,
  clients: number,
  gate = { open: async () => {}, isCut: () => false },
): Stress {
  let turn = 0
  return startStress({
    pick: () => registry.clients[turn++ % registry.clients.length] as RegistryClient,
    ...{ gate, clients, seed: SEED, dawdling: SLOW ? 0.03 : 0.12 },
    now: () => registry.clocked.now(),
    wait: (ms) => sleep(Math.max(0, ms / FACTOR)),
  })
}

async function settle(context: TestContext, registry: Registry, stress: Stress, collector: Collector) {
  await stress.stop()
  await collector.stop()
  const own = await stress.verify()
  const { tags, broken } = await pullEverything(registry.clients[0] as RegistryClient, [
    ...REPOSITORIES,
    LIVE,
  ])
  const { counts } = stress
  const byCommand = collector.collected
  context.diagnostic(
    `seed ${SEED}; clients: ${text(counts)}; ${own} tags verified, ${tags} listed and pulled`,
  )
  context.diagnostic(
    `the registry's own collector so far: ${text(await collectedBy(registry.servers[0]?.metrics ?? ''))}`,
  )
  context.diagnostic(
    `${collector.runs()} commands collected ${text(byCommand)}, freed ${text(collector.freed)}`,
  )
  assert.deepEqual(stress.problems.slice(0, 10), [], `seed ${SEED}: promises broken`)
  assert.deepEqual(broken, [], `seed ${SEED}: listed tags that cannot be pulled`)
  assert.deepEqual(collector.problems, [])
}

const text = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

async function deleteAll(client: RegistryClient, digests: readonly string[]): Promise<void> {
  const all = REPOSITORIES.flatMap((repository) => digests.map((digest) => ({ repository, digest })))
  await inParallel(all, 8, async ({ repository, digest }) => {
    expectStatus(await client.deleteManifest(repository, digest), 202, 404)
  })
}

type Disk = { files: number; bytes: number }

function objectsOf(root: string): Disk {
  const objects = join(root, 'berth', 'objects')
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('.'),
  )
  const bytes = names.reduce((sum, name) => sum + lstatSync(join(objects, name)).size, 0)
  return { files: names.length, bytes }
}

/** A dry run, and the run: what goes is what was told, byte for byte. @returns undefined: nothing is left */
async function collectAsPlanned(clocked: Clocked, ...more: string[]): Promise<Collected | undefined> {
  const before = objectsOf(clocked.root)
  const dry = JSON.parse((await clocked.run('gc', '--json', '--dry-run', ...more)).stdout) as GcReport
  const planned = dry.planned as Collected
  assert.deepEqual(objectsOf(clocked.root), before, 'a dry run removes nothing')
  // What the trash gives up is known when it has been emptied: the run makes a plan of its own.
  const run = more.length === 0 ? ['--plan', String(dry.plan)] : more
  const done = JSON.parse((await clocked.run('gc', '--json', ...run)).stdout) as GcReport
  const after = objectsOf(clocked.root)
  assert.deepEqual(done.removed, planned, 'removed what was planned')
  assert.deepEqual(
    [before.bytes - after.bytes, before.files - after.files],
    [planned.bytes, planned.blobs],
    'and that is what the disk got back',
  )
  assert.equal(done.freed?.bytes, planned.bytes)
  return planned.manifests + planned.links + planned.blobs === 0 ? undefined : planned
}

/** Children and referrers go a day after what held them, so this takes some days. @returns how much went */
async function collectToTheEnd(clocked: Clocked, ...more: string[]): Promise<Collected> {
  const sums: Collected = { manifests: 0, links: 0, blobs: 0, bytes: 0 }
  for (let round = 0; ; round++) {
    assert.ok(round < 6, 'the collection has an end')
    const planned = await collectAsPlanned(clocked, ...more)
    clocked.leap(48 * HOUR_MS)
    if (planned === undefined) return sums
    for (const [name, count] of Object.entries(planned)) sums[name as keyof Collected] += count
  }
}

async function untilUploadsExpired(clocked: Clocked): Promise<void> {
  const database = new DatabaseSync(join(clocked.root, 'berth/metadata.db'), { readOnly: true })
  const count = database.prepare('SELECT count(*) AS uploads FROM uploads')
  const ends = performance.now() + 60_000
  try {
    while ((count.get() as { uploads: number }).uploads > 0) {
      assert.ok(performance.now() < ends, 'uploads expire')
      await sleep(100)
    }
  } finally {
    database.close()
  }
}

/** The disk, the rows and what is live are the same, and a check that reads every byte finds nothing. */
async function assertOnlyLives(context: TestContext, clocked: Clocked, live: readonly Blob[]): Promise<void> {
  const database = new DatabaseSync(join(clocked.root, 'berth/metadata.db'), { readOnly: true })
  const count = (table: string): number =>
    (database.prepare(`SELECT count(*) AS rows FROM ${table}`).get() as { rows: number }).rows
  const rows = [count('objects'), count('blobs'), count('manifests')]
  database.close()
  const disk = objectsOf(clocked.root)
  context.diagnostic(`left: ${text(disk)}; rows of objects, blobs, manifests: ${rows.join(', ')}`)
  assert.deepEqual(rows, [live.length, live.length, 1])
  const bytes = live.reduce((sum, blob) => sum + blob.bytes.length, 0)
  assert.deepEqual(disk, { files: live.length, bytes })
  const { stdout } = await clocked.run('check', '--rehash')
  assert.match(stdout, /all is well/)
}

test(
  'promises hold under collection without pause',
  { timeout: 120_000 + MINUTES * 70_000 },
  async (context) => {
    const registry = await start(context, 1)
    const { clocked } = registry
    const live = await pushStillLife(registry.clients[0] as RegistryClient)
    const stress = startClients(registry, 20)
    const collector = startCollector(clocked)
    await sleep(MINUTES * 60_000)
    await settle(context, registry, stress, collector)

    // Half of what is left is deleted for six weeks, which then pass, the other half for years.
    const digests = stress.manifests().map(({ digest }) => digest)
    for (const [keep, part] of [
      ['1000h', digests.slice(0, digests.length / 2)],
      ['100000h', digests.slice(digests.length / 2)],
    ] as const) {
      await end(registry, 0, 'stop')
      await serveAt(registry, 0, keep)
      await deleteAll(registry.clients[0] as RegistryClient, part)
    }
    await end(registry, 0, 'stop')
    context.diagnostic(`the registry itself collected ${text(registry.collected)}`)
    await clocked.run('gc', '--now')
    clocked.leap(1040 * HOUR_MS)
    context.diagnostic(`before the end: ${text(objectsOf(clocked.root))}`)
    context.diagnostic(`dry runs and runs agree on what was due: ${text(await collectToTheEnd(clocked))}`)
    context.diagnostic(`and on the trash: ${text(await collectToTheEnd(clocked, '--empty-trash'))}`)
    await assertOnlyLives(context, clocked, live)
    await serveAt(registry, 0, '1h')
    const { tags, broken } = await pullEverything(registry.clients[0] as RegistryClient, [LIVE])
    assert.deepEqual([tags, broken], [1, []])
  },
)

test(
  `${KILLS} kills of registries and collections`,
  { timeout: 120_000 + KILLS * 20_000 },
  async (context) => {
    const registry = await start(context, 1)
    const { clocked } = registry
    const random = createRandom(SEED)
    const live = await pushStillLife(registry.clients[0] as RegistryClient)
    let cuts = 0
    let opened = Promise.resolve()
    const stress = startClients(registry, 12, { open: () => opened, isCut: () => cuts > 0 })
    const collector = startCollector(clocked)
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(random.between(100, SLOW ? 3000 : 700))
      if (kill % 2 === 0) {
        collector.kill()
        continue
      }
      cuts++
      const restart = Promise.withResolvers<void>()
      opened = restart.promise
      await end(registry, 0, 'kill')
      await serveAt(registry, 0, '1h')
      restart.resolve()
      setTimeout(() => cuts--, 1000).unref()
    }
    await sleep(500)
    await settle(context, registry, stress, collector)
    await deleteAll(
      registry.clients[0] as RegistryClient,
      stress.manifests().map(({ digest }) => digest),
    )
    await end(registry, 0, 'stop')
    // Uploads that a kill cut off expire after a week; of a push in one request only its file is left, which a check finds.
    clocked.leap(14 * 24 * HOUR_MS)
    await serveAt(registry, 0, '1h')
    await untilUploadsExpired(clocked)
    await end(registry, 0, 'stop')
    await clocked.run('gc', '--now')
    const left = await clocked.begin('check', '--remove-unknown', '--yes').ended
    context.diagnostic(`check --remove-unknown: ${left.stdout.trim().split('\n').slice(-2).join('; ')}`)
    assert.equal(left.code, 0, left.stdout + left.stderr)
    // The ids of such files are remembered for a year.
    clocked.leap(366 * 24 * HOUR_MS)
    await clocked.run('gc', '--now')
    await collectToTheEnd(clocked)
    await assertOnlyLives(context, clocked, live)
  },
)

test(
  'two registries on one folder, both collecting',
  { timeout: 120_000 + MINUTES * 30_000 },
  async (context) => {
    const registry = await start(context, 2)
    const { clocked } = registry
    const live = await pushStillLife(registry.clients[0] as RegistryClient)
    const stress = startClients(registry, 10)
    const collector = startCollector(clocked)
    await sleep(MINUTES * 20_000)
    await settle(context, registry, stress, collector)
    await deleteAll(
      registry.clients[1] as RegistryClient,
      stress.manifests().map(({ digest }) => digest),
    )
    await end(registry, 0, 'stop')
    await end(registry, 1, 'stop')
    context.diagnostic(`the registries themselves collected ${text(registry.collected)}`)
    clocked.leap(40 * HOUR_MS)
    await clocked.run('gc', '--now')
    await collectToTheEnd(clocked)
    await assertOnlyLives(context, clocked, live)
  },
)
