/**
 * Starts the server under test as its users do: as a process, with Distribution's configuration file and environment.
 *
 * BERTH_TEST_SERVER names another command to try the harnesses with, e.g. `registry serve` (CNCF Distribution): it
 * gets the path of the configuration file as its last argument.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type ServerOptions = {
  /** The data folder. */
  root: string
  /** `REGISTRY_*` and others, on top of the process's own environment. */
  env?: Record<string, string>
  /** A whole configuration file as an object; without it: `root`, deletes on, a free port on loopback. */
  config?: Record<string, unknown>
  /** Milliseconds until the server must be ready. */
  timeout?: number
  /** Another program than the one under test; the path of the configuration file is added. */
  command?: readonly string[]
}

export type TestServer = {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  url: string
  /** `127.0.0.1:PORT`, as clients write it before a repository's name. */
  host: string
  pid: number
  /** Milliseconds from the start of the process to its "listening" line. */
  readyAfter: number
  /** What it wrote so far, at most the last 256 KiB. */
  log(): string
  /** SIGTERM, then waits for the end. @throws if it does not end within 15 seconds */
  stop(): Promise<void>
  /** SIGKILL, then waits for the end. */
  kill(): Promise<void>
  /** Resolves with the exit code, or with the signal's name. */
  readonly ended: Promise<number | string>
}

const LISTENING = /listening on (?:https?:\/\/)?(127\.0\.0\.1:\d+)/
const LOG_KEPT = 256 * 1024
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

const running = new Set<ChildProcess>()
let endsChildren = false

/** A test that is cut off must not leave servers behind. */
function endWithThisProcess(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
  if (endsChildren) return
  endsChildren = true
  process.once('exit', () => {
    for (const one of running) one.kill('SIGKILL')
  })
}

/** Whether the tests run against something other than this repository's server. */
export function isForeignServer(): boolean {
  return process.env['BERTH_TEST_SERVER'] !== undefined
}

function defaultConfig(root: string): Record<string, unknown> {
  return {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', ...(isForeignServer() ? { secret: 'the same after each restart' } : {}) },
  }
}

function environment(env: Record<string, string>): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('REGISTRY_'))
  return { ...Object.fromEntries(inherited), OTEL_TRACES_EXPORTER: 'none', ...env }
}

function commandLine(): readonly string[] {
  return process.env['BERTH_TEST_SERVER']?.split(' ') ?? [process.execPath, MAIN, 'serve']
}

export async function startServer(options: ServerOptions): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-config-'))
  const configFile = join(folder, 'config.yml')
  writeFileSync(configFile, JSON.stringify(options.config ?? defaultConfig(options.root)))
  const [command = '', ...args] = options.command ?? commandLine()
  const began = performance.now()
  const child = spawn(command, [...args, configFile], {
    env: environment(options.env ?? {}),
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithThisProcess(child)
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone'))
  })
  void ended.then(() => rmSync(folder, { recursive: true, force: true }))
  const log = collectLog(child)
  const host = await log.listening(ended, options.timeout ?? 15_000).catch(async (error: unknown) => {
    child.kill('SIGKILL')
    await ended
    throw error
  })
  const readyAfter = Math.round(performance.now() - began)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, 15_000, 'late')))
    const outcome = await Promise.race([ended, late])
    clearTimeout(timer)
    if (outcome !== 'late') return
    await kill()
    throw new Error(`the server did not end within 15 s of SIGTERM; its log:\n${log.text()}`)
  }
  return { url: `http://${host}`, host, pid: child.pid ?? 0, readyAfter, log: log.text, stop, kill, ended }
}

function collectLog(child: ChildProcess) {
  let text = ''
  let tell: () => void = () => undefined
  const take = (part: string): void => {
    text = (text + part).slice(-LOG_KEPT)
    tell()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', take)
  }
  const listening = (ended: Promise<number | string>, timeout: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer)
        tell = () => undefined
        reject(new Error(`${why}; its log:\n${text.slice(-4000)}`))
      }
      const timer = setTimeout(() => fail(`the server was not ready after ${timeout} ms`), timeout)
      tell = () => {
        const host = LISTENING.exec(text)?.[1]
        if (host === undefined) return
        clearTimeout(timer)
        tell = () => undefined
        resolve(host)
      }
      tell()
      void ended.then((code) => fail(`the server ended with ${code} before it listened`))
    })
  return { text: () => text, listening }
}

/** Resident memory of a process now and at its peak, in MiB. Linux only. */
export function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (field: string): number =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024)
  return { now: mebibytes('VmRSS'), peak: mebibytes('VmHWM') }
}
