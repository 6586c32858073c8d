import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { packTar } from 'modern-tar'
import { entriesOf, tarOf, textFile, type Entries, type Entry } from './tar.ts'

const ENTRIES: [string, Entry][] = [
  ['usr/bin/program', textFile('program', 0o755)],
  ['bin', { kind: 'link', target: 'usr/bin' }],
  ['tmp', { kind: 'folder', mode: 0o1777 }],
  ['etc/empty', textFile('')],
  [`a/${'very/'.repeat(18)}long/name-that-is-not-in-the-first-field`, textFile('long')],
]

test('the same bytes in whatever order, with the folders on the way', async () => {
  const archive = await tarOf(new Map(ENTRIES))
  assert.deepEqual(await tarOf(new Map(ENTRIES.toReversed())), archive)
  const back = await entriesOf(archive)
  for (const [path, entry] of ENTRIES) assert.deepEqual(plain(back.get(path)), plain(entry), path)
  assert.deepEqual(back.get('usr/bin'), { kind: 'folder', mode: 0o755 })
})

test('the tar of the system reads it: owner 0, one time', async () => {
  const archive = await tarOf(new Map(ENTRIES))
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' }
  const listed = execFileSync('tar', ['-tv', '--numeric-owner', '--full-time', '-f', '-'], {
    input: archive,
    env,
  })
  const lines = listed.toString().trim().split('\n')
  assert.equal(lines[1]?.replaceAll(/ +/g, ' '), 'drwxr-xr-x 0/0 0 2026-01-01 00:00:00 a/very/')
  assert.ok(
    lines.every((line) => / 0\/0 +\d+ 2026-01-01 00:00:00 /.test(line)),
    listed.toString(),
  )
  assert.ok(lines.some((line) => line.startsWith('drwxrwxrwt') && line.endsWith(' tmp/')))
  assert.ok(lines.some((line) => line.endsWith(' bin -> usr/bin')))
})

test('what is read: hard links are files, other things are refused, unwanted ones are passed over', async () => {
  const file = { name: './a', type: 'file', size: 1 } as const
  const link = { name: './b', type: 'link', size: 0, linkname: './a' } as const
  const device = { name: 'dev/null', type: 'character-device', size: 0 } as const
  const read = await entriesOf(await packTar([{ header: file, body: 'x' }, { header: link }]))
  assert.deepEqual(plain(read.get('b')), { kind: 'file', mode: 0o644, bytes: 'x' })
  await assert.rejects(
    entriesOf(await packTar([{ header: link }])),
    /b is a link to a, which is not in the archive/,
  )
  const other = await packTar([{ header: device }, { header: file, body: 'x' }])
  await assert.rejects(entriesOf(other), /a character-device at dev\/null/)
  assert.deepEqual([...(await entriesOf(other, (path) => path === 'a')).keys()], ['a'])
  await assert.rejects(entriesOf((await tarOf(new Map(ENTRIES))).fill(7, 0, 300)))
})

test('an archive of nothing is one', async () => {
  assert.deepEqual(await entriesOf(await tarOf(new Map() as Entries)), new Map())
})

function plain(entry: Entry | undefined): object | undefined {
  return entry?.kind === 'file' ? { ...entry, bytes: Buffer.from(entry.bytes).toString() } : entry
}
