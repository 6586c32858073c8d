import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { mock, type TestContext } from 'node:test'
import { newObject } from '../blob-fixtures.ts'
import { createOpenParts } from './open-parts.ts'
import { createPartFile, type PartFile } from './part-file.ts'

function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-parts-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function partIn(folder: string, name: string): PartFile {
  const path = join(folder, name)
  const file = openSync(path, 'w+')
  writeSync(file, name)
  return createPartFile(file, path)
}

const isOpen = (file: number): boolean => {
  try {
    return fstatSync(file).isFile()
  } catch {
    return false
  }
}

test('what is kept is given to one caller, who says how far the upload is; anything else is closed', async (t) => {
  const folder = createFolder(t)
  const parts = createOpenParts({ limit: 2, idleMs: 60_000 })
  t.after(parts.close)
  const [one, two, three] = [newObject().id, newObject().id, newObject().id]
  const files = ['one', 'two', 'three'].map((name) => partIn(folder, name))
  const [first, second, third] = files as [PartFile, PartFile, PartFile]
  parts.keep(one, first, 3)
  parts.keep(two, second, 3)
  assert.equal(parts.take(two, 3), second)
  assert.equal(parts.take(two, 3), undefined)
  parts.keep(two, second, 3)
  parts.keep(three, third, 5) // the oldest makes room
  assert.equal(parts.take(one, 3), undefined)
  assert.equal(parts.take(two, 4), undefined) // another process has appended to it
  parts.drop(three)
  await parts.close()
  assert.deepEqual(
    files.map(({ file }) => isOpen(file)),
    [false, false, false],
  )
})

test('a file that nobody asks for is closed after its time', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => mock.timers.reset())
  const parts = createOpenParts({ limit: 2, idleMs: 1000 })
  const part = partIn(createFolder(t), 'idle')
  const { id } = newObject()
  parts.keep(id, part, 4)
  mock.timers.tick(999)
  assert.equal(parts.take(id, 4), part)
  parts.keep(id, part, 4)
  mock.timers.tick(1000)
  assert.equal(parts.take(id, 4), undefined)
  await parts.close()
  assert.equal(isOpen(part.file), false)
})

test('a sync that failed is told to all who ask later, and the file is gone', async (t) => {
  const folder = createFolder(t)
  const path = join(folder, 'part')
  symlinkSync('/dev/null', path) // which cannot be synced
  const part = createPartFile(openSync(path, 'r+'), path)
  part.written()
  await assert.rejects(part.synced(), { code: 'EINVAL' })
  await assert.rejects(part.synced(), { code: 'EINVAL' })
  assert.equal(existsSync(path), false)
  await part.close()
  const finished = join(folder, 'finished')
  symlinkSync('/dev/null', finished)
  const kept = createPartFile(openSync(finished, 'r+'))
  await assert.rejects(kept.synced(), { code: 'EINVAL' })
  assert.equal(existsSync(finished), true)
  kept.closeSynced()
})

test('what is written while a sync is under way is synced again; what was is not', async (t) => {
  const file = openSync(join(createFolder(t), 'part'), 'w+')
  let syncs = 0
  const part = createPartFile(file, undefined, async () => {
    syncs += 1
  })
  part.syncBehind()
  part.syncBehind()
  assert.equal(syncs, 1)
  part.written()
  await part.synced()
  assert.equal(syncs, 2)
  await part.synced()
  assert.equal(syncs, 2)
  closeSync(file)
})
