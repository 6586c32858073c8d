import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import { ifRange, noneMatch } from './etag.ts'
import { parseContentRange, parseRange, uploadRange } from './range.ts'

const MAX = Number.MAX_SAFE_INTEGER

test('Range of a blob', () => {
  for (const [header, range] of [
    [undefined, undefined],
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=500-1499', { first: 500, last: 1499 }],
    ['bytes=500-', { first: 500 }],
    ['bytes=-500', { suffix: 500 }],
    ['Bytes = 5-9', { first: 5, last: 9 }],
    ['bytes= 5 - 9 ', { first: 5, last: 9 }],
    ['bytes=0-99999999999999999999', { first: 0, last: MAX }],
    ['bytes=99999999999999999999-', { first: MAX }],
    ['bytes=500-0', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=-', 'unsatisfiable'],
    ['bytes=', 'unsatisfiable'],
    ['bytes=a-b', 'unsatisfiable'],
    ['bytes=5', 'unsatisfiable'],
    ['bytes=--5', 'unsatisfiable'],
    ['bytes=0x1-0x2', 'unsatisfiable'],
    ['bytes=1.5-2', 'unsatisfiable'],
    ['bytes=0-1,5-6', undefined],
    ['bytes=0-1,', undefined],
    ['items=0-1', undefined],
    ['bytes', undefined],
    ['', undefined],
  ] as const) {
    assert.deepEqual(parseRange(header), range, `${header}`)
  }
})

test('Content-Range of a chunk', () => {
  for (const [header, range] of [
    ['0-0', { first: 0, last: 0 }],
    ['0-1023', { first: 0, last: 1023 }],
    ['bytes 10-19/*', { first: 10, last: 19 }],
    ['bytes 10-19/20', { first: 10, last: 19 }],
    ['bytes=10-19', { first: 10, last: 19 }],
    [' 10 - 19 ', { first: 10, last: 19 }],
    ['19-10', undefined],
    ['10-', undefined],
    ['-10', undefined],
    ['a-b', undefined],
    ['', undefined],
    ['0-99999999999999999999', undefined],
    ['-1-5', undefined],
    ['0--1', undefined],
    ['bytes */20', undefined],
  ] as const) {
    assert.deepEqual(parseContentRange(header), range, header)
  }
})

test('Range of an upload has no unit, and is 0-0 for nothing', () => {
  assert.deepEqual([0, 1, 2, 1_000_000].map(uploadRange), ['0-0', '0-0', '0-1', '0-999999'])
})

test('If-None-Match and If-Range', () => {
  const digest = `sha256:${'a'.repeat(64)}` as Digest
  const other = `"sha256:${'b'.repeat(64)}"`
  for (const [header, matches] of [
    [undefined, false],
    [`"${digest}"`, true],
    [`W/"${digest}"`, true],
    [digest, true],
    ['*', true],
    [`${other}, "${digest}"`, true],
    [`${other},W/"${digest}"`, true],
    [other, false],
    ['', false],
    [',,', false],
    [`"${digest}`, false],
  ] as const) {
    assert.equal(noneMatch(header, digest), matches, `${header}`)
  }
  for (const [header, allows] of [
    [undefined, true],
    [`"${digest}"`, true],
    [`W/"${digest}"`, false],
    [other, false],
    ['Sun, 22 Nov 2026 01:00:00 GMT', false],
  ] as const) {
    assert.equal(ifRange(header, digest), allows, `${header}`)
  }
})
