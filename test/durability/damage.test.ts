/**
 * A blob's file that is damaged behind the server's back: that one blob is refused, others are served, the next push
 * heals it. The file is found by its content, wherever the server keeps it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { blobOf, digestOf, type Blob } from '../lib/content.ts'
import {
  createRegistryClient,
  errorOf,
  expectStatus,
  PUSH_METHODS,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const REPOSITORY = 'broken/disk'

const DAMAGE: [name: string, damage: (file: string) => void][] = [
  ['removed', (file) => rmSync(file)],
  ['cut to half', (file) => truncateSync(file, statSync(file).size >> 1)],
  ['emptied', (file) => truncateSync(file, 0)],
  ['longer', (file) => writeFileSync(file, 'more', { flag: 'a' })],
  ['a byte flipped', (file) => flipByte(file)],
]

for (const [name, damage] of DAMAGE) {
  for (const when of ['while the server runs', 'before it starts'] as const) {
    test(`a file ${name} ${when}`, { timeout: 60_000 }, async (context) => {
      const root = temporaryFolder(context, 'damage')
      let server = await startServer({ root })
      afterwards(context, () => server.kill())
      let client = createRegistryClient(server.url)
      const broken = blobOf(`broken ${name}`, 300_000)
      const whole = blobOf(`whole ${name}`, 300_000)
      for (const blob of [broken, whole])
        expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
      if (when === 'before it starts') {
        client.close()
        await server.stop()
      }
      damage(fileOf(root, broken))
      if (when === 'before it starts') {
        server = await startServer({ root })
        client = createRegistryClient(server.url)
      }
      await refuses(client, broken, root)
      assert.equal(digestOf((await client.getBlob(REPOSITORY, whole.digest)).body), whole.digest)
      for (const method of PUSH_METHODS) {
        expectStatus(await client.pushBlob(REPOSITORY, broken, method), 201)
        const healed = await client.getBlob(REPOSITORY, broken.digest)
        assert.equal(healed.status, 200, `after a push by ${method}`)
        assert.equal(digestOf(healed.body), broken.digest)
        expectStatus(await client.statBlob(REPOSITORY, broken.digest), 200)
      }
      client.close()
      await server.stop()
    })
  }
}

/** A 201 for bytes that nobody can read is worth nothing, also where no pull has found the damage before. */
test('a push heals what nobody has read since it was damaged', { timeout: 60_000 }, async (context) => {
  const root = temporaryFolder(context, 'damage')
  const server = await startServer({ root })
  afterwards(context, () => server.kill())
  const client = createRegistryClient(server.url)
  for (const [name, damage] of DAMAGE) {
    for (const [size, method] of [300, 300_000].flatMap((size) =>
      PUSH_METHODS.map((method) => [size, method] as const),
    )) {
      const blob = blobOf(`${name} ${size} ${method}`, size)
      expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
      damage(fileOf(root, blob))
      expectStatus(await client.pushBlob(REPOSITORY, blob, method), 201)
      const pulled = await client.getBlob(REPOSITORY, blob.digest)
      assert.equal(pulled.status, 200, `${name}, ${size} bytes, pushed again by ${method}`)
      assert.equal(digestOf(pulled.body), blob.digest)
    }
  }
  client.close()
  await server.stop()
})

/** Never a whole answer with wrong bytes. A server that has begun to send may only notice at the end: it breaks off. */
async function refuses(client: RegistryClient, blob: Blob, root: string): Promise<void> {
  for (const attempt of ['first', 'second']) {
    const answer = await client.getBlob(REPOSITORY, blob.digest).catch(() => undefined)
    if (answer === undefined) {
      assert.equal(attempt, 'first', 'the damage is not remembered: the answer breaks off each time')
      continue
    }
    assert.equal(answer.status, 404, `${attempt} GET: ${answer.status}, ${answer.body.length} bytes`)
    const { code, message } = errorOf(answer)
    assert.equal(code, 'BLOB_UNKNOWN')
    assert.ok(!message.includes(root), 'the message tells a path of the server')
  }
  assert.equal((await client.statBlob(REPOSITORY, blob.digest)).status, 404, 'HEAD')
}

function flipByte(file: string): void {
  const bytes = readFileSync(file)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

function fileOf(root: string, blob: Blob): string {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    if (statSync(path).size === blob.bytes.length && digestOf(readFileSync(path)) === blob.digest) return path
  }
  throw new Error('no file of the data folder has the blob')
}
