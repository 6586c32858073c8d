/** Ranges, lengths, offsets, page sizes, markers, conditions: what a number, a list or a date is expected for. */
import { ABSENT, BLOB, isAscii, sha256, type Case } from './case.ts'

const blob = `/v2/r/blobs/${sha256(BLOB)}`
const SIZE = BLOB.length

/** Range → what is right: 206 for what can be had, 200 where a server ignores it, 416 for the rest. */
const RANGES: readonly (readonly [range: string, status: number])[] = [
  ['bytes=0-0', 206], ['bytes=0-', 206], ['bytes=-1', 206], [`bytes=-${SIZE}`, 206], ['bytes=-99999', 206],
  ['bytes=0-99999999999999999999999', 206], ['bytes=-99999999999999999999999', 206], ['BYTES=0-1', 206],
  ['bytes = 0-1', 206], ['bytes=00000000000000000000-1', 206], ['bytes= 0 - 1 ', 206],
  [`bytes=${SIZE}-`, 416], [`bytes=${SIZE}-${SIZE + 1}`, 416], ['bytes=99999999999999999999-', 416],
  ['bytes=18446744073709551616-18446744073709551617', 416], ['bytes=1-0', 416], ['bytes=-0', 416], ['bytes=-', 416],
  ['bytes=', 416], ['bytes=a-b', 416], ['bytes=0', 416], ['bytes=0x1-0x2', 416], ['bytes=1e0-1e1', 416],
  ['bytes=-1-2', 416], ['bytes=0--1', 416], ['bytes=--1', 416], ['bytes=0-1-2', 416], ['bytes=+0-+1', 416],
  ['bytes=0.5-1.5', 416], ['bytes=\u00b2-\u00b3', 416], ['bytes=NaN-', 416], ['bytes=0-1;2', 416],
  ['bytes=0-0,2-2', 200], ['bytes=0-0,', 200], ['bytes=,', 200], [`bytes=${'0-0,'.repeat(2000)}0-0`, 200],
  ['lines=0-1', 200], ['items=0-1', 200], ['0-1', 200], ['bytes', 200], ['bytes:0-1', 200], ['=', 200], ['nonsense', 200],
  ['byte=0-1', 200], ['bytes 0-1/2', 200], ['', 200],
] // prettier-ignore

/** Content-Range of a chunk of 4 bytes, for an upload that has 4: 202 or 201 only where it says 4-7. */
const CONTENT_RANGES: readonly (readonly [range: string, status: readonly number[]])[] = [
  ['4-7', [202, 400]], ['bytes 4-7/8', [202, 400]], ['bytes 4-7/*', [202, 400]], ['5-8', [416]], ['0-3', [416]],
  ['3-6', [416]], ['8-11', [416]], ['0-7', [400, 416]], ['4-8', [400]], ['4-6', [400]], ['4-4', [400]], ['7-4', [416]],
  ['4-', [416]], ['-7', [416]], ['-', [416]], ['4', [416]], ['', [416, 202, 400]], ['a-b', [416]], ['4 7', [416]],
  ['4-7-8', [416]], ['0x4-0x7', [416]], ['4e0-7e0', [416]], ['4.0-7.0', [416]], ['+4-+7', [416]], ['-4--7', [416]],
  ['99999999999999999999-99999999999999999999', [416]], ['9007199254740991-9007199254740994', [416]],
  ['4-9007199254740990', [400]], ['4-99999999999999999999999', [416]], ['bytes */8', [416]], ['bytes 4-7', [202, 400]],
  ['bytes=4-7', [202, 400]], ['lines 4-7/8', [416]], ['4-7,8-11', [416]], ['4-7;x', [416]], ['\u00b4-7', [416]],
  ['NaN-NaN', [416]], ['null', [416]], ['{}', [416]], [`${'4'.repeat(5000)}-7`, [416]],
] // prettier-ignore

const PAGE_SIZES: readonly (readonly [n: string, status: number])[] = [
  ['-1', 400], ['-0', 400], ['abc', 400], ['1.5', 400], ['1e3', 400], ['0x10', 400], ['+5', 400], ['1,000', 400],
  ['%20', 400], ['%2010', 400], ['10%20', 400], ['1%00', 400], ['%00', 400], ['NaN', 400], ['Infinity', 400], ['null', 400],
  ['true', 400], ['[]', 400], ['%EF%BC%91', 400], ['%D9%A1', 400], ['1;2', 400], ['%zz', 400], ['%', 400],
  ['\u00b2', 400], ["1'", 400], ['9'.repeat(1100), 400],
  ['0', 200], ['1', 200], ['00001', 200], ['1000', 200], ['1001', 200], ['2147483648', 200], ['4294967296', 200],
  ['9223372036854775807', 200], ['9223372036854775808', 200], ['9'.repeat(500), 200], ['', 200],
] // prettier-ignore

