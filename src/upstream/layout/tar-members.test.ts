/** Tars as others write them, and what is none. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readTarMembers } from './tar-members.ts'

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-tar-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** @param size as it stands in the header: octal text, or the binary form */
function header(name: string, size: string | Buffer, type = '0'): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0)
  block.write('0000644\0', 100)
  if (typeof size === 'string') block.write(size, 124)
  else size.copy(block, 124)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function paxSize(size: string): Buffer {
  const record = ` size=${size}\n`
  const pax = Buffer.from(`${record.length + 2}${record}`)
  const start = header('x', pax.length.toString(8).padStart(11, '0'), 'x')
  return Buffer.concat([start, pax, Buffer.alloc(512 - pax.length), header('a', '0'), Buffer.alloc(1024)])
}

test('long names, links and folders, in the forms that GNU tar writes', (t) => {
  const folder = temporary(t)
  const long = `${'a-folder-with-a-long-name/'.repeat(5)}file`
  mkdirSync(join(folder, 'in', long, '..'), { recursive: true })
  writeFileSync(join(folder, 'in', long), 'of the long name')
  writeFileSync(join(folder, 'in', 'b'), 'short')
  symlinkSync('b', join(folder, 'in', 'c'))
  symlinkSync(long, join(folder, 'in', 'd'))
  symlinkSync('nowhere', join(folder, 'in', 'e'))
  for (const format of ['gnu', 'posix', 'ustar']) {
    const tar = join(folder, `${format}.tar`)
    // ustar has no room for the long link.
    const names = format === 'ustar' ? ['b', 'c', 'e', long] : ['.']
    execFileSync('tar', [`--format=${format}`, '-C', join(folder, 'in'), '-cf', tar, ...names])
    const members = readTarMembers(tar)
    assert.equal(members.get(long)?.size, 16, format)
    assert.deepEqual(members.get('c'), members.get('b'), format)
    assert.equal(members.get('b')?.size, 5)
    assert.equal(members.get('e'), undefined)
    if (format !== 'ustar') assert.deepEqual(members.get('d'), members.get(long))
  }
})

test('files of more than 8 GiB, whose bytes are passed over', (t) => {
  const size = 9 * 1024 ** 3
  const binary = Buffer.alloc(12)
  binary[0] = 0x80
  binary.writeBigUInt64BE(BigInt(size), 4)
  const record = ` size=${size}\n`
  const pax = `${record.length + 2}${record}`
  const rows: [form: string, start: Buffer[]][] = [
    ['GNU', [header('large', binary)]],
    ['pax', [header('x', '00000000030', 'x'), Buffer.from(pax.padEnd(512, '\0')), header('large', '0')]],
  ]
  for (const [form, start] of rows) {
    const path = join(temporary(t), 'sparse.tar')
    const file = openSync(path, 'w')
    const at = writeSync(file, Buffer.concat(start))
    ftruncateSync(file, at + size)
    writeSync(file, header('after', '00000000003'), 0, 512, at + size)
    ftruncateSync(file, at + size + 3 * 512)
    closeSync(file)
    const members = readTarMembers(path)
    assert.deepEqual(members.get('large'), { at, size }, form)
    assert.deepEqual(members.get('after'), { at: at + size + 512, size: 3 }, form)
  }
})

test('what is no tar, compressed, or only a part of one', (t) => {
  const folder = temporary(t)
  const whole = Buffer.concat([header('a', '00000002000'), Buffer.alloc(1024)])
  const rows: [bytes: Buffer, said: RegExp][] = [
    [gzipSync(whole), /is compressed: unpack it first with "gunzip"/],
    [Buffer.from('28b52ffd00', 'hex'), /unpack it first with "unzstd"/],
    [whole.subarray(0, 1000), /ends in the middle: get it again/],
    [Buffer.alloc(512, 'x'), /is no tar, or a damaged one/],
    [Buffer.concat([whole, Buffer.alloc(512, 1)]), /is no tar, or a damaged one/],
    // Sizes that lead back, or nowhere.
    ...['-1', '-1000', 'x'].map((size): [Buffer, RegExp] => [
      header('a', size),
      /is no tar, or a damaged one/,
    ]),
    ...['-512', '-1024', '0.5', 'NaN', '1e999'].map((size): [Buffer, RegExp] => [paxSize(size), /is no tar/]),
  ]
  for (const [bytes, said] of rows) {
    const path = join(folder, 'file.tar')
    writeFileSync(path, bytes)
    assert.throws(() => readTarMembers(path), { name: 'LayoutError', message: said })
  }
  writeFileSync(join(folder, 'empty.tar'), Buffer.alloc(1024))
  assert.equal(readTarMembers(join(folder, 'empty.tar')).size, 0)
})
