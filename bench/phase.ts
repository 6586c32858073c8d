/** Sides that run together: started, filled, measured in turn, ended. One phase is plain HTTP, another TLS. */
import { rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { runCell, type CellSetting, type Side } from './cell.ts'
import { createContent, PARTS, type Content, type Counts } from './content/content.ts'
import { createExchange } from './content/exchange.ts'
import { probeAbilities, seed, type Abilities } from './content/seed.ts'
import { verify } from './content/verify.ts'
import { BenchFailure } from './failure.ts'
import { residentMebibytes, watchMemory } from './machine/cpu.ts'
import { bindProcess, type Mode } from './machine/pin.ts'
import { countSyncs, type Syncs } from './machine/syncs.ts'
import { startPeer } from './peers/running.ts'
import type { Around, Peer } from './peers/peer.ts'
import type { Cell, MemoryResult, RowResult } from './results.ts'
import { unitOf, type Row } from './rows/row.ts'
import { createClient } from './tools/client.ts'
import type { Tools } from './tools/tools.ts'

export type PhaseOptions = {
  rows: readonly Row[]
  peers: readonly Peer[]
  tools: Tools
  counts: Counts
  modes: readonly Mode[]
  rounds: number
  seconds: number
  isQuick: boolean
  folder: string
  tls: Around['tls']
  runId: string
  /** Syncs are counted once per run. */
  countsSyncs: boolean
  tell: (line: string) => void
}

type PhaseSide = { peer: Peer; syncs: Syncs | 'unknown'; memory: MemoryResult; seeding: number }
export type PhaseResult = { sides: PhaseSide[]; rows: RowResult[] }

type PhaseMember = Side & PhaseSide & { abilities: Abilities }

/** @throws BenchFailure; then everything that was started has ended */
export async function runPhase(options: PhaseOptions): Promise<PhaseResult> {
  const content = createContent(options.counts)
  const members: PhaseMember[] = []
  try {
    for (const peer of options.peers) members.push(await open(peer, options))
    await fill(members, content, options)
    for (const member of members) await look(member, content, options)
    const steady = options.rows.filter(({ load }) => load.kind !== 'start')
    const rows: RowResult[] = []
    for (const mode of options.modes) {
      if (options.modes.includes('pinned'))
        for (const { running } of members) bindProcess(running.pid, mode, cpus().length)
      for (const row of steady) rows.push(await measureRow(row, mode, members, content, options))
    }
    await wait(restMs(options))
    for (const { running, memory } of members) memory.after = residentMebibytes(running.pid)
    // Last, since they end what was running; and never pinned.
    for (const row of options.rows)
      if (row.load.kind === 'start') rows.push(await measureRow(row, 'unpinned', members, content, options))
    return { sides: members, rows }
  } finally {
    for (const { running, exchange } of members) {
      exchange.close()
      await running.stop()
      rmSync(running.folder, { recursive: true, force: true })
    }
  }
}

/** What a runtime does behind the last answer is not yet over; memory is looked at after it. */
const restMs = ({ isQuick }: PhaseOptions): number => (isQuick ? 500 : 3000)

async function open(peer: Peer, options: PhaseOptions): Promise<PhaseMember> {
  const { folder, tls, tell } = options
  tell(`starting ${peer.name}: ${peer.version}`)
  const running = await startPeer(peer, join(folder, peer.name), tls)
  await wait(restMs(options))
  const idle = residentMebibytes(running.pid)
  return {
    peer,
    running,
    exchange: createExchange(running.url),
    abilities: { singlePost: false, referrers: false, tagPages: false },
    syncs: 'unknown',
    memory: { idle, seeded: idle, peak: idle, after: idle },
    seeding: 0,
  }
}

/** All at once: nothing is measured here, and what is slow with one does not wait for the others. */
async function fill(members: readonly PhaseMember[], content: Content, options: PhaseOptions): Promise<void> {
  const asked = new Set(options.rows.flatMap(({ parts }) => parts).concat('app'))
  const parts = PARTS.filter((part) => asked.has(part))
  options.tell(`filling with: ${parts.join(', ')}`)
  const client = createClient(options.tools.client, undefined)
  await Promise.all(
    members.map(async (member) => {
      const { exchange, running } = member
      const began = performance.now()
      for (const part of parts) {
        await seed(part, { exchange, server: running.server, client, content }).catch(blame(member))
        options.tell(
          `  ${member.peer.name}: ${part} after ${((performance.now() - began) / 1000).toFixed(1)} s`,
        )
      }
      member.seeding = (performance.now() - began) / 1000
      member.memory.seeded = residentMebibytes(running.pid)
    }),
  )
}

async function look(member: PhaseMember, content: Content, options: PhaseOptions): Promise<void> {
  const { exchange, running, peer } = member
  member.abilities = await probeAbilities(exchange, content)
  const { strace } = options.tools
  if (!options.countsSyncs || strace === undefined) return
  options.tell(`counting the syncs of ${peer.name}`)
  const file = join(options.folder, `${peer.name}.strace`)
  member.syncs = (await countSyncs(strace, running.pid, exchange, file).catch(blame(member))) ?? 'unknown'
}

/** Says whose failure it was; and if the process has died, that. */
function blame({ peer, running }: PhaseMember) {
  return async (error: unknown): Promise<never> => {
    await wait(200)
    running.expectAlive()
    if (error instanceof BenchFailure)
      throw new BenchFailure(`${peer.name}: ${error.message}`, { cause: error })
    throw error
  }
}

async function measureRow(
  row: Row,
  mode: Mode,
  members: readonly PhaseMember[],
  content: Content,
  options: PhaseOptions,
): Promise<RowResult> {
  options.tell(`${row.name}${mode === 'pinned' ? ', pinned' : ''}: ${row.title}`)
  const able = members.filter(({ abilities }) => row.needs === undefined || abilities[row.needs])
  const cells: Record<string, Cell> = {}
  for (const { peer } of members) cells[peer.name] = { skipped: 'not supported' }
  for (const { peer } of able) cells[peer.name] = { rounds: [] }
  const setting: CellSetting = { ...options, content, mode }
  await checkAll(row, able, content)
  for (let round = 0; round < options.rounds; round++) {
    for (const member of round % 2 === 0 ? able : able.toReversed()) {
      const stop = watchMemory(member.running.pid)
      const outcome = await runCell(row, member, round, setting)
        .catch(blame(member))
        .finally(() => (member.memory.peak = Math.max(member.memory.peak, stop())))
      member.running.expectAlive()
      const cell = cells[member.peer.name]
      if (cell !== undefined && 'rounds' in cell) cell.rounds.push(outcome)
    }
  }
  await checkAll(row, able, content)
  return { name: row.name, title: row.title, mode, unit: unitOf(row), goal: row.goal, cells }
}

async function checkAll(row: Row, members: readonly PhaseMember[], content: Content): Promise<void> {
  for (const member of members) {
    for (const check of row.checks(content)) await verify(member.exchange, check).catch(blame(member))
  }
}
