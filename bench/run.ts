/** A whole run: what is there, the phases, the results. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { BenchFailure } from './failure.ts'
import { busyPercent, describeMachine, readTimes, stealPercent } from './machine/describe.ts'
import type { Mode } from './machine/pin.ts'
import type { Options } from './options.ts'
import { makeCertificate } from './peers/certificate.ts'
import { readPeer } from './peers/given.ts'
import { defaultPeers, knownPeers, ownPeers } from './peers/known.ts'
import type { Peer } from './peers/peer.ts'
import { runPhase, type PhaseOptions } from './phase.ts'
import type { Phase, Results, SideResult } from './results.ts'
import { allRows, selectRows } from './rows/all.ts'
import type { Row } from './rows/row.ts'
import { firstLine, prepareTools, type Tools } from './tools/tools.ts'

/** @throws BenchFailure for a name that nothing has */
export function choosePeers(options: Pick<Options, 'peers' | 'peerFiles' | 'isQuick'>): Peer[] {
  const given = options.peerFiles.map(readPeer)
  const known = knownPeers()
  if (options.peers.length === 0) return [...defaultPeers(known, options.isQuick), ...given]
  return options.peers.map((name) => {
    const found = [...given, ...known].find((peer) => peer.name === name)
    if (found !== undefined) return found
    const names = [...known, ...given].map((peer) => peer.name).join(', ')
    throw new BenchFailure(`--peers ${name}: not found; there are: ${names}`)
  })
}

export type Watcher = {
  tell: (line: string) => void
  /** Called after each row with all that is known by then. */
  keep: (results: Results) => void
}

/** @throws BenchFailure where it cannot begin; what sides do wrong is in `failures` */
export async function runBench(options: Options, { tell, keep }: Watcher): Promise<Results> {
  if (process.platform !== 'linux') throw new BenchFailure('the benchmark reads /proc: it runs on Linux only')
  const began = performance.now()
  const rows = selectRows(allRows(), options.rows, options.isQuick)
  const peers = choosePeers(options)
  const folder = workFolder(options)
  try {
    tell('compiling the client')
    const tools = prepareTools(folder)
    const plans = planOf(rows, peers, tools, folder, options, tell)
    const busyBefore = await busyPercent()
    if (busyBefore > 10)
      tell(`others use ${busyBefore.toFixed(0)} % of this machine: the figures will be noisy`)
    const times = readTimes()
    const results: Results = {
      date: new Date().toISOString(),
      seconds: 0,
      rounds: options.rounds,
      cellSeconds: options.seconds,
      isQuick: options.isQuick,
      isComplete: false,
      machine: describeMachine(folder),
      tools: describeTools(tools),
      busyBefore,
      steal: 0,
      counts: options.counts,
      sides: [],
      rows: [],
      failures: [],
    }
    const keepNow = (): void => {
      results.seconds = (performance.now() - began) / 1000
      results.steal = stealPercent(times)
      keep(results)
    }
    const told = recorderOf(results, keepNow, options.hasSyncs)
    const runId = randomBytes(6).toString('hex')
    const { rounds, seconds, isQuick, counts } = options
    for (const plan of plans)
      await runPhase({ rounds, seconds, isQuick, counts, tools, folder, runId, tell, ...told, ...plan })
    results.isComplete = true
    keepNow()
    return results
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** It goes with the process, also where a signal ends it. */
function workFolder(options: Options): string {
  const parent = resolve(options.folder ?? tmpdir())
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'berth-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  return folder
}

type Plan = Pick<PhaseOptions, 'phase' | 'rows' | 'peers' | 'modes' | 'tls'>

/** Plain HTTP, TLS, and Berth with itself. */
function planOf(
  rows: readonly Row[],
  peers: readonly Peer[],
  tools: Tools,
  folder: string,
  options: Options,
  tell: (line: string) => void,
): Plan[] {
  const of = (phase: Phase): Row[] => rows.filter((row) => phaseOf(row) === phase)
  const modes: readonly Mode[] = options.modes ?? ['unpinned']
  const plans: Plan[] = [{ phase: 'plain', rows: of('plain'), peers, modes, tls: undefined }]
  const secure = of('tls')
  if (secure.length > 0) {
    if (tools.openssl === undefined || !tools.clientHasTls)
      throw new BenchFailure(
        'rows over TLS need openssl and its headers (libssl-dev); leave tls-* out with --rows',
      )
    const tls = makeCertificate(tools.openssl, folder)
    plans.push({ phase: 'tls', rows: secure, peers: peers.filter(({ hasTls }) => hasTls), modes, tls })
  }
  const named = new Set(options.peers)
  const own = ownPeers().filter(({ name }) => named.size === 0 || named.has(name))
  if (of('own').length > 0 && own.length < 2)
    tell('rows of Berth with itself are left out: --peers names no two of berth, berth+log …')
  else
    plans.push({ phase: 'own', rows: of('own'), peers: own, modes: ownModes(options, tools), tls: undefined })
  const planned = plans.filter((plan) => plan.rows.length > 0)
  if (tools.taskset === undefined && planned.some((plan) => plan.modes.some((mode) => mode !== 'unpinned')))
    throw new BenchFailure('--modes pinned and shared need taskset')
  return planned
}

/** What is left of a small difference on one processor is what it costs. */
const ownModes = ({ modes }: Options, { taskset }: Tools): readonly Mode[] =>
  modes ?? [taskset === undefined ? 'unpinned' : 'shared']

const phaseOf = ({ tls, isOwn }: Row): Phase => (tls === true ? 'tls' : isOwn === true ? 'own' : 'plain')

function recorderOf(
  results: Results,
  keepNow: () => void,
  hasSyncs: boolean,
): Pick<PhaseOptions, 'told' | 'countsSyncs'> {
  const { rows, failures, sides } = results
  const sideOf = ({ name, version, configuration }: Peer): SideResult => {
    const known = sides.find((side) => side.name === name)
    if (known !== undefined) return known
    const side: SideResult = { name, version, configuration, syncs: 'unknown', phases: [] }
    sides.push(side)
    return side
  }
  return {
    told: {
      row: (row) => {
        rows.push(row)
        keepNow()
      },
      failure: (text) => void failures.push(text),
      side: (peer, phase, { syncs, memory, seeding }) => {
        const side = sideOf(peer)
        side.syncs = syncs ?? side.syncs
        side.phases = side.phases.filter((one) => one.phase !== phase).concat({ phase, memory, seeding })
      },
    },
    countsSyncs: (peer) => hasSyncs && sideOf(peer).syncs === 'unknown',
  }
}

function describeTools(tools: Tools): Record<string, string> {
  return {
    cc: firstLine('cc', ['--version']),
    wrk:
      tools.wrk === undefined
        ? 'none: the C client sends GETs too'
        : firstLine(tools.wrk, ['-v']).slice(0, 40),
    client: `bench/client, ${tools.clientHasTls ? "OpenSSL's SHA-256 and TLS" : 'its own SHA-256, no TLS'}`,
    strace:
      tools.strace === undefined ? 'none: syncs are not counted' : firstLine(tools.strace, ['--version']),
  }
}
