/** One cell: one row's load against one side. */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { APP, PUSHED, SIZES, type Content } from './content/content.ts'
import type { Exchange } from './content/exchange.ts'
import { verify } from './content/verify.ts'
import { cpuSeconds } from './machine/cpu.ts'
import type { Mode } from './machine/pin.ts'
import { removePushed, settle } from './machine/reclaim.ts'
import type { Running } from './peers/running.ts'
import type { Outcome } from './results.ts'
import type { Load, Row } from './rows/row.ts'
import { createClient, writeRequests, type Client, type PushShape } from './tools/client.ts'
import type { Asked, Figures } from './tools/figures.ts'
import type { Tools } from './tools/tools.ts'
import { runWrk } from './tools/wrk.ts'

export type CellSetting = {
  tools: Tools
  content: Content
  mode: Mode
  seconds: number
  isQuick: boolean
  /** For lists of requests. */
  folder: string
  /** Another one in each run, so that nothing pushed was ever there. */
  runId: string
}

export type Side = { running: Running; exchange: Exchange }

type Cell = CellSetting & {
  row: Row
  side: Side
  client: Client
  clientCpu: number | undefined
  isFirst: boolean
  seed: string
}

/** @param round from 0; the first one warms up */
export async function runCell(row: Row, side: Side, round: number, setting: CellSetting): Promise<Outcome> {
  const clientCpu = setting.mode === 'pinned' ? 0 : undefined
  const cell: Cell = {
    ...setting,
    row,
    side,
    clientCpu,
    client: createClient(setting.tools.client, clientCpu),
    isFirst: round === 0,
    seed: `${setting.runId} ${round} ${row.name}`.slice(0, 40).replaceAll(' ', '-'),
  }
  const { load } = row
  switch (load.kind) {
    case 'get':
      return runGet(cell, load)
    case 'pull':
      return runPull(cell, load)
    case 'push':
      return runPush(cell, load)
    case 'image':
      return runPush(cell, load)
    case 'mixed':
      return runMixed(cell, load)
    case 'stalled':
      return runStalled(cell, load)
    case 'start':
      return runStart(cell)
  }
}

async function withCpu<T>({ side }: Cell, work: () => Promise<T>): Promise<[T, number]> {
  const before = cpuSeconds(side.running.pid)
  const result = await work()
  return [result, cpuSeconds(side.running.pid) - before]
}

type Per = 'request' | 'byte' | 'image'

function outcomeOf(figures: Figures, cpu: number | undefined, per: Per): Outcome {
  const { units, bytes, seconds, p50, p99, max, clientCpu } = figures
  const rates = {
    request: { value: units / seconds, cpu: (cpu ?? 0) * (1e6 / units) },
    byte: { value: bytes / 1e6 / seconds, cpu: (cpu ?? 0) * (1e9 / bytes) },
    image: { value: units / seconds, cpu: (cpu ?? 0) * (1e3 / units) },
  }
  const rate = rates[per]
  return {
    value: rate.value,
    cpu: cpu === undefined ? undefined : rate.cpu,
    p50,
    p99,
    max,
    client: clientCpu / seconds,
  }
}

function requestsFile({ folder, row }: Cell, requests: readonly Asked[], part = ''): string {
  const file = join(folder, `${row.name}${part}.requests`)
  writeRequests(file, requests)
  return file
}

/** Runtimes that compile while they run, and the page cache, are brought to where they stay. */
async function warmUp(cell: Cell, requests: string, connections: number): Promise<void> {
  if (!cell.isFirst) return
  const seconds = Math.min(cell.isQuick ? 0.3 : 1, cell.seconds)
  await cell.client.pull(cell.side.running.server, { requests, connections, seconds })
}

async function runGet(cell: Cell, load: Load & { kind: 'get' }): Promise<Outcome> {
  const { wrk } = cell.tools
  const { connections } = load
  const asked = load.asked(cell.content)
  const requests = requestsFile(cell, [asked])
  await warmUp(cell, requests, connections)
  const { server } = cell.side.running
  const { seconds, clientCpu } = cell
  const measure = (): Promise<Figures> =>
    wrk === undefined || seconds < 1
      ? cell.client.pull(server, { requests, connections, seconds })
      : runWrk(wrk, server, { asked, connections, seconds, cpu: clientCpu })
  return outcomeOf(...(await withCpu(cell, measure)), 'request')
}

