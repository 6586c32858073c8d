/**
 * Sides that run together: started, filled, measured in turn, ended. A side that is wrong or ends loses its cell, not the
 * run: one that ended is started again on its folder, or left out of the rest.
 */
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
import { startPeer, type Running } from './peers/running.ts'
import type { Around, Peer } from './peers/peer.ts'
import type { Cell, MemoryResult, Outcome, Phase, RowResult } from './results.ts'
import { unitOf, type Row } from './rows/row.ts'
import { createClient } from './tools/client.ts'
import type { Tools } from './tools/tools.ts'

export type PhaseOptions = {
  phase: Phase
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
  tell: (line: string) => void
  /** Of whom they are not counted yet: once per run. */
  countsSyncs: (peer: Peer) => boolean
  /** Told as soon as it is known, so that nothing that comes later can take it away. */
  told: {
    row: (row: RowResult) => void
    /** More than once; the last one counts. */
    side: (peer: Peer, phase: Phase, side: PhaseSide) => void
    failure: (text: string) => void
  }
}

export type PhaseSide = { syncs: Syncs | undefined; memory: MemoryResult; seeding: number }

type Member = Side & PhaseSide & { peer: Peer; abilities: Abilities }

type Work = {
  options: PhaseOptions
  content: Content
  members: Member[]
  /** Why a side is left out of the rest, by its name. */
  gone: Map<string, string>
}

/** Does not throw for what sides do; then everything that was started has ended. */
export async function runPhase(options: PhaseOptions): Promise<void> {
  const work: Work = { options, content: createContent(options.counts), members: [], gone: new Map() }
  const isStart = ({ load }: Row): boolean => load.kind === 'start'
  try {
    await openAll(work)
    await fill(work)
    for (const member of present(work)) {
      await attempt(work, member.peer, 'first look', () => look(member, work))
      options.told.side(member.peer, options.phase, member)
    }
    for (const mode of options.modes) {
      for (const member of present(work)) bind(member, mode, options)
      for (const row of options.rows) if (!isStart(row)) await measureRow(row, mode, work)
    }
    await wait(restMs(options))
    for (const member of present(work)) member.memory.after = residentMebibytes(member.running.pid)
    // Last, since they end what was running; and never bound.
    for (const row of options.rows) if (isStart(row)) await measureRow(row, 'unpinned', work)
  } finally {
    for (const member of work.members) {
      options.told.side(member.peer, options.phase, member)
      member.exchange.close()
      await member.running.stop()
      rmSync(member.running.folder, { recursive: true, force: true })
    }
  }
}

/** What a runtime does behind the last answer is not yet over; memory is looked at after it. */
const restMs = ({ isQuick }: PhaseOptions): number => (isQuick ? 500 : 3000)

const present = ({ members, gone }: Work): Member[] => members.filter(({ peer }) => !gone.has(peer.name))

/** Started by this program, sides may use what it may; only what other modes change has to be set. */
function bind({ running }: Member, mode: Mode, { modes }: PhaseOptions): void {
  if (modes.some((one) => one !== 'unpinned')) bindProcess(running.pid, mode, cpus().length)
}

/**
 * Does a side's part of something.
 * @returns what was wrong, which has then been told; undefined: nothing
 */
async function attempt(
  work: Work,
  peer: Peer,
  what: string,
  part: () => Promise<void>,
): Promise<string | undefined> {
  try {
    await part()
    return undefined
  } catch (error) {
    const member = work.members.find((one) => one.peer === peer)
    const ended = member === undefined ? undefined : await endOf(member, error)
    const reason = ended ?? textOf(error)
    const text = `${what}: ${reason.startsWith(`${peer.name} `) ? reason : `${peer.name}: ${reason}`}`
    work.options.tell(`FAILED: ${text}`)
    work.options.told.failure(text)
    if (member === undefined) work.gone.set(peer.name, reason)
    else if (ended !== undefined) await bringBack(member, work)
    return reason
  }
}