/** Markers are compared, never looked up: whatever is text is right. */
const MARKERS: readonly (readonly [last: string, status: readonly number[]])[] = [
  ['%00', [400]], ['a%00b', [400]], ['%0a', [400]], ['%7f', [400]], ['%FF', [400]], ['%zz', [400]], ['%', [400]],
  ['a'.repeat(2000), [400]], ['\u00e9', [400]],
  ['..%2F..%2F', [200, 400]], ["'%20OR%20'1'='1", [200, 400]], ['%25', [200, 400]], ['%C3%A9', [200, 400]],
  ['%F0%9F%90%B3', [200, 400]], ['~', [200, 400]], ['/', [200, 400]], ['A', [200, 400]], ['*', [200, 400]], ['', [200]],
] // prettier-ignore

/** What a referrer may be of is any text. */
const ARTIFACT_TYPES: readonly (readonly [type: string, status: number])[] = [
  ['%00', 400], ['a%0ab', 400], ['%zz', 400], ['%FF', 400], ['\u00e9', 400], ['a'.repeat(2000), 400],
  ['', 200], ['a', 200], ['/', 200], ['*/*', 200], ['a/b;c=d', 200], ["'%20OR%20'1'='1", 200], ['%25', 200],
  ['%C3%A9', 200], ['application/vnd.a+json', 200], ['../..', 200],
] // prettier-ignore

const LISTS: readonly string[] = ['/v2/_catalog', '/v2/r/tags/list', `/v2/r/referrers/${ABSENT}`]

const CONDITIONS: readonly string[] = [
  '', '"', '""', '"x', 'x"', 'W/', 'W/"', 'W/""', '*, *', ',', ',,,,', '"a" "b"', `"${'x'.repeat(8000)}"`,
  `${'"x", '.repeat(1500)}"y"`, '\u00e9', '"\u00e9"', '\t', ABSENT, `"${ABSENT}"`, `'${ABSENT}'`,
] // prettier-ignore

const CONDITIONAL: readonly (readonly [method: string, target: string])[] = [
  ['GET', '/v2/r/manifests/v1'],
  ['HEAD', '/v2/r/manifests/v1'],
  ['GET', blob],
  ['HEAD', blob],
]

const DATES: readonly string[] = [
  'yesterday',
  'Sun, 32 Foo 2026 25:61:61 GMT',
  '0',
  '-1',
  '"x"',
  '9'.repeat(300),
  '',
]

export function numberCases(): Case[] {
  return [
    ...RANGES.flatMap(([range, status]): Case[] => [
      {
        is: 'a range',
        line: `GET ${blob}`,
        headers: [`Range: ${range}`],
        status: [status],
        code: ['RANGE_INVALID'],
      },
      { is: 'a range with HEAD', line: `HEAD ${blob}`, headers: [`Range: ${range}`], status: [200] },
    ]),
    ...CONTENT_RANGES.flatMap(([range, status]): Case[] => [
      {
        is: 'a chunk',
        line: 'PATCH {upload}',
        received: 4,
        headers: [`Content-Range: ${range}`],
        body: 'four',
        status,
        code: ['RANGE_INVALID', 'SIZE_INVALID'],
      },
      {
        is: 'a last chunk',
        line: `PUT {upload}?digest=${sha256('not that of these bytes')}`,
        received: 4,
        headers: [`Content-Range: ${range}`],
        body: 'four',
        status: status.map((one) => (one === 202 ? 400 : one)),
        code: ['RANGE_INVALID', 'SIZE_INVALID', 'DIGEST_INVALID'],
      },
      {
        is: 'a chunk of unknown length',
        line: 'PATCH {upload}',
        received: 4,
        raw: `Content-Range: ${range}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n`,
        status: [...status, 202],
        code: ['RANGE_INVALID', 'SIZE_INVALID'],
      },
    ]),
    ...LISTS.flatMap((list) => [
      ...PAGE_SIZES.map(([n, status]): Case => ({
        is: 'a page size',
        line: `GET ${list}?n=${n}`,
        status: [status],
        code: [isAscii(n) ? 'PAGINATION_NUMBER_INVALID' : 'UNSUPPORTED'],
      })),
      ...MARKERS.map(([last, status]): Case => ({
        is: 'a marker',
        line: `GET ${list}?last=${last}&n=5`,
        status,
        code: ['NAME_INVALID', 'TAG_INVALID', 'DIGEST_INVALID', 'UNSUPPORTED'],
      })),
    ]),
    ...ARTIFACT_TYPES.map(([type, status]): Case => ({
      is: 'a type of artifact',
      line: `GET /v2/r/referrers/${ABSENT}?artifactType=${type}`,
      status: [status],
    })),
    ...CONDITIONS.flatMap((value) =>
      CONDITIONAL.flatMap(([method, target]): Case[] => [
        {
          is: 'a condition',
          line: `${method} ${target}`,
          headers: [`If-None-Match: ${value}`],
          status: [value.includes('*') ? 304 : 200],
        },
        {
          is: 'a condition for a range',
          line: `${method} ${target}`,
          headers: [`If-Range: ${value}`, 'Range: bytes=0-1'],
          status: [200],
        },
      ]),
    ),
    ...DATES.flatMap((date) =>
      ['If-Modified-Since', 'If-Unmodified-Since', 'If-Match', 'If-Range'].map((name): Case => ({
        is: 'a date',
        line: `GET ${blob}`,
        headers: [`${name}: ${date}`],
        status: [200],
      })),
    ),
  ]
}
