/** `startRegistry`, as a test of another project uses it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { startRegistry as start, type StartedRegistry, type StartRegistryOptions } from '../src/berth.ts'

const started: StartedRegistry[] = []
afterEach(async () => {
  for (const registry of started.splice(0)) await registry.close()
})

async function startRegistry(options?: StartRegistryOptions): Promise<StartedRegistry> {
  const registry = await start(options)
  started.push(registry)
  return registry
}

async function push(url: string, text: string): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`
  const answer = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: text })
  assert.equal(answer.status, 201, await answer.text())
  return digest
}

const pull = async (url: string, digest: string) => (await fetch(`${url}/v2/a/blobs/${digest}`)).text()

async function temporary(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-in-process-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('in memory, on a free port, several at once, and gone at the end', async () => {
  const [one, two] = await Promise.all([startRegistry(), startRegistry()])
  assert.notEqual(one.url, two.url)
  assert.match(one.url, /^http:\/\/(127\.0\.0\.1|localhost):\d+$/)
  const digest = await push(one.url, 'hello')
  assert.equal(await pull(one.url, digest), 'hello')
  assert.equal((await fetch(`${two.url}/v2/a/blobs/${digest}`)).status, 404)
  await Promise.all([one.close(), two.close(), one.close()])
  await assert.rejects(fetch(`${one.url}/v2/`))
})

test('in a folder: still there at the next start', async (t) => {
  const folder = join(await temporary(t), 'with: a #strange name')
  const first = await startRegistry({ folder })
  const digest = await push(first.url, 'kept')
  await first.close()
  const second = await startRegistry({ folder })
  assert.equal(await pull(second.url, digest), 'kept')
  await second.close()
})

test('a disk of blobs that is not there, with the database on another: refused, and nothing is made there', async (t) => {
  const parent = await temporary(t)
  const [folder, away] = [join(parent, 'data'), join(parent, 'away')]
  const options = { folder, settings: { REGISTRY_METADATA_PATH: join(parent, 'rows/metadata.db') } }
  const first = await startRegistry(options)
  const digest = await push(first.url, 'kept')
  await first.close()
  await rename(folder, away)
  await assert.rejects(startRegistry(options), /is its disk mounted/)
  assert.deepEqual(await readdir(folder), [])
  await rmdir(folder)
  await rename(away, folder)
  const second = await startRegistry(options)
  assert.equal(await pull(second.url, digest), 'kept')
})

test('two on one folder see what the other has', async (t) => {
  const folder = await temporary(t)
  const [one, two] = [await startRegistry({ folder }), await startRegistry({ folder })]
  const digest = await push(one.url, 'shared')
  assert.equal(await pull(two.url, digest), 'shared')
  await Promise.all([one.close(), two.close()])
})

test('on IPv6', async () => {
  const registry = await startRegistry({ host: '::1' })
  assert.equal((await fetch(`${registry.url}/v2/`)).status, 200)
  await registry.close()
})

test('settings by the names of the environment; wrong ones are all told', async () => {
  const registry = await startRegistry({
    settings: { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' },
  })
  assert.equal((await fetch(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })).status, 405)
  await registry.close()
  await assert.rejects(
    startRegistry({ settings: { REGISTRY_LOG_LEVEL: 'loud', REGISTRY_HTTP_NET: 'pigeon' } }),
    {
      name: 'ConfigError',
      message: /http\.net[^]*log\.level/,
    },
  )
})

test('a port in use, a folder that is a file, half a folder of Distribution: told, and nothing is left open', async (t) => {
  const folder = await temporary(t)
  const registry = await startRegistry()
  await assert.rejects(startRegistry({ port: Number(new URL(registry.url).port) }), /another program listens/)
  await registry.close()

  await writeFile(join(folder, 'file'), '')
  await assert.rejects(startRegistry({ folder: join(folder, 'file') }), /is a file/)

  const old = join(folder, 'old')
  await mkdir(join(old, 'docker/registry/v2/repositories/a/_manifests'), { recursive: true })
  await assert.rejects(startRegistry({ folder: old }), /repositories but no blobs.*copy all of it/)
  assert.deepEqual(await readdir(join(old, 'docker/registry/v2')), ['repositories'], 'left untouched')
})
