/** One upload, several processes over one data folder: an upload goes on wherever its next request arrives. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BlobStore } from '../blobs/blob-store.ts'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import { rowsOf, withFolder } from '../metadata/metadata-fixtures.ts'
import { CLAIM_MS } from '../metadata/uploads.ts'
import { chunkOf, createFixture, type Fixture, readBlob, repository, sha256 } from './hosted-fixtures.ts'
import type { Chunk } from './registry.ts'

const A = repository('a')

type Process = Fixture & { counted: { reread: number; appended: number } }

/** As a process of its own: its own database connections, its own store, nothing shared but the folder. */
async function open(folder: string): Promise<Process> {
  const counted = { reread: 0, appended: 0 }
  const inner = await createFilesystemBlobStore({ root: folder })
  const store: BlobStore = {
    ...inner,
    reread: async (state, first = 0) => {
      counted.reread += state.received - first
      return inner.reread(state, first)
    },
    append: async (state, body, options) => {
      const result = await inner.append(state, body, options)
      counted.appended += result.state.received - state.received
      return result
    },
  }
  const fixture = createFixture({}, { folder: join(folder, 'berth'), store })
  return {
    ...fixture,
    counted,
    async close() {
      await fixture.close()
      await store.close()
    },
  }
}

function withProcesses(count: number, work: (...all: Process[]) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const all: Process[] = []
    try {
      for (let n = 0; n < count; n++) all.push(await open(folder))
      await work(...all)
    } finally {
      for (const one of all) await one.close()
    }
  })
}

/** A body that gives its first part and then stands still until it is told to go on. */
function pausing(first: string, rest: string, from?: number) {
  const paused = Promise.withResolvers<void>()
  const resumed = Promise.withResolvers<void>()
  async function* body() {
    yield Buffer.from(first)
    paused.resolve()
    await resumed.promise
    yield Buffer.from(rest)
  }
  const chunk: Chunk = { body: body(), ...(from !== undefined && { from }) }
  return { chunk, paused: paused.promise, resume: () => resumed.resolve() }
}

const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? error,
  )

/** Bytes of blobs that are served, and objects that nobody may remove, must be of the same number. */
async function garbageOf({ metadata }: Process): Promise<unknown> {
  const [row] = await rowsOf(
    metadata.db,
    `SELECT (SELECT count(*) FROM objects WHERE state = 'live') AS live,
      (SELECT count(*) FROM objects WHERE state = 'uploading') AS uploading, (SELECT count(*) FROM uploads) AS uploads`,
  )
  return row
}

test('begun by one process, gone on by another, finished by a third; no byte is read twice by a process', () =>
  withProcesses(3, async (one, two, three) => {
    const parts = Array.from({ length: 9 }, (_, index) => String(index).repeat(100_000))
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    let received = 0
    for (const [index, part] of parts.entries()) {
      const process = [one, two, three][index % 3] as Process
      await process.registry.appendUpload(process.call, A, id, chunkOf(part, received))
      received += part.length
      assert.deepEqual(await one.registry.getUpload(one.call, A, id), { id, received })
    }
    const whole = parts.join('')
    const digest = sha256(whole)
    await two.registry.finishUpload(two.call, A, id, digest, undefined)
    for (const process of [one, two, three]) assert.equal(await readBlob(process, 'a', digest), whole)
    for (const { counted } of [one, two, three]) {
      assert.equal(counted.appended, 300_000, 'nothing is copied')
      assert.ok(counted.reread <= 600_000, `${counted.reread} bytes read again`)
    }
    assert.deepEqual(await garbageOf(one), { live: 1, uploading: 0, uploads: 0 })
  }))

