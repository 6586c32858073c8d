import assert from 'node:assert/strict'
import { symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger, type Logger } from '../../lib/logger.ts'
import { bytesOf, drain, push, readBack, type Pushed } from '../blob-fixtures.ts'
import type { BlobStore, ByteSource, Piece } from '../blob-store.ts'
import { folderOf, openUnder, temporaryStore } from './store-fixtures.ts'

const MIB = 1024 * 1024

test('bytes changed behind the store are told', async (t) => {
  const { root, store, again } = await temporaryStore(t)
  const pushed = await push(store, bytesOf(200_000))
  const { stamp } = pushed.stat
  await drain(await opened(store, pushed, stamp))
  await store.close()
  const next = await again()
  await drain(await opened(next, pushed, stamp))
  await next.close()

  const last = await again()
  await writeFile(pathOf(root, pushed), bytesOf(200_000, 2))
  assert.equal(await last.open(pushed.object, 200_000, undefined, stamp), 'changed')
  assert.ok((await drain(await opened(last, pushed, undefined))).equals(bytesOf(200_000, 2)))
  const { stamp: now } = (await last.stat(pushed.object)) ?? {}
  assert.notEqual(now, stamp)
  await drain(await opened(last, pushed, now))
})

test('a truncated or missing file is no object', async (t) => {
  const { root, store } = await temporaryStore(t)
  for (const size of [1000, 200_000]) {
    const [short, gone] = [await push(store, bytesOf(size)), await push(store, bytesOf(size))]
    await truncate(pathOf(root, short), size - 1)
    await unlink(pathOf(root, gone))
    for (const { object, stat } of [short, gone]) {
      assert.equal(await store.open(object, size, undefined, undefined), undefined)
      assert.equal(await store.open(object, size, undefined, stat.stamp), undefined)
      assert.equal(await store.open(object, size, { first: 0, last: 9 }, stat.stamp), undefined)
    }
    assert.equal(await store.stat(gone.object), undefined)
  }
})

test('a small blob with other bytes than its digest says is refused and logged', async (t) => {
  const lines: string[] = []
  const log: Logger = { ...silentLogger, error: (message) => lines.push(message) }
  const { root, store } = await temporaryStore(t, { log })
  const pushed = await push(store, bytesOf(1000))
  await writeFile(pathOf(root, pushed), bytesOf(1000, 2))
  assert.equal(await store.open(pushed.object, 1000, undefined, undefined), undefined)
  assert.equal(store.peek(pushed.object), undefined)
  assert.deepEqual(lines, ['the bytes of a blob are not what its digest says'])
  await writeFile(pathOf(root, pushed), bytesOf(1000))
  assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
})

test('a file that ends while it is read is an error, not an early end', async (t) => {
  const { root, store } = await temporaryStore(t)
  const pushed = await push(store, bytesOf(2 * MIB))
  const source = await opened(store, pushed, pushed.stat.stamp)
  const first = await source.read()
  await truncate(pathOf(root, pushed), MIB)
  await assert.rejects(async () => {
    for (let piece = await source.read(); piece !== undefined; piece = await source.read()) piece.release()
  }, /ends at/)
  first?.release()
  source.close()
})

test('small blobs stay in memory, as many as there is room for', async (t) => {
  const { root, store } = await temporaryStore(t, { smallBlobBytes: 1000, cacheBytes: 8000 })
  const seeds = Array.from({ length: 12 }, (_, index) => index + 1)
  const pushed = await Promise.all(seeds.map((seed) => push(store, bytesOf(1000, seed))))
  const isInMemory = ({ object }: (typeof pushed)[0]): boolean => store.peek(object) !== undefined
  for (const one of pushed.slice(0, 3)) await readBack(store, one)
  assert.deepEqual(pushed.map(isInMemory), [true, true, true, ...Array(9).fill(false)])
  const source = await opened(store, pushed[0]!, undefined)
  assert.equal(source.whole?.byteLength, 1000)
  for (const one of pushed.slice(3)) {
    await readBack(store, one)
    assert.ok(isInMemory(pushed[0]!), 'what is used stays')
  }
  await unlink(pathOf(root, pushed[11]!))
  assert.ok((await readBack(store, pushed[11]!)).equals(bytesOf(1000, 12)), 'from memory')
  assert.ok(pushed.filter(isInMemory).length <= 6, 'no more than there is room for')
  const large = await push(store, bytesOf(1001))
  const file = await opened(store, large, undefined)
  assert.equal(file.whole, undefined)
  file.close()
  assert.equal(store.peek(large.object), undefined)
})

test('small blobs that are too many to keep push nothing out; one that is asked for again comes back', async (t) => {
  const { store } = await temporaryStore(t, { smallBlobBytes: 1000, cacheBytes: 8000 })
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1)
  const pushed = await Promise.all(seeds.map((seed) => push(store, bytesOf(1000, seed))))
  for (const one of pushed) await readBack(store, one)
  const kept = pushed.filter(({ object }) => store.peek(object) !== undefined)
  const others = pushed.filter(({ object }) => store.peek(object) === undefined)
  assert.ok(kept.length > 0)
  for (let round = 0; round < 2; round += 1) {
    for (const one of others) {
      const source = await opened(store, one, undefined)
      assert.equal(source.whole, undefined, 'from its file')
      assert.ok((await drain(source)).equals(one.bytes))
    }
  }
  for (const { object } of kept) assert.ok(store.peek(object) !== undefined)
  const again = others[0]!
  for (const range of [undefined, { first: 10, last: 19 }, { first: 990, last: 999 }]) {
    const expected = range === undefined ? again.bytes : again.bytes.subarray(range.first, range.last + 1)
    assert.ok((await readBack(store, again, range)).equals(expected))
  }
  assert.ok(store.peek(again.object) !== undefined)
})

