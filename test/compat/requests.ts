/**
 * What is asked of Berth and of CNCF Distribution alike, in this order, of a registry that is empty at first.
 * `{sha256 image}` is the digest of that content; `{u1}` is the Location that the request with `save: 'u1'` was
 * answered with, and a `?` after it becomes `&` where that Location has a query already.
 */
import { type ContentName, TYPE } from './contents.ts'

export type Step = readonly [
  ask: string,
  more?: {
    headers?: Readonly<Record<string, string>>
    body?: ContentName
    /** Sent in pieces, without Content-Length. */
    chunked?: true
    save?: string
  },
]

const ANY = {
  accept: [TYPE.manifest, TYPE.index, TYPE.dockerManifest, TYPE.dockerList].join(', '),
}
const oci = { 'content-type': TYPE.manifest }
const index = { 'content-type': TYPE.index }
const ZEROS = `sha256:${'0'.repeat(64)}`
const LONG = 'a'.repeat(256)

/** Addresses that have nothing to do with a repository, and methods they do not take. */
const BASE: readonly Step[] = [
  ['GET /v2/'],
  ['HEAD /v2/'],
  ['GET /v2/?ns=docker.io'],
  ['GET /v2'],
  ['GET /'],
  ['HEAD /'],
  ['POST /v2/'],
  ['PUT /v2/'],
  ['DELETE /v2/'],
  ['PATCH /v2/'],
  ['OPTIONS /v2/'],
  ['GET /v1/_ping'],
  ['GET /v1/search?q=a'],
  ['GET /v3/'],
  ['GET /v2/nothing'],
  ['GET /v2/a/b/nothing'],
  ['GET /v2//'],
  ['GET /favicon.ico'],
  ['GET /v2/_oci/ext/discover'],
  ['GET /v2/_catalog'],
  ['HEAD /v2/_catalog'],
  ['POST /v2/_catalog'],
  ['DELETE /v2/_catalog'],
]

/** An upload in each of the ways clients use. */
const UPLOADS: readonly Step[] = [
  ['POST /v2/up/blobs/uploads/', { save: 'u1' }],
  ['GET {u1}'],
  ['HEAD {u1}'],
  ['PATCH {u1}', { body: 'hel-', headers: { 'content-type': 'application/octet-stream' }, save: 'u1' }],
  ['GET {u1}', { save: 'u1' }],
  ['PATCH {u1}', { body: '-lo', headers: { 'content-range': '3-11' }, save: 'u1' }],
  ['PUT {u1}?digest={sha256 hello}'],
  ['GET /v2/up/blobs/{sha256 hello}'],
  ['GET {u1}'],
  ['PUT {u1}?digest={sha256 hello}'],
  // One PATCH of unknown length, as docker and podman send it.
  ['POST /v2/up/blobs/uploads/', { save: 'u2' }],
  ['PATCH {u2}', { body: 'layer', chunked: true, save: 'u2' }],
  ['PUT {u2}?digest={sha256 layer}'],
  ['HEAD /v2/up/blobs/{sha256 layer}'],
  // One PUT, as containerd sends it.
  ['POST /v2/up/blobs/uploads/', { save: 'u3' }],
  [
    'PUT {u3}?digest={sha256 config}',
    { body: 'config', headers: { 'content-type': 'application/octet-stream' } },
  ],
  ['POST /v2/up/blobs/uploads/', { save: 'u4' }],
  ['PUT {u4}?digest={sha256 braces}', { body: 'braces', chunked: true }],
  // The last piece in the PUT, the digest percent-encoded.
  ['POST /v2/up/blobs/uploads/', { save: 'u5' }],
  ['PATCH {u5}', { body: 'layer-1', headers: { 'content-range': '0-1999' }, save: 'u5' }],
  [
    'PUT {u5}?etag=x&digest={sha256% layer}',
    { body: 'layer-2', headers: { 'content-range': '2000-4999' }, save: 'u5' },
  ],
  // Nothing at all is a blob too.
  ['POST /v2/up/blobs/uploads/', { save: 'u6' }],
  ['PUT {u6}?digest={sha256 nothing}'],
  ['GET /v2/up/blobs/{sha256 nothing}'],
  ['HEAD /v2/up/blobs/{sha256 nothing}'],
  // All in one POST.
  ['POST /v2/one/blobs/uploads/?digest={sha256 other}', { body: 'other' }],
  ['HEAD /v2/one/blobs/{sha256 other}'],
  ['POST /v2/one/blobs/uploads/?digest={sha256 hello}', { body: 'other' }],
  ['POST /v2/one/blobs/uploads/?digest=sha256:short', { body: 'other' }],
  // Other digests.
  ['POST /v2/five/blobs/uploads/', { save: 'u7' }],
  ['PUT {u7}?digest={sha512 other}', { body: 'other' }],
  ['GET /v2/five/blobs/{sha512 other}'],
  ['HEAD /v2/five/blobs/{sha512 other}'],
  ['POST /v2/five/blobs/uploads/?digest-algorithm=sha512', { save: 'u8' }],
  ['PATCH {u8}', { body: 'hello', save: 'u8' }],
  ['PUT {u8}?digest={sha512 hello}'],
  ['POST /v2/five/blobs/uploads/?digest-algorithm=md5'],
]

