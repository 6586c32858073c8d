/** What V8 has compiled of the bundles, so that a start need not compile it again. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HOME, NODE_FLAG } from './app-layer.ts'
import { NODE_ARCH, type Architecture } from './architectures.ts'
import { lockedNode } from './node-package.ts'
import { BuildError, run } from './run.ts'
import type { Entries } from './tar.ts'

const MAKE = fileURLToPath(new URL('make-code-cache.ts', import.meta.url))
const TRIES = 6

/** Only the Node.js of the image can make it, so only for the architecture of this machine. */
export function canMakeCodeCache(root: string, architecture: Architecture): boolean {
  const isSame = process.versions.node === lockedNode(root, architecture).version
  return process.platform === 'linux' && process.arch === NODE_ARCH[architecture] && isSame
}

/**
 * Which functions are compiled is found by a start of the program. That is the same from start to start, but no clock
 * and no thread promises it: it is taken when it has come out the same twice.
 *
 * @param entries the layer of the program
 * @returns the files that go beside the bundles
 * @throws BuildError where no two starts agree
 */
export async function codeCache(entries: Entries, bundles: ReadonlyMap<string, string>): Promise<Entries> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-code-cache-'))
  try {
    for (const [path, entry] of entries) {
      if (entry.kind !== 'file') continue
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), entry.bytes)
    }
    const seen: Buffer[] = []
    for (let tries = 0; tries < TRIES; tries++) {
      const files = await make(folder, [...bundles.keys()])
      const all = Buffer.concat([...files.values()])
      if (seen.some((other) => other.equals(all))) return asEntries(files)
      seen.push(all)
    }
    throw new BuildError(`${TRIES} starts of the program compiled something else each time`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function make(folder: string, names: readonly string[]): Promise<Map<string, Buffer>> {
  const home = join(folder, HOME)
  // The seed is another one in each process otherwise, and stands in what is written. It must not be guessed in one that
  // serves: only the process that makes the cache has this one.
  const flags = [NODE_FLAG, '--hash-seed=1', '--no-flush-bytecode']
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:REGISTRY_|NODE_)/.test(name)),
  )
  await run(process.execPath, [...flags, MAKE, home, ...names], { env, cwd: folder })
  return new Map(names.map((name) => [name, readFileSync(join(home, `${name}.cache`))]))
}

function asEntries(files: ReadonlyMap<string, Buffer>): Entries {
  return new Map(
    [...files].map(([name, bytes]) => [`${HOME}/${name}.cache`, { kind: 'file', mode: 0o644, bytes }]),
  )
}
