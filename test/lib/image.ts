/** The image of this checkout, built once and shared by all tests that need it. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { missingPrograms } from './prerequisite.ts'

export type BuiltImage = {
  /** For `docker load`, of this machine's architecture; tags `berth:latest` and `berth:VERSION`. */
  archive: string
  /** The OCI layout of all architectures. */
  layout: string
  /** What the build said at its end. */
  report: string
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Not in `dist/`: that is the user's. */
const FOLDER = join(ROOT, 'node_modules/.cache/berth-image/tests')
const MAIN = join(ROOT, 'deploy/image/main.ts')
const SOURCES = ['src/**/*.ts', 'deploy/image/**/*', 'package.json', 'package-lock.json', 'LICENSE']
const DAY_MS = 24 * 60 * 60_000

/** For `test({ skip })`: false when the image can be built here. */
export function cannotBuildImage(): string | false {
  if (process.platform !== 'linux') return 'SKIPPED: the image is built on Linux'
  return missingPrograms('apt-get', 'dpkg-deb')
}

/** Builds what is not there, or is of other sources than those of now; a second one that asks waits for the first. */
export async function builtImage(): Promise<BuiltImage> {
  mkdirSync(FOLDER, { recursive: true })
  const release = await lock(join(FOLDER, 'building'))
  try {
    const stamp = join(FOLDER, 'sources')
    const report = join(FOLDER, 'report')
    const sources = fingerprint()
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== sources) {
      rmSync(stamp, { force: true })
      writeFileSync(report, await buildImage(FOLDER))
      writeFileSync(stamp, sources)
    }
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch
    return {
      archive: join(FOLDER, `berth-image-${architecture}.tar`),
      layout: join(FOLDER, 'image'),
      report: readFileSync(report, 'utf8'),
    }
  } finally {
    release()
  }
}

/** @returns what the build wrote to its standard output */
export async function buildImage(out: string, ...more: string[]): Promise<string> {
  const args = [MAIN, '--quiet', '--out', out, '--revision', 'a test', ...more]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, timeout: 300_000 })
  return stdout
}

/** Of all that the image is made of here. What Debian has is asked for once a day. */
function fingerprint(): string {
  const hash = createHash('sha256').update(`${Math.floor(Date.now() / DAY_MS)}`)
  for (const path of globSync([...SOURCES], { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(test|suite|fixture)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort())
    hash.update(path).update(readFileSync(path))
  return hash.digest('hex')
}

/** A folder that only one process can make. One that was left behind by a process that is gone does not count. */
async function lock(folder: string): Promise<() => void> {
  for (;;) {
    try {
      mkdirSync(folder)
      writeFileSync(join(folder, 'pid'), String(process.pid))
      return () => rmSync(folder, { recursive: true, force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    await sleep(200)
    const owner = existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : ''
    if (owner !== '' && !existsSync(`/proc/${owner}`)) rmSync(folder, { recursive: true, force: true })
  }
}