/** Errors that are not the benchmark's own are a mistake in it: where they are from is what helps. */
function textOf(error: unknown): string {
  if (error instanceof BenchFailure) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** What only somebody who lives can have said. */
const IS_ANSWER = /: (status \d+|\d+ bytes) where |: a wrong body: /

async function endOf({ running }: Member, error: unknown): Promise<string | undefined> {
  // The end of a connection is often seen before that of the process.
  if (!IS_ANSWER.test(textOf(error))) await wait(200)
  try {
    running.expectAlive()
    return undefined
  } catch (error) {
    return textOf(error)
  }
}

async function bringBack(member: Member, work: Work): Promise<void> {
  const { name } = member.peer
  try {
    await member.running.restart()
    work.options.tell(`${name} was started again`)
  } catch (error) {
    work.gone.set(name, textOf(error))
    work.options.tell(`${name} could not be started again and is left out: ${textOf(error)}`)
  }
}

async function openAll(work: Work): Promise<void> {
  const { options, members } = work
  const { peers, tls, folder, phase, tell } = options
  tell(`starting ${peers.map(({ name, version }) => `${name} (${version})`).join(', ')}`)
  const opened = new Map<Peer, Member>()
  const open = async (peer: Peer): Promise<void> => {
    const running = await startPeer(peer, join(folder, `${phase}-${peer.name}`), tls)
    opened.set(peer, memberOf(peer, running))
  }
  await Promise.all(peers.map((peer) => attempt(work, peer, 'start', () => open(peer))))
  for (const peer of peers) members.push(...[opened.get(peer) ?? []].flat())
  await wait(restMs(options))
  for (const { running, memory } of members) memory.idle = residentMebibytes(running.pid)
}

function memberOf(peer: Peer, running: Running): Member {
  return {
    peer,
    running,
    exchange: createExchange(running.url, running.server.authorization),
    abilities: { singlePost: false, referrers: false, tagPages: false },
    syncs: undefined,
    memory: { idle: 0, seeded: 0, peak: 0, after: 0 },
    seeding: 0,
  }
}

/** All at once: nothing is measured here, and what is slow with one does not wait for the others. */
async function fill(work: Work): Promise<void> {
  const { options, content } = work
  const asked = new Set(options.rows.flatMap(({ parts }) => parts).concat('app'))
  const parts = PARTS.filter((part) => asked.has(part))
  options.tell(`filling with: ${parts.join(', ')}`)
  const client = createClient(options.tools.client, undefined)
  const fillOne = async (member: Member): Promise<void> => {
    const { exchange, running, peer } = member
    const began = performance.now()
    for (const part of parts) {
      await seed(part, { exchange, server: running.server, client, content })
      options.tell(`  ${peer.name}: ${part} after ${((performance.now() - began) / 1000).toFixed(1)} s`)
    }
    member.seeding = (performance.now() - began) / 1000
    const seeded = residentMebibytes(running.pid)
    Object.assign(member.memory, { seeded, peak: seeded, after: seeded })
  }
  await Promise.all(
    present(work).map(async (member) => {
      const wrong = await attempt(work, member.peer, 'filling', () => fillOne(member))
      if (wrong !== undefined) work.gone.set(member.peer.name, `it could not be filled: ${wrong}`)
    }),
  )
}

async function look(member: Member, { options, content }: Work): Promise<void> {
  const { exchange, running, peer } = member
  member.abilities = await probeAbilities(exchange, content)
  const { strace } = options.tools
  if (strace === undefined || !options.countsSyncs(peer)) return
  options.tell(`counting the syncs of ${peer.name}`)
  const file = join(options.folder, `${peer.name}.strace`)
  member.syncs = await countSyncs(strace, running.pid, exchange, file)
}

async function measureRow(row: Row, mode: Mode, work: Work): Promise<void> {
  const { options, content, members, gone } = work
  const { told, rounds, peers, phase } = options
  options.tell(`${row.name}${mode === 'unpinned' ? '' : `, ${mode}`}: ${row.title}`)
  const cells: Record<string, Cell> = {}
  for (const { name } of peers) cells[name] = { failed: `left out: ${gone.get(name) ?? ''}` }
  for (const { peer } of present(work)) cells[peer.name] = { skipped: 'not supported' }
  const outcomes = new Map<Member, Outcome[]>()
  for (const member of present(work))
    if (row.needs === undefined || member.abilities[row.needs]) outcomes.set(member, [])
  const part = async (member: Member, does: () => Promise<unknown>): Promise<void> => {
    if (!outcomes.has(member)) return
    const wrong = await attempt(work, member.peer, row.name, async () => void (await does()))
    if (wrong === undefined) return
    outcomes.delete(member)
    cells[member.peer.name] = { failed: wrong }
    if (!gone.has(member.peer.name)) bind(member, mode, options)
  }
  const checkAll = async (): Promise<void> => {
    for (const member of members) await part(member, () => check(row, member, content))
  }
  const setting: CellSetting = { ...options, content, mode }
  await checkAll()
  for (let round = 0; round < rounds; round++) {
    for (const member of round % 2 === 0 ? members : members.toReversed())
      await part(member, async () => outcomes.get(member)?.push(await measure(row, member, round, setting)))
  }
  await checkAll()
  for (const [{ peer }, rounds] of outcomes) cells[peer.name] = { rounds }
  const { name, title, goal } = row
  told.row({ name, title, mode, phase, unit: unitOf(row), goal, cells })
}

async function check(row: Row, { exchange }: Member, content: Content): Promise<void> {
  for (const one of row.checks(content)) await verify(exchange, one)
}

/** Where memory is more than a process with nothing to do has: that of the cell. */
const TELLS_MEMORY: ReadonlySet<string> = new Set(['push', 'image', 'mixed'])

async function measure(row: Row, member: Member, round: number, setting: CellSetting): Promise<Outcome> {
  const { running, memory } = member
  const stop = watchMemory(() => running.pid)
  let peak = 0
  const outcome = await runCell(row, member, round, setting).finally(() => {
    peak = stop()
    memory.peak = Math.max(memory.peak, peak)
  })
  running.expectAlive()
  const { load } = row
  const isTold = TELLS_MEMORY.has(load.kind) || (load.kind === 'pull' && load.perByte)
  return isTold ? { ...outcome, also: { ...outcome.also, MiB: peak } } : outcome
}
