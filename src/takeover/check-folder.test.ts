import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, closeSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import type { Digest } from '../oci/digest.ts'
import { checkFolder, type CheckOptions, type FolderReport, hasLosses } from './check-folder.ts'
import { createDigestSet } from './digest-set.ts'
import { findDataFolder } from './find-data-folder.ts'
import { createDistributionFolder, type DistributionFolder, imageOf, sha256Of } from './takeover-fixtures.ts'
import { findFolderUsers } from './who-uses.ts'

const T0 = Date.UTC(2020, 0, 1)

function folderFor(t: TestContext): DistributionFolder {
  return createDistributionFolder(temporaryFolder(t, 'takeover'))
}

function check(folder: { root: string }, more: Partial<CheckOptions> = {}): Promise<FolderReport> {
  return checkFolder({
    dataFolder: folder.root,
    rehash: false,
    examples: 5,
    onProgress: () => undefined,
    ...more,
  })
}

test('a whole folder: what there is, and nothing lost', async (t) => {
  const folder = folderFor(t)
  folder.image('a', '1', 'config', ['layer'], T0)
  folder.image('b', '1', 'config', ['layer', 'more'], T0 + 1000)
  folder.layer('c', 'alone', T0)
  folder.blob('forgotten', T0)
  const report = await check(folder)
  const { dataFolder, manifests, ...rest } = report
  assert.equal(dataFolder, folder.root)
  assert.deepEqual(rest, {
    notes: [],
    isTakenOver: false,
    repositories: 3,
    unpublished: 1,
    tags: 2,
    blobs: { count: 4, bytes: 'configlayermorealone'.length },
    uploads: { count: 0, bytes: 0 },
    unnamed: { count: 1, bytes: 'forgotten'.length },
    findings: {},
    newestChange: T0 + 1000,
    users: [],
  })
  const bytes = imageOf('config', ['layer']).length + imageOf('config', ['layer', 'more']).length
  assert.deepEqual(manifests, { count: 2, bytes })
  assert.equal(hasLosses(report), false)
})

test('what is wrong is counted by kind, with the first few, or all', async (t) => {
  const folder = folderFor(t)
  folder.image('a', '1', 'config', [])
  folder.manifest('a', JSON.stringify({ schemaVersion: 1 }))
  for (let index = 0; index < 8; index++)
    folder.upload('a', `upload-${index}`, 'half', '2024-01-01T00:00:00Z')
  mkdirSync(join(folder.v2, 'repositories/UPPER/_manifests'), { recursive: true })
  const report = await check(folder)
  const counts = Object.entries(report.findings).map(([kind, { count, examples }]) => [
    kind,
    count,
    examples.length,
  ])
  assert.deepEqual(counts.sort(), [
    ['invalid-name', 1, 1],
    ['schema1', 1, 1],
    ['unfinished-upload', 8, 5],
  ])
  assert.deepEqual(report.uploads, { count: 8, bytes: 32 })
  assert.deepEqual(report.unnamed, { count: 0, bytes: 0 }, 'what cannot be taken over is named all the same')
  assert.equal(hasLosses(report), true)
  const all = await check(folder, { examples: Infinity })
  assert.equal(all.findings['unfinished-upload']?.examples.length, 8)
})

test('uploads and dangling links are no losses', async (t) => {
  const folder = folderFor(t)
  folder.image('a', '1', 'config', [])
  folder.layer('a', 'gone')
  folder.remove(folder.blobFile(sha256Of('gone')))
  folder.upload('a', 'upload', 'half', '2024-01-01T00:00:00Z')
  const report = await check(folder)
  assert.deepEqual(Object.keys(report.findings).sort(), ['layer-without-data', 'unfinished-upload'])
  assert.equal(hasLosses(report), false)
})

test('every file is hashed when asked', async (t) => {
  const folder = folderFor(t)
  folder.image('a', '1', 'config', ['layer'])
  folder.layer512('a', 'long')
  const big = 'x'.repeat(3 * 1024 * 1024 + 7)
  folder.layer('a', big)
  const whole = await check(folder, { rehash: true })
  const bytes = `configlayerlong${big}${imageOf('config', ['layer'])}`.length
  assert.deepEqual(whole.rehashed, { count: 5, bytes, damaged: [] })
  assert.equal(hasLosses(whole), false)
  const file = folder.blobFile(sha256Of('layer'))
  writeFileSync(join(folder.v2, file), 'LAYER')
  truncateSync(join(folder.v2, folder.blobFile(sha256Of(big))), 5)
  const damaged = await check(folder, { rehash: true })
  const paths = damaged.rehashed?.damaged.map(({ path }) => path)
  assert.deepEqual(
    paths,
    [file, folder.blobFile(sha256Of(big))].map((path) => `docker/registry/v2/${path}`).sort(),
  )
  assert.match(damaged.rehashed?.damaged[0]?.why ?? '', /bytes of another digest/)
  assert.equal(hasLosses(damaged), true)
})

