/** Two of everything at once: writers of one upload, pushes and deletes of one tag, pushes of one digest. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf, createRandom, digestOf, imageOf, type Blob } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  PUSH_METHODS,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { inParallel } from './verify.ts'

const SESSIONS = Number(process.env['BERTH_SESSIONS'] ?? 100)

async function prepare(context: TestContext): Promise<{ server: TestServer; client: RegistryClient }> {
  const server = await startServer({ root: temporaryFolder(context, 'two') })
  const client = createRegistryClient(server.url)
  afterwards(context, () => server.stop())
  afterwards(context, () => client.close())
  return { server, client }
}

async function* slowly(bytes: Buffer, pieces: number, pause: number): AsyncGenerator<Buffer> {
  const size = Math.ceil(bytes.length / pieces)
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size)
    if (pause > 0) await sleep(pause)
  }
}

/** What one of two writers of an upload got: the statuses of PATCH and PUT, 0 where the connection broke. */
type Writer = { patch: number; put: number; blob: Blob }

async function write(
  client: RegistryClient,
  location: string,
  blob: Blob,
  how: { range: boolean; pause: number },
): Promise<Writer> {
  const broken = (): Answer => ({ status: 0, headers: {}, body: Buffer.alloc(0) })
  const range: [number, number] | undefined = how.range ? [0, blob.bytes.length - 1] : undefined
  const body = how.pause < 0 ? blob.bytes : slowly(blob.bytes, 4, how.pause)
  const patch = await client.patchUpload(location, body, range).catch(broken)
  if (patch.status !== 202) return { patch: patch.status, put: -1, blob }
  const put = await client.finishUpload(locationOf(patch), blob.digest).catch(broken)
  return { patch: patch.status, put: put.status, blob }
}

test(`${SESSIONS} uploads with two writers each`, { timeout: 120_000 }, async (context) => {
  const { client } = await prepare(context)
  const random = createRandom(4711)
  const outcomes = new Map<string, number>()
  const wrong: string[] = []
  await inParallel([...Array(SESSIONS).keys()], 4, async (session) => {
    const location = locationOf(expectStatus(await client.startUpload('race/upload'), 202))
    const how = { range: session % 2 === 0, pause: random.pick([-1, -1, 0, 1, 4]) }
    const size = random.pick([3000, 120_000, 900_000])
    const writers = await Promise.all(
      ['one', 'two'].map(async (who) => {
        if (session % 3 === 0) await sleep(random.between(0, 6))
        return write(client, location, blobOf(`${session} ${who}`, size), how)
      }),
    )
    for (const { patch, put, blob } of writers) {
      if (put === 201) wrong.push(...(await compare(client, blob, session)))
      else if (put !== 0 && (await client.statBlob('race/upload', blob.digest)).status !== 404)
        wrong.push(`session ${session}: refused, and there`)
      if (patch >= 500 || put >= 500) wrong.push(`session ${session}: ${patch} ${put}`)
    }
    const outcome = writers
      .map(({ patch, put }) => `${patch}/${put}`)
      .sort()
      .join(' ')
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  })
  context.diagnostic(`PATCH/PUT of both: ${[...outcomes].map(([what, n]) => `${n} × ${what}`).join(', ')}`)
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${SESSIONS} sessions`)
})

async function compare(client: RegistryClient, blob: Blob, session: number): Promise<string[]> {
  const got = await client.getBlob('race/upload', blob.digest)
  if (got.status !== 200) return [`session ${session}: acknowledged, then ${got.status}`]
  return digestOf(got.body) === blob.digest ? [] : [`session ${session}: WRONG BYTES`]
}

test('20 clients put and delete one tag', { timeout: 60_000 }, async (context) => {
  const { client } = await prepare(context)
  const config = blobOf('config', 100)
  const layer = blobOf('layer', 1000)
  for (const blob of [config, layer]) expectStatus(await client.pushBlob('race/tag', blob, 'post-put'), 201)
  const statuses = new Map<number, number>()
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const manifest = imageOf(config, [layer], { annotations: { client: String(index) } })
      for (let round = 0; round < 20; round += 1) {
        const answer =
          (index + round) % 2 === 0
            ? await client.putManifest('race/tag', 'contested', manifest)
            : await client.deleteManifest('race/tag', 'contested')
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      }
    }),
  )
  context.diagnostic([...statuses].map(([status, n]) => `${n} × ${status}`).join(', '))
  assert.deepEqual(
    [...statuses.keys()].filter((status) => ![201, 202, 404].includes(status)),
    [],
  )
  const listed = (await client.listTags('race/tag')) ?? []
  const found = await client.getManifest('race/tag', 'contested')
  assert.equal(listed.includes('contested'), found.status === 200, `listed ${listed.join()}, ${found.status}`)
})

test('the same blob pushed by ten at once, some of whom give up', { timeout: 60_000 }, async (context) => {
  const { client } = await prepare(context)
  const random = createRandom(31)
  for (let round = 0; round < 10; round += 1) {
    const blob = blobOf(`same ${round}`, 80_000)
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        await sleep(random.between(0, 5))
        if (index % 3 !== 0) return client.pushBlob('race/same', blob, random.pick(PUSH_METHODS))
        const location = locationOf(expectStatus(await client.startUpload('race/same'), 202))
        const patched = expectStatus(await client.patchUpload(location, blob.bytes.subarray(0, 50_000)), 202)
        return client.cancelUpload(locationOf(patched))
      }),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map((_, index) => (index % 3 === 0 ? 204 : 201)),
    )
    const got = await client.getBlob('race/same', blob.digest)
    assert.equal(digestOf(got.body), blob.digest)
  }
})

test('a blob deleted and pushed at once is there or not, and whole', { timeout: 60_000 }, async (context) => {
  const { client } = await prepare(context)
  for (let round = 0; round < 30; round += 1) {
    const blob = blobOf(`there or not ${round % 3}`, 20_000)
    const [pushed, deleted] = await Promise.all([
      client.pushBlob('race/blob', blob, 'post-put'),
      client.deleteBlob('race/blob', blob.digest),
    ])
    assert.equal(pushed.status, 201)
    assert.ok([202, 404].includes(deleted.status), String(deleted.status))
    const got = await client.getBlob('race/blob', blob.digest)
    if (got.status === 200) assert.equal(digestOf(got.body), blob.digest)
    else assert.equal(got.status, 404)
  }
})
