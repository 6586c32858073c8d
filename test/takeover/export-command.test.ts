/** `berth export distribution` as it is typed: beside a registry that runs, onto full and read-only disks. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { mountTmpfs, unmount } from '../durability/mounts.ts'
import { blobOf, digestOf, imageOf } from '../lib/content.ts'
import { cannotMount } from '../lib/prerequisite.ts'
import { createRegistryClient, expectStatus } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const layer = blobOf('a layer', 1_500_000)
const bytes = Buffer.from('{}')
const config = { bytes, digest: digestOf(bytes) }
const image = imageOf(config, [layer])

async function startFilled(t: TestContext, root: string): Promise<TestServer> {
  const server = await startServer({ root })
  afterwards(t, () => server.kill())
  const client = createRegistryClient(server.url)
  for (const blob of [config, layer]) expectStatus(await client.pushBlob('a', blob, 'post'), 201)
  expectStatus(await client.putManifest('a', 'x', image), 201)
  client.close()
  return server
}

function run(root: string, ...args: string[]) {
  const file = join(root, 'config.json')
  writeFileSync(file, JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: root } } }))
  const ran = spawnSync(process.execPath, [MAIN, 'export', ...args, '-c', file], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  rmSync(file)
  return ran
}

test('beside a registry that runs, which goes on; a start on the folder takes nothing over', async (t) => {
  const root = temporaryFolder(t, 'export')
  const server = await startFilled(t, root)
  const beside = run(root, 'distribution')
  assert.equal(beside.status, 0, beside.stderr)
  assert.match(beside.stderr, /another Berth process is at work/)
  assert.match(beside.stdout, /^Distribution has 1 repositories, 1 tags, 1 manifests and 2 links to blobs/)
  await server.stop()
  const alone = run(root, 'distribution')
  assert.deepEqual([alone.status, alone.stderr], [0, ''])
  assert.match(alone.stdout, /written: 0 files; second names for 0 blobs/)
  const again = await startServer({ root })
  afterwards(t, () => again.kill())
  const client = createRegistryClient(again.url)
  assert.deepEqual((await client.getManifest('a', 'x')).body, image.bytes)
  client.close()
  await again.stop()
  assert.doesNotMatch(again.log(), /taking over|CNCF/)
})

test('what is typed wrong is said, and nothing is made', (t) => {
  const root = temporaryFolder(t, 'export')
  for (const args of [[], ['somewhere'], ['distribution', 'twice'], ['distribution', '--dry']]) {
    const { status, stderr, stdout } = run(root, ...args)
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, /^berth export: .*See "berth export --help"\.\n$/)
  }
  const { status, stderr } = run(root, 'distribution')
  assert.equal(status, 1)
  assert.match(stderr, /there are no data of Berth/)
  assert.ok(!existsSync(join(root, 'berth')) && !existsSync(join(root, 'docker')))
})

test('to a disk without room, with room, and read-only', { skip: cannotMount() }, async (t) => {
  const root = temporaryFolder(t, 'export')
  await (await startFilled(t, root)).stop()
  const to = `${temporaryFolder(t, 'export-to')}/disk`
  mountTmpfs(to, 1)
  afterwards(t, () => unmount(to))
  const full = run(root, 'distribution', '--to', to)
  assert.equal(full.status, 1)
  assert.match(full.stderr, /the disk is full .*make room and run it again/)
  assert.deepEqual(globSync('**/*.tmp', { cwd: to }), [])
  assert.deepEqual(globSync('**/_manifests/**/link', { cwd: to }), [], 'no tag before what it names')
  execFileSync('mount', ['-o', 'remount,size=10m', to])
  const copied = run(root, 'distribution', '--to', to)
  assert.equal(copied.status, 0, copied.stderr)
  assert.match(copied.stdout, /copies of [12] \(1\.4 MiB\), as hard links are not possible/)
  assert.match(run(root, 'distribution', '--to', to).stdout, /written: 0 files; second names for 0 blobs\n/)
  execFileSync('mount', ['-o', 'remount,ro', to])
  const refused = run(root, 'distribution', '--to', to)
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /lies on a read-only medium/)
})
