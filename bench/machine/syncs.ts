/**
 * Whether a registry had its bytes on the disk when it said 201: strace counts the syncs of all its threads while one
 * blob and one manifest are pushed, and tells when each had ended.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { digestOf, imageOf, type Blob } from '../../test/lib/content.ts'
import type { Exchange } from '../content/exchange.ts'
import { pushBlob, putManifest } from '../content/push.ts'

type SyncCount = {
  /** Ended before the answer. */
  before: number
  /** Ended after it. */
  after: number
}

export type Syncs = { blob: SyncCount; manifest: SyncCount }

const CALLS = 'fsync,fdatasync,sync,syncfs,sync_file_range,msync'
const REPOSITORY = 'bench/synced'
/** Clocks and the tracer's own delay, in seconds. */
const SLACK = 0.002
/** Syncs that come after the answer are waited for. */
const LATE_MS = 400

/** So long nothing was synced before it is counted: what a start or a fill leaves behind is not the push's. */
const QUIET_MS = 300
const QUIET_LIMIT_MS = 10_000

async function quiet(file: string): Promise<void> {
  const until = Date.now() + QUIET_LIMIT_MS
  let [seen, since] = [0, Date.now()]
  while (Date.now() - since < QUIET_MS && Date.now() < until) {
    await wait(50)
    const { size } = statSync(file)
    if (size !== seen) [seen, since] = [size, Date.now()]
  }
}

/** Undefined where the process cannot be traced. */
export async function countSyncs(
  strace: string,
  pid: number,
  exchange: Exchange,
  file: string,
): Promise<Syncs | undefined> {
  const config: Blob = blob(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
  )
  await pushBlob(exchange, REPOSITORY, config)
  const tracer = spawn(strace, ['-f', '-ttt', '-T', '-e', `trace=${CALLS}`, '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => tracer.once('exit', () => resolve()))
  try {
    if (!(await attached(tracer.stderr, ended))) return undefined
    await quiet(file)
    const began = Date.now() / 1000
    const layer = blob(randomBytes(4096).toString('hex'))
    await pushBlob(exchange, REPOSITORY, layer)
    const pushed = Date.now() / 1000
    const manifest = imageOf(config, [layer])
    await wait(LATE_MS)
    const put = Date.now() / 1000
    await putManifest(exchange, REPOSITORY, 'one', manifest)
    const done = Date.now() / 1000
    await wait(LATE_MS)
    tracer.kill('SIGINT')
    await ended
    const ends = parseSyncs(readFileSync(file, 'utf8'))
    return {
      blob: countBetween(ends, began, pushed, put),
      manifest: countBetween(ends, put, done, Number.POSITIVE_INFINITY),
    }
  } finally {
    tracer.kill('SIGINT')
    await ended
  }
}

function countBetween(ends: readonly number[], began: number, answered: number, until: number): SyncCount {
  const within = ends.filter((end) => end >= began && end < until)
  const before = within.filter((end) => end <= answered + SLACK).length
  return { before, after: within.length - before }
}

/**
 * When each sync ended, in seconds since 1970. A call that others interrupt in the log stands on two lines, of which
 * the second has the time at which it went on.
 */
export function parseSyncs(log: string): number[] {
  const ends: number[] = []
  for (const line of log.split('\n')) {
    const [, time, rest = ''] = /^\d+\s+(\d+\.\d+)\s+(.*)$/.exec(line) ?? []
    if (time === undefined || !/= 0\b/.test(rest)) continue
    const isResumed = rest.startsWith('<...')
    const took = Number(/<(\d+\.\d+)>$/.exec(rest)?.[1] ?? 0)
    ends.push(Number(time) + (isResumed ? 0 : took))
  }
  return ends
}

/** Strace says so on its standard error, once for all threads it found. */
async function attached(said: NodeJS.ReadableStream, ended: Promise<void>): Promise<boolean> {
  const heard = new Promise<boolean>((resolve) => {
    said.on('data', (text: Buffer) => {
      if (text.includes('attached')) resolve(true)
    })
    void ended.then(() => resolve(false))
    void wait(5000, undefined, { ref: false }).then(() => resolve(false))
  })
  const is = await heard
  await wait(200)
  return is
}

function blob(text: string): Blob {
  const bytes = Buffer.from(text)
  return { bytes, digest: digestOf(bytes) }
}
