/** 3 GiB pushed and pulled: memory does not grow with a blob. Slow: BERTH_SLOW=1. BERTH_GIB says another size. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { bytesOfLength, digestOfLength } from '../lib/content.ts'
import { createRegistryClient, expectStatus, locationOf, withDigest } from '../lib/registry-client.ts'
import { memoryOf, startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const SIZE = Number(process.env['BERTH_GIB'] ?? 3) * 1024 ** 3
const MEMORY_LIMIT = 160 // MiB
const REPOSITORY = 'large/blob'

const skip =
  process.platform !== 'linux'
    ? 'SKIPPED: reads memory from /proc'
    : !process.env['BERTH_SLOW'] && 'SKIPPED: slow, set BERTH_SLOW=1'

for (const how of ['PUT with a length', 'chunked PATCH'] as const) {
  test(`${SIZE / 1024 ** 3} GiB by ${how} and back`, { skip, timeout: 600_000 }, async (context) => {
    const server = await startServer({ root: temporaryFolder(context, 'memory') })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    const digest = await digestOfLength(how, SIZE)
    const began = performance.now()
    const begun = expectStatus(await client.startUpload(REPOSITORY), 202)
    const body = bytesOfLength(how, SIZE)
    const location = locationOf(begun)
    const timeout = 500_000
    if (how === 'chunked PATCH') {
      const patched = await client.ask('PATCH', location, { body, timeout })
      expectStatus(patched, 202)
      expectStatus(await client.finishUpload(locationOf(patched), digest), 201)
    } else {
      const headers = { 'content-length': String(SIZE) }
      expectStatus(await client.ask('PUT', withDigest(location, digest), { headers, body, timeout }), 201)
    }
    const pushed = performance.now()
    const hash = createHash('sha256')
    const path = `/v2/${REPOSITORY}/blobs/${digest}`
    const got = await client.ask('GET', path, { timeout, onData: (piece) => void hash.update(piece) })
    assert.equal(got.status, 200)
    assert.equal(`sha256:${hash.digest('hex')}`, digest)
    const { peak } = memoryOf(server.pid)
    const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1)
    context.diagnostic(
      `push ${seconds(began, pushed)} s, pull ${seconds(pushed, performance.now())} s, peak ${peak} MiB`,
    )
    assert.ok(peak < MEMORY_LIMIT, `peak ${peak} MiB, the limit is ${MEMORY_LIMIT}`)
    client.close()
    await server.stop()
  })
}