const UPLOADS_GONE_WRONG: readonly Step[] = [
  ['POST /v2/bad/blobs/uploads/', { save: 'w1' }],
  ['PUT {w1}'],
  ['PUT {w1}?digest='],
  ['PUT {w1}?digest=sha256:short'],
  ['PUT {w1}?digest=md5:d41d8cd98f00b204e9800998ecf8427e'],
  ['PUT {w1}?digest=nonsense'],
  ['PATCH {w1}', { body: 'hel-', save: 'w1' }],
  ['PATCH {w1}', { body: '-lo', headers: { 'content-range': '4-12' } }],
  ['PATCH {w1}', { body: '-lo', headers: { 'content-range': '0-8' } }],
  ['PATCH {w1}', { body: '-lo', headers: { 'content-range': '3-4' } }],
  ['PATCH {w1}', { body: '-lo', headers: { 'content-range': '5-4' } }],
  ['PATCH {w1}', { body: '-lo', headers: { 'content-range': 'nonsense' } }],
  ['GET {w1}', { save: 'w1' }],
  ['PUT {w1}?digest={sha256 hello}', { body: '-lo', headers: { 'content-range': '9-17' } }],
  ['PUT {w1}?digest={sha256 hello}', { body: '-xyz' }],
  ['POST /v2/bad/blobs/uploads/', { save: 'w2' }],
  ['PATCH {w2}', { body: 'hello', save: 'w2' }],
  ['PUT {w2}?digest={sha256 other}'],
  ['PUT {w2}?digest={sha256 hello}'],
  ['POST /v2/bad/blobs/uploads/', { save: 'w3' }],
  ['PUT {w3}?digest={sha256 other}', { body: 'hello' }],
  ['HEAD /v2/bad/blobs/{sha256 other}'],
  // Cancelled.
  ['POST /v2/bad/blobs/uploads/', { save: 'w4' }],
  ['DELETE {w4}'],
  ['GET {w4}'],
  ['DELETE {w4}'],
  ['PATCH {w4}', { body: 'hello' }],
  ['PUT {w4}?digest={sha256 hello}', { body: 'hello' }],
  // Never begun.
  ['GET /v2/bad/blobs/uploads/0192f5a0-0000-7000-8000-000000000000'],
  ['PATCH /v2/bad/blobs/uploads/0192f5a0-0000-7000-8000-000000000000', { body: 'hello' }],
  ['PUT /v2/bad/blobs/uploads/0192f5a0-0000-7000-8000-000000000000?digest={sha256 hello}', { body: 'hello' }],
  ['DELETE /v2/bad/blobs/uploads/0192f5a0-0000-7000-8000-000000000000'],
  ['GET /v2/bad/blobs/uploads/nonsense'],
  ['PATCH /v2/bad/blobs/uploads/nonsense', { body: 'hello' }],
  ['GET /v2/bad/blobs/uploads/'],
  ['PUT /v2/bad/blobs/uploads/'],
  ['DELETE /v2/bad/blobs/uploads/'],
  ['PATCH /v2/bad/blobs/uploads/'],
  ['POST /v2/bad/blobs/uploads', { save: 'w5' }],
  ['POST {w5}'],
  ['POST /v2/BAD/blobs/uploads/'],
  [`POST /v2/${LONG}/blobs/uploads/`],
]

