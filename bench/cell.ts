/** One cell: one row's load against one side. */
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { APP, PUSHED, SIZES, type Content } from './content/content.ts'
import type { Exchange } from './content/exchange.ts'
import { verify } from './content/verify.ts'
import { cpuSeconds, residentMebibytes } from './machine/cpu.ts'
import { processorOfClient, type Mode } from './machine/pin.ts'
import { removePushed, settle, touchMemory } from './machine/reclaim.ts'
import type { Running } from './peers/running.ts'
import { tokenFrom } from './peers/token.ts'
import type { Outcome } from './results.ts'
import { watchLoop, type LoopDelay } from './machine/watch-loop.ts'
import { LOOP_P99, PROBE_P99, type Load, type Row } from './rows/row.ts'
import { createClient, writeRequests, type Client, type PushShape } from './tools/client.ts'
import type { Asked, Figures, Server } from './tools/figures.ts'
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
  /** With the token that this cell's requests send, if they need one. */
  server: Server
  client: Client
  clientCpu: number | undefined
  isFirst: boolean
  seed: string
}

/** @param round from 0; the first one warms up */
export async function runCell(row: Row, side: Side, round: number, setting: CellSetting): Promise<Outcome> {
  const clientCpu = processorOfClient(setting.mode, cpus().length)
  const cell: Cell = {
    ...setting,
    row,
    side,
    server: await signedIn(side),
    clientCpu,
    client: createClient(setting.tools.client, clientCpu),
    isFirst: round === 0,
    seed: `${setting.runId}${setting.mode[0]} ${round} ${row.name}`.slice(0, 40).replaceAll(' ', '-'),
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

/** Anew for each cell, since tokens last for minutes. */
async function signedIn({ running: { peer, server }, exchange }: Side): Promise<Server> {
  if (peer.credentials === undefined) return server
  const scopes = [`repository:${APP}:pull`, `repository:${PUSHED}:pull,push`]
  return { ...server, authorization: await tokenFrom(exchange, scopes) }
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
  await cell.client.pull(cell.server, { requests, connections, seconds })
}

async function runGet(cell: Cell, load: Load & { kind: 'get' }): Promise<Outcome> {
  const { wrk } = cell.tools
  const { connections } = load
  const asked = load.asked(cell.content)
  const requests = requestsFile(cell, [asked])
  await warmUp(cell, requests, connections)
  const { server, seconds, clientCpu } = cell
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
  const measured = await withCpu(cell, () => cell.client.pull(cell.server, work))
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
    await cell.client.push(cell.server, { ...warm, seed: `warm-${cell.seed}`.slice(0, 40), count: 2 })
  }
  await settle(running.folder)
  touchMemory(running.folder, size * count * (isImage ? load.layers : 1))
  const since = Date.now()
  const measured = await withCpu(cell, () =>
    cell.client.push(cell.server, { ...work, seed: cell.seed, count }),
  )
  if (cell.isFirst) {
    const { last } = measured[0]
    await verify(exchange, { path: `/v2/${PUSHED}/blobs/${last}`, digest: last })
  }
  if (size >= SIZES['1m']) removePushed(running.folder, size, since)
  await settle(running.folder)
  return outcomeOf(...measured, isImage ? 'image' : 'byte')
}

/** As `Promise.all`, but where one fails the others end first: they must not disturb what is measured next. */
async function together<T extends readonly unknown[]>(all: {
  [index in keyof T]: Promise<T[index]>
}): Promise<T> {
  await Promise.allSettled(all)
  return (await Promise.all(all)) as unknown as T
}

const lateness = ({ p50, p99, max }: LoopDelay): Record<string, number> => ({
  'loop p50 ms': p50,
  [LOOP_P99]: p99,
  'loop max ms': max,
})

/** How often a request is sent that shows how long others have to wait: for what event loops do in one go. */
const PROBE_MS = 5
/** Times as long as other cells. */
const MIXED = 2
/** Bytes that are pushed in a second, at most. */
const FASTEST_PUSH = 1e9

/** The pulls are the figure; the pushes, and how long a small request waits beside both, stand in `also`. */
async function runMixed(cell: Cell, load: Load & { kind: 'mixed' }): Promise<Outcome> {
  const { server, client } = cell
  const { running } = cell.side
  const { connections } = load
  // A push takes about as long as a cell.
  const seconds = cell.isQuick ? cell.seconds : MIXED * cell.seconds
  const requests = requestsFile(cell, load.asked(cell.content))
  await warmUp(cell, requests, connections)
  await settle(running.folder)
  touchMemory(running.folder, seconds * FASTEST_PUSH)
  const since = Date.now()
  const { pushers, size } = load
  const push = { connections: pushers, shape: 'patch', repository: PUSHED, seed: cell.seed, size } as const
  const endWatch = running.peer.tellsLoopDelay === true ? watchLoop(running) : undefined
  const [[pulled, pushed, probed], cpu] = await withCpu(cell, () =>
    together([
      client.pull(server, { requests, connections, seconds }),
      client.push(server, { ...push, seconds }),
      client.probe(server, { everyMs: PROBE_MS, seconds }),
    ]),
  )
  const late = await endWatch?.()
  removePushed(running.folder, size, since)
  await settle(running.folder)
  return {
    ...outcomeOf(pulled, undefined, 'request'),
    also: {
      'push MB/s': pushed.bytes / 1e6 / pushed.seconds,
      'push p50 ms': pushed.p50,
      'push p99 ms': pushed.p99,
      'probe p50 ms': probed.p50,
      [PROBE_P99]: probed.p99,
      'probe max ms': probed.max,
      ...(late && lateness(late)),
      'processors busy': cpu / Math.max(pulled.seconds, pushed.seconds),
    },
  }
}

/** Until what fits into the buffers of connections that nobody reads from has been sent. */
const STALL_MS = 2000

/** The figure is that of those who read, beside those who do not; `also` says what it is without these. */
async function runStalled(cell: Cell, load: Load & { kind: 'stalled' }): Promise<Outcome> {
  const { server, client, seconds } = cell
  const { pid } = cell.side.running
  const { connections, stalled } = load
  const requests = requestsFile(cell, load.asked(cell.content))
  await warmUp(cell, requests, connections)
  const alone = await client.pull(server, { requests, connections, seconds })
  const before = residentMebibytes(pid)
  const large = requestsFile(cell, [load.of(cell.content)], '-stalled')
  const stall = { requests: large, connections: stalled, seconds: seconds + STALL_MS / 1000 + 1 }
  let during = 0
  const pulling = wait(STALL_MS).then(async () => {
    const measured = await withCpu(cell, () => client.pull(server, { requests, connections, seconds }))
    during = residentMebibytes(pid)
    return measured
  })
  const [measured] = await together([pulling, client.stall(server, stall)])
  return {
    ...outcomeOf(...measured, 'request'),
    also: {
      'req/s without them': alone.units / alone.seconds,
      'p99 ms without them': alone.p99,
      'MiB before': before,
      'MiB while stalled': during,
    },
  }
}

/** The value is milliseconds to the first answer, the processor time that of the whole start. */
async function runStart({ side: { running, exchange } }: Cell): Promise<Outcome> {
  const value = await running.restart()
  const cpu = 1000 * cpuSeconds(running.pid)
  await exchange.expect(200, 'GET', `/v2/${APP}/tags/list`)
  const also = { 'MiB after it': residentMebibytes(running.pid) }
  return { value, cpu, p50: 0, p99: 0, max: 0, client: 0, also }
}