test('files stay open between reads, a bounded number, and not for ever', async (t) => {
  const { root, store } = await temporaryStore(t, { openFiles: 3, openFilesIdleMs: 100 })
  const pushed = await Promise.all([1, 2, 3, 4, 5].map((seed) => push(store, bytesOf(100_000, seed))))
  const files = async (): Promise<string[]> => openUnder(join(root, 'berth', 'objects'), '')
  const objects = async (): Promise<number> =>
    (await files()).filter((path) => path.includes('sha256-')).length
  for (const one of pushed) await readBack(store, one)
  await settled(objects, 3)
  const sources = await Promise.all(pushed.map((one) => opened(store, one, one.stat.stamp)))
  assert.equal(await objects(), 5, 'who reads keeps his file')
  for (const [index, source] of sources.entries()) {
    assert.ok((await drain(source)).equals(pushed[index]!.bytes))
  }
  await settled(objects, 3)
  await settled(objects, 0)

  const source = await opened(store, pushed[0]!, undefined)
  await store.remove(pushed.map(({ object }) => object))
  assert.ok((await drain(source)).equals(pushed[0]!.bytes), 'who reads what is removed reads on')
  await settled(objects, 0)
})

test('many readers of one object share its file', async (t) => {
  const { root, store } = await temporaryStore(t)
  const pushed = await push(store, bytesOf(3 * MIB))
  const read = await Promise.all(Array.from({ length: 30 }, () => readBack(store, pushed)))
  for (const one of read) assert.ok(one.equals(pushed.bytes))
  assert.equal((await openUnder(pathOf(root, pushed))).length, 1)
})

test('two hundred stalled readers cost less than 32 MiB, and others read on', async (t) => {
  const { store } = await temporaryStore(t)
  const pushed = await push(store, bytesOf(4 * MIB))
  const before = process.memoryUsage().arrayBuffers
  const held: { source: ByteSource; pieces: Piece[] }[] = []
  for (let reader = 0; reader < 200; reader += 1) {
    const source = await opened(store, pushed, undefined)
    const pieces = [await source.read(), await source.read()].filter((piece) => piece !== undefined)
    await assert.rejects(source.read(), /two pieces are unreleased/)
    held.push({ source, pieces })
  }
  const cost = process.memoryUsage().arrayBuffers - before
  assert.ok(cost < 32 * MIB, `${cost} bytes`)
  assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
  for (const { pieces } of held) {
    let at = 0
    for (const { bytes } of pieces) {
      assert.ok(Buffer.from(bytes).equals(pushed.bytes.subarray(at, at + bytes.byteLength)))
      at += bytes.byteLength
    }
  }
  for (const { source } of held) source.close()
  assert.ok((await readBack(store, pushed)).equals(pushed.bytes))
})

test('a buffer that was given up unreleased is never used again', async (t) => {
  const { store } = await temporaryStore(t)
  const first = await push(store, bytesOf(MIB, 1))
  const second = await push(store, bytesOf(MIB, 2))
  const source = await opened(store, first, undefined)
  const piece = await source.read()
  source.close()
  piece?.release()
  for (let times = 0; times < 5; times += 1) await readBack(store, second)
  const length = piece?.bytes.byteLength ?? 0
  assert.ok(piece && Buffer.from(piece.bytes).equals(first.bytes.subarray(0, length)))
})

test('an error of the disk is an error, not a missing blob', async (t) => {
  const { root, store } = await temporaryStore(t)
  const pushed = await push(store, bytesOf(100_000))
  const path = pathOf(root, pushed)
  await unlink(path)
  await symlink(path, path)
  await assert.rejects(async () => store.open(pushed.object, 100_000, undefined, undefined), {
    code: 'ELOOP',
  })
  const small = await push(store, bytesOf(100))
  await unlink(pathOf(root, small))
  await symlink(pathOf(root, small), pathOf(root, small))
  await assert.rejects(async () => store.open(small.object, 100, undefined, undefined), { code: 'ELOOP' })
})

async function opened(
  store: BlobStore,
  { object, bytes }: Pushed,
  stamp: number | undefined,
): Promise<ByteSource> {
  const source = await store.open(object, bytes.byteLength, undefined, stamp)
  assert.ok(source !== undefined && source !== 'changed', 'the object is not opened')
  return source
}

function pathOf(root: string, { object }: Pushed): string {
  return join(folderOf(root, object.id), `${object.id}.${object.digest.replace(':', '-')}`)
}

async function settled(count: () => Promise<number>, expected: number): Promise<void> {
  for (let tries = 0; tries < 100 && (await count()) !== expected; tries += 1) await sleep(10)
  assert.equal(await count(), expected)
}