test('a process that pauses in a request and goes on after another took over changes nothing', () =>
  withProcesses(2, async (one, two) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    await one.registry.appendUpload(one.call, A, id, chunkOf('0123456789', 0))
    const old = pausing('AAAA', 'BBBB', 10)
    const lost = code(one.registry.appendUpload(one.call, A, id, old.chunk))
    await old.paused
    assert.equal(await code(two.registry.appendUpload(two.call, A, id, chunkOf('xx'))), 'RANGE_INVALID')
    await two.registry.appendUpload(two.call, A, id, chunkOf('abc', 10))
    old.resume()
    assert.equal(await lost, 'RANGE_INVALID')
    assert.deepEqual(await one.registry.getUpload(one.call, A, id), { id, received: 13 })
    const digest = sha256('0123456789abcdef')
    await two.registry.finishUpload(two.call, A, id, digest, chunkOf('def', 13))
    assert.equal(await readBlob(one, 'a', digest), '0123456789abcdef')
    assert.deepEqual(await garbageOf(one), { live: 1, uploading: 0, uploads: 0 })
  }))

test('a takeover that breaks off keeps what was received', () =>
  withProcesses(2, async (one, two) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    await one.registry.appendUpload(one.call, A, id, chunkOf('0123456789', 0))
    const old = pausing('AAAA', 'BBBB', 10)
    const lost = code(one.registry.appendUpload(one.call, A, id, old.chunk))
    await old.paused
    const { append } = two.store
    two.store.append = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    assert.equal(await code(two.registry.appendUpload(two.call, A, id, chunkOf('abc', 10))), 'DENIED')
    two.store.append = append
    assert.deepEqual(await two.registry.getUpload(two.call, A, id), { id, received: 10 })
    // The first is still alive and may still write: the next takes over again, with all ten bytes.
    await two.registry.appendUpload(two.call, A, id, chunkOf('abc', 10))
    old.resume()
    assert.equal(await lost, 'RANGE_INVALID')
    const digest = sha256('0123456789abc')
    await two.registry.finishUpload(two.call, A, id, digest, undefined)
    assert.equal(await readBlob(two, 'a', digest), '0123456789abc')
    assert.deepEqual(await garbageOf(one), { live: 1, uploading: 0, uploads: 0 })
  }))

test('what was saved after a request looked is not overwritten by it', () =>
  withProcesses(1, async (one) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    const [first, second] = await Promise.all([
      code(one.registry.appendUpload(one.call, A, id, chunkOf('aaaa'))),
      code(one.registry.appendUpload(one.call, A, id, chunkOf('bbbb'))),
    ])
    const done = [first, second].filter((result) => result === 'done').length
    assert.deepEqual(await one.registry.getUpload(one.call, A, id), { id, received: 4 * done })
    assert.ok(done >= 1)
  }))

test('one byte that was sent anew to another process is hashed anew', () =>
  withProcesses(2, async (one, two) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    await one.registry.appendUpload(one.call, A, id, chunkOf('x', 0))
    // `Range: 0-0` may mean nothing: the client begins again.
    await two.registry.appendUpload(two.call, A, id, chunkOf('a', 0))
    await one.registry.appendUpload(one.call, A, id, chunkOf('bc', 1))
    assert.equal(
      await code(one.registry.finishUpload(one.call, A, id, sha256('xbc'), undefined)),
      'DIGEST_INVALID',
    )
    await one.registry.finishUpload(one.call, A, id, sha256('abc'), undefined)
    assert.equal(await readBlob(two, 'a', sha256('abc')), 'abc')
  }))

test('a closing request that is repeated while the first is at it gets the same answer', () =>
  withProcesses(1, async (one) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    await one.registry.appendUpload(one.call, A, id, chunkOf('abc', 0))
    const digest = sha256('abc')
    const all = [1, 2, 3].map(() => code(one.registry.finishUpload(one.call, A, id, digest, undefined)))
    assert.deepEqual(await Promise.all(all), ['done', 'done', 'done'])
  }))