const MOUNTS: readonly Step[] = [
  ['POST /v2/mounted/blobs/uploads/?mount={sha256 layer}&from=up'],
  ['HEAD /v2/mounted/blobs/{sha256 layer}'],
  ['POST /v2/mounted/blobs/uploads/?from=up&mount={sha256% config}'],
  ['POST /v2/mounted/blobs/uploads/?mount={sha256 never}&from=up'],
  ['POST /v2/mounted/blobs/uploads/?mount={sha256 hello}&from=no/such/repository'],
  ['POST /v2/mounted/blobs/uploads/?mount={sha256 hello}'],
  ['POST /v2/mounted/blobs/uploads/?mount=nonsense&from=up'],
  ['POST /v2/mounted/blobs/uploads/?mount={sha256 hello}&from=UP'],
  ['POST /v2/mounted/blobs/uploads/?from=up'],
  ['POST /v2/up/blobs/uploads/?mount={sha256 layer}&from=up'],
]

/** `up` holds config, layer, hello, braces and nothing. */
const BLOBS: readonly Step[] = [
  ['GET /v2/up/blobs/{sha256 layer}'],
  ['GET /v2/up/blobs/{sha256% layer}'],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { accept: 'text/html' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'accept-encoding': 'gzip' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=0-99' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=4990-' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=-10' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=-9999' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=4000-9999' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=5000-' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=9-1' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=-0' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=a-b' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'lines=0-1' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=0-0,2-2' } }],
  ['HEAD /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=0-99' } }],
  ['GET /v2/up/blobs/{sha256 nothing}', { headers: { range: 'bytes=0-' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': '"{sha256 layer}"' } }],
  ['HEAD /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': '"{sha256 layer}"' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': 'W/"{sha256 layer}"' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': '"x", "{sha256 layer}"' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': '*' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { 'if-none-match': '"x"' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=0-9', 'if-range': '"{sha256 layer}"' } }],
  ['GET /v2/up/blobs/{sha256 layer}', { headers: { range: 'bytes=0-9', 'if-range': '"x"' } }],
  ['GET /v2/up/blobs/{sha256 never}'],
  ['HEAD /v2/up/blobs/{sha256 never}'],
  ['GET /v2/no/such/repository/blobs/{sha256 layer}'],
  ['GET /v2/up/blobs/sha256:short'],
  ['HEAD /v2/up/blobs/sha256:short'],
  ['GET /v2/up/blobs/nonsense'],
  ['GET /v2/up/blobs/md5:d41d8cd98f00b204e9800998ecf8427e'],
  [`GET /v2/up/blobs/sha256:${'A'.repeat(64)}`],
  ['GET /v2/UP/blobs/{sha256 layer}'],
  ['PUT /v2/up/blobs/{sha256 layer}'],
  ['POST /v2/up/blobs/{sha256 layer}'],
  ['PATCH /v2/up/blobs/{sha256 layer}'],
]

