/** Documents that are no manifests, and what is beside them. */
import { gzipSync } from 'node:zlib'
import { ABSENT, BLOB, CONFIG, IMAGE, IS_MANIFEST, sha256, sha512, TYPE, type Case } from './case.ts'

const LAYER = { ...CONFIG, mediaType: TYPE.layer }
const CHILD = { mediaType: TYPE.manifest, digest: sha256(IMAGE), size: IMAGE.length }

const image = (more: object): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: TYPE.manifest, config: CONFIG, layers: [LAYER], ...more })
const index = (more: object): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: TYPE.index, manifests: [CHILD], ...more })

/** What stands where something else is expected. */
const OF_ANOTHER_TYPE: readonly unknown[] = [
  true,
  false,
  0,
  1,
  -1,
  1.5,
  'text',
  '',
  [],
  [1],
  [[]],
  {},
  { a: 1 },
  [null],
]

type Field = readonly [name: string, right: (value: unknown) => boolean]

const isText = (value: unknown): boolean => typeof value === 'string'
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isMap = (value: unknown): boolean => isObject(value) && Object.values(value as object).every(isText)
const never = (): boolean => false

/** Each field of a descriptor; the second says of which of those values it may be. */
const DESCRIPTOR: readonly Field[] = [
  ['mediaType', (value) => value === 'text'],
  ['digest', never],
  // What lies there may be of another size: who pulls it finds out.
  ['size', (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  ['urls', (value) => Array.isArray(value) && value.length === 0],
  ['annotations', isMap],
  ['data', never],
  ['artifactType', isText],
  ['platform', isObject],
]

const OF_IMAGE: readonly Field[] = [
  ['schemaVersion', never],
  ['mediaType', never],
  ['config', never],
  ['layers', (value) => Array.isArray(value) && value.length === 0],
  ['subject', never],
  ['annotations', isMap],
  ['artifactType', isText],
]

const OF_INDEX: readonly Field[] = [
  ['schemaVersion', never],
  ['mediaType', never],
  ['manifests', (value) => Array.isArray(value) && value.length === 0],
  ['subject', never],
  ['annotations', isMap],
  ['artifactType', isText],
]

const ARTIFACT_TYPE = 'application/vnd.oci.artifact.manifest.v1+json'
const artifact = (more: object): string =>
  JSON.stringify({ mediaType: ARTIFACT_TYPE, artifactType: 'a/b', blobs: [LAYER], ...more })

const OF_ARTIFACT: readonly Field[] = [
  ['mediaType', never],
  ['artifactType', (value) => value === 'text'],
  ['blobs', (value) => Array.isArray(value) && value.length === 0],
  ['subject', never],
  ['annotations', isMap],
]

const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
}
const docker = (more: object): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: DOCKER.manifest, config: CONFIG, layers: [LAYER], ...more })
const dockerList = (more: object): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: DOCKER.list, manifests: [CHILD], ...more })

const SIZES: readonly string[] = [
  '-1', '-0.5', '1.5', '1e400', '-1e400', '9007199254740993', '18446744073709551616', '99999999999999999999999999',
  '"37"', '"0x25"', 'null', 'true', '[37]', '{"$numberLong":"37"}', '-9223372036854775808', '37.0000001',
] // prettier-ignore