test('a shutdown keeps what has come in and gives the claim back', () =>
  withFolder(async (folder) => {
    const one = await open(folder)
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    const body = pausing('0123', '4567', 0)
    const broken = code(one.registry.appendUpload(one.call, A, id, body.chunk))
    await body.paused
    await one.close()
    assert.equal(await broken, 'BLOB_UPLOAD_INVALID')
    body.resume()
    const two = await open(folder)
    const { received } = await two.registry.getUpload(two.call, A, id)
    await two.registry.appendUpload(two.call, A, id, chunkOf('01234567'.slice(received)))
    const digest = sha256('01234567')
    await two.registry.finishUpload(two.call, A, id, digest, undefined)
    assert.equal(await readBlob(two, 'a', digest), '01234567')
    await two.close()
  }))

/** A process that appends, and is killed in the middle of the next append or right after its object got its last name. */
async function killedProcess(folder: string, after: 'append' | 'finish'): Promise<string> {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const script = `
    const { createFilesystemBlobStore } = await import(${url('../blobs/filesystem/store.ts')})
    const { createFixture, chunkOf, sha256 } = await import(${url('./hosted-fixtures.ts')})
    const store = await createFilesystemBlobStore({ root: ${JSON.stringify(folder)} })
    const finish = store.finish
    store.finish = async (...args) => { await finish(...args); console.log('paused ' + id); await new Promise(() => {}) }
    const f = createFixture({}, { folder: ${JSON.stringify(join(folder, 'berth'))}, store })
    globalThis.kept = setInterval(() => f, 1000)
    const { id } = await f.registry.startUpload(f.call, 'a', undefined)
    await f.registry.appendUpload(f.call, 'a', id, chunkOf('0123456789', 0))
    if (${JSON.stringify(after)} === 'finish') await f.registry.finishUpload(f.call, 'a', id, sha256('0123456789abc'), chunkOf('abc'))
    async function* body() { yield Buffer.from('XX'); console.log('paused ' + id); await new Promise(() => {}) }
    await f.registry.appendUpload(f.call, 'a', id, { body: body(), from: 10 })`
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  return line.toString().trim().slice('paused '.length)
}

for (const after of ['append', 'finish'] as const) {
  test(`after kill -9 in the middle of ${after} the upload goes on at once`, () =>
    withFolder(async (folder) => {
      const id = await killedProcess(folder, after)
      const two = await open(folder)
      assert.deepEqual(await two.registry.getUpload(two.call, A, id), { id, received: 10 })
      // Without Content-Range: nobody can be writing, so nobody is waited for.
      await two.registry.appendUpload(two.call, A, id, chunkOf('abc'))
      assert.equal(
        two.counted.appended,
        after === 'append' ? 3 : 13,
        'copied only where the object is finished',
      )
      const digest = sha256('0123456789abc')
      await two.registry.finishUpload(two.call, A, id, digest, undefined)
      assert.equal(await readBlob(two, 'a', digest), '0123456789abc')
      assert.deepEqual(await garbageOf(two), { live: 1, uploading: 0, uploads: 0 })
      assert.equal(readdirSync(join(folder, 'berth', 'metadata.db-processes')).length, 1)
      await two.close()
    }))
}

test('a claim that is not renewed ends', () =>
  withProcesses(2, async (one, two) => {
    const { id } = await one.registry.startUpload(one.call, A, undefined)
    // A small first chunk claims nothing before it is whole.
    const old = pausing('A'.repeat(300_000), 'BBBB', 0)
    const lost = code(one.registry.appendUpload(one.call, A, id, old.chunk))
    await old.paused
    assert.equal(await code(two.registry.appendUpload(two.call, A, id, chunkOf('abc'))), 'RANGE_INVALID')
    two.clock.advance(CLAIM_MS + 1)
    await two.registry.appendUpload(two.call, A, id, chunkOf('abc'))
    old.resume()
    assert.equal(await lost, 'RANGE_INVALID')
    await two.registry.finishUpload(two.call, A, id, sha256('abc'), undefined)
    assert.equal(await readBlob(one, 'a', sha256('abc')), 'abc')
  }))
