/** Node.js as npm has it: the version that this repository pins, for any architecture, and checked. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { NODE_ARCH, type Architecture } from './architectures.ts'
import { readElf, strip } from './elf.ts'
import { BuildError, run } from './run.ts'
import { entriesOf, textFile, type Entries } from './tar.ts'

type Locked = { name: string; version: string; integrity: string }
type NodeFiles = { program: Uint8Array; licence: Uint8Array }

/** What package-lock.json says of the package with Node.js for an architecture. */
export function lockedNode(root: string, architecture: Architecture): Locked {
  const name = `node-linux-${NODE_ARCH[architecture]}`
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>
  }
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {}
  if (version === undefined || integrity === undefined)
    throw new BuildError(`package-lock.json does not have ${name}: run "npm install"`)
  return { name, version, integrity }
}

/** The layer with Node.js: one program, without its symbols. */
export async function nodeLayer(options: {
  root: string
  cache: string
  architecture: Architecture
}): Promise<Entries> {
  const { program, licence } = await nodeFiles(options)
  const bytes = strip(program)
  if (readElf(bytes).architecture !== options.architecture)
    throw new BuildError(`the Node.js of npm for ${options.architecture} is for another machine`)
  return new Map([
    ['usr/bin/node', { kind: 'file', mode: 0o755, bytes }],
    ['usr/share/doc/nodejs/copyright', textFile(Buffer.from(licence).toString())],
  ])
}

async function nodeFiles({
  root,
  cache,
  architecture,
}: {
  root: string
  cache: string
  architecture: Architecture
}): Promise<NodeFiles> {
  const locked = lockedNode(root, architecture)
  const folder = join(root, 'node_modules', locked.name)
  // npm has compared what it installed with the lock.
  if (installedVersion(folder) === locked.version)
    return {
      program: readFileSync(join(folder, 'bin/node')),
      licence: readFileSync(join(folder, 'LICENSE')),
    }
  const archive = await fetchPackage(locked, { root, cache })
  const wanted = new Set(['package/bin/node', 'package/LICENSE'])
  const entries = await entriesOf(gunzipSync(archive), (path) => wanted.has(path))
  const bytesOf = (path: string): Uint8Array => {
    const entry = entries.get(path)
    if (entry?.kind !== 'file') throw new BuildError(`${locked.name} has no ${path}`)
    return entry.bytes
  }
  return { program: bytesOf('package/bin/node'), licence: bytesOf('package/LICENSE') }
}

function installedVersion(folder: string): string | undefined {
  const path = join(folder, 'package.json')
  if (!existsSync(path)) return undefined
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

/**
 * The package's archive, from the cache or by npm.
 * @throws BuildError where it is not what the lock says
 */
async function fetchPackage(
  { name, version, integrity }: Locked,
  { root, cache }: { root: string; cache: string },
): Promise<Buffer> {
  const kept = join(cache, `${name}-${version}.tgz`)
  if (existsSync(kept)) {
    const bytes = readFileSync(kept)
    if (integrityOf(bytes) === integrity) return bytes
  }
  const incoming = join(cache, `incoming-${process.pid}`)
  mkdirSync(incoming, { recursive: true })
  const [program, before] = npmCommand()
  const args = ['pack', `${name}@${version}`, '--pack-destination', incoming, '--silent']
  await run(program, [...before, ...args], { cwd: root })
  const packed = join(incoming, `${name}-${version}.tgz`)
  const bytes = readFileSync(packed)
  if (integrityOf(bytes) !== integrity)
    throw new BuildError(`${name} ${version} as npm has it is not what package-lock.json names`)
  renameSync(packed, kept)
  return bytes
}

/** The npm that runs this script, else whichever the machine has. */
function npmCommand(): [string, string[]] {
  const npm = process.env['npm_execpath']
  return npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
}

function integrityOf(bytes: Uint8Array): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`
}