const MANIFESTS: readonly Step[] = [
  ['PUT /v2/up/manifests/v1', { body: 'image', headers: oci }],
  ['GET /v2/up/manifests/v1', { headers: ANY }],
  ['HEAD /v2/up/manifests/v1', { headers: ANY }],
  ['GET /v2/up/manifests/{sha256 image}', { headers: ANY }],
  ['HEAD /v2/up/manifests/{sha256 image}', { headers: ANY }],
  ['GET /v2/up/manifests/{sha256% image}', { headers: ANY }],
  ['PUT /v2/up/manifests/{sha256 second}', { body: 'second', headers: oci }],
  ['GET /v2/up/manifests/{sha256 second}', { headers: ANY }],
  ['PUT /v2/up/manifests/v1', { body: 'second', headers: oci }],
  ['GET /v2/up/manifests/v1', { headers: ANY }],
  [
    'PUT /v2/up/manifests/v1',
    { body: 'image', headers: { 'content-type': `${TYPE.manifest}; charset=utf-8` } },
  ],
  ['PUT /v2/up/manifests/V_2.0-rc', { body: 'image', headers: oci }],
  ['PUT /v2/up/manifests/docker', { body: 'docker', headers: { 'content-type': TYPE.dockerManifest } }],
  ['GET /v2/up/manifests/docker', { headers: ANY }],
  ['GET /v2/up/manifests/docker'],
  ['PUT /v2/up/manifests/untyped', { body: 'untyped', headers: oci }],
  ['GET /v2/up/manifests/untyped', { headers: ANY }],
  ['PUT /v2/up/manifests/no-layers', { body: 'no-layers', headers: oci }],
  ['PUT /v2/up/manifests/artifact', { body: 'artifact', headers: oci }],
  ['PUT /v2/up/manifests/index', { body: 'index', headers: index }],
  ['GET /v2/up/manifests/index', { headers: ANY }],
  ['PUT /v2/up/manifests/list', { body: 'docker-list', headers: { 'content-type': TYPE.dockerList } }],
  ['GET /v2/up/manifests/list', { headers: ANY }],
  ['PUT /v2/up/manifests/index-empty', { body: 'index-empty', headers: index }],
  ['PUT /v2/up/manifests/referrer', { body: 'referrer', headers: oci }],
  ['GET /v2/up/referrers/{sha256 image}'],
  ['GET /v2/up/referrers/sha256:short'],
  // What the client accepts.
  ['GET /v2/up/manifests/v1'],
  ['GET /v2/up/manifests/v1', { headers: { accept: '*/*' } }],
  ['GET /v2/up/manifests/v1', { headers: { accept: 'application/*' } }],
  ['GET /v2/up/manifests/v1', { headers: { accept: TYPE.dockerManifest } }],
  ['GET /v2/up/manifests/v1', { headers: { accept: `${TYPE.manifest};q=0.5` } }],
  ['GET /v2/up/manifests/{sha256 image}'],
  ['GET /v2/up/manifests/index'],
  ['GET /v2/up/manifests/list'],
  ['GET /v2/up/manifests/list', { headers: { accept: TYPE.dockerManifest } }],
  // What the client has already.
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '"{sha256 image}"' } }],
  ['HEAD /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '"{sha256 image}"' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '{sha256 image}' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': 'W/"{sha256 image}"' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '"x", "{sha256 image}"' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '*' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, 'if-none-match': '"x"' } }],
  ['GET /v2/up/manifests/v1', { headers: { ...ANY, range: 'bytes=0-9' } }],
  // What is not there.
  ['GET /v2/up/manifests/unknown', { headers: ANY }],
  ['HEAD /v2/up/manifests/unknown', { headers: ANY }],
  [`GET /v2/up/manifests/${ZEROS}`, { headers: ANY }],
  ['GET /v2/no/such/repository/manifests/v1', { headers: ANY }],
  ['GET /v2/up/manifests/sha256:short', { headers: ANY }],
  ['GET /v2/up/manifests/.hidden', { headers: ANY }],
  [`GET /v2/up/manifests/${'t'.repeat(129)}`, { headers: ANY }],
  ['GET /v2/up/manifests/', { headers: ANY }],
  ['POST /v2/up/manifests/v1', { body: 'image', headers: oci }],
  ['PATCH /v2/up/manifests/v1', { body: 'image', headers: oci }],
  ['OPTIONS /v2/up/manifests/v1'],
]

