/** Registries and commands whose clock runs faster than time: see fast-clock.ts. */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startServer, type TestServer } from '../lib/start-server.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const PRELOAD = new URL('./fast-clock.ts', import.meta.url).href
export const HOUR_MS = 3_600_000

export type Ran = { code: number | null; stdout: string; stderr: string }

export type Clocked = {
  root: string
  /** What the clock of these processes says now. */
  now(): number
  /** All that begin from now on are so much later. No other may be running. */
  leap(ms: number): void
  /** @param keep `trash.keep` */
  serve(keep: string): Promise<TestServer>
  /** A command on the data, as an operator gives it. */
  begin(...args: string[]): { child: ChildProcess; ended: Promise<Ran> }
  /** @throws where it does not end with 0 */
  run(...args: string[]): Promise<Ran>
}

/** @param folder for the commands' configuration, outside of the data */
export function createClocked(root: string, folder: string, factor: number): Clocked {
  const origin = Date.now()
  let ahead = 0
  const env = () => ({
    NODE_OPTIONS: `--import ${PRELOAD}`,
    BERTH_TEST_CLOCK_ORIGIN: String(origin),
    BERTH_TEST_CLOCK_FACTOR: String(factor),
    BERTH_TEST_CLOCK_AHEAD: String(ahead),
  })
  const config = (keep: string) => ({
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    trash: { keep },
    // What it walks through has the times of files, which the clock of these processes is far ahead of.
    scrub: { enabled: false },
    http: {
      addr: '127.0.0.1:0',
      debug: { addr: '127.0.0.1:0', prometheus: { enabled: true, path: '/metrics' } },
    },
  })
  const file = join(folder, 'commands.yml')
  writeFileSync(file, JSON.stringify(config('1h')))
  const begin = (...args: string[]) => {
    const child = spawn(process.execPath, [MAIN, ...args, '--config', file], {
      env: { ...process.env, ...env() },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
    const ended = new Promise<Ran>((resolve) => child.once('close', (code) => resolve({ code, ...said })))
    return { child, ended }
  }
  return {
    root,
    now: () => Math.floor(origin + (Date.now() - origin) * factor + ahead),
    leap: (ms) => void (ahead += ms),
    serve: (keep) => startServer({ root, env: env(), config: config(keep), timeout: 30_000 }),
    begin,
    async run(...args) {
      const ran = await begin(...args).ended
      if (ran.code !== 0) throw new Error(`berth ${args.join(' ')} ended with ${ran.code}: ${ran.stderr}`)
      return ran
    },
  }
}
