import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openChangingFiles } from './changing-files.ts'

async function open(t: TestContext, path: (folder: string) => string) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-changing-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = path(folder)
  const clock = { time: 0, reads: 0 }
  const told: string[] = []
  const start = () =>
    openChangingFiles({
      paths: [file],
      read: async () => {
        clock.reads += 1
        const text = readFileSync(file, 'utf8')
        if (text === 'damaged') throw new Error('it is damaged')
        return { text }
      },
      now: () => clock.time,
      everyMs: 1000,
      changed: () => void told.push('changed'),
      failed: (error) => void told.push((error as NodeJS.ErrnoException).code ?? (error as Error).message),
    })
  return { folder, file, clock, told, start }
}

test('looked at only when it is time, and read only when they changed', async (t) => {
  const { file, clock, told, start } = await open(t, (folder) => join(folder, 'f'))
  writeFileSync(file, 'one')
  const files = await start()
  const first = files.current()
  assert.deepEqual(first, { text: 'one' })
  writeFileSync(file, 'two, longer')
  clock.time += 999
  assert.equal(files.current(), first, 'at once, and the same object')
  clock.time += 1
  const looking = files.current()
  assert.ok(looking instanceof Promise)
  assert.equal(files.current(), first, 'others do not wait for the look')
  assert.deepEqual(await looking, { text: 'two, longer' })
  clock.time += 1000
  assert.deepEqual(await files.current(), { text: 'two, longer' })
  assert.equal(clock.reads, 2)
  assert.deepEqual(told, ['changed'])
  // A clock that was put back does not stop the looks.
  clock.time -= 100_000
  assert.ok(files.current() instanceof Promise)
})

test('what cannot be used is told once, and what was there stays', async (t) => {
  const { file, clock, told, start } = await open(t, (folder) => join(folder, 'f'))
  writeFileSync(file, 'one')
  const files = await start()
  const look = (): unknown => {
    clock.time += 1000
    return files.current()
  }
  writeFileSync(file, 'damaged')
  for (let count = 0; count < 3; count += 1) assert.deepEqual(await look(), { text: 'one' })
  rmSync(file)
  for (let count = 0; count < 3; count += 1) assert.deepEqual(await look(), { text: 'one' })
  assert.deepEqual(told, ['it is damaged', 'ENOENT'])
  writeFileSync(file, 'three')
  assert.deepEqual(await look(), { text: 'three' })
})

test('what cannot be read at first is thrown', async (t) => {
  const { start } = await open(t, (folder) => join(folder, 'none'))
  await assert.rejects(start(), { code: 'ENOENT' })
})

test('a link that is put elsewhere is a change, as Kubernetes does it', async (t) => {
  const { folder, clock, start } = await open(t, (one) => join(one, 'file'))
  const fill = (name: string, text: string): void => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'file'), text)
  }
  fill('..1', 'one')
  symlinkSync('..1', join(folder, '..data'))
  symlinkSync('..data/file', join(folder, 'file'))
  const files = await start()
  fill('..2', 'two')
  symlinkSync('..2', join(folder, '..next'))
  renameSync(join(folder, '..next'), join(folder, '..data'))
  clock.time += 1000
  assert.deepEqual(await files.current(), { text: 'two' })
})
