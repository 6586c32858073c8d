import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyOf, bytesOf, newObject, push, readBack, sha } from './blob-fixtures.ts'
import { blobStoreSuite } from './blob-store.suite.ts'
import { createMemoryBlobStore } from './memory.ts'

blobStoreSuite('the memory store', async () => {
  const store = createMemoryBlobStore()
  return { store, end: () => store.close() }
})

test('a full memory store refuses as a full disk does, and takes bytes again when there is room', async () => {
  const store = createMemoryBlobStore({ capacity: 1000 })
  const first = await push(store, bytesOf(600))
  const state = store.plan(newObject(), {})
  const hash = store.createHash('sha256', {})
  const { signal } = new AbortController()
  await assert.rejects(store.append(state, bodyOf(bytesOf(600), 100), { hash, signal }), { code: 'ENOSPC' })
  assert.equal(hash.length, 0)
  assert.ok((await readBack(store, first)).equals(first.bytes))
  await store.remove([first.object])
  const result = await store.append(state, bodyOf(bytesOf(600), 100), { hash, signal })
  assert.equal(result.state.received, 600)
  assert.equal(await hash.digest(), sha('sha256', bytesOf(600)))
})
