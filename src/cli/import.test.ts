import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import type { FolderReport } from '../takeover/check-folder.ts'
import { createDistributionFolder, type DistributionFolder } from '../takeover/takeover-fixtures.ts'
import { command } from './import.ts'

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await command.run(args, { env: {}, stdout, stderr })
  const textOf = (stream: PassThrough): string => ((stream.read() as Buffer | null) ?? '').toString()
  return { code, out: textOf(stdout), err: textOf(stderr) }
}

function folderFor(t: TestContext): DistributionFolder {
  const folder = createDistributionFolder(temporaryFolder(t, 'takeover'))
  folder.image('team/app', '1', 'config', ['layer'], Date.now() - 3 * 3_600_000)
  return folder
}

test('a whole folder: exit code 0, what there is, what will happen', async (t) => {
  const folder = folderFor(t)
  const { code, out, err } = await run('--check', join(folder.root, 'docker/registry/v2'))
  assert.equal(code, 0, out)
  assert.equal(err, `The data folder is ${folder.root}\n`)
  assert.ok(out.startsWith(`${folder.root}\n\n  repositories              1\n`), out)
  for (const line of [
    '  tags                      1',
    '  blobs                     2, 11 B',
    '  newest change             3 h 0 min ago',
  ]) {
    assert.ok(out.includes(`${line}\n`), `${line}\n${out}`)
  }
  assert.match(out, /At "berth serve" on this folder 1 tag and 1 manifest are served at once/)
  assert.doesNotMatch(out, /Cannot be taken over|worth knowing|missing/)
})

test('losses: exit code 1, what is lost first, a few of each', async (t) => {
  const folder = folderFor(t)
  for (let index = 0; index < 7; index++)
    folder.manifest('team/app', JSON.stringify({ schemaVersion: 1, index }))
  folder.upload('team/app', 'some-upload', 'half', '2024-01-01T00:00:00Z')
  folder.blob('forgotten')
  const { code, out } = await run('--check', folder.root)
  assert.equal(code, 1)
  assert.match(
    out,
    /Cannot be taken over as it is:\n {2}manifests in the form of before 2016: 7\n( {4}team\/app: manifest .*\n){5} {4}… and 2 more \(--all tells them\)\n/,
  )
  assert.match(
    out,
    /Taken over, and worth knowing:\n {2}uploads that were never finished: 1\n {4}team\/app: upload some-upload/,
  )
  assert.match(out, /Files that nothing names stay until/)
  assert.match(out, /will be missing; it stays on the disk/)
  const all = await run('--check', '--all', folder.root)
  assert.equal(all.out.match(/team\/app: manifest /g)?.length, 7)
})

test('--json', async (t) => {
  const folder = folderFor(t)
  const { code, out } = await run('--check', '--json', '--rehash', folder.root)
  const report = JSON.parse(out) as FolderReport
  assert.deepEqual([code, report.tags, report.rehashed?.damaged], [0, 1, []])
})

test('folders that are none, and what has been taken over', async (t) => {
  const root = temporaryFolder(t, 'takeover')
  const none = await run('--check', root)
  assert.equal(none.code, 1)
  assert.match(none.err, /there is no docker\/registry\/v2 in /)
  const folder = folderFor(t)
  mkdirSync(join(folder.root, 'berth'))
  const taken = await run('--check', folder.root)
  assert.match(taken.out, /Berth has been started on this folder before/)
  folder.remove('blobs')
  const half = await run('--check', folder.root)
  assert.equal(half.code, 1)
  assert.match(
    half.out,
    /cannot be taken over\.\n\n.*repositories but no blobs\. Only a part of it was copied/,
  )
  folder.remove('')
  folder.write('', 'a file')
  assert.equal((await run('--check', folder.root)).code, 1)
})

test('without --check there is nothing to do, which is said', async () => {
  assert.deepEqual(await run('--check'), {
    code: 2,
    out: '',
    err: 'berth import: which folder? See "berth import --help".\n',
  })
  const { code, err } = await run('some-folder')
  assert.equal(code, 2)
  assert.match(err, /nothing has to be imported\. Stop Distribution and start "berth serve"/)
  assert.equal((await run('--chek', 'x')).code, 2)
  assert.equal((await run('--check', 'x', 'y')).code, 2)
})
