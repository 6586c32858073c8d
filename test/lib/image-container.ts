/**
 * The image run by `runc`, without an engine: its root unpacked, its configuration turned into runc's. The network is the
 * machine's. Linux, root.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { entriesOf } from '../../deploy/image/tar.ts'
import { cannotMount, missingPrograms } from './prerequisite.ts'
import { afterwards, type Ending } from './temporary.ts'

export type ContainerOptions = {
  /** The root folder: see {@link unpackImage}. */
  root: string
  /** Words behind the image's name. Absent: the image's own. */
  command?: readonly string[]
  env?: Record<string, string>
  user?: number
  /** The root is read-only, and nothing is permitted that only root may do. */
  locked?: boolean
  /** Path in the container → path here. A path in `/tmp` is not possible. */
  mounts?: Record<string, string>
}

export type Container = {
  /** What it wrote so far. */
  log(): string
  /** Resolves with the exit code. */
  ended: Promise<number>
  /** Runs a program beside it. @returns its output and its exit code */
  exec(...command: string[]): Promise<{ code: number; output: string }>
  /** SIGTERM. @returns milliseconds until it ended */
  stop(): Promise<number>
  /** The process, on this machine. */
  pid(): number
}

type ImageConfig = { config: { Env: string[]; Entrypoint: string[]; Cmd: string[]; WorkingDir: string } }

let count = 0

/** For `test({ skip })`: false when containers can be run here. */
export function cannotRunContainers(): string | false {
  return cannotMount() || missingPrograms('runc')
}

/** Unpacks an image of an OCI layout. @returns what is to be run, and its root */
export async function unpackImage(layout: string, architecture: string, root: string): Promise<ImageConfig> {
  const { config, layers } = readImage(layout, architecture)
  for (const layer of layers) {
    for (const [path, entry] of await entriesOf(gunzipSync(layer))) {
      const at = join(root, path)
      mkdirSync(dirname(at), { recursive: true })
      if (entry.kind === 'folder') mkdirSync(at, { recursive: true })
      else if (entry.kind === 'link') symlinkSync(entry.target, at)
      else writeFileSync(at, entry.bytes, { mode: entry.mode })
    }
  }
  return config
}

/** Configuration, manifest and the bytes of the layers. */
export function readImage(layout: string, architecture: string) {
  const bytes = (digest: string): Buffer => readFileSync(join(layout, 'blobs', ...digest.split(':')))
  const json = (digest: string) => JSON.parse(bytes(digest).toString()) as never
  type Descriptor = { digest: string; size: number; platform: { architecture: string } }
  const top = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] }
  const index = json(top.manifests[0]?.digest ?? '') as { manifests: Descriptor[] }
  const digest = index.manifests.find(({ platform }) => platform.architecture === architecture)?.digest ?? ''
  const manifest = json(digest) as { config: Descriptor; layers: Descriptor[] }
  const config = json(manifest.config.digest) as ImageConfig
  return { digest, manifest, config, layers: manifest.layers.map((layer) => bytes(layer.digest)) }
}

export function startContainer(
  test: Ending,
  folder: string,
  image: ImageConfig,
  options: ContainerOptions,
): Container {
  const id = `berth-${process.pid}-${++count}`
  const bundle = join(folder, id)
  mkdirSync(bundle)
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(runtimeConfig(image, options)))
  const state = join(folder, 'runc')
  const pidFile = join(bundle, 'pid')
  const words = ['--root', state, 'run', '--no-new-keyring', '--bundle', bundle, '--pid-file', pidFile, id]
  const process_ = spawn('runc', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const log = logOf(process_)
  const ended = new Promise<number>((resolve) => process_.once('exit', (code) => resolve(code ?? -1)))
  const runc = (...args: string[]): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      execFile('runc', ['--root', state, ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr })
      })
    })
  afterwards(test, async () => {
    await runc('kill', id, 'KILL')
    await runc('delete', '--force', id)
    await ended
  })
  return {
    log,
    ended,
    exec: (...command) => runc('exec', id, ...command),
    async stop() {
      const began = performance.now()
      await runc('kill', id, 'TERM')
      await ended
      return performance.now() - began
    },
    pid: () => Number(readFileSync(pidFile, 'utf8')),
  }
}

function logOf(process: ChildProcess): () => string {
  let text = ''
  for (const stream of [process.stdout, process.stderr])
    stream?.setEncoding('utf8').on('data', (part: string) => (text += part))
  return () => text
}

/** https://github.com/opencontainers/runtime-spec/blob/main/config.md */
function runtimeConfig({ config }: ImageConfig, options: ContainerOptions): object {
  const { root, command = config.Cmd, env = {}, user = 0, locked = false, mounts = {} } = options
  const own = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  // What Docker leaves to root.
  const some = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID', 'NET_BIND_SERVICE', 'KILL']
  const capabilities = locked || user !== 0 ? [] : some.map((name) => `CAP_${name}`)
  const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777'] }
  const bound = Object.entries(mounts).map(([destination, source]) => {
    return { destination, type: 'bind', source, options: ['rbind', 'rw'] }
  })
  return {
    ociVersion: '1.0.2',
    process: {
      args: [...config.Entrypoint, ...command],
      env: [...config.Env, ...own],
      cwd: config.WorkingDir,
      user: { uid: user, gid: user },
      noNewPrivileges: true,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: root, readonly: locked },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', ...tmpfs, options: ['nosuid', 'mode=755'] },
      { destination: '/tmp', ...tmpfs },
      ...bound,
    ],
    linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }] },
  }
}
