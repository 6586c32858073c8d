/**
 * 200 clients that ask for a large blob and never read, 200 that begin a PATCH and never go on: memory stays bounded
 * and others are served as before. BERTH_SLOW=1 also waits until the server has ended them all.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf } from '../lib/content.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { memoryOf, startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { askAndNeverRead, sendPart, type RawRequest } from './raw-request.ts'

const STALLED = 200
/** MiB that all of them together may add; CNCF Distribution 3.1.2 grows by 830 here. */
const MEMORY_LIMIT = 160
const REPOSITORY = 'slow/clients'
/** Longer than the time in which a body must make progress. */
const PROGRESS = 150_000

const skip = process.platform === 'linux' ? false : 'SKIPPED: reads memory from /proc'

test(
  `${STALLED} stalled readers and ${STALLED} stalled writers`,
  { skip, timeout: 300_000 },
  async (context) => {
    const server = await startServer({ root: temporaryFolder(context, 'stalled') })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    const large = blobOf('large', 48 * 1024 * 1024)
    const small = blobOf('small', 2000)
    for (const blob of [large, small]) expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
    const before = await latencies(client, small.digest)
    const memoryBefore = memoryOf(server.pid).now
    const stalled: RawRequest[] = []
    afterwards(context, () => stalled.forEach((request) => request.abort()))
    for (let index = 0; index < STALLED; index += 1) {
      stalled.push(await askAndNeverRead(server.url, `/v2/${REPOSITORY}/blobs/${large.digest}`))
      const location = locationOf(expectStatus(await client.startUpload(REPOSITORY), 202))
      const headers = { 'Content-Length': 10_000_000 }
      stalled.push(await sendPart(server.url, 'PATCH', location, headers, Buffer.alloc(70_000)))
    }
    await sleep(1500)
    const during = await latencies(client, small.digest)
    const memory = memoryOf(server.pid)
    context.diagnostic(
      `memory ${memoryBefore} → ${memory.now} MiB (peak ${memory.peak}); ` +
        `GET median ${before.median} → ${during.median} ms, slowest ${before.slowest} → ${during.slowest} ms`,
    )
    assert.ok(memory.now - memoryBefore < MEMORY_LIMIT, `${memoryBefore} → ${memory.now} MiB`)
    assert.ok(during.median < 50 && during.slowest < 1000, JSON.stringify(during))
    if (process.env['BERTH_SLOW']) await allEnded(stalled)
    client.close()
    for (const request of stalled) request.abort()
    await server.stop()
  },
)

async function latencies(
  client: RegistryClient,
  digest: string,
): Promise<{ median: number; slowest: number }> {
  const times: number[] = []
  for (let round = 0; round < 100; round += 1) {
    const began = performance.now()
    expectStatus(await client.getBlob(REPOSITORY, digest), 200)
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  const tenths = (time: number | undefined): number => Math.round((time ?? 0) * 10) / 10
  return { median: tenths(times[50]), slowest: tenths(times[99]) }
}

async function allEnded(stalled: RawRequest[]): Promise<void> {
  // A reader has to look now, or it would not notice that the other end is gone.
  for (const { socket } of stalled) setTimeout(() => socket.resume(), PROGRESS).unref()
  const all = Promise.all(stalled.map((request) => request.closed)).then(() => 'ended')
  const outcome = await Promise.race([all, sleep(PROGRESS + 5000, 'some go on', { ref: false })])
  assert.equal(outcome, 'ended')
}
