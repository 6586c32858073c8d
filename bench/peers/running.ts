/** A side that runs: started in a folder of its own on loopback, watched, started again where a row asks for it. */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { basicHeader } from '../../test/lib/basic-header.ts'
import { freePort } from '../../test/lib/free-port.ts'
import { BenchFailure } from '../failure.ts'
import type { Server } from '../tools/figures.ts'
import type { Around, Peer } from './peer.ts'

export type Running = {
  readonly peer: Peer
  readonly server: Server
  readonly url: string
  readonly folder: string
  /** @throws BenchFailure if it could not be started again */
  readonly pid: number
  /** @throws BenchFailure if it ended, with the end of its log; or if it could not be started again, with the reason */
  expectAlive(): void
  /**
   * Ends and starts it on the same folder.
   * @returns milliseconds from the start to the first answer
   * @throws BenchFailure
   */
  restart(): Promise<number>
  stop(): Promise<void>
}

const READY_MS = 120_000
const STOP_MS = 20_000
const LOG_KEPT = 16 * 1024

export async function startPeer(
  peer: Peer & { port?: number },
  folder: string,
  tls?: Around['tls'],
): Promise<Running> {
  mkdirSync(folder, { recursive: true })
  const around: Around = { folder, port: peer.port ?? (await freePort()), tls }
  const { credentials } = peer
  let child: Child = await start(peer, around)
  return {
    peer,
    folder,
    server: {
      port: around.port,
      isTls: tls !== undefined,
      ...(credentials && { authorization: basicHeader(`${credentials.name}:${credentials.password}`) }),
    },
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${around.port}`,
    get pid() {
      if (child.pid === undefined) child.expectAlive()
      return child.pid as number
    },
    expectAlive: () => child.expectAlive(),
    async restart() {
      await child.stop()
      try {
        child = await start(peer, around)
      } catch (error) {
        // What was ended on purpose must not be blamed for what came after it.
        child = neverStarted(error)
        throw error
      }
      return child.startedAfter
    },
    stop: () => child.stop(),
  }
}

type Child = { pid: number | undefined; startedAfter: number; expectAlive(): void; stop(): Promise<void> }

function neverStarted(reason: unknown): Child {
  return {
    pid: undefined,
    startedAfter: Number.NaN,
    expectAlive: () => {
      throw reason
    },
    stop: async () => {},
  }
}

async function start(peer: Peer, around: Around): Promise<Child> {
  const { command, args, env, files } = peer.launch(around)
  for (const [path, text] of Object.entries(files ?? {})) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  // A pipe would have a reader, which a log of requests wakes up again and again: that is not the server's.
  const file = join(around.folder, 'output.log')
  const output = openSync(file, 'a')
  const before = statSync(file).size
  const log = (): string => endOf(file, before)
  const began = performance.now()
  const child = spawn(command, args, {
    cwd: around.folder,
    env: { ...ownEnvironment(), ...env },
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  let end: string | undefined
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void (end ??= error.message)))
    child.once('exit', (code, signal) => resolve(void (end ??= signal ?? `exit code ${code}`)))
  })
  const kill = (): void => void child.kill('SIGKILL')
  // Before others remove the folder.
  process.prependOnceListener('exit', kill)
  void ended.then(() => process.off('exit', kill))
  const died = (): BenchFailure =>
    new BenchFailure(`${peer.name} died (${end}); the end of its log:\n${log() || '(nothing)'}`)
  const deadline = Date.now() + READY_MS
  while (!(await answers(around))) {
    if (end !== undefined) throw died()
    if (Date.now() > deadline) {
      kill()
      throw new BenchFailure(`${peer.name} was not ready after ${READY_MS / 1000} s; its log:\n${log()}`)
    }
  }
  return {
    pid: child.pid,
    startedAfter: performance.now() - began,
    expectAlive: () => {
      if (end !== undefined) throw died()
    },
    async stop() {
      if (end !== undefined) return
      child.kill('SIGTERM')
      const late = setTimeout(kill, STOP_MS)
      await ended
      clearTimeout(late)
    },
  }
}

/** The last that was written to a file, of what came after its first `from` bytes. */
function endOf(file: string, from: number): string {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(LOG_KEPT, size - from))
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, size - bytes.length)).trim()
  } finally {
    closeSync(fd)
  }
}

/** What was set for the caller's own registry must not reach those that are measured. */
function ownEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_')))
}

/** Whether `GET /v2/` is answered by anything; tried about every millisecond, since a start is timed by it. */
async function answers(around: Around): Promise<boolean> {
  if (!(await listens(around.port))) {
    await wait(1)
    return false
  }
  const send = around.tls === undefined ? request : secureRequest
  return new Promise((resolve) => {
    const asked = send(
      {
        host: '127.0.0.1',
        port: around.port,
        path: '/v2/',
        agent: false,
        timeout: 5000,
        rejectUnauthorized: false,
      },
      (response) => {
        response.resume()
        response.once('close', () => resolve(true))
      },
    )
    asked.once('error', () => resolve(false))
    asked.once('timeout', () => asked.destroy())
    asked.end()
  })
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
