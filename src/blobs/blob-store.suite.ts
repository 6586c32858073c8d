/** How every blob store behaves. Nothing here knows of files. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { DigestAlgorithm } from '../oci/digest.ts'
import { append, bodyOf, brokenBody, bytesOf, newObject, push, readBack, sha } from './blob-fixtures.ts'
import { LostBytesError, type BlobStore, type ByteSource, type UploadState } from './blob-store.ts'

const KIB = 1024
const SIZES = [
  0,
  1,
  4096,
  64 * KIB,
  64 * KIB + 1,
  256 * KIB,
  256 * KIB + 1,
  1024 * KIB + 3,
  5 * 1024 * KIB + 7,
]
const RANGES: [first: number, last: number][] = [
  [0, 0],
  [0, 99],
  [1, 600_000],
  [1_048_575, 1_048_576],
  [1_500_000, 1_999_999],
]

/** @param make a store of its own for the suite, and what ends it */
export function blobStoreSuite(
  name: string,
  make: () => Promise<{ store: BlobStore; end: () => Promise<void> }>,
): void {
  describe(`${name} is a blob store`, () => {
    let store: BlobStore
    let end: () => Promise<void>
    before(async () => {
      ;({ store, end } = await make())
    })
    after(() => end())

    for (const size of SIZES) {
      test(`what is pushed is read, ${size} bytes`, async () => {
        const pushed = await push(store, bytesOf(size), { chunk: 40_000 })
        assert.equal(pushed.object.digest, sha('sha256', pushed.bytes))
        assert.equal(pushed.stat.size, size)
        assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
        assert.deepEqual(await store.stat(pushed.object), pushed.stat)
        const peeked = store.peek(pushed.object)
        if (peeked !== undefined) assert.ok(Buffer.from(pushed.bytes).equals(peeked))
      })
    }

    test('a part of an object is read', async () => {
      const pushed = await push(store, bytesOf(2_000_000))
      for (const [first, last] of RANGES) {
        const part = await readBack(store, pushed, { first, last })
        assert.ok(part.equals(pushed.bytes.subarray(first, last + 1)), `${first}-${last}`)
      }
      const small = await push(store, bytesOf(1000))
      assert.ok((await readBack(store, small, { first: 10, last: 19 })).equals(small.bytes.subarray(10, 20)))
    })

    for (const algorithm of ['sha256', 'sha512'] satisfies DigestAlgorithm[]) {
      test(`an upload grows append by append, its ${algorithm} told between them`, async () => {
        const bytes = bytesOf(3_000_000, 7)
        const hash = store.createHash(algorithm, {})
        let state = store.plan(newObject(), {})
        assert.equal(state.received, 0)
        for (const to of [1, 1, 100, 200_000, 300_000, 300_001, 1_500_000, 2_900_000, 3_000_000]) {
          state = await append(store, state, hash, bodyOf(bytes.subarray(state.received, to), 33_333))
          assert.equal(state.received, to)
          assert.equal(hash.length, to)
          assert.equal(await hash.digest(), sha(algorithm, bytes.subarray(0, to)))
        }
        const digest = await hash.digest()
        hash.close()
        await store.finish(state, digest)
        const object = { ...state.object, digest }
        assert.ok((await readBack(store, { object, bytes })).equals(bytes))
      })
    }

    test('chunks may be tiny, or larger than everything inside', async () => {
      for (const [size, chunk] of [
        [5_000, 1],
        [300_000, 7],
        [9_000_000, 9_000_000],
      ] as const) {
        const pushed = await push(store, bytesOf(size, chunk), { chunk })
        assert.ok((await readBack(store, pushed)).equals(pushed.bytes), `${size} by ${chunk}`)
      }
    })

    for (const size of [1_000, 900_000]) {
      test(`a body that breaks off after ${size} bytes leaves what came, and the upload goes on`, async () => {
        const bytes = bytesOf(size + 500, 3)
        const hash = store.createHash('sha256', {})
        const planned = store.plan(newObject(), {})
        const gone = new Error('gone')
        const body = brokenBody(bytes.subarray(0, size), gone)
        const { signal } = new AbortController()
        const broken = await store.append(planned, body, { hash, signal, length: size + 500 })
        assert.equal(broken.failure, gone)
        assert.equal(broken.state.received, size)
        const state = await append(store, broken.state, hash, bodyOf(bytes.subarray(size)))
        await store.finish(state, await hash.digest())
        const object = { ...state.object, digest: sha('sha256', bytes) }
        assert.ok((await readBack(store, { object, bytes })).equals(bytes))
        hash.close()
      })

      test(`an abort ends an append that stalls after ${size} bytes; what came is kept`, async () => {
        const bytes = bytesOf(size, 4)
        const hash = store.createHash('sha256', {})
        const stop = new AbortController()
        const body = brokenBody(bytes)
        const planned = store.plan(newObject(), {})
        const appending = store.append(planned, body, { hash, signal: stop.signal })
        setTimeout(() => stop.abort(new Error('taken over')), 50)
        const { state, failure } = await appending
        assert.match(String(failure), /taken over/)
        assert.equal(state.received, size)
        assert.equal(await hash.digest(), sha('sha256', bytes))
        hash.close()
      })
    }

    test('an append that is aborted before it begins takes nothing', async () => {
      const hash = store.createHash('sha256', {})
      const planned = store.plan(newObject(), {})
      const signal = AbortSignal.abort(new Error('too late'))
      const { state, failure } = await store.append(planned, bodyOf(bytesOf(10)), { hash, signal })
      assert.match(String(failure), /too late/)
      assert.equal(state.received, 0)
      assert.equal(hash.length, 0)
    })

    test('what was received is read again, for a hash in another process', async () => {
      for (const size of [0, 10, 700_000]) {
        const bytes = bytesOf(size, 5)
        const state = await uploaded(store, bytes)
        const source = await store.reread(state)
        assert.ok(source)
        const hash = store.createHash('sha256', { length: size })
        for (let piece = await source.read(); piece !== undefined; piece = await source.read()) {
          await hash.update(piece.bytes)
          piece.release()
        }
        source.close()
        assert.equal(await hash.digest(), sha('sha256', bytes))
        const more = bytesOf(300_000, 6)
        const grown = await append(store, state, hash, bodyOf(more))
        assert.equal(await hash.digest(), sha('sha256', Buffer.concat([bytes, more])))
        assert.equal(grown.received, size + 300_000)
        hash.close()
      }
    })

    test('a hash of unknown length is right whatever it is given', async () => {
      const bytes = bytesOf(4_000_000, 8)
      for (const hint of [{}, { length: 4_000_000 }, { length: 5 }]) {
        const hash = store.createHash('sha512', hint)
        for (let at = 0; at < bytes.byteLength; at += 700_001)
          await hash.update(bytes.subarray(at, at + 700_001))
        assert.equal(hash.length, 4_000_000)
        assert.equal(await hash.digest(), sha('sha512', bytes))
        hash.close()
      }
    })

    test('finish may be repeated, and called twice at once', async () => {
      const bytes = bytesOf(300_000)
      const state = await uploaded(store, bytes)
      const digest = sha('sha256', bytes)
      const [first, second] = await Promise.all([store.finish(state, digest), store.finish(state, digest)])
      assert.deepEqual(first, second)
      assert.deepEqual(await store.finish(state, digest), first)
      assert.ok((await readBack(store, { object: { ...state.object, digest }, bytes })).equals(bytes))
      assert.ok(await store.reread(state), 'also after a kill between finish and the commit of the row')
    })

    test('bytes that are gone are noticed', async () => {
      const bytes = bytesOf(1000)
      const state = await uploaded(store, bytes)
      const more: UploadState = { ...state, received: 2000 }
      const hash = store.createHash('sha256', {})
      await hash.update(bytesOf(2000))
      const { signal } = new AbortController()
      await assert.rejects(store.append(more, bodyOf(bytes), { hash, signal }), LostBytesError)
      await assert.rejects(store.finish(more, sha('sha256', bytes)), LostBytesError)
      assert.equal(await store.reread(more), undefined)
      const never: UploadState = { ...store.plan(newObject(), {}), received: 1 }
      await assert.rejects(store.finish(never, sha('sha256', bytes)), LostBytesError)
      assert.equal(await store.reread(never), undefined)
      hash.close()
    })

    test('what is not there, or is of another size, is not opened', async () => {
      for (const size of [1000, 200_000]) {
        const digest = sha('sha256', bytesOf(size))
        assert.equal(await store.open({ ...newObject(), digest }, size, undefined, undefined), undefined)
        assert.equal(await store.stat({ ...newObject(), digest }), undefined)
        const { object } = await push(store, bytesOf(size))
        assert.equal(await store.open(object, size + 1, undefined, undefined), undefined)
        assert.equal(await store.open(object, size - 1, undefined, undefined), undefined)
      }
      const unfinished = await uploaded(store, bytesOf(1000))
      const object = { ...unfinished.object, digest: sha('sha256', bytesOf(1000)) }
      assert.equal(await store.open(object, 1000, undefined, undefined), undefined)
      assert.equal(await store.stat(object), undefined)
    })

    test('a check reads what lies on the disk', async () => {
      for (const size of [0, 1000, 1_200_000]) {
        const { object, bytes } = await push(store, bytesOf(size))
        const source = await store.openCold(object, size)
        const read = await hashOf(source ?? assert.fail('not opened'))
        assert.equal(read, sha('sha256', bytes))
        assert.equal(await store.openCold(object, size + 1), undefined)
      }
      assert.equal(await store.openCold({ ...newObject(), digest: sha('sha256', bytesOf(1)) }, 1), undefined)
    })

    test('removal is by id, of what is finished, unfinished, or not there', async () => {
      const [small, large] = [await push(store, bytesOf(100)), await push(store, bytesOf(100_000))]
      await readBack(store, small)
      await readBack(store, large)
      const state = await uploaded(store, bytesOf(100))
      const kept = await push(store, bytesOf(100))
      const removed = [small.object, large.object, state.object, newObject()]
      const results = await store.remove(removed)
      assert.deepEqual(
        results,
        removed.map(({ id }) => ({ id, removed: true })),
      )
      for (const { object, bytes } of [small, large]) {
        assert.equal(await store.open(object, bytes.byteLength, undefined, undefined), undefined)
        assert.equal(store.peek(object), undefined)
        assert.equal(await store.stat(object), undefined)
      }
      await assert.rejects(store.finish(state, kept.object.digest), LostBytesError)
      assert.ok((await readBack(store, kept)).equals(kept.bytes))
    })

    test('all objects are listed in order, also after one of them', async () => {
      const known = new Map<string, { size: number; finished: boolean }>()
      for (const size of [0, 1, 2, 3, 4, 5, 6, 7]) {
        const { object } = await push(store, bytesOf(size))
        known.set(object.id, { size, finished: true })
        const { object: unfinished } = await uploaded(store, bytesOf(size + 1))
        known.set(unfinished.id, { size: size + 1, finished: false })
      }
      const listed = await Array.fromAsync(store.list())
      const ids = listed.map(({ object }) => object.id)
      assert.deepEqual(ids, ids.toSorted())
      for (const [id, expected] of known) {
        const found = listed.find(({ object }) => object.id === id)
        assert.deepEqual({ size: found?.size, finished: found?.finished }, expected)
        assert.equal(found?.object.digest !== undefined, expected.finished)
        assert.ok(Math.abs((found?.modifiedAt ?? 0) - Date.now()) < 600_000)
      }
      const middle = ids[ids.length >> 1]
      const rest = await Array.fromAsync(store.list(middle))
      assert.deepEqual(
        rest.map(({ object }) => object.id),
        ids.filter((id) => id > (middle ?? '')),
      )
    })

    test('twenty uploads at once do not mix', async () => {
      const sizes = Array.from({ length: 20 }, (_, index) => 100_000 + index * 77_777)
      const pushed = await Promise.all(sizes.map((size, index) => push(store, bytesOf(size, index + 1))))
      const read = await Promise.all(pushed.map((one) => readBack(store, one)))
      for (const [index, one] of pushed.entries())
        assert.ok(read[index]?.equals(one.bytes), `upload ${index}`)
    })

    test('a piece keeps its bytes until it is released, whoever reads meanwhile', async () => {
      const pushed = await push(store, bytesOf(3_000_000, 9))
      const source = await store.open(pushed.object, 3_000_000, undefined, undefined)
      assert.ok(source !== undefined && source !== 'changed')
      const held = await source.read()
      const next = source.whole === undefined ? await source.read() : undefined
      const others = await Promise.all([1, 2, 3].map(() => readBack(store, pushed)))
      for (const other of others) assert.ok(other.equals(pushed.bytes))
      const start = held?.bytes.byteLength ?? 0
      assert.ok(held && Buffer.from(held.bytes).equals(pushed.bytes.subarray(0, start)))
      if (next)
        assert.ok(Buffer.from(next.bytes).equals(pushed.bytes.subarray(start, start + next.bytes.length)))
      source.close()
      held.release()
      source.close()
      assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
    })

    test('a source is given up at any time', async () => {
      const pushed = await push(store, bytesOf(2_000_000, 10))
      for (const pieces of [0, 1, 2]) {
        const source = await store.open(pushed.object, 2_000_000, undefined, undefined)
        assert.ok(source !== undefined && source !== 'changed')
        for (let count = 0; count < pieces; count += 1) await source.read()
        const pending = pieces === 1 ? source.read().catch(() => undefined) : undefined
        source.close()
        await pending
      }
      assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
    })

    test('the probe finds a working store', async () => {
      await store.probe()
    })
  })
}

async function hashOf(source: ByteSource): Promise<string> {
  const pieces: Buffer[] = source.whole === undefined ? [] : [Buffer.from(source.whole)]
  for (let piece = source.whole ? undefined : await source.read(); piece; piece = await source.read()) {
    pieces.push(Buffer.from(piece.bytes))
    piece.release()
  }
  source.close()
  return sha('sha256', Buffer.concat(pieces))
}

/** An upload that received these bytes in one append and is not finished. */
async function uploaded(store: BlobStore, bytes: Uint8Array): Promise<UploadState> {
  const hash = store.createHash('sha256', { length: bytes.byteLength })
  const state = await append(store, store.plan(newObject(), {}), hash, bodyOf(bytes))
  hash.close()
  return state
}
