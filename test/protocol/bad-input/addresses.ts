/** Names, tags, digests, upload ids and paths that are none, on every route that takes one. */
import { ABSENT, BLOB, IMAGE, IS_MANIFEST, isAscii, sha256, type Case } from './case.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAA'
const HEX = '0123456789abcdef'.repeat(4)

const NAMES: readonly string[] = [
  'A', 'aB', 'a/B', 'A/b', 'a//b', '/a', '-a', 'a-', '.a', 'a.', '_a', 'a_', 'a___b', 'a..b', 'a._b', 'a.-b',
  'a-_b', '..', '../a', 'a/..', 'a/../b', './a', 'a/./b', '...', '%2e%2e', '%2E%2E%2Fa', 'a%2Fb', 'a%2fb',
  'a%252Fb', 'a%00b', '%00', 'a%0ab', 'a%0d%0aX:%20y', 'a%20b', '%20a', 'a%09b', 'a+b', 'a@b', 'a:b', 'a:5000/b',
  'a%5Cb', 'a\\b', '..\\a', '%C3%A9', '\u00c3\u00a9', '\u00e9', 'a~b', 'a*b', 'a%zz', 'a%', 'a%4', '%41', '_catalog',
  'a/_uploads', '_layers/a', '%3Cscript%3E', '<script>', 'a;b', 'a,b', '$a', '(a)', "a'b", 'a"b', 'a|b', 'a^b', '`a`',
  '{a}', '[a]', '%EF%BC%A1', 'a%E2%80%AEb', 'a%E2%80%8Bb', '%F0%9F%90%B3', '%FF%FE', '%C0%AE%C0%AE', '%u002e',
  'a'.repeat(256), `${'a/'.repeat(200)}a`, 'a'.repeat(4000),
] // prettier-ignore

/** Method, what follows the name, whether a body goes with it. */
const IN_REPOSITORY: readonly (readonly [method: string, rest: string, body?: string])[] = [
  ['GET', '/tags/list'],
  ['GET', '/manifests/v1'],
  ['HEAD', '/manifests/v1'],
  ['PUT', '/manifests/v1', IMAGE],
  ['DELETE', '/manifests/v1'],
  ['GET', `/blobs/${sha256(BLOB)}`],
  ['HEAD', `/blobs/${sha256(BLOB)}`],
  ['DELETE', `/blobs/${sha256(BLOB)}`],
  ['POST', '/blobs/uploads/'],
  ['POST', `/blobs/uploads/?digest=${sha256('x')}`, 'x'],
  ['POST', `/blobs/uploads/?mount=${sha256(BLOB)}&from=r`],
  ['GET', `/blobs/uploads/${ID}`],
  ['PATCH', `/blobs/uploads/${ID}`, 'x'],
  ['PUT', `/blobs/uploads/${ID}?digest=${sha256('x')}`, 'x'],
  ['DELETE', `/blobs/uploads/${ID}`],
  ['GET', `/referrers/${ABSENT}`],
]

const TAGS: readonly string[] = [
  '.a', '-a', '..', '...', '%2e%2e', 'a%2Fb', 'a%2F..%2Fb', 'a%20b', 'a%00', '%00', 'a%0d%0aX:%20y', 'a+b', 'a@b',
  'a%', 'a%zz', '~a', 'a*', '<a>', 'a|b', '{a}', 'a;b', 'a,b', 'a=b', '$(a)', '%C3%A9', '%F0%9F%90%B3', '%FF',
  'a\\b', 'a%5C..', '%2541', "a'b", 'a!', 'a'.repeat(129), 'a'.repeat(3000),
] // prettier-ignore