const DIGESTS: readonly string[] = [
  '', 'sha256', 'sha256:', 'sha256:abc', `sha256:${'A'.repeat(64)}`, `sha256:${'0'.repeat(63)}`, `sha256:${'0'.repeat(65)}`,
  `sha512:${'0'.repeat(64)}`, 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha1:${'0'.repeat(40)}`, `SHA256:${'0'.repeat(64)}`,
  'sha256:../../../etc/passwd', `sha256:${'0'.repeat(64)}\u0000`, ` ${ABSENT}`, `${ABSENT} `, `${ABSENT}\n`,
  `sha256+b64:${'0'.repeat(64)}`, 'x'.repeat(10_000), '__proto__', ABSENT,
] // prettier-ignore

const URLS: readonly (readonly unknown[])[] = [
  ['ftp://example.com/x'], ['file:///etc/passwd'], ['javascript:alert(1)'], ['//example.com'], ['example.com'], [''],
  ['http://'], ['http:///x'], ['https://example.com/#x'], [1], [null], [{}], [['https://example.com']],
  ['https://example.com/x', 'gopher://example.com'],
] // prettier-ignore

/** A whole body, and with which type it is sent. */
const DOCUMENTS: readonly (readonly [is: string, body: string | Uint8Array, type?: string])[] = [
  ...['', ' ', '\n', '{', '}', '[', '{]', '{"', '{"a"', '{"a":', '{"a":}', '{,}', "{'a':1}", '{a:1}', '{"a":1,}', '//', 'NaN'].map(
    (body) => ['broken JSON', body] as const,
  ),
  ...['null', 'true', '0', '1', '"text"', '[]', '[{}]', '{}', '{"schemaVersion":2}', '{"__proto__":{}}'].map(
    (body) => ['no manifest', body] as const,
  ),
  ['two documents', `${IMAGE}${IMAGE}`],
  ['something after it', `${IMAGE}x`],
  ['NUL after it', `${IMAGE}\u0000`],
  ['UTF-16', Buffer.from(IMAGE, 'utf16le')],
  ['no UTF-8', Buffer.concat([Buffer.from('{"schemaVersion":2,"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])],
  ['a line feed in a text', image({}).replace('"sha256', '"\nsha256')],
  ['a lone NUL', '\u0000'],
  ['HTML', '<html><script>alert(1)</script></html>'],
  ['XML with entities', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
  ['gzip', gzipSync(IMAGE)],
  ['nests 100,000 deep, open', '['.repeat(100_000)],
  ['nests 100,000 deep', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['objects 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ['nests in a manifest', image({ annotations: undefined }).replace('"layers"', `"x":${'['.repeat(50_000)}${']'.repeat(50_000)},"subject":1,"layers"`)],
  ['100,000 layers', image({ layers: Array.from({ length: 100_000 }, () => ({})) })],
  ['30,000 layers', image({ layers: Array.from({ length: 30_000 }, () => LAYER) })],
  ['30,000 children', index({ manifests: Array.from({ length: 30_000 }, () => CHILD) }), TYPE.index],
  ['30,000 urls that are none', image({ layers: [{ ...LAYER, urls: Array.from({ length: 30_000 }, () => 'x') }] })],
  ['30,000 annotations of numbers', image({ annotations: Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [i, i])) })],
  ['a config that is missing', image({ config: undefined })],
  ['a config that is null', image({ config: null })],
  ['a layer that is null', image({ layers: [null] })],
  ['a layer that is not there', image({ layers: [{ ...LAYER, digest: ABSENT }] })],
  ['a config that is not there', image({ config: { ...CONFIG, digest: ABSENT } })],
  ['a child that is not there', index({ manifests: [{ ...CHILD, digest: ABSENT }] }), TYPE.index],
  ['an index of nothing', index({ manifests: undefined }), TYPE.index],
  ['both an image and an index', image({ manifests: [CHILD] })],
  ['both an index and an image', index({ layers: [LAYER], config: CONFIG }), TYPE.index],
  ['an image as an index', image({}), TYPE.index],
  ['an index as an image', index({}), TYPE.manifest],
  ['schema 1', '{"schemaVersion":1,"name":"r","tag":"v1","fsLayers":[],"history":[],"signatures":[]}', 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
  ['schema 1 as an image', '{"schemaVersion":1,"name":"r","tag":"v1","fsLayers":[],"history":[]}'],
  ['schema 1 in schema 2', image({ fsLayers: [] })],
  ['schema 3', image({ schemaVersion: 3 })],
  ['schema "2"', image({ schemaVersion: '2' })],
  ['schema 2.5', image({ schemaVersion: 2.5 })],
  ['two schemas', image({}).replace('"schemaVersion":2', '"schemaVersion":2,"schemaVersion":1')],
  ['two configs', image({}).replace('"layers"', '"config":{},"layers"')],
  ['two media types', image({}).replace('"config"', `"mediaType":"${TYPE.index}","config"`)],
  ['data of another size', image({ config: { ...CONFIG, data: 'AAAA' } })],
  ['data of another digest', image({ config: { ...CONFIG, data: Buffer.from(BLOB.replace('a', 'b')).toString('base64') } })],
  ['data that is no base64', image({ config: { ...CONFIG, data: '!!!!' } })],
  ['data in hexadecimal', image({ config: { ...CONFIG, data: Buffer.from(BLOB).toString('hex') } })],
  ['a platform of numbers', index({ manifests: [{ ...CHILD, platform: { os: 1, architecture: 2 } }] }), TYPE.index],
  ['a platform that is a text', index({ manifests: [{ ...CHILD, platform: 'linux/amd64' }] }), TYPE.index],
] // prettier-ignore

const TYPES: readonly string[] = [
  'text/plain', 'text/html', 'application/json', 'application/octet-stream', 'application/vnd.oci.image.config.v1+json',
  'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense', '/', '*/*', 'application/*', ',',
  `${TYPE.manifest}x`, `${TYPE.manifest},${TYPE.index}`, `x${TYPE.manifest}`, '\u00e9', '"', 'a'.repeat(5000),
  'application/vnd.docker.distribution.manifest.v1+json', 'application/vnd.oci.image.manifest.v2+json',
] // prettier-ignore

const WRONG = ['MANIFEST_INVALID', 'MANIFEST_BLOB_UNKNOWN', 'DIGEST_INVALID', 'SIZE_INVALID'] as const

function put(is: string, body: string | Uint8Array, type = TYPE.manifest, status = [400, 413]): Case {
  const line = 'PUT /v2/r/manifests/bad'
  return { is, line, headers: [`Content-Type: ${type}`], body, status, code: [...WRONG] }
}

/** A field with each value that it cannot have. */
function fields(
  what: string,
  known: readonly Field[],
  document: (field: object) => string,
  type = TYPE.manifest,
): Case[] {
  return known.flatMap(([name, right]) =>
    OF_ANOTHER_TYPE.filter((value) => !right(value)).map((value) =>
      put(`${what}.${name}: ${JSON.stringify(value)}`, document({ [name]: value }), type),
    ),
  )
}

export function manifestCases(): Case[] {
  return [
    ...DOCUMENTS.map(([is, body, type]) => put(is, body, type)),
    ...fields('image', OF_IMAGE, image),
    ...fields('index', OF_INDEX, index, TYPE.index),
    ...fields('artifact', OF_ARTIFACT, artifact, ARTIFACT_TYPE),
    ...fields('docker', OF_IMAGE, docker, DOCKER.manifest),
    ...fields('list', OF_INDEX, dockerList, DOCKER.list),
    ...fields('config', DESCRIPTOR, (field) => image({ config: { ...CONFIG, ...field } })),
    ...fields('layer', DESCRIPTOR, (field) => image({ layers: [{ ...LAYER, ...field }] })),
    ...fields('subject', DESCRIPTOR, (field) => image({ subject: { ...CHILD, ...field } })),
    ...fields('child', DESCRIPTOR, (field) => index({ manifests: [{ ...CHILD, ...field }] }), TYPE.index),
    ...SIZES.flatMap((size) =>
      ['config', 'layers', 'subject'].map((at) => {
        const one = { ...CONFIG, size: 'SIZE' }
        const document = image({ [at]: at === 'layers' ? [one] : one })
        return put(`${at}: size ${size}`, document.replace('"SIZE"', size))
      }),
    ),
    ...DIGESTS.flatMap((digest) => [
      put(`config: digest ${digest.slice(0, 80)}`, image({ config: { ...CONFIG, digest } })),
      put(`layer: digest ${digest.slice(0, 80)}`, image({ layers: [{ ...LAYER, digest }] })),
      put(`child: digest ${digest.slice(0, 80)}`, index({ manifests: [{ ...CHILD, digest }] }), TYPE.index),
      // A subject need not be there, so that only its form counts.
      ...(digest === ABSENT ? [] : [put('subject: digest', image({ subject: { ...CHILD, digest } }))]),
    ]),
    ...URLS.map((urls) =>
      put(
        `urls ${JSON.stringify(urls)}`,
        image({
          layers: [{ ...LAYER, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar', urls }],
        }),
      ),
    ),
    ...TYPES.map((type) => put(`the type ${type.slice(0, 60)}`, IMAGE, type)),
    ...besides(),
  ]
}

/** The document is right, and something about its push is not. */
function besides(): Case[] {
  const line = 'PUT /v2/r/manifests/bad'
  const large = image({ annotations: { x: 'x'.repeat(4 * 1024 * 1024) } })
  return [
    { is: 'a digest of something else', line: `PUT /v2/r/manifests/${ABSENT}`, headers: [IS_MANIFEST], body: IMAGE, status: [400], code: ['DIGEST_INVALID'] },
    { is: 'a sha512 of something else', line: `PUT /v2/r/manifests/${sha512('x')}`, headers: [IS_MANIFEST], body: IMAGE, status: [400], code: ['DIGEST_INVALID'] },
    { is: 'white space makes another digest', line: `PUT /v2/r/manifests/${sha256(IMAGE)}`, headers: [IS_MANIFEST], body: `${IMAGE} `, status: [400], code: ['DIGEST_INVALID'] },
    { is: '101 tags at once', line: `PUT /v2/r/manifests/${sha256(IMAGE)}?${Array.from({ length: 101 }, (_, i) => `tag=t${i}`).join('&')}`, headers: [IS_MANIFEST], body: IMAGE, status: [414], code: ['TAG_INVALID'] },
    { is: 'more than 4 MiB', line, headers: [IS_MANIFEST], body: large, status: [413], code: ['MANIFEST_INVALID'] },
    { is: 'more than 4 MiB, chunked', line, raw: `${IS_MANIFEST}\r\nTransfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`, status: [413], code: ['MANIFEST_INVALID'] },
    { is: '1 GB announced', line, raw: `${IS_MANIFEST}\r\nContent-Length: 1000000000\r\n\r\n{`, status: [413], code: ['MANIFEST_INVALID'] },
    { is: '1 GB announced, and a look before', line, raw: `${IS_MANIFEST}\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n`, status: [413], code: ['MANIFEST_INVALID'] },
    { is: '16 EB announced', line, raw: `${IS_MANIFEST}\r\nContent-Length: 9223372036854775807\r\n\r\n{`, status: [400, 413], code: ['SIZE_INVALID', 'MANIFEST_INVALID'] },
    { is: 'gzip, and says so', line, headers: [IS_MANIFEST, 'Content-Encoding: gzip'], body: gzipSync(IMAGE), status: [400, 415], code: ['MANIFEST_INVALID', 'UNSUPPORTED'] },
    { is: 'gzip of much', line, headers: [IS_MANIFEST, 'Content-Encoding: gzip'], body: gzipSync(Buffer.alloc(50_000_000)), status: [400, 415], code: ['MANIFEST_INVALID', 'UNSUPPORTED'] },
    { is: 'into a repository without the blobs', line: 'PUT /v2/another/manifests/v1', headers: [IS_MANIFEST], body: IMAGE, status: [400], code: ['MANIFEST_BLOB_UNKNOWN'] },
  ] // prettier-ignore
}
