/** What `npm pack` gives, installed in an empty folder and used as other projects use it, by the versions of Node.js it promises. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { programPath } from '../lib/prerequisite.ts'
import { environmentOf, install, isOffline, makeFolders, nodeOf, pack, type Packed } from './packed.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The oldest that may be. */
const NODE_24 = '24.0.0'
/** Too old: what a system may have. */
const OLD = ['18.0.0', '22.0.0']
/** Bytes. */
const [LARGEST_FILE, LARGEST_UNPACKED] = [1_500_000, 5_000_000]

let packed: Packed
let folder = ''
let project = ''
let reason: string | undefined

before(
  async () => {
    const folders = await makeFolders()
    folder = folders.folder
    project = folders.project
    packed = await pack(folder)
    try {
      await install(project, packed)
    } catch (error) {
      if (process.env['CI'] || !isOffline(error)) throw error
      reason = 'SKIPPED: no network to install dependencies from'
    }
  },
  { timeout: 300_000 },
)
after(() => rm(folder, { recursive: true, force: true }))

const PROGRAM = `
import { createHash } from 'node:crypto'
import { startRegistry } from 'berth'
const body = Buffer.alloc(600_000, 7) // enough for the hashing thread
const digest = 'sha256:' + createHash('sha256').update(body).digest('hex')
for (const options of [{}, { folder: './some data' }]) {
  const registry = await startRegistry(options)
  const pushed = await fetch(registry.url + '/v2/a/blobs/uploads/?digest=' + digest, { method: 'POST', body })
  const pulled = await fetch(registry.url + '/v2/a/blobs/' + digest)
  console.log(pushed.status, pulled.status, Buffer.from(await pulled.arrayBuffer()).equals(body))
  await registry.close()
}
`

/** Not a module: \`require\` takes modules since Node.js 22.12. */
const REQUIRING = `
const { startRegistry } = require('berth')
startRegistry().then(async (registry) => {
  console.log((await fetch(registry.url + '/v2/')).status)
  await registry.close()
})
`

const TYPED = `
import { startRegistry, type StartedRegistry, type StartRegistryOptions } from 'berth'
export async function use(): Promise<string> {
  const options: StartRegistryOptions = { folder: 'x', port: 0 }
  const registry: StartedRegistry = await startRegistry(options)
  // @ts-expect-error there is no such option
  await startRegistry({ fodler: 'x' })
  return registry.url
}
`

