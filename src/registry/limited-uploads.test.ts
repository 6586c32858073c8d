import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../oci/error.ts'
import { chunkOf, createFixture, repository, sha256 } from './hosted-fixtures.ts'
import { createUploadLimits } from './limited-uploads.ts'
import type { Call } from './registry.ts'

const A = repository('a')

function fixtureOf(most: number) {
  const fixture = createFixture()
  const { call, clock } = fixture
  let refused = 0
  const registry = createUploadLimits(fixture.registry, {
    most,
    clock,
    keyOf: (asked) => asked.address,
    onRefused: () => (refused += 1),
  })
  const other: Call = { ...call, address: '192.0.2.2' }
  const start = async (who: Call = call) => (await registry.startUpload(who, A, undefined)).id
  const isRefused = async (work: Promise<unknown>) => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (error === undefined) return false
    assert.ok(error instanceof RegistryError && error.status === 429 && error.retryAfter === 5)
    return true
  }
  return { ...fixture, registry, other, start, isRefused, refused: () => refused }
}

test('so many uploads at a time; what was begun goes on', async (t) => {
  const { registry, call, other, start, isRefused, clock, refused, close } = fixtureOf(2)
  t.after(close)
  const [one, two] = [await start(), await start()]
  assert.equal(await isRefused(start()), true)
  assert.equal(await isRefused(registry.putBlob(call, A, sha256('x'), chunkOf('x'))), true)
  assert.equal(await isRefused(start(other)), false)
  await registry.appendUpload(call, A, one, chunkOf('1'))
  assert.equal(await isRefused(start()), true, 'between two requests it is still under way')
  await registry.finishUpload(call, A, one, sha256('1'), undefined)
  const three = await start()
  assert.equal(await isRefused(start()), true)
  await registry.cancelUpload(call, A, three)
  assert.equal(await isRefused(registry.putBlob(call, A, sha256('x'), chunkOf('x'))), false)
  assert.equal(await isRefused(start()), false)
  assert.equal(await isRefused(start()), true)
  // One that nobody goes on with does not count for ever.
  clock.advance(61_000)
  assert.equal(await isRefused(start()), false)
  await registry.appendUpload(call, A, two, chunkOf('2'))
  assert.equal(refused(), 5)
})

test('what runs counts for as long as it runs, and what failed does not', async (t) => {
  const { registry, call, start, isRefused, clock, close } = fixtureOf(1)
  t.after(close)
  const id = await start()
  let arrive: (bytes: Uint8Array) => void = () => undefined
  const late = new Promise<Uint8Array>((resolve) => (arrive = resolve))
  async function* body() {
    yield await late
  }
  const appending = registry.appendUpload(call, A, id, { body: body() })
  clock.advance(3_600_000)
  assert.equal(await isRefused(start()), true)
  arrive(Buffer.from('late'))
  await appending
  await registry.finishUpload(call, A, id, sha256('late'), undefined)
  await assert.rejects(registry.putBlob(call, A, sha256('a'), chunkOf('b')), RegistryError)
  assert.equal(await isRefused(start()), false)
})
