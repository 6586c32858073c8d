/**
 * A machine with a Docker engine, as its user sees it: `docker` with its ordinary socket, folders and bridge, published
 * ports, an `/etc` and a `/data` of its own. It lives in namespaces of Linux: nothing of it is seen outside, and nothing is
 * left of it. Linux, root.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { newerPath } from '../clients/workplace.ts'
import { afterwards, type Ending, temporaryFolder } from '../lib/temporary.ts'

export type DockerHostOptions = {
  /** The engine that `install.sh all` unpacked. */
  newer?: boolean
  /** Its images in containerd's store instead of the engine's own. */
  containerdStore?: boolean
}

export type Typed = { code: number; stdout: string; stderr: string }

export type TypeOptions = {
  /** Its exit code is not looked at. */
  mayFail?: boolean
  /** It does not stand in the transcript: what a user would not type. */
  aside?: boolean
  /** Milliseconds. */
  timeout?: number
}

export type DockerHost = {
  /** Of the engine. */
  version: string
  /**
   * Runs a line in the host's shell, in /data, as its user types it.
   * @throws with all it wrote, when it fails or takes too long
   */
  type(line: string, options?: TypeOptions): Promise<Typed>
  /** Its standard output, without the newline at its end. */
  ask(line: string, options?: TypeOptions): Promise<string>
  /** Types a line until what it writes fits. @returns that. @throws after `seconds` */
  until(line: string, fits: RegExp, seconds?: number): Promise<string>
  /** Where `/data` of the host is for this process. */
  data: string
  /** Ends the engine and starts it again, as `systemctl restart docker`; it reads `/etc/docker/daemon.json`. KILL: it crashes. */
  restartEngine(signal?: 'TERM' | 'KILL'): Promise<void>
  /** What was typed, and what it wrote. */
  transcript(): string
}

const SETUP = fileURLToPath(new URL('docker-host.sh', import.meta.url))
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
/** Where limits cannot be raised, an engine's own are refused. */
const LIMITS = {
  nofile: { Name: 'nofile', Hard: 4096, Soft: 4096 },
  nproc: { Name: 'nproc', Hard: 4096, Soft: 4096 },
}

export async function startDockerHost(context: Ending, options: DockerHostOptions = {}): Promise<DockerHost> {
  const folder = temporaryFolder(context, 'docker-host')
  const data = join(folder, 'data')
  for (const path of ['docker', 'data', 'data/.home']) mkdirSync(join(folder, path))
  const cgroup = `berth-${randomUUID()}`
  afterwards(context, () => removeCgroups(cgroup))
  const pid = await startNamespaces(context, folder)
  const path = options.newer ? `${newerPath('bin')}:${newerPath('sbin')}:${SYSTEM_PATH}` : SYSTEM_PATH
  const home = preparedHome(data, options)
  const inside: Inside = (command, output = 'pipe') =>
    spawn('nsenter', ['-t', String(pid), '--net', '--mount', '--pid', '--root', '--', ...command], {
      env: { PATH: path, HOME: home, DOCKER_BUILDKIT: '1', LANG: 'C.UTF-8' },
      stdio: ['ignore', output, output],
      // A process group, which can be ended as a whole.
      detached: true,
    })
  const lines: string[] = []
  const type = async (line: string, more: TypeOptions = {}): Promise<Typed> => {
    const typed = await run(inside(['sh', '-c', `cd /data\n${line}`]), more.timeout ?? 120_000)
    if (more.aside !== true) lines.push(shown(line, typed))
    if (typed.code === 0 || more.mayFail === true) return typed
    throw new Error(`${line}\nended with ${typed.code}:\n${typed.stdout}\n${typed.stderr}`)
  }
  const ask = async (line: string, more: TypeOptions = {}): Promise<string> =>
    (await type(line, more)).stdout.trimEnd()
  await type(`cat >/etc/docker/daemon.json <<'END'\n${daemonJson(cgroup, options)}\nEND`, { aside: true })
  const engine = createEngine({ folder, type, inside, isDefaultStore: options.containerdStore !== true })
  afterwards(context, () => engine.stop())
  await engine.start()
  return {
    version: await ask("docker version --format '{{.Server.Version}}'", { aside: true }),
    type,
    ask,
    until: (line, fits, seconds = 30) => until(ask, line, fits, seconds),
    data,
    async restartEngine(signal = 'TERM') {
      lines.push(
        signal === 'TERM' ? '$ systemctl restart docker' : '(the engine is killed and started again)',
      )
      await engine.stop(signal)
      await engine.start()
    },
    transcript: () => lines.join('\n'),
  }
}

