/** What a collection costs those who pull and push meanwhile: `node bench/collection.ts --help`. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { blobOf, descriptorOf, type DescriptorOf } from '../test/lib/content.ts'
import { createRegistryClient, expectStatus } from '../test/lib/registry-client.ts'
import { startServer, type TestServer } from '../test/lib/start-server.ts'
import { ACTIONS, imageOf, type Latencies, REPOSITORY, startTraffic } from './collection/traffic.ts'
import { BenchFailure } from './failure.ts'
import { inFolder } from './in-folder.ts'
import { cpuSeconds } from './machine/cpu.ts'
import { short } from './report/report.ts'

const HELP = `Usage: node bench/collection.ts [OPTIONS]

Fills one repository with tags of images (10 blobs shared, a config each), deletes a part of the manifests by the API,
and collects them, beside a client that pulls and pushes all the time. Says how long it takes, and how much longer that
client waits than before and after. Linux only.

  --tags N        default 20000
  --delete N      default 10000
  --clients N     that delete, default 4
  --delete-rate N deletes a second of all of them together, default 400; 0: as fast as they go
  --background    let the registry collect by itself, which it does once a minute, instead of "berth gc"
  --rate N        gc.rate (default: as the registry has it)
  --seconds N     how long the client is measured before, and after; default 10
  --gate          exit code 1 where it takes more than 60 s, or a median more than 1.3 times as long
`

const MOST_SECONDS = 60
const MOST_LONGER = 1.3
const MAIN = new URL('../berth.js', import.meta.url).pathname

type Options = {
  tags: number
  deletes: number
  clients: number
  deleteRate: number
  background: boolean
  rate?: number
  seconds: number
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tags: { type: 'string', default: '20000' },
      delete: { type: 'string', default: '10000' },
      clients: { type: 'string', default: '4' },
      'delete-rate': { type: 'string', default: '400' },
      background: { type: 'boolean', default: false },
      rate: { type: 'string' },
      seconds: { type: 'string', default: '10' },
      gate: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const options: Options = {
    tags: Number(values.tags),
    deletes: Number(values.delete),
    clients: Number(values.clients),
    deleteRate: Number(values['delete-rate']),
    background: values.background,
    seconds: Number(values.seconds),
    ...(values.rate !== undefined && { rate: Number(values.rate) }),
  }
  return inFolder('collection', async (folder) => {
    const isGood = await measure(folder, options)
    return isGood || !values.gate ? 0 : 1
  })
}

function configOf(root: string, { background, rate }: Options): Record<string, unknown> {
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    ...(background && { trash: { keep: '1s' } }),
    ...(rate !== undefined && { gc: { rate } }),
  }
}

type Image = { tag: string; config: string; digest: string }
type Phase = { name: string; seconds: number; cpu: number; latencies: Latencies }

async function measure(folder: string, options: Options): Promise<boolean> {
  const root = join(folder, 'data')
  const config = { ...configOf(root, options), log: { level: 'info', accesslog: { disabled: true } } }
  const layers = Array.from({ length: 10 }, (_, index) => blobOf(`layer ${index}`, 64 * 1024))
  const shared = layers.map((layer) => descriptorOf(layer))
  const say = (text: string): void => void process.stdout.write(`${text}\n`)

  let server = await startServer({ root, config })
  let began = performance.now()
  const images = await seed(server.url, options.tags, layers, shared)
  await server.stop()
  letLeasesEnd(root)
  say(`filled in ${short((performance.now() - began) / 1000)} s: ${images.length} tags`)

  server = await startServer({ root, config })
  const doomed = images.slice(0, options.deletes)
  const traffic = startTraffic(server.url, images.slice(options.deletes), shared)
  try {
    const phases: Phase[] = []
    const phase = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      traffic.take()
      const cpu = cpuSeconds(server.pid)
      const from = performance.now()
      await work()
      const seconds = (performance.now() - from) / 1000
      phases.push({ name, seconds, cpu: cpuSeconds(server.pid) - cpu, latencies: traffic.take() })
    }
    await wait(2000)
    await phase('before', () => wait(options.seconds * 1000))
    began = performance.now()
    await phase('deleting', () => deleteAll(server.url, doomed, options))
    await phase('collecting', () => collect(server, folder, root, config, options.background))
    const seconds = (performance.now() - began) / 1000
    await phase('after', () => wait(options.seconds * 1000))
    return report(phases, seconds, options, say)
  } finally {
    await traffic.stop()
    await server.stop()
  }
}

async function seed(
  url: string,
  tags: number,
  layers: readonly { bytes: Buffer; digest: string }[],
  shared: readonly DescriptorOf[],
): Promise<Image[]> {
  const client = createRegistryClient(url)
  for (const layer of layers) expectStatus(await client.pushBlob(REPOSITORY, layer, 'post'), 201)
  const images: Image[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < tags) {
      const tag = `v${next++}`
      const { config, manifest } = imageOf(tag, shared)
      expectStatus(await client.pushBlob(REPOSITORY, config, 'post'), 201)
      expectStatus(await client.putManifest(REPOSITORY, tag, manifest), 201)
      images.push({ tag, config: config.digest, digest: manifest.digest })
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  client.close()
  return images
}

/** As if all of it had been pushed some days ago. No registry runs. */
function letLeasesEnd(root: string): void {
  const db = new DatabaseSync(join(root, 'berth/metadata.db'))
  db.exec('UPDATE blob_links SET lease_until = 0; DELETE FROM candidates')
  db.close()
}