test('holds the compiled program, its types and pages, and nothing else', (t) => {
  const strange = packed.files
    .map(({ path }) => path)
    .filter((path) => !/^(?:dist\/.*\.(?:js|d\.ts)|docs\/.*|[A-Z]+(?:\.md)?|package\.json)$/.test(path))
  assert.deepEqual(strange, [])
  const ours = packed.files.filter(({ path }) => path.startsWith('dist/') && path.endsWith('.js'))
  const orphans = ours.filter(
    ({ path }) => !existsSync(join(ROOT, 'src', `${path.slice('dist/'.length, -3)}.ts`)),
  )
  assert.deepEqual(orphans, [], 'made of sources that are gone')
  const tests = packed.files.filter(({ path }) => /\.(?:test|suite|fixture)\.|-fixtures\./.test(path))
  assert.deepEqual(tests, [])
  for (const needed of ['LICENSE', 'README.md', 'CHANGELOG.md', 'dist/main.js', 'dist/berth.d.ts'])
    assert.ok(
      packed.files.some(({ path }) => path === needed),
      needed,
    )
  const kibibytes = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`
  t.diagnostic(
    `the package: ${kibibytes(packed.size)}, unpacked ${kibibytes(packed.unpackedSize)} in ${packed.files.length} files`,
  )
  assert.ok(packed.size < LARGEST_FILE, `${packed.size} bytes`)
  assert.ok(packed.unpackedSize < LARGEST_UNPACKED, `${packed.unpackedSize} bytes unpacked`)
})

test('its manifest says what readers of it look for', (t) => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>
  for (const field of [
    'name',
    'version',
    'description',
    'keywords',
    'license',
    'type',
    'bin',
    'exports',
    'types',
    'files',
  ])
    assert.ok(manifest[field] !== undefined, field)
  assert.deepEqual(Object.keys(manifest['bin'] as object), ['berth', 'registry'])
  if (reason !== undefined) return t.skip(reason)
  // An install that runs no scripts has to be enough, for us and for all that is installed with us.
  const lock = readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8')
  const installed = JSON.parse(lock) as { packages: Record<string, { hasInstallScript?: true }> }
  const scripted = Object.keys(installed.packages).filter(
    (name) => installed.packages[name]?.hasInstallScript,
  )
  assert.deepEqual(scripted, [])
  t.diagnostic(`installed: ${Object.keys(installed.packages).length} packages`)
})

test('its types hold, however they are looked for', { timeout: 120_000 }, async (t) => {
  if (reason !== undefined) return t.skip(reason)
  await writeFile(join(project, 'typed.ts'), TYPED)
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'esnext', '--types', '']
  const env = environmentOf(process.execPath)
  for (const how of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ])
    await run(tsc, [...strict, ...how, 'typed.ts'], { cwd: project, env })
})

for (const version of ['26', NODE_24]) {
  test(`with Node.js ${version}`, { timeout: 300_000 }, async (t) => {
    if (reason !== undefined) return t.skip(reason)
    const node = version === '26' ? { path: process.execPath } : await nodeOf(version)
    if ('reason' in node) return t.skip(node.reason)
    const env = environmentOf(node.path)
    const { stdout } = await run('node', ['--version'], { env })
    assert.ok(stdout.startsWith(`v${version}`), stdout)
    await t.test('imported', () => imported(node.path))
    await t.test('npx berth --version, --help', () => told(env))
    await t.test('npx berth serve, in an empty folder', (context) => served(context, env, version))
  })
}

async function imported(node: string): Promise<void> {
  const options = { cwd: project, env: environmentOf(node), timeout: 60_000 }
  await rm(join(project, 'some data'), { recursive: true, force: true })
  await writeFile(join(project, 'program.js'), PROGRAM)
  assert.equal((await run(node, ['program.js'], options)).stdout, '201 200 true\n201 200 true\n')
  await writeFile(join(project, 'requiring.cjs'), REQUIRING)
  const required = await run(node, ['requiring.cjs'], options)
  assert.equal(required.stdout, '200\n')
  // Node.js 24 calls its own SQLite experimental, and nothing else is said.
  assert.doesNotMatch(
    required.stderr.replace(/^.*SQLite is an experimental feature.*\n.*trace-warnings.*\n/, ''),
    /./,
  )
}

async function told(env: NodeJS.ProcessEnv): Promise<void> {
  const version = await run('npx', ['--no-install', 'berth', '--version'], { cwd: project, env })
  assert.match(version.stdout, /^berth \d+\.\d+\.\d+\n$/)
  for (const args of [
    ['berth', '--help'],
    ['registry', '--help'],
  ])
    assert.match(
      (await run('npx', ['--no-install', ...args], { cwd: project, env })).stdout,
      /^Berth, a container registry/,
    )
  const serve = await run('npx', ['--no-install', 'berth', 'serve', '--help'], { cwd: project, env })
  assert.match(serve.stdout, /serve/)
}

type Started = {
  url: string
  log: () => string
  ended: Promise<number | string>
  signal: (name: 'SIGINT' | 'SIGTERM') => void
}

/** In a process group of its own, as a terminal or a supervisor starts it. */
async function start(
  context: TestContext,
  [program = '', ...args]: string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Started> {
  const child = spawn(program, args, {
    cwd,
    env: { ...env, REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? '')),
  )
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid ?? 0), name)
    } catch {
      // The group has ended.
    }
  }
  context.after(() => signal('SIGKILL'))
  let text = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (piece: Buffer): void => {
      text += piece.toString()
      const found = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void ended.then((code) => reject(new Error(`ended with ${code}: ${text}`)))
  })
  return { url, log: () => text, ended, signal }
}

async function pushedAndPulled(url: string): Promise<void> {
  assert.equal(await (await fetch(`${url}/v2/`)).text(), '{}')
  const body = Buffer.from('some bytes')
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const pushed = await fetch(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
  assert.equal(pushed.status, 201)
  assert.equal(await (await fetch(`${url}/v2/a/b/blobs/${digest}`)).text(), 'some bytes')
}

/** The file itself, as `npx berth serve` does with the package of that name. Ended by Ctrl-C: npm passes no SIGTERM on. */
async function served(context: TestContext, env: NodeJS.ProcessEnv, version: string): Promise<void> {
  const empty = join(folder, `empty-${version}`)
  await mkdir(empty)
  // What npx installs goes with the folder.
  const cache = { npm_config_prefer_offline: 'true', npm_config_ignore_scripts: 'true' }
  const npx = ['npx', '--yes', '--package', packed.tarball, 'berth', 'serve']
  const first = await start(context, npx, empty, { ...env, ...cache })
  await pushedAndPulled(first.url)
  assert.ok(globSync('data/**/*', { cwd: empty }).length > 0, 'the data lies in ./data')
  first.signal('SIGINT')
  await first.ended
  assert.match(first.log(), /msg=ended/)

  const second = await start(context, [join(project, 'node_modules/.bin/berth'), 'serve'], empty, env)
  const catalog = await fetch(`${second.url}/v2/`)
  assert.equal(catalog.status, 200)
  second.signal('SIGTERM')
  assert.equal(await second.ended, 0, second.log())
}

test('a Node.js that is too old is told so, in one line', { timeout: 300_000 }, async (t) => {
  const system = programPath('node')
  const olds = system === undefined ? [] : [system]
  for (const version of process.env['BERTH_SLOW'] ? OLD : []) {
    const node = await nodeOf(version)
    if ('path' in node) olds.push(node.path)
  }
  let tried = 0
  for (const node of olds) {
    const { stdout: version } = await run(node, ['--version'])
    if (Number(/\d+/.exec(version)?.[0]) >= 24) continue
    tried += 1
    for (const program of ['dist/main.js', 'berth.js']) {
      const failed = await run(node, [join(ROOT, program), 'serve'], { timeout: 20_000 }).catch(
        (error: unknown) => error,
      )
      const { code, stdout, stderr } = failed as { code: number; stdout: string; stderr: string }
      assert.match(
        stderr,
        /^berth needs Node\.js 24 or newer; this is [\d.]+\. .*\n$/,
        `${version} ${program}`,
      )
      assert.deepEqual([code, stdout], [1, ''])
    }
    t.diagnostic(`told to ${version.trim()}`)
  }
  if (tried === 0) t.skip('SKIPPED: the node of this system is new enough (BERTH_SLOW gets older ones)')
})
