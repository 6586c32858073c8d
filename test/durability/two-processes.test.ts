/** Two servers on one data folder: each sees at once what the other did, and either finishes what one began. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { blobOf, digestOf, imageOf } from '../lib/content.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  storedBytes,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { inParallel } from './verify.ts'

const REPOSITORY = 'shared/folder'
const config = blobOf('two processes config', 300)
const layer = blobOf('two processes layer', 5000)

async function startTwo(context: TestContext): Promise<{ servers: TestServer[]; clients: RegistryClient[] }> {
  const root = temporaryFolder(context, 'processes')
  const servers: TestServer[] = []
  const clients: RegistryClient[] = []
  for (let index = 0; index < 2; index += 1) {
    const server = await startServer({ root })
    const client = createRegistryClient(server.url)
    afterwards(context, () => server.kill())
    afterwards(context, () => client.close())
    servers.push(server)
    clients.push(client)
  }
  return { servers, clients }
}

test('a tag moved by one is seen by the other at once', { timeout: 60_000 }, async (context) => {
  const { clients } = await startTwo(context)
  const [one, two] = clients as [RegistryClient, RegistryClient]
  for (const blob of [config, layer]) expectStatus(await one.pushBlob(REPOSITORY, blob, 'post-put'), 201)
  for (let round = 0; round < 100; round += 1) {
    const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
    const manifest = imageOf(config, [layer], { annotations: { round: String(round) } })
    expectStatus(await writer.putManifest(REPOSITORY, 'moving', manifest), 201)
    const seen = await reader.getManifest(REPOSITORY, 'moving')
    assert.equal(digestOf(seen.body), manifest.digest, `round ${round}: an old tag`)
    if (round % 5 !== 0) continue
    expectStatus(await writer.deleteManifest(REPOSITORY, 'moving'), 202)
    assert.equal(
      (await reader.statManifest(REPOSITORY, 'moving')).status,
      404,
      `round ${round}: a deleted tag`,
    )
    assert.deepEqual((await reader.listTags(REPOSITORY)) ?? [], [])
  }
})

test(
  'blobs pushed, deleted and mounted by one are so for the other',
  { timeout: 60_000 },
  async (context) => {
    const { clients } = await startTwo(context)
    const [one, two] = clients as [RegistryClient, RegistryClient]
    for (let round = 0; round < 30; round += 1) {
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
      const blob = blobOf(`round ${round}`, 10_000)
      assert.equal((await reader.statBlob(REPOSITORY, blob.digest)).status, 404)
      expectStatus(await writer.pushBlob(REPOSITORY, blob, 'chunks'), 201)
      assert.equal(digestOf((await reader.getBlob(REPOSITORY, blob.digest)).body), blob.digest)
      expectStatus(await reader.mountBlob('shared/elsewhere', blob.digest, REPOSITORY), 201)
      assert.equal((await writer.statBlob('shared/elsewhere', blob.digest)).status, 200)
      expectStatus(await writer.deleteBlob(REPOSITORY, blob.digest), 202)
      assert.equal((await reader.getBlob(REPOSITORY, blob.digest)).status, 404)
    }
  },
)

test('an upload begun with one goes on and ends with the other', { timeout: 60_000 }, async (context) => {
  const { clients } = await startTwo(context)
  await inParallel([...Array(20).keys()], 4, async (round) => {
    const { bytes, digest } = blobOf(`passed on ${round}`, 100_000)
    const begun = expectStatus(await (clients[0] as RegistryClient).startUpload(REPOSITORY), 202)
    let location = locationOf(begun)
    for (let part = 0; part < 5; part += 1) {
      const client = clients[(part + round) % 2] as RegistryClient
      const from = part * 20_000
      const piece = bytes.subarray(from, from + 20_000)
      const patched = expectStatus(await client.patchUpload(location, piece, [from, from + 19_999]), 202)
      assert.equal(storedBytes(patched), from + 20_000)
      location = locationOf(patched)
    }
    const closer = clients[round % 2] as RegistryClient
    expectStatus(await closer.finishUpload(location, digest), 201)
    for (const client of clients)
      assert.equal(digestOf((await client.getBlob(REPOSITORY, digest)).body), digest)
  })
})

test('an upload whose process was killed is finished by the other', { timeout: 60_000 }, async (context) => {
  const { clients, servers } = await startTwo(context)
  const [one, two] = clients as [RegistryClient, RegistryClient]
  const { bytes, digest } = blobOf('orphan', 300_000)
  const begun = expectStatus(await one.startUpload(REPOSITORY), 202)
  const patched = await one.patchUpload(locationOf(begun), bytes.subarray(0, 200_000), [0, 199_999])
  expectStatus(patched, 202)
  await servers[0]?.kill()
  const status = expectStatus(await two.getUpload(locationOf(patched)), 204)
  assert.equal(storedBytes(status), 200_000)
  const rest = bytes.subarray(200_000)
  const last = expectStatus(await two.patchUpload(locationOf(status), rest, [200_000, 299_999]), 202)
  expectStatus(await two.finishUpload(locationOf(last), digest), 201)
  assert.equal(digestOf((await two.getBlob(REPOSITORY, digest)).body), digest)
})
