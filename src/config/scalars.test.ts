import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBoolean, readBytes, readDuration, readNumber, writeBytes, writeDuration } from './scalars.ts'

test('booleans are YAML 1.1', () => {
  for (const text of ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']) {
    assert.equal(readBoolean(text), true, text)
  }
  for (const text of ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']) {
    assert.equal(readBoolean(text), false, text)
  }
  for (const text of ['', '1', '0', 'yEs', 'tRue', 'enabled', ' true']) {
    assert.equal(readBoolean(text), undefined, text)
  }
})

// Seen with Distribution 3.1.2, which counts a plain number as nanoseconds: 0o17 is 15ns, 010 is 8ns, 09 is 9ns.
test('numbers are those of Distribution', () => {
  const table: [string, number | undefined][] = [
    ['10', 10],
    ['0', 0],
    ['010', 8],
    ['0o17', 15],
    ['09', 9],
    ['0x1F', 31],
    ['-0x10', -16],
    ['0b101', 5],
    ['1_000', 1000],
    ['+5', 5],
    ['1.5', 1.5],
    ['1e3', 1000],
    ['.5', 0.5],
    ['1:30', undefined],
    ['abc', undefined],
    ['', undefined],
    ['0x', undefined],
    ['-', undefined],
    ['_1', undefined],
    ['1 ', undefined],
  ]
  for (const [text, value] of table) assert.equal(readNumber(text), value, JSON.stringify(text))
})

test("durations are Go's, in milliseconds", () => {
  const table: [string, number | undefined][] = [
    ['10s', 10_000],
    ['168h', 604_800_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['100ms', 100],
    ['1ns', 1],
    ['1us', 1],
    ['1500µs', 2],
    ['0', 0],
    ['0s', 0],
    ['-1s', -1000],
    ['-1ns', -1],
    ['-0s', 0],
    ['1d', undefined],
    ['10', undefined],
    ['', undefined],
    ['s', undefined],
    ['1h 30m', undefined],
    ['1.2.3s', undefined],
  ]
  for (const [text, value] of table) assert.equal(readDuration(text), value, text)
})

test('what is written is read back', () => {
  for (const value of [0, 1, 999, 1000, 90_000, 5_400_000, 604_800_000, 86_399_999]) {
    assert.equal(readDuration(writeDuration(value)), value)
  }
  for (const value of [0, 1, 1000, 1024, 4_194_304, 2 ** 30 + 1])
    assert.equal(readBytes(writeBytes(value)), value)
  assert.equal(writeDuration(604_800_000), '168h')
  assert.equal(writeDuration(5_400_500), '1h30m500ms')
  assert.equal(writeBytes(4_194_304), '4MiB')
})

test('sizes', () => {
  const table: [string, number | undefined][] = [
    ['4MiB', 4_194_304],
    ['4 mib', 4_194_304],
    ['4MB', 4_000_000],
    ['12', 12],
    ['4M', undefined],
    ['-1', undefined],
    ['1.5MiB', undefined],
  ]
  for (const [text, value] of table) assert.equal(readBytes(text), value, text)
})