const MANIFESTS_REFUSED: readonly Step[] = [
  ['PUT /v2/up/manifests/bad', { body: 'sparse', headers: oci }],
  ['PUT /v2/up/manifests/sparse-index', { body: 'index-sparse', headers: index }],
  ['PUT /v2/up/manifests/foreign', { body: 'foreign', headers: oci }],
  ['PUT /v2/up/manifests/elsewhere', { body: 'foreign-elsewhere', headers: oci }],
  ['PUT /v2/up/manifests/urls', { body: 'urls-on-layer', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'both-kinds', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'wrong-media-type', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'image', headers: index }],
  ['PUT /v2/up/manifests/bad', { body: 'image', headers: { 'content-type': 'text/plain' } }],
  ['PUT /v2/up/manifests/no-type', { body: 'image' }],
  ['PUT /v2/up/manifests/bad', { body: 'version-1', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'version-3', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'no-version', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'no-config', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'bad-digest', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'no-digest', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'negative-size', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'size-is-text', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'annotations-are-a-list', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'half-json', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'braces', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'null', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'list', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'nothing', headers: oci }],
  ['PUT /v2/up/manifests/bad', { body: 'schema1', headers: { 'content-type': TYPE.schema1 } }],
  ['PUT /v2/up/manifests/bad', { body: 'too-large', headers: oci }],
  ['PUT /v2/up/manifests/{sha256 other}', { body: 'image', headers: oci }],
  ['PUT /v2/up/manifests/sha256:short', { body: 'image', headers: oci }],
  ['PUT /v2/up/manifests/{sha512 image}', { body: 'image', headers: oci }],
  ['PUT /v2/up/manifests/.hidden', { body: 'image', headers: oci }],
  ['PUT /v2/UP/manifests/v1', { body: 'image', headers: oci }],
  ['PUT /v2/up/manifests/{sha256 image}?tag=more-1&tag=more-2', { body: 'image', headers: oci }],
  ['PUT /v2/empty/manifests/bad', { body: 'image', headers: oci }],
  ['GET /v2/up/manifests/bad', { headers: ANY }],
]

const LISTS: readonly Step[] = [
  ['PUT /v2/mounted/manifests/v1', { body: 'image', headers: oci }],
  ['PUT /v2/mounted/manifests/v10', { body: 'image', headers: oci }],
  ['PUT /v2/mounted/manifests/v2', { body: 'image', headers: oci }],
  ['PUT /v2/mounted/manifests/Z', { body: 'image', headers: oci }],
  ['GET /v2/mounted/tags/list'],
  ['GET /v2/mounted/tags/list?n=2'],
  ['GET /v2/mounted/tags/list?n=2&last=v1'],
  ['GET /v2/mounted/tags/list?last=v1'],
  ['GET /v2/mounted/tags/list?last=between'],
  ['GET /v2/mounted/tags/list?last=zzz'],
  ['GET /v2/mounted/tags/list?n=0'],
  ['GET /v2/mounted/tags/list?n=4'],
  ['GET /v2/mounted/tags/list?n=1001'],
  ['GET /v2/mounted/tags/list?n=-1'],
  ['GET /v2/mounted/tags/list?n=abc'],
  ['GET /v2/mounted/tags/list?n=1.5'],
  ['GET /v2/mounted/tags/list?n=9223372036854775808'],
  ['GET /v2/mounted/tags/list?n='],
  ['HEAD /v2/mounted/tags/list'],
  ['POST /v2/mounted/tags/list'],
  ['DELETE /v2/mounted/tags/list'],
  ['GET /v2/mounted/tags/'],
  ['GET /v2/mounted/tags/v1'],
  ['GET /v2/no/such/repository/tags/list'],
  ['GET /v2/one/tags/list'],
  ['GET /v2/UP/tags/list'],
  [`GET /v2/${LONG}/tags/list`],
  ['GET /v2/a..b/tags/list'],
  ['GET /v2/-a/tags/list'],
  ['GET /v2/a_/tags/list'],
  ['GET /v2/a/UP/tags/list'],
  ['GET /v2/UP/a/tags/list'],
  ['GET /v2/_catalog'],
  ['GET /v2/_catalog?n=1'],
  ['GET /v2/_catalog?n=1&last=mounted'],
  ['GET /v2/_catalog?last=mounted'],
  ['GET /v2/_catalog?last=zzz'],
  ['GET /v2/_catalog?n=0'],
  ['GET /v2/_catalog?n=1000'],
  ['GET /v2/_catalog?n=1001'],
  ['GET /v2/_catalog?n=-1'],
  ['GET /v2/_catalog?n=abc'],
]

