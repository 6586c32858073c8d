/** The scrub and the weekly walk, over a registry in a folder, with a clock that the test moves. */
import assert from 'node:assert/strict'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LogFields, type Logger, silentLogger } from '../lib/logger.ts'
import { pushBlob, pushImage, readBlob, repository, sha256 } from '../registry/hosted-fixtures.ts'
import { type Checked, damage, DAY, never, withChecked } from './check/check-fixtures.ts'
import { removableFile, removeUnknown } from './check/remove-unknown.ts'
import { noFiles, unknownObjects } from './check/unknown-files.ts'
import { findUnknownFiles } from './find-unknown-files.ts'
import { isScrubDue, scrub } from './scrub.ts'
import { createScrubTasks } from './scrub-tasks.ts'

const LAYER = 'a layer'
const layer = sha256(LAYER)
const A = repository('a')
const RULES = { ageMs: 30 * DAY, bytesPerSecond: 1e9 }

type Line = { level: string; message: string; fields: LogFields }

function recording(): { log: Logger; lines: Line[] } {
  const lines: Line[] = []
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields })
  return { lines, log: { ...silentLogger, error: at('error'), warn: at('warn'), info: at('info') } }
}

const partsOf = (c: Checked, log: Logger = silentLogger) => ({
  db: c.metadata.db,
  store: c.store,
  now: c.clock.now,
  log,
  processId: c.metadata.processId,
})

test('nothing is due until blobs are a month old; then each is read once', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    const parts = partsOf(c)
    assert.equal(await isScrubDue(parts, RULES.ageMs), false)
    c.clock.advance(31 * DAY)
    assert.equal(await isScrubDue(parts, RULES.ageMs), true)
    assert.deepEqual(await scrub(parts, RULES, 10_000, never), { blobs: 2, bytes: 9, damaged: 0 })
    assert.equal(await isScrubDue(parts, RULES.ageMs), false)
    assert.deepEqual(await scrub(parts, RULES, 10_000, never), { blobs: 0, bytes: 0, damaged: 0 })
  }))

test('rot is found, told once with what it breaks, and no longer served; a push heals it', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1', '2'], [LAYER])
    damage.rot(c.filesOf(layer)[0] as string)
    c.clock.advance(31 * DAY)
    const { log, lines } = recording()
    assert.equal((await scrub(partsOf(c, log), RULES, 10_000, never)).damaged, 1)
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['digest'], fields['what'], fields['affects']]),
      [['error', layer, 'wrong-bytes', ['a:1', 'a:2']]],
    )
    await assert.rejects(async () => c.registry.statBlob(c.call, A, layer), { code: 'BLOB_UNKNOWN' })
    assert.equal(await isScrubDue(partsOf(c), RULES.ageMs), false, 'it is not looked at again and again')
    c.clock.advance(31 * DAY)
    await scrub(partsOf(c, log), RULES, 10_000, never)
    assert.equal(lines.length, 1)
    await pushBlob(c, 'a', LAYER)
    assert.equal(await readBlob(c, 'a', layer), LAYER)
  }))

test('a slice ends in time and is gone on with, also after it was cut off', () =>
  withChecked(async (c) => {
    for (let n = 0; n < 60; n++) await pushBlob(c, 'a', `blob ${n}`)
    c.clock.advance(31 * DAY)
    const parts = partsOf(c)
    assert.equal((await scrub(parts, RULES, -1, never)).blobs, 0)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 150)
    const slow = await scrub(parts, { ...RULES, bytesPerSecond: 100 }, 60_000, stop.signal)
    assert.ok(slow.blobs > 0 && slow.blobs < 60, String(slow.blobs))
    assert.equal((await scrub(parts, RULES, 60_000, never)).blobs, 60 - slow.blobs)
  }))

test('a disk that is not there marks nothing', () =>
  withChecked(async (c) => {
    for (let n = 0; n < 20; n++) await pushBlob(c, 'a', `blob ${n}`)
    const files = Array.from({ length: 19 }, (_, n) => c.filesOf(sha256(`blob ${n}`))[0] as string)
    for (const file of files) rmSync(file)
    c.clock.advance(31 * DAY)
    const some = scrub(partsOf(c), RULES, 10_000, never)
    await assert.rejects(
      some,
      /of \d+ blobs that were looked for, the files of \d+ are missing: is the disk mounted/,
    )
    for (let n = 0; n < 19; n++) await c.registry.statBlob(c.call, A, sha256(`blob ${n}`))
  }))

test('what was marked and is right again, as its disk came back, is served again within a day', () =>
  withChecked(async (c) => {
    const contents = ['one', 'two', 'three'].map((content) => content.padEnd(100_000))
    for (const content of contents) await pushBlob(c, 'a', content)
    const [file, rotten] = contents.map((content) => c.filesOf(sha256(content))[0] as string) as [
      string,
      string,
    ]
    renameSync(file, `${file}.away`)
    damage.change(rotten)
    for (const content of contents.slice(0, 2))
      await assert.rejects(readBlob(c, 'a', sha256(content)), { code: 'BLOB_UNKNOWN' })
    renameSync(`${file}.away`, file)
    const { log, lines } = recording()
    const task = createScrubTasks(partsOf(c, log), RULES).find(({ name }) => name === 'look-at-damaged')
    await task?.run(never)
    c.clock.advance(DAY)
    await task?.run(never)
    assert.equal(await readBlob(c, 'a', sha256(contents[0] as string)), contents[0])
    await assert.rejects(readBlob(c, 'a', sha256(contents[1] as string)), { code: 'BLOB_UNKNOWN' })
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['digest']]),
      [['info', sha256(contents[0] as string)]],
    )
  }))

