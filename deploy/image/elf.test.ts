import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { missingPrograms } from '../../test/lib/prerequisite.ts'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { isElf, readElf, strip } from './elf.ts'

const skip = process.platform !== 'linux' && 'SKIPPED: programs are other files here'

/** A segment of 16 bytes at 120, then what `sections` adds at the end: offset, size and whether it is loaded. */
function handMade(section: { offset: number; size: number; isLoaded: boolean }): Buffer {
  const file = Buffer.alloc(136 + 2 * 64)
  file.write('\x7fELF', 0, 'latin1')
  file.set([2, 1, 1], 4)
  file.writeUInt16LE(183, 18)
  file.writeBigUInt64LE(64n, 32) // program headers
  file.writeBigUInt64LE(136n, 40) // section headers
  file.writeUInt16LE(1, 56)
  file.writeUInt16LE(2, 60)
  file.writeUInt32LE(1, 64) // PT_LOAD
  file.writeBigUInt64LE(120n, 64 + 8)
  file.writeBigUInt64LE(16n, 64 + 32)
  const header = file.subarray(136 + 64)
  header.writeUInt32LE(1, 4)
  header.writeBigUInt64LE(section.isLoaded ? 2n : 0n, 8)
  header.writeBigUInt64LE(BigInt(section.offset), 24)
  header.writeBigUInt64LE(BigInt(section.size), 32)
  return file
}

test('this Node.js without its symbols: smaller, what is loaded is the same, and it runs', { skip }, (t) => {
  const program = readFileSync(process.execPath)
  const stripped = strip(program)
  assert.ok(stripped.length < program.length * 0.9, `${stripped.length} of ${program.length} bytes`)
  assert.deepEqual(strip(stripped).length, stripped.length, 'nothing more to take')
  assert.deepEqual(readElf(stripped), readElf(program))
  assert.ok(readElf(stripped).needed.includes('libc.so.6'))
  assert.match(readElf(stripped).interpreter ?? '', /^\/lib.*\/ld-linux/)
  const path = join(temporaryFolder(t, 'elf'), 'node')
  writeFileSync(path, stripped, { mode: 0o755 })
  assert.equal(execFileSync(path, ['-p', 'process.version'], { encoding: 'utf8' }).trim(), process.version)
})

test(
  'what others read of it: sections that are loaded, none with symbols',
  { skip: skip || missingPrograms('readelf') },
  (t) => {
    const path = join(temporaryFolder(t, 'elf'), 'node')
    writeFileSync(path, strip(readFileSync(process.execPath)))
    const sections = execFileSync('readelf', ['-SW', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const name of ['.text', '.rodata', '.dynsym', '.dynstr', '.bss', '.shstrtab'])
      assert.ok(sections.includes(` ${name} `), name)
    assert.doesNotMatch(sections, /\.symtab|\.strtab|\.debug_/)
    const symbols = execFileSync('readelf', ['--dyn-syms', '-W', path], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    assert.match(symbols, /napi_create_function/)
  },
)

test('what cannot be stripped is refused', () => {
  const outside = handMade({ offset: 130, size: 100, isLoaded: true })
  assert.throws(() => strip(outside), /lies behind the segments/)
  const inside = handMade({ offset: 120, size: 8, isLoaded: false })
  assert.throws(() => strip(inside), /lies among the segments/)
  const stripped = strip(handMade({ offset: 136, size: 64, isLoaded: false }))
  assert.equal(stripped.readUInt16LE(60), 2, 'none and the names')
  assert.equal(readElf(stripped).architecture, 'arm64')
})

test('what is not ELF', () => {
  assert.equal(isElf(Buffer.from('#!/usr/bin/node')), false)
  assert.throws(() => readElf(Buffer.alloc(100)), /not an ELF file/)
  const strange = handMade({ offset: 136, size: 0, isLoaded: false })
  strange.writeUInt16LE(8, 18)
  assert.throws(() => readElf(strange), /an ELF file for machine 8/)
})