const DIGESTS: readonly string[] = [
  'sha256:', 'sha256:zz', `sha256:${HEX.slice(1)}`, `sha256:${HEX}0`, `sha256:${HEX.toUpperCase()}`, `SHA256:${HEX}`,
  `Sha256:${HEX}`, `sha512:${HEX}`, `sha256:${HEX}${HEX}`, `sha512:${HEX}${HEX.slice(1)}`,
  `sha512:${HEX.toUpperCase()}${HEX}`, 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha1:${HEX.slice(0, 40)}`,
  `sha384:${HEX}${HEX.slice(0, 32)}`, `blake3:${HEX}`, `sha256+b64:${HEX}`, `:${HEX}`, `sha256::${HEX}`,
  `sha256:${HEX}:`, `%20sha256:${HEX}`, `sha256:%20${HEX.slice(1)}`, `sha256:${HEX}%20`, `sha256:${HEX}%0a`,
  `sha256:${HEX}%00`, `sha256%3A..%2F..%2Fetc`, `sha256:..%2f${HEX.slice(4)}`, `sha256:${'%EF%BC%91'.repeat(64)}`,
  `sha256:0x${HEX.slice(2)}`, `sha256:-${HEX.slice(1)}`, `sha256:${'0'.repeat(5000)}`, `sha256:${HEX}@x`,
  `multihash:${HEX}`, `constructor:${HEX}`, `__proto__:${HEX}`, `toString:${HEX}`, `sha256:%`, `sha256:%zz`, ':', '::',
] // prettier-ignore

const BY_DIGEST: readonly (readonly [method: string, before: string, body?: string])[] = [
  ['GET', '/v2/r/manifests/'],
  ['HEAD', '/v2/r/manifests/'],
  ['PUT', '/v2/r/manifests/', IMAGE],
  ['DELETE', '/v2/r/manifests/'],
  ['GET', '/v2/r/blobs/'],
  ['HEAD', '/v2/r/blobs/'],
  ['DELETE', '/v2/r/blobs/'],
  ['GET', '/v2/r/referrers/'],
  ['PUT', '{upload}?digest=', 'x'],
  ['POST', '/v2/r/blobs/uploads/?digest=', 'x'],
]

/** Without a colon these are no digests where only a digest can stand. */
const NO_DIGESTS: readonly string[] = [
  'sha256',
  HEX,
  `sha256-${HEX}`,
  'v1',
  'latest',
  '..',
  '%2e%2e',
  '%00',
  '-',
]

const UPLOAD_IDS: readonly string[] = [
  '..', '...', '%2e%2e', '.hidden', '-a', 'a%2Fb', '..%2F..%2Fetc', 'a%00', '%00', 'a%20b', 'a+b', 'a@b', 'a\\b', '%5C',
  'a;b', 'a,b', '<a>', "a'--", '%C3%A9', '\u00e9', '%FF', 'a%zz', 'a'.repeat(129), 'a'.repeat(4000), ID, '0',
  '0192f5a0-0000-7000-8000-000000000000', '__proto__', 'constructor', 'null', 'undefined', '*', '~', '$HOME', '{id}',
] // prettier-ignore

const UPLOAD_METHODS: readonly (readonly [method: string, after: string, body?: string])[] = [
  ['GET', ''],
  ['HEAD', ''],
  ['PATCH', '', 'x'],
  ['PUT', `?digest=${sha256('nobody has this')}`, 'nobody has this'],
  ['DELETE', ''],
]

/** Paths that are no endpoints, whatever the method. */
const NO_ENDPOINTS: readonly string[] = [
  '/v2/r', '/v2/r/', '/v2/r/manifests', '/v2/r/manifests/', '/v2/r/blobs', '/v2/r/tags', '/v2/r/tags/v1',
  '/v2/r/tags/list/x', '/v2/r/referrers', '/v2/r/referrers/', '/v2/r/manifests/a/b', '/v2/manifests/v1', '/v2/blobs/x',
  '/v2/tags/list', '/v2/../etc/passwd', '/v2/%2e%2e/%2e%2e/etc/passwd', '/../../etc/passwd', '/etc/passwd',
  '/v2/r/blobs/uploads/a/b', '/v2/r/blobs/sha256:../../x', '/v1/', '/v1/_ping/x', '/v1/search/x', '/v1/repositories/r/tags', '/v3/', '/V2/', '/v2.0/', '/v2;x/',
  '/v2/_oci', '/v2/_oci/ext', '/v2/_oci/ext/discover/x', '/v2/_catalog/x', '/v2/_chainguard/x', '/.git/config',
  '/v2/%00', '/%00', '/index.html', '/api', '/v2/r/_trust/tuf/root.json', '//', '//v2/', '/v2//', '/v2/%', '/%',
  `/${'a'.repeat(4000)}`, `/v2/${'a/'.repeat(2000)}`,
] // prettier-ignore

export function addressCases(): Case[] {
  return [
    ...NAMES.flatMap((name) =>
      IN_REPOSITORY.map(([method, rest, body]): Case => ({
        is: 'a name',
        line: `${method} /v2/${name}${rest}`,
        headers: body === IMAGE ? [IS_MANIFEST] : [],
        ...(body !== undefined && { body }),
        status: [400],
        code: ['NAME_INVALID', 'UNSUPPORTED'],
      })),
    ),
    ...TAGS.flatMap((tag) =>
      ['GET', 'HEAD', 'PUT', 'DELETE'].map((method): Case => ({
        is: 'a tag',
        line: `${method} /v2/r/manifests/${tag}`,
        headers: [IS_MANIFEST],
        ...(method === 'PUT' && { body: IMAGE }),
        status: [400],
        // With a colon it is meant as a digest.
        code: ['TAG_INVALID', 'DIGEST_INVALID'],
      })),
    ),
    ...TAGS.map((tag): Case => ({
      is: 'a tag in the query',
      line: `PUT /v2/r/manifests/${sha256(IMAGE)}?tag=good&tag=${tag}`,
      headers: [IS_MANIFEST],
      body: IMAGE,
      status: [400],
      code: ['TAG_INVALID'],
    })),
    ...DIGESTS.flatMap((digest) => BY_DIGEST.map((route) => digestCase(digest, route))),
    ...NO_DIGESTS.flatMap((digest) => BY_DIGEST.slice(4).map((route) => digestCase(digest, route))),
    ...UPLOAD_IDS.flatMap((id) =>
      UPLOAD_METHODS.map(([method, after, body]): Case => ({
        is: 'an upload',
        line: `${method} /v2/r/blobs/uploads/${id}${after}`,
        ...(body !== undefined && { body }),
        status: [isAscii(id) ? 404 : 400],
        code: ['BLOB_UPLOAD_UNKNOWN', 'UNSUPPORTED'],
      })),
    ),
    ...NO_ENDPOINTS.flatMap((path) =>
      ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method): Case => ({
        is: 'a path',
        line: `${method} ${path}`,
        // `/v2/r/manifests/a/b` and the like may also be read as names that are none.
        status: [404, 400, 405],
        code: ['UNSUPPORTED', 'NAME_INVALID', 'DIGEST_INVALID'],
      })),
    ),
  ]
}

function digestCase(digest: string, [method, before, body]: (typeof BY_DIGEST)[number]): Case {
  return {
    is: 'a digest',
    line: `${method} ${before}${digest}`,
    headers: body === IMAGE ? [IS_MANIFEST] : [],
    ...(body !== undefined && { body }),
    status: [400],
    code: ['DIGEST_INVALID'],
  }
}
