/** HTTP itself: methods, framing, lengths, headers, hosts, targets. */
import { ABSENT, BLOB, IMAGE, IS_MANIFEST, isAscii, sha256, type Case } from './case.ts'

const blob = `/v2/r/blobs/${sha256(BLOB)}`

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY', 'MOVE', 'LOCK', 'UNLOCK', 'SEARCH', 'REPORT', 'LINK', 'UNLINK', 'PURGE', 'SUBSCRIBE', 'QUERY'] // prettier-ignore

/** Target → the methods it takes; others are 405. */
const TARGETS: readonly (readonly [target: string, takes: readonly string[]])[] = [
  ['/v2/', ['GET', 'HEAD']],
  ['/v2/_catalog', ['GET']],
  ['/v2/_oci/ext/discover', ['GET']],
  ['/v2/r/tags/list', ['GET']],
  [`/v2/r/referrers/${ABSENT}`, ['GET']],
  ['/v2/r/manifests/v1', ['GET', 'HEAD', 'PUT', 'DELETE']],
  [blob, ['GET', 'HEAD', 'DELETE']],
  ['/v2/r/blobs/uploads/', ['POST']],
  ['/v2/r/blobs/uploads/AAAAAAAAAAAAAAAAAAAAAA', ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE']],
]

const NO_METHODS = ['get', 'Get', 'FOO', 'GETT', 'G E T', '', '<>', 'GET\u0000', '\u00e9', 'X'.repeat(300)]

/** What stands between the headers and the end of a body, for a PATCH of an upload. */
const FRAMING: readonly (readonly [is: string, raw: string, status: readonly number[]])[] = [
  ['chunk size that is none', chunked('zz\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size below 0', chunked('-4\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size with 0x', chunked('0x4\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size with a plus', chunked('+4\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size with a space before', chunked(' 4\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size with a space after', chunked('4 \r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size that is missing', chunked('\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk size too large', chunked('ffffffffffffffff1\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk longer than it says', chunked('2\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk without an end', chunked('4\r\nfour0\r\n\r\n'), [400]],
  ['chunk ended by a line feed only', chunked('4\nfour\n0\n\n'), [400]],
  ['chunk with an underscore', chunked('0_4\r\nfour\r\n0\r\n\r\n'), [400]],
  ['chunk extension', chunked('4;a=b\r\nfour\r\n0\r\n\r\n'), [202]],
  ['chunk extension without end', chunked(`4;a=${'b'.repeat(20_000)}\r\nfour\r\n0\r\n\r\n`), [413, 400]],
  ['chunk extension with a line feed', chunked('4;a=b\nfour\r\n0\r\n\r\n'), [400]],
  ['trailers', chunked('4\r\nfour\r\n0\r\nX-Checksum: 1\r\n\r\n'), [202]],
  ['trailers that set the length', chunked('4\r\nfour\r\n0\r\nContent-Length: 99\r\n\r\n'), [202, 400]],
  ['trailers without end', chunked(`4\r\nfour\r\n0\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), [431, 400]],
  ['NUL as a chunk size', chunked('\u0000\r\n'), [400]],
  ['length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [400]],
  ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [400]],
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 5\r\n\r\nfour', [400]],
  ['two equal lengths', 'Content-Length: 4\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a list of lengths', 'Content-Length: 4, 4\r\n\r\nfour', [400]],
  ['a length below 0', 'Content-Length: -4\r\n\r\nfour', [400]],
  ['a length with a plus', 'Content-Length: +4\r\n\r\nfour', [400]],
  ['a length in hexadecimal', 'Content-Length: 0x4\r\n\r\nfour', [400]],
  ['a fractional length', 'Content-Length: 4.0\r\n\r\nfour', [400]],
  ['a length with an exponent', 'Content-Length: 4e0\r\n\r\nfour', [400]],
  ['a length that is a word', 'Content-Length: four\r\n\r\nfour', [400]],
  ['a length that is empty', 'Content-Length: \r\n\r\nfour', [400]],
  ['a length too large', 'Content-Length: 99999999999999999999\r\n\r\nfour', [400]],
  ['a length in other digits', 'Content-Length: \u00b2\r\n\r\nfour', [400]],
  ['gzip as a transfer coding', 'Transfer-Encoding: gzip\r\n\r\nfour', [400, 501]],
  ['gzip and chunked', 'Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [400, 501]],
  ['chunked twice', 'Transfer-Encoding: chunked, chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [400, 501]],
  ['chunked in two headers', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', [400, 501]],
  ['chunked and identity', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n', [400, 501]],
  ['identity', 'Transfer-Encoding: identity\r\n\r\n', [400, 501]],
  ['chunked with a tab', 'Transfer-Encoding: \tchunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [202, 400, 501]],
  ['CHUNKED', 'Transfer-Encoding: CHUNKED\r\n\r\n4\r\nfour\r\n0\r\n\r\n', [202]],
  ['xchunked', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n', [400, 501]],
  ['a space before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n', [400]],
  ['an expectation that nobody has', 'Expect: 200-ok\r\nContent-Length: 4\r\n\r\nfour', [417]],
  ['an expectation with more', 'Expect: 100-continue, x\r\nContent-Length: 4\r\n\r\nfour', [417, 202]],
  ['a look before', 'Expect: 100-continue\r\nContent-Length: 4\r\n\r\nfour', [202]],
  ['an upgrade', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 4\r\n\r\nfour', [202, 400, 505]],
  ['a websocket', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nContent-Length: 4\r\n\r\nfour', [202, 400]],
  ['a header over two lines', 'X: a\r\n b\r\nContent-Length: 4\r\n\r\nfour', [400, 202]],
  ['a header without a colon', 'nonsense\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a header without a name', ': x\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a header with a space in its name', 'X Y: x\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a header with NUL', 'X: a\u0000b\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a header with NUL in its name', 'X\u0000: a\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['a header with a carriage return', 'X: a\rb\r\nContent-Length: 4\r\n\r\nfour', [400]],
  ['lines ended by line feeds only', 'X: a\nContent-Length: 4\n\nfour', [400, 202]],
] // prettier-ignore

function chunked(body: string): string {
  return `Transfer-Encoding: chunked\r\n\r\n${body}`
}

/** Headers that are odd, and do not matter to GET /v2/. */
const HARMLESS: readonly string[] = [
  'Accept: \u00e9', 'Accept: */*;q=9', `Accept: ${'a/b,'.repeat(3000)}`, 'Accept-Encoding: gzip, br, \u0001x'.replace('\u0001', ''),
  'User-Agent: ', `User-Agent: ${'x'.repeat(30_000)}`, "User-Agent: ${jndi:ldap://x/y}", 'Cookie: a=b; session=1',
  'X-Forwarded-For: 999.999.999.999', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: javascript', 'Forwarded: host="\'',
  'X-Request-Id: <script>', `X-Request-Id: ${'x'.repeat(10_000)}`, 'OCI-Namespace: ../../etc', 'OCI-Namespace: \u00e9',
  'Referer: javascript:alert(1)', 'Origin: null', 'Access-Control-Request-Method: GET', 'Date: x', 'Keep-Alive: timeout=-1',
  'Authorization: Basic', 'Authorization: Basic !!!', 'Authorization: Bearer', 'Authorization: nonsense', 'Authorization: ',
  'X-HTTP-Method-Override: DELETE', '__proto__: x', 'constructor: x', 'Sec-Fetch-Dest: \u00e9', 'TE: trailers', 'Via: 1.0 x',
] // prettier-ignore

const HOSTS: readonly (readonly [host: string, status: number])[] = [
  ['', 200], ['a b', 400], ['a/b', 400], ['a?b', 400], ['a#b', 400], ['user@host', 400], ['host:port', 400], ['host:', 200],
  ['host:99999999', 400], ['[::1]', 200], ['[::1]:5000', 200], ['[::1', 400], ['::1', 400], ['\u00e9', 400], ['<x>', 400],
  ['"', 400], ['\\', 400], ['a'.repeat(5000), 200], ['a,b', 200], ['%zz', 200], ['..', 200], ['169.254.169.254', 200],
  ['a\tb', 400], ['[x]y', 400], ['host:-1', 400], ['host:80:80', 400],
] // prettier-ignore

/** Whole first lines. */
const FIRST_LINES: readonly (readonly [line: string, status: readonly number[]])[] = [
  ['GET', [400]], ['GET ', [400]], ['GET /v2/', [400, 505]], ['GET  /v2/ HTTP/1.1', [400, 200]], ['GET /v2/  HTTP/1.1', [400, 200]],
  ['GET /v2/ HTTP/1.2', [400, 505, 200]], ['GET /v2/ HTTP/2.0', [400, 505]], ['GET /v2/ HTTP/0.9', [400, 505]],
  ['GET /v2/ HTTP/9.9', [400, 505]], ['GET /v2/ HTTP/1', [400, 505]], ['GET /v2/ HTTP/1.1 x', [400, 505]],
  ['GET /v2/ http/1.1', [400]], ['GET /v2/ FTP/1.1', [400]], ['GET v2/ HTTP/1.1', [400]], ['GET * HTTP/1.1', [400]],
  ['OPTIONS * HTTP/1.1', [200, 204, 400, 404]], ['GET http://h/v2/ HTTP/1.1', [200]], ['GET http:///v2/ HTTP/1.1', [200, 400]],
  ['GET ftp://h/v2/ HTTP/1.1', [400]], ['GET //h/v2/ HTTP/1.1', [400, 404]], ['GET /v2/#x HTTP/1.1', [200, 400, 404]],
  ['GET ? HTTP/1.1', [400]], ['GET /v2/ \u0000HTTP/1.1', [400]], ['GET /v2/\u0000 HTTP/1.1', [400]],
  ['GET /v2/\u0007 HTTP/1.1', [400]], ['GET /v2/\t HTTP/1.1', [400]], ['GET /v2/?\u00e9 HTTP/1.1', [200, 400]],
  [`GET /v2/?${'x'.repeat(20_000)} HTTP/1.1`, [414]], [`GET /v2/?${'x'.repeat(70_000)} HTTP/1.1`, [414, 431]],
  ['CONNECT h:443 HTTP/1.1', [400, 405]], ['PRI * HTTP/2.0', [400, 505]], ['\u0016\u0003\u0001', [400]], ['SSH-2.0-x', [400]],
  ['{"a":1}', [400]], ['\u0000', [400]],
] // prettier-ignore

/** Queries that are nothing, of requests that do not need one. */
const QUERIES: readonly string[] = [
  '?', '??', '?&', '?&&&', '?=', '?=x', '?a', '?a=', '?%', '?%zz=%zz', '?%00', '?a=%00', '?\u00e9', '?;', '?n', '?__proto__=x',
  '?ns=', '?ns=docker.io', '?ns=..%2F..', '?ns=https%3A%2F%2Fevil.example', `?${'a=b&'.repeat(3000)}`, '?x[]=1&x[]=2', '?#',
] // prettier-ignore

/** Mounts and uploads that are asked for in a way that cannot be: an upload is begun, as clients expect. */
const BEGINNINGS: readonly (readonly [query: string, status: number])[] = [
  ['?mount=', 202], ['?mount=nonsense', 202], ['?mount=sha256:zz&from=r', 202], [`?mount=${ABSENT}`, 202],
  [`?mount=${ABSENT}&from=r`, 202], [`?mount=${ABSENT}&from=..`, 202], [`?mount=${ABSENT}&from=R`, 202],
  [`?mount=${ABSENT}&from=%00`, 400], ['?from=r', 202], ['?from=..', 202], ['?digest=', 202], ['?digest-algorithm=', 202],
  ['?digest-algorithm=md5', 400], ['?digest-algorithm=SHA256', 400], ['?digest-algorithm=%00', 400],
  ['?digest-algorithm=__proto__', 400], [`?mount=${'a'.repeat(2000)}`, 400], ['?mount=%00', 400], [`?digest=${ABSENT}`, 202],
] // prettier-ignore

export function httpCases(): Case[] {
  return [
    ...TARGETS.flatMap(([target, takes]) =>
      METHODS.filter((method) => !takes.includes(method)).map((method): Case => ({
        is: 'a method',
        line: `${method} ${target}`,
        ...(['POST', 'PUT', 'PATCH'].includes(method) && { body: 'x' }),
        status: method === 'OPTIONS' ? [204] : [405],
        code: ['UNSUPPORTED'],
      })),
    ),
    ...NO_METHODS.map((method): Case => ({
      is: 'no method',
      line: `${method} /v2/`,
      status: [400],
      code: ['UNSUPPORTED'],
    })),
    ...FRAMING.flatMap(([is, raw, status]): Case[] => [
      { is, line: 'PATCH {upload}', raw, status },
      {
        is: `${is}, of a manifest`,
        line: 'PUT /v2/r/manifests/bad',
        raw: `${IS_MANIFEST}\r\n${raw}`,
        // What arrives whole is no manifest.
        status: status.map((one) => (one === 202 ? 400 : one)),
      },
    ]),
    ...HARMLESS.map((header): Case => ({
      is: 'a header',
      line: 'GET /v2/',
      headers: [header],
      status: [200],
    })),
    ...HOSTS.map(([host, status]): Case => ({
      is: 'a host',
      line: 'GET /v2/',
      headers: [`Host: ${host}`],
      status: [status],
    })),
    ...FIRST_LINES.map(([line, status]): Case => ({
      is: 'a first line',
      line,
      whole: true,
      status,
      mayClose: true,
    })),
    ...QUERIES.flatMap((query): Case[] => {
      const status = isAscii(query) ? [200] : [400]
      return [
        { is: 'a query', line: `GET /v2/${query}`, status },
        { is: 'a query', line: `GET /v2/r/manifests/v1${query}`, status },
        { is: 'a query', line: `GET ${blob}${query}`, status },
        { is: 'a query', line: `GET /v2/r/tags/list${query}`, status },
      ]
    }),
    ...BEGINNINGS.map(([query, status]): Case => ({
      is: 'a beginning',
      line: `POST /v2/r/blobs/uploads/${query}`,
      status: [status],
      code: ['DIGEST_INVALID', 'NAME_INVALID'],
    })),
    ...['GET', 'HEAD', 'DELETE'].flatMap((method): Case[] => [
      {
        is: 'a body that nobody wants',
        line: `${method} /v2/r/blobs/${ABSENT}`,
        body: 'x'.repeat(100_000),
        status: [404],
      },
      {
        is: 'chunks that nobody wants',
        line: `${method} /v2/r/blobs/${ABSENT}`,
        raw: chunked('4\r\nfour\r\n0\r\n\r\n'),
        status: [404],
      },
    ]),
    ...floods(),
    ...twice(),
  ]
}

function floods(): Case[] {
  const many = (count: number, bytes: number): string[] =>
    Array.from({ length: count }, (_, i) => `X-${i}: ${'x'.repeat(bytes)}`)
  return [
    { is: '200 headers', line: 'GET /v2/', headers: many(200, 10), status: [200] },
    { is: '300 headers', line: 'GET /v2/', headers: many(300, 10), status: [431] },
    { is: '5,000 headers', line: 'GET /v2/', headers: many(5000, 1), status: [431] },
    { is: 'headers of 60 KB', line: 'GET /v2/', headers: many(6, 10_000), status: [200] },
    { is: 'headers of 100 KB', line: 'GET /v2/', headers: many(10, 10_000), status: [431] },
    { is: 'a header of 1 MB', line: 'GET /v2/', headers: many(1, 1_000_000), status: [431] },
    { is: 'a name of 100 KB', line: 'GET /v2/', headers: [`${'x'.repeat(100_000)}: y`], status: [431] },
    { is: 'the same header 200 times', line: 'GET /v2/', headers: Array.from({ length: 200 }, () => 'Accept: a/b'), status: [200] },
  ] // prettier-ignore
}

/** Headers that mean something else when given twice. */
function twice(): Case[] {
  const line = 'PUT /v2/r/manifests/bad'
  return [
    { is: 'two hosts', line: 'GET /v2/', headers: ['Host: a', 'Host: b'], status: [400] },
    { is: 'two equal hosts', line: 'GET /v2/', headers: ['Host: a', 'Host: a'], status: [400] },
    { is: 'two types', line, headers: [IS_MANIFEST, 'Content-Type: text/plain'], body: IMAGE, status: [400] },
    { is: 'two ranges', line: `GET ${blob}`, headers: ['Range: bytes=0-1', 'Range: bytes=2-3'], status: [400] },
    { is: 'two authorizations', line: 'GET /v2/', headers: ['Authorization: a', 'Authorization: b'], status: [400] },
    { is: 'two content ranges', line: 'PATCH {upload}', headers: ['Content-Range: 0-3', 'Content-Range: 4-7'], body: 'four', status: [400] },
  ] // prettier-ignore
}