for (const count of [3, 12]) {
  test(`nor do those who pull meanwhile; when it is back, all ${count} are served`, () =>
    withChecked(async (c) => {
      const contents = Array.from({ length: count }, (_, n) => `${n} `.padEnd(100_000))
      for (const content of contents) await pushBlob(c, 'a', content)
      const objects = join(c.root, 'berth/objects')
      renameSync(objects, `${objects}.away`)
      for (const content of contents)
        await assert.rejects(readBlob(c, 'a', sha256(content)), { code: 'UNAVAILABLE', retryAfter: 30 })
      renameSync(`${objects}.away`, objects)
      for (const content of contents) assert.equal(await readBlob(c, 'a', sha256(content)), content)
    }))
}

test('two processes: one of them scrubs', () =>
  withChecked(async (c) => {
    await pushImage(c, 'a', ['1'], [LAYER])
    c.clock.advance(31 * DAY)
    const run = async (processId: string): Promise<void> => {
      const [task] = createScrubTasks({ ...partsOf(c), processId }, RULES)
      await task?.run(never)
    }
    await run('one')
    c.clock.advance(60_000)
    // The first turn makes the row, the next one works.
    await Promise.all([run('one'), run('two')])
    const [job] = await c.metadata.db.read(
      { name: 'job', sql: `SELECT claimed_by, run_at FROM jobs WHERE kind = 'scrub'`, rows: true },
      {},
    )
    assert.equal(job?.['claimed_by'], null)
    assert.equal(await isScrubDue(partsOf(c), RULES.ageMs), false)
  }))

function leave(c: Checked, id: string, name: string, content: string): string {
  const file = join(c.root, 'berth/objects', id.repeat(2), `${id.repeat(32)}.${name}`)
  writeFileSync(file, content)
  c.age(file, 8 * DAY)
  return file
}

test('the weekly walk removes what was never whole and second copies, and tells of the rest', () =>
  withChecked(async (c) => {
    for (let n = 0; n < 30; n++) await pushBlob(c, 'a', `blob ${n}`)
    leave(c, '1', 'part', 'cut off')
    leave(c, '2', sha256('blob 1').replace(':', '-'), 'blob 1')
    leave(c, '3', sha256('only here').replace(':', '-'), 'only here')
    const { log, lines } = recording()
    assert.deepEqual(await findUnknownFiles(partsOf(c, log), never, 0), { removed: 2, left: 1, bytes: 13 })
    assert.deepEqual(await c.find(), ['unknown-blob'])
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['files']]),
      [
        ['warn', 1],
        ['info', 2],
      ],
    )
  }))

test('a second copy stays where the file that is served has lost its bytes', () =>
  withChecked(async (c) => {
    for (let n = 0; n < 40; n++) await pushBlob(c, 'a', `blob ${n}`)
    damage.rot(c.filesOf(sha256('blob 1'))[0] as string)
    damage.remove(c.filesOf(sha256('blob 2'))[0] as string)
    for (const n of [1, 2, 3]) leave(c, String(n), sha256(`blob ${n}`).replace(':', '-'), `blob ${n}`)
    const { log, lines } = recording()
    assert.deepEqual(await findUnknownFiles(partsOf(c, log), never, 0), { removed: 1, left: 2, bytes: 6 })
    assert.match(String(lines.at(-1)?.fields['errors']), /its only copy.*berth check --repair/)
    const { parts } = c
    const all = await Array.fromAsync(unknownObjects(parts, noFiles(), never))
    const files = all.flatMap((problem) => removableFile(problem) ?? [])
    assert.equal(files.length, 2)
    const told = await removeUnknown({ ...parts, linkCount: async () => 1 }, files, never)
    assert.deepEqual([told.files, told.errors.length], [0, 2], 'nor by command')
    await c.repair(await c.problems({ rehash: true }))
    assert.equal(await readBlob(c, 'a', sha256('blob 1')), 'blob 1')
    assert.equal(await readBlob(c, 'a', sha256('blob 2')), 'blob 2')
    assert.deepEqual(await findUnknownFiles(partsOf(c), never, 0), { removed: 2, left: 0, bytes: 12 })
  }))

test('a database that knows few of the files removes none of them, and says so', () =>
  withChecked(async (c) => {
    await pushBlob(c, 'a', 'one')
    const kept = [leave(c, '1', 'part', 'cut off'), leave(c, '2', sha256('one').replace(':', '-'), 'one')]
    const { log, lines } = recording()
    assert.deepEqual(await findUnknownFiles(partsOf(c, log), never, 0), { removed: 0, left: 2, bytes: 0 })
    assert.match(lines.at(-1)?.message ?? '', /the database knows only 1: it may have been lost/)
    assert.deepEqual((await c.find()).length, kept.length)
  }))
