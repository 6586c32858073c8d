import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, stat, statfs, symlink, truncate, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Worker } from 'node:worker_threads'
import { append, bodyOf, brokenBody, bytesOf, newObject, push, readBack, sha } from '../blob-fixtures.ts'
import { LostBytesError, type AppendResult } from '../blob-store.ts'
import { openUnder, partOf, temporaryStore } from './store-fixtures.ts'

const MIB = 1024 * 1024
const { signal } = new AbortController()

test('a file shorter than what was acknowledged is noticed before anything is written', async (t) => {
  const { root, store } = await temporaryStore(t)
  for (const size of [1000, 1_000_000]) {
    const hash = store.createHash('sha256', {})
    const state = await append(store, store.plan(newObject(), {}), hash, bodyOf(bytesOf(size)))
    const part = partOf(root, state.object.id)
    await truncate(part, size - 1)
    await assert.rejects(append(store, state, hash, bodyOf(bytesOf(10))), LostBytesError)
    await assert.rejects(store.finish(state, await hash.digest()), LostBytesError)
    assert.equal((await stat(part)).size, size - 1)
    await unlink(part)
    await assert.rejects(append(store, state, hash, bodyOf(bytesOf(10))), LostBytesError)
    hash.close()
  }
})

test('what cannot be written fails its own upload only', async (t) => {
  const { root, store } = await temporaryStore(t)
  for (const size of [1000, 5 * MIB]) {
    const planned = store.plan(newObject(), {})
    const part = partOf(root, planned.object.id)
    await symlink('/dev/full', part)
    const hash = store.createHash('sha256', {})
    const failing = assert.rejects(append(store, planned, hash, bodyOf(bytesOf(size))), { code: 'ENOSPC' })
    const others = [1, 2, 3].map((seed) => push(store, bytesOf(3 * MIB, seed)))
    await failing
    for (const other of await Promise.all(others)) {
      assert.ok((await readBack(store, other)).equals(other.bytes))
    }
    assert.equal(hash.length, 0)
    await unlink(part)
    await append(store, planned, hash, bodyOf(bytesOf(size, 2)))
    assert.equal(await hash.digest(), sha('sha256', bytesOf(size, 2)))
    hash.close()
  }
})

test('an append that fails in the middle gives its space back and takes the hash back', async (t) => {
  const root = await tinyDisk(t, 8)
  if (root === undefined) return
  const { store } = await temporaryStore(t, { root: join(root, 'data') })
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(root)
    return bavail * bsize
  }
  const kept = await push(store, bytesOf(MIB))
  const hash = store.createHash('sha256', {})
  const begun = await append(store, store.plan(newObject(), {}), hash, bodyOf(bytesOf(2 * MIB, 2)))
  const before = await free()
  await assert.rejects(append(store, begun, hash, bodyOf(bytesOf(20 * MIB, 3))), { code: 'ENOSPC' })
  assert.equal(await free(), before)
  assert.equal(hash.length, 2 * MIB)
  assert.equal(await hash.digest(), sha('sha256', bytesOf(2 * MIB, 2)))

  const filler = await push(store, bytesOf(before - 64 * 1024, 4))
  const small = store.createHash('sha256', {})
  const planned = store.plan(newObject(), {})
  await assert.rejects(append(store, planned, small, bodyOf(bytesOf(200_000))), { code: 'ENOSPC' })
  assert.equal(small.length, 0)
  await assert.rejects(append(store, begun, hash, bodyOf(bytesOf(200_000))), { code: 'ENOSPC' })
  assert.ok((await readBack(store, kept)).equals(kept.bytes))

  assert.equal((await store.remove([filler.object]))[0]?.removed, true)
  const rest = bytesOf(MIB, 5)
  const state = await append(store, begun, hash, bodyOf(rest))
  const bytes = Buffer.concat([bytesOf(2 * MIB, 2), rest])
  const digest = await hash.digest()
  await store.finish(state, digest)
  assert.ok((await readBack(store, { object: { ...state.object, digest }, bytes })).equals(bytes))
})