async function deleteAll(
  url: string,
  images: readonly Image[],
  { clients, deleteRate }: Options,
): Promise<void> {
  const client = createRegistryClient(url)
  const began = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    for (let image = images[next++]; image !== undefined; image = images[next++]) {
      const early = deleteRate > 0 ? began + (next * 1000) / deleteRate - performance.now() : 0
      if (early > 0) await wait(early)
      expectStatus(await client.deleteManifest(REPOSITORY, image.digest), 202)
    }
  }
  await Promise.all(Array.from({ length: clients }, worker))
  client.close()
}

async function collect(
  server: TestServer,
  folder: string,
  root: string,
  config: Record<string, unknown>,
  background: boolean,
): Promise<void> {
  if (background) return untilNothingIsDeleted(root)
  const file = join(folder, 'config.yml')
  writeFileSync(file, JSON.stringify(config))
  const child = spawn(process.execPath, [MAIN, 'gc', '--empty-trash', '--now', '--config', file], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new BenchFailure(`berth gc ended with ${code}; the registry's log:\n${server.log()}`)
}

async function untilNothingIsDeleted(root: string): Promise<void> {
  const db = new DatabaseSync(join(root, 'berth/metadata.db'), { readOnly: true })
  const left = db.prepare(
    `SELECT (SELECT count(*) FROM manifests WHERE deleted_at IS NOT NULL)
       + (SELECT count(*) FROM objects WHERE state = 'garbage') AS left`,
  )
  try {
    while ((left.get() as { left: number }).left > 0) await wait(500)
  } finally {
    db.close()
  }
}

const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

function report(
  phases: readonly Phase[],
  seconds: number,
  options: Options,
  say: (text: string) => void,
): boolean {
  say(`deleted and collected ${options.deletes} of ${options.tags} manifests in ${short(seconds)} s\n`)
  const sorted = (phase: Phase, action: (typeof ACTIONS)[number]): number[] =>
    phase.latencies[action].toSorted((a, b) => a - b)
  say(`| p50 / p99, ms | ${phases.map(({ name }) => name).join(' | ')} | p50 beside, to without |`)
  say(`| --- | ${phases.map(() => '---').join(' | ')} | --- |`)
  let isGood = seconds <= MOST_SECONDS
  for (const action of ACTIONS) {
    const cells = phases.map((phase) => {
      const times = sorted(phase, action)
      return `${short(at(times, 0.5))} / ${short(at(times, 0.99))}`
    })
    const of = (names: readonly string[]): number =>
      at(
        phases
          .filter(({ name }) => names.includes(name))
          .flatMap((phase) => phase.latencies[action])
          .toSorted((a, b) => a - b),
        0.5,
      )
    const longer = of(['deleting', 'collecting']) / of(['before', 'after'])
    if (longer > MOST_LONGER) isGood = false
    say(`| ${action} | ${cells.join(' | ')} | ${longer.toFixed(2)}x |`)
  }
  say(`| requests/s | ${phases.map((one) => short(requests(one) / one.seconds)).join(' | ')} | |`)
  say(`| seconds | ${phases.map((one) => short(one.seconds)).join(' | ')} | |`)
  say(`| CPU of the registry, cores | ${phases.map(({ cpu, seconds: s }) => short(cpu / s)).join(' | ')} | |`)
  const each = phases.map((one) => short((one.cpu * 1000) / requests(one)))
  say(`| CPU of the registry for each of the client's requests, ms | ${each.join(' | ')} | |`)
  return isGood
}

function requests({ latencies }: Phase): number {
  return ACTIONS.reduce((sum, action) => sum + latencies[action].length, 0)
}

process.exitCode = await main(process.argv.slice(2))