/** @returns the process that holds them */
async function startNamespaces(context: Ending, folder: string): Promise<number> {
  const kinds = ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child']
  const holder = spawn('unshare', [...kinds, 'sh', SETUP, folder], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(holder, 'exit')
  let network: string | undefined
  afterwards(context, async () => {
    holder.stdin.end()
    await ended
    assert.deepEqual(processesIn(network), [], 'processes of the host are left')
    assert.doesNotMatch(
      readFileSync('/proc/self/mounts', 'utf8'),
      new RegExp(` ${folder}`),
      'mounts are left',
    )
  })
  let said = ''
  for (const stream of [holder.stdout, holder.stderr]) stream.on('data', (piece: Buffer) => (said += piece))
  for (let waited = 0; ; waited += 20) {
    const pid = /^ready (\d+)$/m.exec(said)?.[1]
    if (pid !== undefined) {
      network = readlinkSync(`/proc/${pid}/ns/net`)
      return Number(pid)
    }
    assert.ok(holder.exitCode === null && waited < 10_000, `no machine for Docker: ${said}`)
    await sleep(20)
  }
}

/** The numbers of the processes that see this network. */
function processesIn(network: string | undefined): string[] {
  return globSync('/proc/[0-9]*/ns/net').filter((path) => {
    try {
      return readlinkSync(path) === network
    } catch {
      return false // It ended meanwhile.
    }
  })
}

/** The folder of what a user keeps; the plugin that a newer client builds with is in it. */
function preparedHome(data: string, { newer }: DockerHostOptions): string {
  const plugins = join(data, '.home', '.docker', 'cli-plugins')
  mkdirSync(plugins, { recursive: true })
  if (newer === true)
    symlinkSync(
      newerPath('libexec', 'docker', 'cli-plugins', 'docker-buildx'),
      join(plugins, 'docker-buildx'),
    )
  return '/data/.home'
}

function daemonJson(cgroup: string, { newer, containerdStore }: DockerHostOptions): string {
  const features = newer ? { 'containerd-snapshotter': containerdStore === true } : { buildkit: true }
  return JSON.stringify({ 'cgroup-parent': `/${cgroup}`, 'default-ulimits': LIMITS, features })
}

/** Starts a program in the namespaces. Its output: pipes, or the file of this descriptor. */
type Inside = (command: string[], output?: 'pipe' | number) => ChildProcess

type EngineParts = {
  folder: string
  type: DockerHost['type']
  inside: Inside
  isDefaultStore: boolean
}

function createEngine({ folder, type, inside, isDefaultStore }: EngineParts) {
  const log = join(folder, 'engine.log')
  const driver = isDefaultStore ? ['--storage-driver=overlay2'] : []
  let engine: ChildProcess | undefined
  return {
    async start(): Promise<void> {
      const output = openSync(log, 'a')
      const started = inside(['dockerd', ...driver], output)
      closeSync(output)
      engine = started
      for (let waited = 0; ; waited += 50) {
        const asked = await type('docker version', { mayFail: true, aside: true })
        if (asked.code === 0) return
        const said = readFileSync(log, 'utf8').slice(-3000)
        assert.ok(started.exitCode === null && waited < 30_000, `no engine: ${said}`)
        await sleep(50)
      }
    },
    async stop(signal: 'TERM' | 'KILL' = 'TERM'): Promise<void> {
      if (engine === undefined || engine.exitCode !== null) return
      const ended = once(engine, 'exit')
      await type(`kill -${signal} "$(cat /run/docker.pid)"`, { aside: true })
      await ended
    },
  }
}

function run(child: ChildProcess, timeout: number): Promise<Typed> {
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeout)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', (piece: Buffer) => out.push(piece))
  child.stderr?.on('data', (piece: Buffer) => err.push(piece))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      })
    })
  })
}

async function until(ask: DockerHost['ask'], line: string, fits: RegExp, seconds: number): Promise<string> {
  const last = Date.now() + seconds * 1000
  for (;;) {
    const said = await ask(line, { aside: true, mayFail: true })
    if (fits.test(said)) return said
    assert.ok(Date.now() < last, `${line}\ndid not say ${fits} in ${seconds} s, but:\n${said}`)
    await sleep(100)
  }
}

function shown(line: string, { code, stdout, stderr }: Typed): string {
  const said = `${stdout}${stderr}`.trimEnd()
  return [`$ ${line}`, ...(said === '' ? [] : [said]), ...(code === 0 ? [] : [`(exit code ${code})`])].join(
    '\n',
  )
}

/** Version 1 has a tree for each controller, version 2 one for all. */
function removeCgroups(cgroup: string): void {
  for (const top of globSync(['/sys/fs/cgroup', '/sys/fs/cgroup/*'])) {
    const own = join(top, cgroup)
    if (!existsSync(own)) continue
    for (const below of globSync('**/', { cwd: own }).sort().reverse()) rmdirSync(join(own, below))
    if (existsSync(own)) rmdirSync(own)
  }
}

/** For `test({ skip })`: what such a machine is made of, besides the engine. */
export const HOST_PROGRAMS = ['unshare', 'nsenter', 'ip', 'iptables', 'docker-init', 'curl']
