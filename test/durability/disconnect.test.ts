/** A client that dies in the middle of a PATCH: what came is kept, the next one goes on, after a restart too. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf, createRandom, digestOf } from '../lib/content.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  storedBytes,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { sendPart } from './raw-request.ts'

const REPOSITORY = 'cut/off'

for (const restart of ['no restart', 'a restart', 'a kill'] as const) {
  test(`12 PATCH requests cut off, ${restart}`, { timeout: 120_000 }, async (context) => {
    const root = temporaryFolder(context, 'disconnect')
    let server = await startServer({ root })
    afterwards(context, () => server.kill())
    const random = createRandom(12)
    const uploads: { location: string; sent: number; seed: string }[] = []
    let client = createRegistryClient(server.url)
    for (let index = 0; index < 12; index += 1) {
      const seed = `${restart} ${index}`
      const { bytes } = blobOf(seed, 1_000_000)
      const location = locationOf(expectStatus(await client.startUpload(REPOSITORY), 202))
      const sent = random.between(1, 999_999)
      const how = index % 2 === 0 ? { 'Content-Length': bytes.length } : { 'Transfer-Encoding': 'chunked' }
      const request = await sendPart(
        server.url,
        'PATCH',
        location,
        how,
        bodyPart(bytes, sent, index % 2 === 1),
      )
      await sleep(100)
      request.abort()
      uploads.push({ location, sent, seed })
    }
    await sleep(200)
    if (restart !== 'no restart') {
      client.close()
      await (restart === 'a kill' ? server.kill() : server.stop())
      server = await startServer({ root })
      client = createRegistryClient(server.url)
    }
    const kept: string[] = []
    for (const upload of uploads) kept.push(await goOn(client, upload))
    context.diagnostic(kept.join(', '))
    client.close()
    await server.stop()
  })
}

function bodyPart(bytes: Buffer, sent: number, chunked: boolean): Buffer {
  const part = bytes.subarray(0, sent)
  if (!chunked) return part
  return Buffer.concat([Buffer.from(`${sent.toString(16)}\r\n`), part, Buffer.from('\r\n')])
}

async function goOn(
  client: RegistryClient,
  { location, sent, seed }: { location: string; sent: number; seed: string },
): Promise<string> {
  const { bytes, digest } = blobOf(seed, 1_000_000)
  const status = expectStatus(await client.getUpload(location), 204)
  const stored = storedBytes(status)
  assert.ok(stored <= sent, `tells ${stored} bytes where ${sent} were sent`)
  assert.ok(stored > 0 || sent < 2, `threw away all of ${sent} bytes`)
  const rest = bytes.subarray(stored)
  const patched = await client.patchUpload(locationOf(status), rest, [stored, bytes.length - 1])
  expectStatus(patched, 202)
  assert.equal(storedBytes(patched), bytes.length)
  expectStatus(await client.finishUpload(locationOf(patched), digest), 201)
  const got = await client.getBlob(REPOSITORY, digest)
  assert.equal(digestOf(got.body), digest)
  return `${stored}/${sent}`
}
