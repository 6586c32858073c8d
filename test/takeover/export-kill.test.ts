/**
 * kill -9 of an export at random instants: after each, what Distribution would find names nothing that is not there
 * whole; the next run goes on, and in the end the folder is as one undisturbed run makes it.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf, createRandom, digestOf, imageOf } from '../lib/content.ts'
import { createRegistryClient, expectStatus } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { blobFile, TREE } from './damage.ts'

const KILLS = process.env['BERTH_SLOW'] ? 100 : 6
const SEED = Number(process.env['BERTH_SEED'] ?? Date.now() % 1_000_000)
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const IMAGES = 60

test(`${KILLS} kills of an export (seed ${SEED})`, { timeout: 60_000 + KILLS * 5000 }, async (t) => {
  const root = temporaryFolder(t, 'export-kill')
  const server = await startServer({ root })
  afterwards(t, () => server.kill())
  const client = createRegistryClient(server.url)
  const bytes = Buffer.from('{}')
  const config = { bytes, digest: digestOf(bytes) }
  for (let n = 0; n < IMAGES; n++) {
    const [repository, layer] = [`r${n % 12}`, blobOf(`layer ${n}`, 2000)]
    for (const blob of [config, layer]) expectStatus(await client.pushBlob(repository, blob, 'post'), 201)
    expectStatus(
      await client.putManifest(repository, `t${Math.floor(n / 12)}`, imageOf(config, [layer])),
      201,
    )
  }
  client.close()
  await server.stop()
  writeFileSync(
    join(root, 'config.json'),
    JSON.stringify({ version: 0.1, storage: { filesystem: { rootdirectory: root } } }),
  )
  const writes = await exportUntil(root, undefined)
  const whole = filesOf(root)
  assert.equal([...whole.keys()].filter((path) => path.endsWith('/current/link')).length, IMAGES)

  const random = createRandom(SEED)
  const kept: number[] = []
  for (let kill = 1; kill <= KILLS; kill++) {
    if (random.next() < 0.7) rmSync(join(root, 'docker'), { recursive: true, force: true })
    await exportUntil(root, random.next() * writes)
    kept.push(assertWhole(root))
  }
  await exportUntil(root, undefined)
  assert.deepEqual(filesOf(root), whole)
  t.diagnostic(`seed ${SEED}: links found after the kills: ${kept.join(', ')}`)
})

/**
 * @param killAfter milliseconds from when it begins to write; undefined: it runs to its end
 * @returns for how long it wrote
 */
async function exportUntil(root: string, killAfter: number | undefined): Promise<number> {
  const args = [MAIN, 'export', 'distribution', '-c', join(root, 'config.json')]
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const ended = once(child, 'exit') as Promise<[number | null]>
  while (!existsSync(join(root, TREE, 'repositories')) && child.exitCode === null) await sleep(5)
  const began = performance.now()
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), ended])
    child.kill('SIGKILL')
  }
  const [code] = await ended
  if (killAfter === undefined) assert.equal(code, 0)
  return performance.now() - began
}

/** @returns how many links there are */
function assertWhole(root: string): number {
  const repositories = join(root, TREE, 'repositories')
  const links = globSync('**/link', { cwd: repositories })
  for (const link of links) {
    const digest = readFileSync(join(repositories, link), 'utf8')
    assert.match(digest, /^sha256:[0-9a-f]{64}$/, link)
    assert.equal(digestOf(readFileSync(blobFile(root, digest))), digest, link)
    const [repository = '', kind] = link.split('/')
    if (kind !== '_manifests' || !link.endsWith('current/link')) continue
    const revision = join(repository, '_manifests/revisions', digest.replace(':', '/'), 'link')
    assert.ok(existsSync(join(repositories, revision)), link)
    const named = readFileSync(blobFile(root, digest), 'utf8').match(/sha256:[0-9a-f]{64}/g) ?? []
    for (const one of named)
      assert.ok(existsSync(join(repositories, repository, '_layers', one.replace(':', '/'), 'link')), link)
  }
  return links.length
}

/** Path → content; what a killed write left behind is no file of Distribution's. */
function filesOf(root: string): Map<string, string> {
  const paths = globSync('**/{link,data}', { cwd: join(root, TREE) }).sort()
  return new Map(paths.map((path) => [path, digestOf(readFileSync(join(root, TREE, path)))]))
}
