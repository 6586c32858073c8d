/** The walls between rooms: reads every import line below src/ and fails where one goes through a wall. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const SRC = fileURLToPath(new URL('../src', import.meta.url))

/** Room → rooms it may import from; a name with a slash is one file only. `import type` counts. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  oci: ['lib'],
  blobs: ['oci', 'lib'],
  // The id of an object is the blob store's word; rows hold it.
  metadata: ['oci', 'lib', 'blobs/blob-store.ts'],
  registry: [
    'oci',
    'lib',
    'metadata',
    'blobs/blob-store.ts',
    // Who asks, what they may, and the record of what they did.
    'auth/principal.ts',
    'auth/permission.ts',
    'auth/audit.ts',
  ],
  auth: ['oci', 'lib', 'metadata', 'registry/registry.ts', 'serving/endpoint.ts'],
  distribution: [
    'oci',
    'lib',
    'registry/registry.ts',
    'blobs/blob-store.ts', // the bytes that a blob is read as
    'auth/principal.ts',
    'auth/permission.ts',
    'auth/authenticate.ts',
  ],
  // A repair brings bytes in as a push does.
  jobs: ['oci', 'lib', 'registry', 'metadata', 'blobs/blob-store.ts', 'auth/principal.ts'],
  // Reads and writes files of CNCF Distribution, and rows.
  takeover: [
    'oci',
    'lib',
    'metadata',
    'blobs/blob-store.ts',
    'registry/registry.ts', // the wrapper while it goes on
    'registry/storage-errors.ts',
    'registry/image-config.ts',
    'registry/search-names.ts',
  ],
  backup: ['oci', 'lib', 'metadata', 'blobs/blob-store.ts'],
  // A registry spoken to over HTTP.
  upstream: ['oci', 'lib'],
  serving: ['oci', 'lib'],
  // The language of rules is one, in the file and everywhere.
  config: ['oci', 'lib', 'auth/names.ts', 'auth/rules/pattern.ts', 'auth/rules/who.ts'],
  // The API for people and programs: a contract, and what answers it.
  management: ['oci', 'lib', 'auth', 'metadata', 'registry/registry.ts', 'serving/endpoint.ts'],
  cli: [
    'config',
    'auth',
    'oci',
    'lib',
    'serving',
    'metadata',
    'jobs',
    'takeover',
    'backup',
    'upstream',
    'server.ts',
    'server-rules.ts',
    'storage.ts',
    'version.ts',
  ],
  // The composition: the files that stand directly in src/.
  '.': ['*'],
}

const LONGEST_FILE = 500

type Import = { from: string; to: string; line: number }

function sources(): string[] {
  return globSync('**/*.ts', { cwd: SRC }).map((file) => file.replaceAll('\\', '/'))
}

const isTest = (file: string): boolean => /\.(test|suite|fixture)\.ts$|fixtures?\.ts$/.test(file)
const roomOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : '.')

function importsOf(file: string): Import[] {
  const found: Import[] = []
  const text = readFileSync(join(SRC, file), 'utf8')
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g
  for (const match of text.matchAll(pattern)) {
    const to = match[1] ?? match[2] ?? match[3] ?? ''
    const line = text.slice(0, match.index).split('\n').length + 1
    found.push({ from: file, to, line })
  }
  return found
}

const resolved = ({ from, to }: Import): string => normalize(join(dirname(from), to)).replaceAll('\\', '/')

test('no import goes through a wall', () => {
  const broken: string[] = []
  for (const file of sources().filter((name) => !isTest(name))) {
    const room = roomOf(file)
    const allowed = MAY_IMPORT[room]
    assert.ok(allowed, `src/${file}: there is no room called ${room}; add it here and to ARCHITECTURE.md`)
    for (const one of importsOf(file).filter(({ to }) => to.startsWith('.'))) {
      const target = resolved(one)
      const isFree = roomOf(target) === room || allowed.includes('*') || allowed.includes(roomOf(target))
      if (!isFree && !allowed.includes(target)) broken.push(`src/${file}:${one.line} imports ${target}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('imports are written out: extensions, node: and no barrels', () => {
  const broken: string[] = []
  for (const file of sources()) {
    if (/(^|\/)index\.ts$/.test(file))
      broken.push(`src/${file}: no index.ts; name the file after what is in it`)
    for (const { to, line } of importsOf(file)) {
      if (to.startsWith('.') && !to.endsWith('.ts') && !to.endsWith('.json'))
        broken.push(`src/${file}:${line} ${to}: no extension`)
    }
    if (/^export \*/m.test(readFileSync(join(SRC, file), 'utf8')))
      broken.push(`src/${file}: export * hides what is exported`)
    if (/^export default/m.test(readFileSync(join(SRC, file), 'utf8')))
      broken.push(`src/${file}: named exports only`)
  }
  assert.deepEqual(broken, [])
})

test('only the packages that ARCHITECTURE.md gives a reason for', () => {
  const manifest = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const architecture = readFileSync(join(SRC, '../ARCHITECTURE.md'), 'utf8')
  for (const name of Object.keys(manifest.dependencies)) {
    assert.match(
      architecture,
      new RegExp(`^\\| \`${name}\` \\|`, 'm'),
      `${name} has no row in ARCHITECTURE.md, "Dependencies"`,
    )
  }
  const known = new Set(Object.keys(manifest.dependencies))
  const broken: string[] = []
  for (const file of sources().filter((name) => !isTest(name))) {
    for (const { to, line } of importsOf(file)) {
      const isPackage = !to.startsWith('.') && !to.startsWith('node:')
      if (isPackage && !known.has(to)) broken.push(`src/${file}:${line} imports ${to}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('files stay small enough to read', () => {
  const long = sources()
    .map((file) => ({ file, lines: readFileSync(join(SRC, file), 'utf8').split('\n').length }))
    .filter(({ file, lines }) => !isTest(file) && lines > LONGEST_FILE)
  assert.deepEqual(long, [])
})

test('every room is in ARCHITECTURE.md', () => {
  const architecture = readFileSync(join(SRC, '../ARCHITECTURE.md'), 'utf8')
  for (const room of Object.keys(MAY_IMPORT).filter((name) => name !== '.')) {
    assert.ok(architecture.includes(`src/${room}/`), `src/${room}/ is not in ARCHITECTURE.md`)
  }
})
