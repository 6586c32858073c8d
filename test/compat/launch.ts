/** Starts a registry in an empty folder of its own, as its users do: file, environment, nothing else. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { programPath } from '../lib/prerequisite.ts'
import type { Place } from './play.ts'

export type Program = { name: 'berth' | 'peer'; command: string; args: readonly string[] }
export type Started = { place: Place; folder: string; log(): string; stop(): Promise<void> }
/** How a start ended that was none. */
export type Refused = { exit: number | string; log: string }

/** What a configuration is told of its surroundings. */
export type Surroundings = {
  folder: string
  port: number
  debugPort: number
  certificateFile?: string
  keyFile?: string
}

export type Setup = {
  /** The configuration file. */
  file: string
  env: (around: Surroundings) => Record<string, string>
  /** Where it then listens; absent: plain HTTP on the port. */
  place?: (around: Surroundings) => Place
}

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const READY_MS = 20_000
const STOP_MS = 10_000

export const berth: Program = { name: 'berth', command: process.execPath, args: [MAIN, 'serve'] }

/**
 * CNCF Distribution: BERTH_COMPAT_PEER, or `registry` on the PATH; undefined where there is none. Berth is called
 * registry as well, so the program is asked what it is.
 */
export function findPeer(): Program | undefined {
  const named = process.env['BERTH_COMPAT_PEER']
  const command = named ?? programPath('registry')
  if (command === undefined) return undefined
  const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  if (named === undefined && !/distribution\/v3 v3\.1\./.test(stdout)) return undefined
  return { name: 'peer', command, args: ['serve'] }
}

export async function launch(program: Program, setup: Setup): Promise<Started | Refused> {
  const folder = mkdtempSync(join(tmpdir(), `berth-compat-${program.name}-`))
  const [port, debugPort] = [await freePort(), await freePort()]
  const around = { folder, port, debugPort }
  const file = join(folder, 'config.yml')
  writeFileSync(file, setup.file)
  const child = spawn(program.command, [...program.args, file], {
    env: { ...ownEnvironment(), OTEL_TRACES_EXPORTER: 'none', ...setup.env(around) },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-64 * 1024)))
  }
  let exit: number | string | undefined
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      exit ??= error.message
      resolve()
    })
    child.once('close', (code, signal) => {
      exit ??= code ?? signal ?? 'gone'
      resolve()
    })
  })
  const killed = (): void => void child.kill('SIGKILL')
  process.once('exit', killed)
  const clean = (): void => {
    process.off('exit', killed)
    rmSync(folder, { recursive: true, force: true })
  }
  const place = setup.place?.(around) ?? { url: `http://127.0.0.1:${port}` }
  const deadline = Date.now() + READY_MS
  while (exit === undefined && Date.now() < deadline) {
    if (await answers(place)) {
      const stop = async (): Promise<void> => {
        child.kill('SIGTERM')
        const timer = setTimeout(killed, STOP_MS)
        await ended
        clearTimeout(timer)
        clean()
      }
      return { place, folder, log: () => log, stop }
    }
    await Promise.race([wait(50), ended])
  }
  killed()
  await ended
  clean()
  return { exit: exit === 'SIGKILL' ? 'not ready in time' : (exit ?? 'gone'), log }
}

function ownEnvironment(): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_'))
  return Object.fromEntries(inherited)
}

/** Free now; somebody else could still take it before the program does. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function answers({ url, socketPath }: Place): Promise<boolean> {
  const { hostname, port, protocol } = new URL(url)
  const send = protocol === 'https:' ? secureRequest : request
  return new Promise((resolve) => {
    const asked = send(
      {
        method: 'GET',
        path: '/',
        agent: false,
        timeout: 5000,
        rejectUnauthorized: false,
        ...(socketPath === undefined ? { hostname, port } : { socketPath }),
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