test('a sha512 link to other bytes is found by hashing', async (t) => {
  const folder = folderFor(t)
  const long = folder.layer512('a', 'long')
  folder.layer('a', 'other')
  folder.write(`repositories/a/_layers/${long.replace(':', '/')}/link`, sha256Of('other'))
  const { rehashed } = await check(folder, { rehash: true })
  assert.deepEqual(
    rehashed?.damaged.map(({ path }) => path),
    [`docker/registry/v2/${folder.blobFile(sha256Of('other'))}`],
  )
})

test('half of a copy is refused', async (t) => {
  const folder = folderFor(t)
  folder.image('a', '1', 'config', ['layer'])
  folder.remove('repositories')
  const report = await check(folder)
  assert.match(report.refused ?? '', /blobs but no repositories/)
  assert.equal(hasLosses(report), true)
})

test('progress is told of each step', async (t) => {
  const folder = folderFor(t)
  for (const name of ['a', 'b']) folder.image(name, '1', 'config', [])
  const steps: string[] = []
  await check(folder, { rehash: true, onProgress: (progress) => steps.push(JSON.stringify(progress)) })
  assert.ok(steps.includes('{"step":"listing","repositories":2}'), steps.join('\n'))
  assert.ok(steps.includes('{"step":"reading","done":1,"all":2}'))
  assert.equal(steps.at(-1), `{"step":"files","done":2,"bytes":${6 + imageOf('config', []).length}}`)
})

test('the data folder is found from anywhere in it', (t) => {
  const { root, v2 } = folderFor(t)
  for (const path of ['', 'docker', 'docker/registry', 'docker/registry/v2', 'docker/']) {
    assert.deepEqual(findDataFolder(join(root, path)), { kind: 'found', folder: root }, path)
  }
  const why = (path: string): string => {
    const found = findDataFolder(path)
    return found.kind === 'none' ? found.why : `found ${found.folder}`
  }
  assert.match(why(join(root, 'nothing')), /^there is no folder /)
  assert.match(why(join(v2, 'blobs')), /there is no docker\/registry\/v2 in .*rootdirectory/)
  assert.ok(
    why(join(root, '..')).startsWith(`there is no docker/registry/v2 in ${join(root, '..')}: did you mean `),
  )
  writeFileSync(join(root, 'file'), '')
  assert.match(why(join(root, 'file')), /is a file$/)
})

const noProc = process.platform !== 'linux' && 'SKIPPED: needs Linux'

test('who has files open there, or names the folder', { skip: noProc }, async (t) => {
  const { root } = folderFor(t)
  assert.deepEqual(findFolderUsers(root), [])
  const file = openSync(join(root, 'open'), 'w')
  const script = 'process.stdout.write("x"); setTimeout(() => {}, 60_000)'
  const holding = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', file] })
  const naming = spawn(process.execPath, ['-e', script, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => [holding, naming].forEach((child) => child.kill('SIGKILL')))
  closeSync(file)
  await Promise.all([once(holding.stdout as NodeJS.ReadableStream, 'data'), once(naming.stdout, 'data')])
  const users = findFolderUsers(root).map(({ pid, how }) => [pid, how])
  assert.deepEqual(
    users.sort(),
    [
      [holding.pid, 'has files of it open'],
      [naming.pid, 'names it on its command line'],
    ].sort(),
  )
  assert.deepEqual(findFolderUsers(join(root, 'docker')), [])
})

test('a set of digests', () => {
  const set = createDigestSet()
  const digests = Array.from({ length: 5000 }, (_, index) => sha256Of(`${index}`))
  for (const digest of digests) assert.equal(set.add(digest), true)
  for (const digest of digests) assert.ok(set.has(digest) && !set.add(digest))
  assert.equal(set.size, 5000)
  assert.ok(!set.has(sha256Of('other')))
  const zero = `sha256:${'0'.repeat(64)}` as Digest
  assert.deepEqual([set.has(zero), set.add(zero), set.has(zero)], [false, true, true])
})