test('a client that hangs up in the middle leaves what arrived; a full disk leaves the connection', async (t) => {
  const { root, store } = await temporaryStore(t)
  const planned = store.plan(newObject(), {})
  const hash = store.createHash('sha256', {})
  const results: AppendResult[] = []
  const server = createServer((request, response) => {
    const body: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false })
    store.append(planned, body, { hash, signal }).then(
      (result) => results.push(result),
      (error: NodeJS.ErrnoException) => response.writeHead(400).end(error.code),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const put = (): ClientRequest =>
    request({ port, host: '127.0.0.1', method: 'PUT', headers: { 'content-length': 5 * MIB } })

  await symlink('/dev/full', partOf(root, planned.object.id))
  const refused = put()
  const answered = once(refused, 'response') as Promise<[IncomingMessage]>
  refused.write(bytesOf(4 * MIB))
  const [answer] = await answered
  assert.equal(Buffer.concat(await Array.fromAsync(answer)).toString(), 'ENOSPC')
  refused.on('error', () => undefined).destroy()
  await unlink(partOf(root, planned.object.id))

  const broken = put().on('error', () => undefined)
  await new Promise((resolve) => broken.write(bytesOf(2 * MIB), resolve))
  await waitFor(async () => hash.length > 0)
  broken.destroy()
  await waitFor(async () => results.length === 1)
  const { state, failure } = results[0] ?? assert.fail()
  assert.ok(failure instanceof Error)
  assert.ok(state.received > MIB && state.received <= 2 * MIB, `${state.received}`)
  assert.equal((await stat(partOf(root, planned.object.id))).size, state.received)
  assert.equal(await hash.digest(), sha('sha256', bytesOf(2 * MIB).subarray(0, state.received)))
})

test('a worker that dies fails its uploads clearly, and the next ones get a new worker', async (t) => {
  const started: Worker[] = []
  const onWorker = (worker: Worker): unknown => started.push(worker)
  process.on('worker', onWorker)
  t.after(() => process.off('worker', onWorker))
  const { store } = await temporaryStore(t)
  const planned = store.plan(newObject(), {})
  const hash = store.createHash('sha256', {})
  const bytes = bytesOf(3 * MIB)
  const dying = store.append(planned, killing(bytes, started), { hash, signal })
  await assert.rejects(dying, /hashing worker ended/)
  assert.equal(started.length, 1)
  await assert.rejects(hash.digest(), /hashing worker ended/)
  await assert.rejects(store.append({ ...planned, received: hash.length }, bodyOf(bytes), { hash, signal }))
  hash.close()

  const next = store.createHash('sha256', {})
  const state = await append(store, planned, next, bodyOf(bytes))
  assert.equal(await next.digest(), sha('sha256', bytes))
  assert.equal(state.received, bytes.byteLength)
  assert.equal(started.length, 2)
  next.close()
})

test('at most two workers are started, and none for small uploads', async (t) => {
  const started: Worker[] = []
  const onWorker = (worker: Worker): unknown => started.push(worker)
  process.on('worker', onWorker)
  t.after(() => process.off('worker', onWorker))
  const { store } = await temporaryStore(t)
  await Promise.all(Array.from({ length: 10 }, () => push(store, bytesOf(256 * 1024))))
  assert.equal(started.length, 0)
  await push(store, bytesOf(MIB))
  await push(store, bytesOf(MIB))
  assert.equal(started.length, 1)
  await Promise.all(Array.from({ length: 10 }, () => push(store, bytesOf(MIB))))
  assert.equal(started.length, 2)
})

test('closing the store fails what is under way instead of leaving it hanging', async (t) => {
  const { store } = await temporaryStore(t)
  const hash = store.createHash('sha256', {})
  const stop = new AbortController()
  const body = brokenBody(bytesOf(3 * MIB))
  const appending = store.append(store.plan(newObject(), {}), body, { hash, signal: stop.signal })
  await new Promise((resolve) => setTimeout(resolve, 100))
  await store.close()
  stop.abort()
  await assert.rejects(appending, /closed/)
})

test('two hundred stalled uploads hold little memory and nobody up', async (t) => {
  const { root, store } = await temporaryStore(t)
  const stop = new AbortController()
  const bytes = bytesOf(500_000)
  let stalled = 0
  async function* stalling(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bodyOf(bytes, 50_000)) yield Buffer.from(chunk)
    stalled += 1
    await new Promise(() => undefined)
  }
  const before = memoryInUse()
  const uploads = Array.from({ length: 200 }, async () => {
    const hash = store.createHash('sha256', {})
    const planned = store.plan(newObject(), {})
    const { state } = await store.append(planned, stalling(), { hash, signal: stop.signal })
    assert.equal(state.received, bytes.byteLength)
    assert.equal(await hash.digest(), sha('sha256', bytes))
    hash.close()
  })
  await waitFor(async () => stalled === 200)
  assert.equal((await openUnder(root, '.part')).length, 200)
  const other = await push(store, bytesOf(2 * MIB))
  assert.ok((await readBack(store, other)).equals(other.bytes))
  const held = memoryInUse() - before
  assert.ok(held < 48 * MIB, `${held} of 100,000,000 bytes`)
  stop.abort()
  await Promise.all(uploads)
})

test('memory does not grow with an upload or a download of 256 MiB', async (t) => {
  const { store } = await temporaryStore(t)
  const chunk = bytesOf(64 * 1024)
  await push(store, bytesOf(4 * MIB))
  const start = process.memoryUsage.rss()
  let peak = start
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 4096; sent += 1) {
      yield Buffer.from(chunk)
      if (sent % 64 === 0) peak = Math.max(peak, process.memoryUsage.rss())
    }
  }
  const hash = store.createHash('sha256', { length: 256 * MIB })
  const state = await append(store, store.plan(newObject(), {}), hash, body())
  const digest = await hash.digest()
  hash.close()
  await store.finish(state, digest)
  const source = await store.open({ ...state.object, digest }, 256 * MIB, undefined, undefined)
  assert.ok(source !== undefined && source !== 'changed')
  let at = 0
  for (let piece = await source.read(); piece !== undefined; piece = await source.read()) {
    assert.ok(
      Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, 8).equals(
        chunk.subarray(at % 65536, (at % 65536) + 8),
      ),
    )
    at += piece.bytes.byteLength
    piece.release()
    if (at % (8 * MIB) === 0) peak = Math.max(peak, process.memoryUsage.rss())
  }
  assert.equal(at, 256 * MIB)
  assert.ok(peak - start < 64 * MIB, `${peak - start} bytes more`)
})

/** Bytes in buffers, without what nobody refers to any more. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}

/** Kills the worker once it has begun to work. */
async function* killing(bytes: Uint8Array, started: Worker[]): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes.subarray(0, MIB))
  await waitFor(async () => started.length > 0)
  await started[0]?.terminate()
  yield* bodyOf(bytes.subarray(MIB))
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await condition()); await sleep(10)) {
    assert.ok(Date.now() < end, 'waited in vain')
  }
}

/** A disk of a few MiB; undefined, and the test is skipped, where one may not mount. */
async function tinyDisk(t: TestContext, mib: number): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    await rm(folder, { recursive: true })
    t.skip(`NOT TESTED: a full disk needs the right to mount a tmpfs (${String(error).split('\n')[0]})`)
    return undefined
  }
  t.after(async () => {
    execFileSync('umount', ['-l', folder])
    await rm(folder, { recursive: true })
  })
  return folder
}
