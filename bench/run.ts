/** A whole run: what is there, the phases, the results. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { BenchFailure } from './failure.ts'
import { busyPercent, describeMachine, readTimes, stealPercent } from './machine/describe.ts'
import type { Options } from './options.ts'
import { makeCertificate } from './peers/certificate.ts'
import { readPeer } from './peers/given.ts'
import { defaultPeers, knownPeers } from './peers/known.ts'
import type { Peer } from './peers/peer.ts'
import { runPhase, type PhaseOptions, type PhaseResult } from './phase.ts'
import type { Results, SideResult } from './results.ts'
import { allRows, selectRows } from './rows/all.ts'
import type { Row } from './rows/row.ts'
import { firstLine, prepareTools, type Tools } from './tools/tools.ts'

/** @throws BenchFailure for a name that nothing has */
export function choosePeers(options: Options): Peer[] {
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

/** @throws BenchFailure: then there are no results */
export async function runBench(options: Options, tell: (line: string) => void): Promise<Results> {
  if (process.platform !== 'linux') throw new BenchFailure('the benchmark reads /proc: it runs on Linux only')
  const began = performance.now()
  const rows = selectRows(allRows(), options.rows, options.isQuick)
  const peers = choosePeers(options)
  const parent = resolve(options.folder ?? tmpdir())
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'berth-bench-'))
  try {
    tell('compiling the client')
    const tools = prepareTools(folder)
    if (options.modes.includes('pinned') && tools.taskset === undefined)
      throw new BenchFailure('--modes pinned needs taskset')
    const busyBefore = await busyPercent()
    if (busyBefore > 10)
      tell(`others use ${busyBefore.toFixed(0)} % of this machine: the figures will be noisy`)
    const times = readTimes()
    const phases = await runPhases(rows, peers, tools, folder, options, tell)
    return {
      date: new Date().toISOString(),
      seconds: (performance.now() - began) / 1000,
      rounds: options.rounds,
      cellSeconds: options.seconds,
      isQuick: options.isQuick,
      machine: describeMachine(folder),
      tools: describeTools(tools),
      busyBefore,
      steal: stealPercent(times),
      counts: options.counts,
      sides: sidesOf(peers, phases),
      rows: phases.flatMap((phase) => phase.rows),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runPhases(
  rows: readonly Row[],
  peers: readonly Peer[],
  tools: Tools,
  folder: string,
  options: Options,
  tell: (line: string) => void,
): Promise<PhaseResult[]> {
  const plain = rows.filter(({ tls }) => tls !== true)
  const secure = rows.filter(({ tls }) => tls === true)
  const { modes, rounds, seconds, isQuick, counts } = options
  const common = {
    modes,
    rounds,
    seconds,
    isQuick,
    tools,
    folder,
    counts,
    runId: randomBytes(6).toString('hex'),
    tell,
  } satisfies Partial<PhaseOptions>
  const results: PhaseResult[] = []
  if (plain.length > 0)
    results.push(await runPhase({ ...common, rows: plain, peers, tls: undefined, countsSyncs: true }))
  if (secure.length > 0) {
    if (tools.openssl === undefined || !tools.clientHasTls)
      throw new BenchFailure(
        'rows over TLS need openssl and its headers (libssl-dev); leave tls-* out with --rows',
      )
    const tls = makeCertificate(tools.openssl, folder)
    const able = peers.filter(({ hasTls }) => hasTls)
    results.push(
      await runPhase({ ...common, rows: secure, peers: able, tls, countsSyncs: results.length === 0 }),
    )
  }
  return results
}

function sidesOf(peers: readonly Peer[], phases: readonly PhaseResult[]): SideResult[] {
  return peers.map(({ name, version, configuration }) => {
    const [first] = phases.flatMap(({ sides }) => sides.filter(({ peer }) => peer.name === name))
    return {
      name,
      version,
      configuration,
      syncs: first?.syncs ?? 'unknown',
      memory: first?.memory,
      seeding: first?.seeding ?? 0,
    }
  })
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
