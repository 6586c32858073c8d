/** A server, a folder and a way to run programs: what each client's tests begin with. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '../lib/content.ts'
import { programPath } from '../lib/prerequisite.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { startServer, type ServerOptions, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder, type Ending } from '../lib/temporary.ts'
import { blobPath, digestsBelow, isJson, parseManifest } from './layout.ts'

/** Where test/clients/install.sh puts what it builds and unpacks. */
const CLIENTS = process.env['BERTH_CLIENTS_DIR'] ?? join(homedir(), '.cache', 'berth-clients')
const NEWER = join(CLIENTS, 'newer', 'usr')
const OWN_PATHS = [join(CLIENTS, 'bin'), '/usr/sbin', '/sbin']

/** The larger set: newer engines and what takes minutes to install. */
export const ALL_CLIENTS = process.env['BERTH_CLIENTS'] === 'all'
export const NOT_ALL = 'SKIPPED: of the larger set (BERTH_CLIENTS=all)'

/** The path of a client. `newer`: of those that `install.sh all` unpacked. */
export function clientPath(name: string, newer = false): string | undefined {
  const folders = newer ? [join(NEWER, 'bin'), join(NEWER, 'sbin')] : OWN_PATHS
  const own = folders.map((folder) => join(folder, name)).find(isProgram)
  return own ?? (newer ? undefined : programPath(name))
}

/** What install.sh put there that is no program of its own. */
export const clientsPath = (...parts: string[]): string => join(CLIENTS, ...parts)

/** The folder of what a newer Docker keeps beside its programs. */
export const newerPath = (...parts: string[]): string => join(NEWER, ...parts)

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * For `test({ skip })`. What CI installs must be there under CI; the larger set, and what needs Go, may be missing.
 */
export function missingClients(names: string[], rule: 'ci' | 'optional' | 'newer' = 'ci'): string | false {
  const missing = names.filter((name) => clientPath(name, rule === 'newer') === undefined)
  if (missing.length === 0) return false
  const reason = `SKIPPED: not on this machine: ${missing.join(', ')} (test/clients/install.sh installs them)`
  if (process.env['CI'] && rule === 'ci') throw new Error(reason)
  return reason
}

/** For `test({ skip })`: engines and storage drivers need root. */
export const needsRoot = (): string | false => process.getuid?.() !== 0 && 'SKIPPED: needs root'

export type RunOptions = {
  env?: Record<string, string>
  cwd?: string
  input?: string
  /** Milliseconds. Some clients hang where others fail. */
  timeout?: number
  /** The exit code is not looked at. */
  mayFail?: boolean
}

export type Ran = { code: number; stdout: string; stderr: string }

export type Workplace = {
  server: TestServer
  client: RegistryClient
  folder: string
  /** A new folder in `folder`. */
  place(name: string): string
  run(program: string, args: string[], options?: RunOptions): Promise<Ran>
}

export async function createWorkplace(
  context: Ending,
  name: string,
  options: { env?: Record<string, string>; newer?: boolean; server?: Partial<ServerOptions> } = {},
): Promise<Workplace> {
  const folder = temporaryFolder(context, name)
  afterwards(context, () => unmountBelow(folder))
  const root = join(folder, 'data')
  mkdirSync(root)
  const server = await startServer({ root, ...options.server })
  afterwards(context, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(context, () => client.close())
  const place = (part: string): string => {
    const path = join(folder, part)
    mkdirSync(path, { recursive: true })
    return path
  }
  const home = place('home')
  const searched = [...(options.newer ? [join(NEWER, 'bin'), join(NEWER, 'sbin')] : []), ...OWN_PATHS]
  const path = `${searched.join(':')}:${process.env['PATH'] ?? ''}`
  const env = { HOME: home, DOCKER_CONFIG: home, PATH: path, ...options.env }
  const run = (program: string, args: string[], more: RunOptions = {}): Promise<Ran> =>
    runProgram(clientPath(program, options.newer) ?? program, args, {
      cwd: folder,
      ...more,
      env: { ...env, ...more.env },
    })
  return { server, client, folder, place, run }
}

/** Engines leave mounts behind that would keep their folder from being removed. */
function unmountBelow(folder: string): void {
  if (!existsSync('/proc/self/mounts')) return
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${folder}/`))
  for (const point of points.reverse()) execFileSync('umount', ['-l', point])
}

/** @throws with everything the program said, when it fails or takes too long */
function runProgram(program: string, args: string[], options: RunOptions): Promise<Ran> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 120_000)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.on('data', (piece: Buffer) => err.push(piece))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const stdout = Buffer.concat(out).toString()
      const stderr = Buffer.concat(err).toString()
      const ran = { code: code ?? -1, stdout, stderr }
      if (code === 0 || options.mayFail) return resolve(ran)
      const said = `${stdout.slice(-2000)}\n${stderr.slice(-4000)}`
      reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}:\n${said}`))
    })
  })
}

/** Everything below a manifest, as the registry serves it, each byte compared with its digest. Its digests, itself first. */
export async function digestsServed(
  client: RegistryClient,
  repository: string,
  reference: string,
): Promise<string[]> {
  const answer = await client.getManifest(repository, reference)
  assert.equal(answer.status, 200, `${repository} ${reference}`)
  const digest = digestOf(answer.body)
  assert.equal(answer.headers['docker-content-digest'], digest)
  const document = isJson(answer.body) ? parseManifest(answer.body) : undefined
  const found = [digest]
  for (const child of document?.manifests ?? []) {
    const isManifest = /manifest|image\.index/.test(child.mediaType)
    if (isManifest) found.push(...(await digestsServed(client, repository, child.digest)))
    else found.push(await blobServed(client, repository, child.digest))
  }
  for (const blob of [document?.config, ...(document?.layers ?? [])])
    if (blob) found.push(await blobServed(client, repository, blob.digest))
  return [...new Set(found)]
}

async function blobServed(client: RegistryClient, repository: string, digest: string): Promise<string> {
  const answer = await client.getBlob(repository, digest)
  assert.equal(answer.status, 200, `${repository} ${digest}`)
  assert.equal(digestOf(answer.body), digest, 'wrong bytes')
  return digest
}

/** What the registry serves is byte for byte what stands in the layout. */
export async function assertServesLayout(
  client: RegistryClient,
  repository: string,
  reference: string,
  layout: string,
  digest: string,
): Promise<void> {
  const served = await digestsServed(client, repository, reference)
  assert.deepEqual(served.sort(), digestsBelow(layout, digest).sort())
}

/** Pushes what stands in a layout by this project's own requests, for clients that shall only pull. */
export async function pushLayout(
  client: RegistryClient,
  repository: string,
  tag: string,
  layout: string,
  digest: string,
): Promise<void> {
  const push = async (one: string, reference: string): Promise<void> => {
    const bytes = readFileSync(blobPath(layout, one))
    const document = parseManifest(bytes)
    for (const child of document?.manifests ?? []) await push(child.digest, child.digest)
    for (const blob of [document?.config, ...(document?.layers ?? [])]) {
      if (!blob) continue
      const content = { bytes: readFileSync(blobPath(layout, blob.digest)), digest: blob.digest }
      expectStatus(await client.pushBlob(repository, content, 'post-put'), 201)
    }
    const mediaType = document?.mediaType ?? ''
    expectStatus(await client.putManifest(repository, reference, { bytes, digest: one, mediaType }), 201)
  }
  await push(digest, tag)
}

export async function assertGone(
  client: RegistryClient,
  repository: string,
  reference: string,
): Promise<void> {
  assert.equal((await client.getManifest(repository, reference)).status, 404, `${repository} ${reference}`)
}
