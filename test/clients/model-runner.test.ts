/**
 * What programs that move model files do (Ollama's flow): HEAD, POST, PATCH in parts with Content-Range, several at
 * once each with its own blob, PUT; then sixteen ranged GETs side by side, resumed where one breaks off.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { blobOf, imageOf, type Blob } from '../lib/content.ts'
import { expectStatus, locationOf, storedBytes, type RegistryClient } from '../lib/registry-client.ts'
import { createWorkplace } from './workplace.ts'

const MODEL = 'library/model'
const SIZE = 64 * 1024 * 1024
const PART = 10 * 1024 * 1024

async function pushInParts(client: RegistryClient, blob: Blob): Promise<void> {
  assert.equal((await client.statBlob(MODEL, blob.digest)).status, 404)
  let location = locationOf(expectStatus(await client.startUpload(MODEL), 202))
  for (let from = 0; from < blob.bytes.length; from += PART) {
    const piece = blob.bytes.subarray(from, from + PART)
    const answer = await client.patchUpload(location, piece, [from, from + piece.length - 1])
    expectStatus(answer, 202)
    assert.equal(storedBytes(answer), from + piece.length)
    location = locationOf(answer)
  }
  expectStatus(await client.finishUpload(location, blob.digest), 201)
}

async function pullInParts(client: RegistryClient, blob: Blob, parts: number): Promise<Buffer> {
  const size = Number((await client.statBlob(MODEL, blob.digest)).headers['content-length'])
  assert.equal(size, blob.bytes.length)
  const width = Math.ceil(size / parts)
  const pieces = await Promise.all(
    Array.from({ length: parts }, async (_, index) => {
      const [first, last] = [index * width, Math.min(size, (index + 1) * width) - 1]
      const range = { range: `bytes=${first}-${last}` }
      const answer = expectStatus(await client.getBlob(MODEL, blob.digest, range), 206)
      assert.equal(answer.headers['content-range'], `bytes ${first}-${last}/${size}`)
      assert.equal(Number(answer.headers['content-length']), last - first + 1)
      return answer.body
    }),
  )
  return Buffer.concat(pieces)
}

test('a model of 64 MiB in parts and back by 16 ranges', { timeout: 120_000 }, async (context) => {
  const { client } = await createWorkplace(context, 'model')
  const weights = blobOf('weights', SIZE)
  const config = blobOf('model config', 400)
  const template = blobOf('template', 3)
  await Promise.all([weights, config, template].map((blob) => pushInParts(client, blob)))
  const manifest = imageOf(config, [weights, template])
  expectStatus(await client.putManifest(MODEL, 'latest', manifest), 201)
  const back = await pullInParts(client, weights, 16)
  assert.equal(`sha256:${createHash('sha256').update(back).digest('hex')}`, weights.digest)
  assert.deepEqual(await pullInParts(client, template, 1), template.bytes)
})
