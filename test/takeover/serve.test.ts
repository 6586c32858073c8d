/**
 * The server, started on a folder that CNCF Distribution wrote: served at once, imported in the background, not a file
 * of it touched. BERTH_SLOW=1: 5,000 repositories with 330,000 link files.
 */
import assert from 'node:assert/strict'
import { globSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  bigName,
  createDistributionFolder,
  sha256Of,
  writeBigFolder,
} from '../../src/takeover/takeover-fixtures.ts'
import { createHttpClient, type HttpClient } from '../lib/http-client.ts'
import { isForeignServer, memoryOf, startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, type Ending, temporaryFolder } from '../lib/temporary.ts'

const skip = isForeignServer() && 'SKIPPED: of this server only'
const isSlow = process.env['BERTH_SLOW'] !== undefined
const BIG = isSlow ? { repositories: 5000, tags: 20, blobs: 6 } : { repositories: 150, tags: 5, blobs: 4 }
/** What the issue asks of 100,000 tags; on a machine that does nothing else it takes half of that. */
const MOST_MS = 120_000
const MOST_MIB = 250
const ENDED = /takeover complete/

async function started(context: Ending, root: string): Promise<{ server: TestServer; client: HttpClient }> {
  const server = await startServer({ root })
  const client = createHttpClient(server.url)
  afterwards(context, async () => {
    client.close()
    await server.kill()
  })
  return { server, client }
}

const statusOf = async (client: HttpClient, path: string): Promise<number> => (await client.ask(path)).status

async function untilComplete(server: TestServer, ms = 60_000): Promise<void> {
  for (const until = performance.now() + ms; !ENDED.test(server.log());) {
    assert.ok(performance.now() < until, `no end of the takeover; the log:\n${server.log()}`)
    await sleep(50)
  }
}

/** All names that Berth lists, in pages of `n`. */
async function catalogOf(client: HttpClient, n: number): Promise<string[]> {
  const names: string[] = []
  for (let path: string | undefined = `/v2/_catalog?n=${n}`; path !== undefined;) {
    const { headers, body } = await client.ask(path)
    names.push(...(JSON.parse(body.toString()) as { repositories: string[] }).repositories)
    path = /^<([^>]+)>/.exec(String(headers['link'] ?? ''))?.[1]
  }
  return names
}

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, index) => bigName(index))

/** Every file: which one it is, how long, and when it changed. */
function stateOf(folder: string): Map<string, string> {
  const state = new Map<string, string>()
  for (const file of globSync('**/{data,link}', { cwd: folder })) {
    const { ino, size, mtimeMs, ctimeMs, nlink } = statSync(join(folder, file))
    state.set(file, `${ino} ${size} ${mtimeMs} ${ctimeMs} ${nlink}`)
  }
  return state
}

test(
  'served at once, all of it imported, no file of it changed',
  { skip, timeout: 600_000 },
  async (context) => {
    const root = temporaryFolder(context, 'takeover')
    const { links } = writeBigFolder(root, BIG)
    const before = stateOf(join(root, 'docker'))
    const began = performance.now()
    const { server, client } = await started(context, root)
    const last = bigName(BIG.repositories - 1)
    assert.equal(await statusOf(client, `/v2/${last}/manifests/v1`), 200)
    const first = Math.round(performance.now() - began)
    // The start itself takes as long as the machine is busy: all of it counts only where nothing else runs.
    const waited = isSlow ? first : first - server.readyAfter
    assert.ok(waited < 2000, `the first manifest came after ${first} ms`)
    assert.deepEqual(await catalogOf(client, 137), namesOf(BIG.repositories))
    const blob = 'shared blob 1'
    const path = `/v2/${bigName(5)}/blobs/${sha256Of(blob)}`
    assert.equal((await client.ask(path)).body.toString(), blob)
    await untilComplete(server, MOST_MS * 2)
    const took = Math.round(performance.now() - began)
    const { peak } = memoryOf(server.pid)
    context.diagnostic(
      `${links} links: first manifest ${first} ms, all ${took} ms, peak ${peak} MiB resident`,
    )
    assert.ok(took < MOST_MS, `${took} ms`)
    assert.ok(peak < MOST_MIB * 1.2, `${peak} MiB resident, of which some is shared`)
    assert.deepEqual(await catalogOf(client, 1000), namesOf(BIG.repositories))
    for (let index = 0; index < BIG.repositories; index += 97) {
      const { body } = await client.ask(`/v2/${bigName(index)}/tags/list?n=1000`)
      assert.equal((JSON.parse(body.toString()) as { tags: string[] }).tags.length, BIG.tags)
    }
    await server.stop()
    assert.deepEqual(stateOf(join(root, 'docker')), before, 'no file copied, moved, linked or written')
  },
)

