/** How fast bytes can be sent at all: Berth beside a C program that does nothing else. `node bench/limit.ts --help`. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { blobOf, type Blob } from '../test/lib/content.ts'
import { APP, SIZES } from './content/content.ts'
import { createExchange } from './content/exchange.ts'
import { pushBlob } from './content/push.ts'
import { inFolder } from './in-folder.ts'
import { cpuSeconds } from './machine/cpu.ts'
import type { Peer } from './peers/peer.ts'
import { startPeer, type Running } from './peers/running.ts'
import { short } from './report/report.ts'
import { median } from './results.ts'
import { choosePeers } from './run.ts'
import { createClient, writeRequests, type Client } from './tools/client.ts'
import { prepareTools } from './tools/tools.ts'

const HELP = `Usage: node bench/limit.ts [OPTIONS]

Sends one blob again and again, as Berth, as the registries named, and as a C program that has a thread for each
connection and only sends a file: with sendfile, and by reading and writing pieces of 256 and 512 KiB. What that one
reaches is the most that the system gives. Linux only; needs a C compiler.

  --peers NAMES   beside Berth, e.g. zot+commit (see node bench/main.ts --list)
  --rounds N      default 5; the order is turned round each time
  --seconds S     of each measurement, default 1
`

const LOADS = [
  { size: '1m', connections: 16 },
  { size: '64m', connections: 1 },
  { size: '64m', connections: 4 },
  { size: '64m', connections: 16 },
] as const
const PIECES = { 'C, sendfile': 0, 'C, 256 KiB': 256 * 1024, 'C, 512 KiB': 512 * 1024 }

type Work = { folder: string; client: Client; rounds: number; seconds: number; peers: readonly Peer[] }
type Side = { running: Running; path: string; rates: number[]; costs: number[] }

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  return inFolder('limit', async (folder) => {
    const names = ['berth', ...values.peers.split(',').filter(Boolean)]
    const peers = choosePeers({ peers: names, peerFiles: [], isQuick: false })
    const client = createClient(prepareTools(folder).client, undefined)
    const program = join(folder, 'limit')
    const source = new URL('limit/limit.c', import.meta.url).pathname
    execFileSync('cc', ['-std=gnu11', '-O2', '-o', program, source, '-pthread'])
    process.stdout.write('| blob | sent by | MB/s | CPU, s/GB |\n| --- | --- | --- | --- |\n')
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
    for (const load of LOADS) await measure({ folder, client, rounds, seconds, peers }, program, load)
    return 0
  })
}

/** The C program as a side: it answers every path with the file. */
function limitPeer(name: string, program: string, file: string, piece: number): Peer {
  return {
    name,
    version: '',
    configuration: '',
    hasTls: false,
    launch: ({ port }) => ({ command: program, args: [String(port), file, String(piece)] }),
  }
}

/** @param sides each is added as soon as it runs, so that whoever gave them can end it */
async function startSides(
  { folder, peers }: Work,
  program: string,
  blob: Blob,
  sides: Side[],
): Promise<void> {
  const file = join(folder, `blob-${blob.bytes.length}`)
  writeFileSync(file, blob.bytes)
  const limits = Object.entries(PIECES).map(([name, piece]) => limitPeer(name, program, file, piece))
  for (const peer of [...limits, ...peers]) {
    const running = await startPeer(peer, mkdtempSync(join(folder, 'side-')))
    sides.push({ running, path: `/v2/${APP}/blobs/${blob.digest}`, rates: [], costs: [] })
    if (!peers.includes(peer)) continue
    const exchange = createExchange(running.url)
    await pushBlob(exchange, APP, blob).finally(() => exchange.close())
  }
}

async function measure(work: Work, program: string, load: (typeof LOADS)[number]): Promise<void> {
  const size = SIZES[load.size]
  const sides: Side[] = []
  try {
    await startSides(work, program, blobOf('the limit', size), sides)
    for (let round = 0; round <= work.rounds; round += 1) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const requests = join(work.folder, 'requests')
        writeRequests(requests, [{ method: 'GET', path: side.path, status: 200, length: size }])
        const before = cpuSeconds(side.running.pid)
        const { connections } = load
        const pull = { requests, connections, seconds: work.seconds }
        const { bytes, seconds } = await work.client.pull(side.running.server, pull)
        if (round === 0) continue // It warms up.
        side.rates.push(bytes / 1e6 / seconds)
        side.costs.push(((cpuSeconds(side.running.pid) - before) * 1e9) / bytes)
      }
    }
  } finally {
    for (const { running } of sides) await running.stop()
  }
  for (const { running, rates, costs } of sides) {
    const cells = [
      `${load.size}, c${load.connections}`,
      running.peer.name,
      short(median(rates)),
      short(median(costs)),
    ]
    process.stdout.write(`| ${cells.join(' | ')} |\n`)
  }
}

process.exitCode = await main(process.argv.slice(2))