const DELETES: readonly Step[] = [
  ['DELETE /v2/mounted/manifests/v2'],
  ['DELETE /v2/mounted/manifests/v2'],
  ['GET /v2/mounted/manifests/v2', { headers: ANY }],
  ['GET /v2/mounted/tags/list'],
  ['DELETE /v2/mounted/manifests/unknown'],
  [`DELETE /v2/mounted/manifests/${ZEROS}`],
  ['DELETE /v2/mounted/manifests/sha256:short'],
  ['DELETE /v2/no/such/repository/manifests/v1'],
  ['DELETE /v2/mounted/manifests/{sha256 image}'],
  ['GET /v2/mounted/manifests/{sha256 image}', { headers: ANY }],
  ['GET /v2/mounted/manifests/v1', { headers: ANY }],
  ['GET /v2/mounted/tags/list'],
  ['DELETE /v2/mounted/manifests/{sha256 image}'],
  ['PUT /v2/mounted/manifests/again', { body: 'image', headers: oci }],
  ['GET /v2/mounted/manifests/again', { headers: ANY }],
  ['DELETE /v2/mounted/blobs/{sha256 layer}'],
  ['HEAD /v2/mounted/blobs/{sha256 layer}'],
  ['DELETE /v2/mounted/blobs/{sha256 layer}'],
  ['GET /v2/up/blobs/{sha256 layer}'],
  [`DELETE /v2/mounted/blobs/${ZEROS}`],
  ['DELETE /v2/mounted/blobs/sha256:short'],
  ['DELETE /v2/no/such/repository/blobs/{sha256 layer}'],
  ['GET /v2/mounted/manifests/again', { headers: ANY }],
  ['PUT /v2/mounted/manifests/after', { body: 'second', headers: oci }],
  ['POST /v2/mounted/blobs/uploads/', { save: 'd1' }],
  ['PUT {d1}?digest={sha256 layer}', { body: 'layer' }],
  ['PUT /v2/mounted/manifests/after', { body: 'second', headers: oci }],
  ['GET /v2/mounted/manifests/after', { headers: ANY }],
]

export const STEPS: readonly Step[] = [
  ...BASE,
  ...UPLOADS,
  ...UPLOADS_GONE_WRONG,
  ...MOUNTS,
  ...BLOBS,
  ...MANIFESTS,
  ...MANIFESTS_REFUSED,
  ...LISTS,
  ...DELETES,
]

/** What a step is called in the recorded answers and in the table of differences: its request; again, it is numbered. */
export function namesOf(steps: readonly Step[]): string[] {
  const seen = new Map<string, number>()
  return steps.map(([ask, more = {}]) => {
    const headers = Object.entries(more.headers ?? {}).map(([name, value]) => ` ${name}:${shortened(value)}`)
    const text = `${shortened(ask)}${more.body === undefined ? '' : ` <${more.body}`}${headers.join('')}`
    const count = (seen.get(text) ?? 0) + 1
    seen.set(text, count)
    return count === 1 ? text : `${text} (${count})`
  })
}

/** Media types and long names take much room and tell little. */
function shortened(text: string): string {
  if (text === ANY.accept) return 'any'
  return text
    .replace(
      /application\/vnd\.(oci|docker)\.(?:image|distribution)\.([a-z0-9.]+)\+(?:json|prettyjws)/g,
      '$1.$2',
    )
    .replace(/(.)\1{15,}/g, (run: string, char: string) => `${char}x${run.length}`)
}