test(
  'kill -9 again and again while it is taken over: it goes on, and all of it is here',
  { skip, timeout: 120_000 },
  async (context) => {
    const root = temporaryFolder(context, 'takeover-kill')
    const count = 130
    writeBigFolder(root, { repositories: count, tags: 3, blobs: 3 })
    let ended = false
    for (let kill = 0; kill < 4; kill++) {
      const { server, client } = await started(context, root)
      const name = bigName((kill * 61) % count)
      assert.equal(await statusOf(client, `/v2/${name}/manifests/v1`), 200)
      await sleep(40 * kill)
      await server.kill()
      ended ||= ENDED.test(server.log())
    }
    const { server, client } = await started(context, root)
    assert.deepEqual(await catalogOf(client, 50), namesOf(count))
    // The last kill may have come after the end.
    if (!ended) await untilComplete(server)
    for (let index = 0; index < count; index++) {
      const { body } = await client.ask(`/v2/${bigName(index)}/tags/list`)
      assert.equal((JSON.parse(body.toString()) as { tags: string[] }).tags.length, 3)
      assert.equal(await statusOf(client, `/v2/${bigName(index)}/manifests/v2`), 200)
    }
    await server.stop()
    const again = await started(context, root)
    assert.equal(await statusOf(again.client, `/v2/${bigName(7)}/manifests/v1`), 200)
    assert.doesNotMatch(again.server.log(), /taking over/)
  },
)

test(
  'what cannot be taken over as it is: a refusal that says what to do, or a line in the log',
  { skip, timeout: 60_000 },
  async (context) => {
    const root = temporaryFolder(context, 'takeover-bad')
    const folder = createDistributionFolder(root)
    folder.image('a', 'v1', 'config', ['layer'])
    const blobs = join(folder.v2, 'blobs')
    const aside = join(root, 'aside')
    renameSync(blobs, aside)
    await assert.rejects(startServer({ root }), /has repositories but no blobs.*copy all of it/s)
    renameSync(aside, blobs)
    renameSync(join(folder.v2, 'repositories'), aside)
    await assert.rejects(startServer({ root }), /has blobs but no repositories/)
    renameSync(folder.v2, join(root, 'kept'))
    writeFileSync(folder.v2, '')
    await assert.rejects(startServer({ root }), /v2 is a file/)
    rmSync(folder.v2)
    renameSync(join(root, 'kept'), folder.v2)
    renameSync(aside, join(folder.v2, 'repositories'))
    writeFileSync(join(root, 'scheduler-state.json'), '{}')
    const one = await started(context, root)
    assert.equal(await statusOf(one.client, '/v2/a/manifests/v1'), 200)
    assert.match(one.server.log(), /was the cache of a CNCF Distribution/)
    await untilComplete(one.server)
    await one.server.stop()
    renameSync(folder.v2, join(root, 'kept'))
    await assert.rejects(startServer({ root }), /is not there.*is its disk mounted/s)
  },
)

test(
  'a folder of Distribution put beside data of Berth is told of and left alone',
  { skip, timeout: 60_000 },
  async (context) => {
    const root = temporaryFolder(context, 'takeover-beside')
    mkdirSync(root, { recursive: true })
    const one = await started(context, root)
    assert.equal((await one.client.ask('/v2/mine/blobs/uploads/', { method: 'POST' })).status, 202)
    await one.server.stop()
    createDistributionFolder(root).image('a', 'v1', 'config', ['layer'])
    const two = await started(context, root)
    assert.equal(await statusOf(two.client, '/v2/a/manifests/v1'), 404)
    assert.match(two.server.log(), /beside the data of Berth/)
  },
)