async function runPull(cell: Cell, load: Load & { kind: 'pull' }): Promise<Outcome> {
  const { connections } = load
  const requests = requestsFile(cell, load.asked(cell.content))
  await warmUp(cell, requests, connections)
  const work = { requests, connections, seconds: cell.isQuick ? cell.seconds * 0.6 : cell.seconds }
  const measured = await withCpu(cell, () => cell.client.pull(cell.side.running.server, work))
  return outcomeOf(...measured, load.perByte ? 'byte' : 'request')
}

async function runPush(cell: Cell, load: Load & { kind: 'push' | 'image' }): Promise<Outcome> {
  const { size, connections } = load
  const { running, exchange } = cell.side
  const isImage = load.kind === 'image'
  const shape: PushShape = isImage ? 'patch' : load.shape
  const count = cell.isQuick ? Math.max(connections, Math.ceil(load.count / 4)) : load.count
  const work = { connections, shape, repository: PUSHED, size, blobsPerImage: isImage ? load.layers : 0 }
  if (cell.isFirst) {
    const warm = { ...work, connections: 1, size: Math.min(size, SIZES['1m']) }
    await cell.client.push(running.server, { ...warm, seed: `warm-${cell.seed}`.slice(0, 40), count: 2 })
  }
  await settle(running.folder)
  const since = Date.now()
  const measured = await withCpu(cell, () =>
    cell.client.push(running.server, { ...work, seed: cell.seed, count }),
  )
  if (cell.isFirst) {
    const { last } = measured[0]
    await verify(exchange, { path: `/v2/${PUSHED}/blobs/${last}`, digest: last })
  }
  if (size >= SIZES['1m']) removePushed(running.folder, size, since)
  await settle(running.folder)
  return outcomeOf(...measured, isImage ? 'image' : 'byte')
}

/** The pulls are the figure; the pushes beside it stand in `also`. */
async function runMixed(cell: Cell, load: Load & { kind: 'mixed' }): Promise<Outcome> {
  const { running } = cell.side
  const requests = requestsFile(cell, load.asked(cell.content))
  await warmUp(cell, requests, load.connections)
  await settle(running.folder)
  const since = Date.now()
  const pushing = cell.client.push(running.server, {
    connections: load.pushers,
    shape: 'patch',
    repository: PUSHED,
    seed: cell.seed,
    size: load.size,
    seconds: cell.seconds,
  })
  const pulling = cell.client.pull(running.server, {
    requests,
    connections: load.connections,
    seconds: cell.seconds,
  })
  const [pulled, pushed] = await Promise.all([pulling, pushing])
  removePushed(running.folder, load.size, since)
  await settle(running.folder)
  return {
    ...outcomeOf(pulled, undefined, 'request'),
    also: {
      'push MB/s': pushed.bytes / 1e6 / pushed.seconds,
      'push p50 ms': pushed.p50,
      'push p99 ms': pushed.p99,
    },
  }
}

/** Until what fits into the buffers of connections that nobody reads from has been sent. */
const STALL_MS = 2000

async function runStalled(cell: Cell, load: Load & { kind: 'stalled' }): Promise<Outcome> {
  const { server } = cell.side.running
  const requests = requestsFile(cell, load.asked(cell.content))
  await warmUp(cell, requests, load.connections)
  const large = requestsFile(cell, [load.of(cell.content)], '-stalled')
  const stalling = cell.client.stall(server, {
    requests: large,
    connections: load.stalled,
    seconds: cell.seconds + STALL_MS / 1000 + 1,
  })
  const pulling = wait(STALL_MS).then(() =>
    withCpu(cell, () =>
      cell.client.pull(server, { requests, connections: load.connections, seconds: cell.seconds }),
    ),
  )
  const [measured] = await Promise.all([pulling, stalling])
  return outcomeOf(...measured, 'request')
}

/** The value is milliseconds to the first answer, the processor time that of the whole start. */
async function runStart({ side: { running, exchange } }: Cell): Promise<Outcome> {
  const value = await running.restart()
  const cpu = 1000 * cpuSeconds(running.pid)
  await exchange.expect(200, 'GET', `/v2/${APP}/tags/list`)
  return { value, cpu, p50: 0, p99: 0, max: 0, client: 0 }
}
