import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { append, bodyOf, bytesOf, drain, newObject, push, readBack, sha } from '../blob-fixtures.ts'
import { blobStoreSuite } from '../blob-store.suite.ts'
import { filesOf, folderOf, partOf, temporaryStore } from './store-fixtures.ts'
import { createFilesystemBlobStore } from './store.ts'

blobStoreSuite('the filesystem store', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-'))
  const store = await createFilesystemBlobStore({ root })
  return {
    store,
    end: async () => {
      await store.close()
      await rm(root, { recursive: true })
    },
  }
})

test('an object is a .part, then has its digest in its name', async (t) => {
  const { root, store } = await temporaryStore(t)
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const hash = store.createHash(algorithm, {})
    const state = await append(store, store.plan(newObject(), {}), hash, bodyOf(bytesOf(5000)))
    const { id } = state.object
    assert.deepEqual(await filesOf(root, id), [`${id}.part`])
    const digest = await hash.digest()
    const { stamp } = await store.finish(state, digest)
    assert.deepEqual(await filesOf(root, id), [`${id}.${digest.replace(':', '-')}`])
    const [name = ''] = await filesOf(root, id)
    assert.ok((await readFile(join(folderOf(root, id), name))).equals(bytesOf(5000)))
    assert.ok(Number.isSafeInteger(stamp))
  }
})

test('the folders are made once, also by two processes at once, and a missing one is made again', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'berth-'))
  t.after(() => rm(parent, { recursive: true, force: true }))
  const root = join(parent, 'a', 'b')
  const [{ store }] = await Promise.all([temporaryStore(t, { root }), temporaryStore(t, { root })])
  const folders = await readdir(join(root, 'berth', 'objects'))
  assert.equal(folders.length, 256)
  assert.deepEqual(await readdir(join(root, 'berth')), ['objects'])
  const first = await push(store, bytesOf(10))
  await store.remove([first.object])
  await rmdir(folderOf(root, first.object.id))
  const planned = store.plan({ id: first.object.id }, {})
  const hash = store.createHash('sha256', {})
  const state = await append(store, planned, hash, bodyOf(bytesOf(10)))
  await store.finish(state, await hash.digest())
  assert.ok((await readBack(store, first)).equals(bytesOf(10)))
  const empty = store.plan(newObject(), {})
  await rmdir(folderOf(root, empty.object.id)).catch(() => undefined)
  await store.finish(empty, sha('sha256', bytesOf(0)))
})

test('an upload goes on after a restart, and beyond what nobody counted', async (t) => {
  const { root, store, again } = await temporaryStore(t)
  const bytes = bytesOf(2_000_000)
  const first = store.createHash('sha256', {})
  const state = await append(store, store.plan(newObject(), {}), first, bodyOf(bytes.subarray(0, 900_000)))
  // An append that died with its process: its bytes are in the file, but in no row.
  await append(store, state, first, bodyOf(bytesOf(1_500_000, 9)))
  await store.close()
  const next = await again()
  const hash = next.createHash('sha256', { length: state.received })
  const source = await next.reread(state)
  assert.ok(source)
  await hash.update(await drain(source))
  const grown = await append(next, state, hash, bodyOf(bytes.subarray(900_000)))
  assert.equal((await stat(partOf(root, state.object.id))).size, grown.received)
  const digest = await hash.digest()
  assert.equal(digest, sha('sha256', bytes))
  await next.finish(grown, digest)
  assert.ok((await readBack(next, { object: { ...state.object, digest }, bytes })).equals(bytes))
  assert.equal((await filesOf(root, state.object.id)).length, 1)
})

test('finish cuts off what nobody counted', async (t) => {
  const { store } = await temporaryStore(t)
  const hash = store.createHash('sha256', {})
  const state = await append(store, store.plan(newObject(), {}), hash, bodyOf(bytesOf(1000)))
  const digest = await hash.digest()
  await append(store, state, hash, bodyOf(bytesOf(500, 9)))
  const finished = await store.finish(state, digest)
  const object = { ...state.object, digest }
  assert.deepEqual(finished, await store.stat(object))
  assert.ok((await readBack(store, { object, bytes: bytesOf(1000) })).equals(bytesOf(1000)))
})

test('what was taken over is read and removed where it lies, and nothing outside', async (t) => {
  const { root, store } = await temporaryStore(t)
  await writeFile(join(root, '..', 'berth-outside'), 'x')
  t.after(() => rm(join(root, '..', 'berth-outside')))
  for (const size of [100, 100_000]) {
    const bytes = bytesOf(size)
    const digest = sha('sha256', bytes)
    const path = `docker/registry/v2/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), bytes)
    const object = { ...newObject(), digest, path }
    assert.ok((await readBack(store, { object, bytes })).equals(bytes))
    assert.equal((await store.stat(object))?.size, size)
    const hash = store.createHash('sha256', {})
    await assert.rejects(append(store, { object, received: 0 }, hash, bodyOf(bytes)), /never written/)
    assert.deepEqual(await store.remove([object]), [{ id: object.id, removed: true }])
    assert.equal(await store.open(object, size, undefined, undefined), undefined)
    for (const outside of ['../berth-outside', '/etc/hostname', 'a/../../berth-outside', '', '.']) {
      const escaping = { ...newObject(), digest, path: outside }
      await assert.rejects(
        async () => store.open(escaping, size, undefined, undefined),
        /out of the data folder/,
      )
      const [result] = await store.remove([escaping])
      assert.equal(result?.removed, false)
    }
  }
  assert.equal(await readFile(join(root, '..', 'berth-outside'), 'utf8'), 'x')
})

test('a process that used a store and forgot to close it ends by itself', async (t) => {
  const { root } = await temporaryStore(t)
  const script = `
    import { push, readBack } from ${JSON.stringify(new URL('../blob-fixtures.ts', import.meta.url).href)}
    import { createFilesystemBlobStore } from ${JSON.stringify(new URL('./store.ts', import.meta.url).href)}
    const store = await createFilesystemBlobStore({ root: ${JSON.stringify(root)} })
    const pushed = await push(store, new Uint8Array(1_000_000))
    console.log((await readBack(store, pushed)).byteLength)`
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 10_000,
  })
  assert.equal((await run).stdout.trim(), '1000000')
})
