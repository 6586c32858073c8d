/** A Docker engine of its own, in a folder, without network plumbing. Linux, root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, openSync, writeFileSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterwards, type Ending } from '../lib/temporary.ts'
import { clientPath, newerPath, type Ran, type RunOptions, type Workplace } from './workplace.ts'

export type Engine = {
  docker(args: string[], options?: RunOptions): Promise<Ran>
  version: string
}

export type EngineOptions = {
  /** The one that `install.sh all` unpacked. */
  newer?: boolean
  /** Its images in containerd's store instead of the engine's own. */
  containerdStore?: boolean
}

const LIMITS = {
  nofile: { Name: 'nofile', Hard: 4096, Soft: 4096 },
  nproc: { Name: 'nproc', Hard: 4096, Soft: 4096 },
}

const ARGUMENTS = '--iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none'

export async function startEngine(
  context: Ending,
  workplace: Workplace,
  options: EngineOptions = {},
): Promise<Engine> {
  const folder = workplace.place('engine')
  const features = options.newer
    ? { 'containerd-snapshotter': options.containerdStore === true }
    : { buildkit: true }
  const configuration = join(folder, 'daemon.json')
  writeFileSync(configuration, JSON.stringify({ 'default-ulimits': LIMITS, features }))
  const socket = `unix://${folder}/docker.sock`
  const own = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'exec'),
    '-p',
    join(folder, 'pid'),
  ]
  const driver = options.containerdStore ? [] : ['--storage-driver=overlay2']
  const args = ['--config-file', configuration, '-H', socket, ...own, ...driver, ...ARGUMENTS.split(' ')]
  const log = join(folder, 'log')
  const output = openSync(log, 'a')
  const path = options.newer ? `${newerPath('bin')}:${newerPath('sbin')}:` : ''
  const engine = spawn(clientPath('dockerd', options.newer) ?? 'dockerd', args, {
    stdio: ['ignore', output, output],
    // Its own containerd and shim, not what else is on the PATH.
    env: { ...process.env, PATH: `${path}/usr/bin:/usr/sbin:/bin:/sbin` },
  })
  const ended = new Promise<void>((resolve) => engine.once('exit', () => resolve()))
  afterwards(context, async () => {
    engine.kill('SIGTERM')
    await ended
  })
  const program = dockerProgram(options.newer === true)
  const environment = {
    DOCKER_HOST: socket,
    DOCKER_BUILDKIT: '1',
    DOCKER_CONFIG: dockerConfig(workplace, options),
  }
  const docker = (dockerArgs: string[], more: RunOptions = {}): Promise<Ran> =>
    workplace.run(program, dockerArgs, { ...more, env: { ...environment, ...more.env } })
  for (let attempt = 0; ; attempt += 1) {
    const asked = await docker(['version', '--format', '{{.Server.Version}}'], { mayFail: true })
    if (asked.code === 0) return { docker, version: asked.stdout.trim() }
    assert.ok(
      attempt < 150 && engine.exitCode === null,
      `no engine: ${readFileSync(log, 'utf8').slice(-3000)}`,
    )
    await sleep(100)
  }
}

/** The distribution's own client fits the distribution's engine; another on the PATH may lack what it needs to build. */
function dockerProgram(newer: boolean): string {
  if (newer) return clientPath('docker', true) ?? 'docker'
  return existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker'
}

function dockerConfig(workplace: Workplace, options: EngineOptions): string {
  const folder = workplace.place('docker-config')
  const plugins = workplace.place('docker-config/cli-plugins')
  const buildx = newerPath('libexec', 'docker', 'cli-plugins', 'docker-buildx')
  if (options.newer) symlinkSync(buildx, join(plugins, 'docker-buildx'))
  return folder
}
