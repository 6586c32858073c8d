/** Where Berth answers otherwise than CNCF Distribution 3.1.2, on purpose, and why. */
import type { Difference } from './compare-answers.ts'

const FORMS: readonly Difference[] = [
  {
    why: 'Locations are relative: no proxy in front can falsify them, and every client resolves them',
    field: 'location',
    peer: /^<origin>\/v2\/[^?]*$/,
    berth: (peer) => peer.replace('<origin>', ''),
  },
  {
    why: 'the state of an upload is a row of the database, so that any process can go on with it; there is no _state to lose',
    field: 'location',
    peer: /\?_state=<state>$/,
    berth: (peer) => peer.replace('<origin>', '').replace('?_state=<state>', ''),
  },
  {
    why: "what is no endpoint is told in the specification's JSON, not as text",
    field: 'answer',
    peer: '404 text 404 page not found',
    berth: '404 UNSUPPORTED',
  },
  {
    why: 'a method that an address does not take is refused in JSON, with the same Allow',
    field: 'answer',
    peer: '405 text Method not allowed',
    berth: '405 UNSUPPORTED',
  },
  {
    why: 'errors are JSON, also for a method or an address that does not exist',
    field: 'content-type',
    peer: 'text/plain; charset=utf-8',
    berth: 'application/json',
  },
  {
    why: 'lists are JSON without a line feed at the end',
    field: 'content-length',
    peer: /^\d+$/,
    berth: (peer) => `${Number(peer) - 1}`,
    steps: /^GET \/v2\/(?:_catalog|\w+\/tags\/list)/,
  },
]

const BASE: readonly Difference[] = [
  {
    why: '/v2 is sent on to /v2/ without a page of HTML',
    field: 'content-type',
    peer: 'text/html; charset=utf-8',
    berth: '-',
    steps: ['GET /v2'],
  },
  {
    why: '/v2 is sent on to /v2/ without a page of HTML',
    field: 'content-length',
    peer: '39',
    berth: '0',
    steps: ['GET /v2'],
  },
  {
    why: '/v2 is sent on to /v2/ without a page of HTML',
    field: 'body',
    peer: /^text <a href/,
    berth: '-',
    steps: ['GET /v2'],
  },
  {
    why: 'http.headers and nosniff stand on every answer below /v2',
    field: 'x-content-type-options',
    peer: '-',
    berth: 'nosniff',
    steps: ['GET /v2'],
  },
  {
    why: 'HEAD tells the length that GET has',
    field: 'content-length',
    peer: '-',
    berth: '0',
    steps: ['HEAD /'],
  },
  {
    why: '/v2/ is for GET and HEAD; Distribution answers 200 to every method',
    field: 'answer',
    peer: '200',
    berth: '405 UNSUPPORTED',
    steps: /^(?:POST|PUT|DELETE|PATCH) \/v2\/$/,
  },
  {
    why: 'OPTIONS is 204 with Allow, for UIs in browsers',
    field: 'answer',
    peer: '200',
    berth: '204',
    steps: /^OPTIONS /,
  },
  {
    why: 'a path is taken as it is; Distribution cleans it and redirects, which loses bodies',
    field: 'answer',
    peer: '301',
    berth: '404 UNSUPPORTED',
    steps: ['GET /v2//'],
  },
  {
    why: "the specification's extensions can be discovered",
    field: 'answer',
    peer: '404 text 404 page not found',
    berth: '200',
    steps: ['GET /v2/_oci/ext/discover'],
  },
]

const UPLOADS: readonly Difference[] = [
  {
    why: 'a closing PUT that is repeated because its answer was lost has done its work: the blob is in this repository',
    field: 'answer',
    peer: /^404 BLOB_UPLOAD_(?:UNKNOWN|INVALID)$/,
    berth: '201',
    steps: /^PUT .*\?digest=\{sha256 hello\}/,
  },
  {
    why: 'POST ?digest= with the blob as its body is one push (end-4b); Distribution ignores body and digest',
    field: 'answer',
    peer: '202',
    berth: '201',
    steps: ['POST /v2/one/blobs/uploads/?digest={sha256 other} <other'],
  },
  {
    why: 'POST ?digest= with the blob as its body is one push (end-4b); Distribution ignores body and digest',
    field: 'answer',
    peer: '404',
    berth: '200',
    steps: ['HEAD /v2/one/blobs/{sha256 other}'],
  },
  {
    why: 'a digest that is none, or not that of the body, is refused (end-4b)',
    field: 'answer',
    peer: '202',
    berth: '400 DIGEST_INVALID',
    steps: /^POST \/v2\/one\/blobs\/uploads\/\?digest=/,
  },
  {
    why: 'an algorithm that is not supported is refused (end-4c)',
    field: 'answer',
    peer: '202',
    berth: '400 DIGEST_INVALID',
    steps: ['POST /v2/five/blobs/uploads/?digest-algorithm=md5'],
  },
  {
    why: 'what was pushed by its sha512 is known by its sha512',
    field: 'docker-content-digest',
    peer: /^sha256:/,
    berth: /^sha512:/,
    steps: /\{sha512 /,
  },
  {
    why: 'what was pushed by its sha512 is known by its sha512',
    field: 'etag',
    peer: /^"sha256:/,
    berth: /^"sha512:/,
    steps: /\{sha512 /,
  },
  {
    why: 'what was pushed by its sha512 is known by its sha512',
    field: 'location',
    peer: /\/blobs\/sha256:/,
    berth: /\/blobs\/sha512:/,
    steps: /^PUT \{u[78]\}/,
  },
  ...['docker-upload-uuid', 'location', 'range'].map((field) => ({
    why: 'a chunk that does not fit is told where to go on',
    field,
    peer: '-',
    berth: /^(?:<id>|\/v2\/bad\/blobs\/uploads\/<id>|0-2)$/,
    steps: /^(?:PATCH|PUT) \{w1\}.* content-range:/,
  })),
  {
    why: "a Content-Range that is none is the client's mistake, not the server's",
    field: 'answer',
    peer: '500 UNKNOWN',
    berth: '416 RANGE_INVALID',
    steps: ['PATCH {w1} <-lo content-range:nonsense'],
  },
  {
    why: 'an upload that is not there is unknown, whatever is missing in its address',
    field: 'answer',
    peer: '404 BLOB_UPLOAD_INVALID',
    berth: '404 BLOB_UPLOAD_UNKNOWN',
  },
  {
    why: 'the address where uploads begin takes POST only',
    field: 'answer',
    peer: '404 BLOB_UPLOAD_UNKNOWN',
    berth: '405 UNSUPPORTED',
    steps: /^(?:GET|PUT|DELETE|PATCH) \/v2\/bad\/blobs\/uploads\/$/,
  },
  {
    why: 'the slash at the end may be missing: a redirect of a POST loses its body',
    field: 'answer',
    peer: '301',
    berth: '202',
    steps: ['POST /v2/bad/blobs/uploads'],
  },
  {
    why: 'POST goes to the address where uploads begin, not to an upload (which is where the redirect of the step before does not lead)',
    field: 'answer',
    peer: '202',
    berth: '405 UNSUPPORTED',
    steps: ['POST {w5}'],
  },
  {
    why: 'a mount without from is done wherever the asker may read the blob (end-11)',
    field: 'answer',
    peer: '202',
    berth: '201',
    steps: ['POST /v2/mounted/blobs/uploads/?mount={sha256 hello}'],
  },
]

const NAMES: readonly Difference[] = [
  {
    why: 'a name, digest or tag that is none is told as what it is',
    field: 'answer',
    peer: '404 text 404 page not found',
    berth: /^400 (?:NAME|DIGEST|TAG)_INVALID$/,
  },
  {
    why: 'a name over 255 characters is one error, not two documents under a 500',
    field: 'answer',
    peer: '500 text that is no JSON',
    berth: '400 NAME_INVALID',
  },
  {
    why: 'upper case is no part of a name; Distribution reads the first part as a domain',
    field: 'answer',
    peer: '404 NAME_UNKNOWN',
    berth: '400 NAME_INVALID',
    steps: ['GET /v2/UP/a/tags/list'],
  },
]

const BLOBS: readonly Difference[] = [
  {
    why: 'a range outside the blob is refused in JSON, with its size',
    field: 'answer',
    peer: /^416 text invalid range/,
    berth: '416 RANGE_INVALID',
  },
  {
    why: 'a range outside the blob is refused in JSON, with its size',
    field: 'content-range',
    peer: '-',
    berth: 'bytes */5000',
  },
  {
    why: 'a range outside the blob is refused in JSON, with its size',
    field: 'accept-ranges',
    peer: '-',
    berth: 'bytes',
  },
  {
    why: 'an error is not the blob',
    field: 'docker-content-digest',
    peer: /^sha256:/,
    berth: '-',
    steps: / range:/,
  },
  {
    why: 'the last 0 bytes, and no range at all, cannot be had',
    field: 'answer',
    peer: /^20[06]$/,
    berth: '416 RANGE_INVALID',
    steps: / range:bytes=(?:-0)?$/,
  },
  {
    why: 'a unit that is not understood is ignored (RFC 9110, section 14.2)',
    field: 'answer',
    peer: '416 text invalid range',
    berth: '200',
    steps: ['GET /v2/up/blobs/{sha256 layer} range:lines=0-1'],
  },
  {
    why: 'several ranges at a time are answered with the whole, as a server may; no client asks for them',
    field: 'answer',
    peer: '206',
    berth: '200',
    steps: ['GET /v2/up/blobs/{sha256 layer} range:bytes=0-0,2-2'],
  },
  {
    why: 'Range is for GET only (RFC 9110, section 14.2)',
    field: 'answer',
    peer: '206',
    berth: '200',
    steps: ['HEAD /v2/up/blobs/{sha256 layer} range:bytes=0-99'],
  },
]

const MANIFESTS: readonly Difference[] = [
  {
    why: 'the referrers API is there',
    field: 'answer',
    peer: '404 text 404 page not found',
    berth: '200',
    steps: ['GET /v2/up/referrers/{sha256 image}'],
  },
  {
    why: 'the stored type is served whatever Accept says',
    field: 'answer',
    peer: /^(?:404 MANIFEST_UNKNOWN|400 MANIFEST_INVALID)$/,
    berth: '200',
    steps: /^GET \/v2\/up\/manifests\/(?:v1|list|\{sha256 image\})(?: accept:\S+)?$/,
  },
  ...['content-type', 'content-length', 'docker-content-digest', 'etag', 'body'].map((field) => ({
    why: 'a list is served as a list, never as one of its children',
    field,
    peer: /./,
    berth: /./,
    steps: ['GET /v2/up/manifests/list accept:docker.manifest.v2'],
  })),
  ...['docker-content-digest', 'etag'].map((field) => ({
    why: 'a 304 says what has not changed (RFC 9110, section 15.4.5)',
    field,
    peer: '-',
    berth: /^"?sha256:/,
    steps: / if-none-match:/,
  })),
  {
    why: 'If-None-Match may be weak, a list, or * (RFC 9110, section 13.1.2)',
    field: 'answer',
    peer: '200',
    berth: '304',
    steps: /^GET \/v2\/up\/manifests\/v1 .*if-none-match:/,
  },
  {
    why: 'layers that may lie elsewhere are taken, and never fetched',
    field: 'answer',
    peer: /^500 /,
    berth: '201',
    steps: /<foreign/,
  },
  {
    why: "a manifest that is wrong is the client's mistake, and says so once",
    field: 'answer',
    peer: /^(?:500 UNKNOWN|400 DIGEST_INVALID MANIFEST_BLOB_UNKNOWN)/,
    berth: '400 MANIFEST_INVALID',
    steps: /^PUT \/v2\/up\/manifests\/(?:bad|urls) /,
  },
  {
    why: 'a size below 0 is none',
    field: 'answer',
    peer: '201',
    berth: '400 MANIFEST_INVALID',
    steps: /<negative-size/,
  },
  {
    why: 'where Content-Type is absent, mediaType in the manifest says what it is',
    field: 'answer',
    peer: '400 MANIFEST_INVALID',
    berth: '201',
    steps: ['PUT /v2/up/manifests/no-type <image'],
  },
  {
    why: 'too large a manifest is 413',
    field: 'answer',
    peer: '400 MANIFEST_INVALID',
    berth: '413 MANIFEST_INVALID',
    steps: /<too-large/,
  },
  {
    why: 'manifests are pushed by their sha512 too',
    field: 'answer',
    peer: '400 DIGEST_INVALID',
    berth: '201',
    steps: /^PUT \/v2\/up\/manifests\/\{sha512 image\}/,
  },
  {
    why: 'one error names all that is missing',
    field: 'answer',
    peer: /^400 MANIFEST_BLOB_UNKNOWN( MANIFEST_BLOB_UNKNOWN)+$/,
    berth: '400 MANIFEST_BLOB_UNKNOWN',
  },
  {
    why: 'nothing of what was refused is there; Distribution took the one with the size below 0',
    field: 'answer',
    peer: '200',
    berth: '404 MANIFEST_UNKNOWN',
    steps: ['GET /v2/up/manifests/bad accept:any'],
  },
]

const LISTS: readonly Difference[] = [
  {
    why: 'no Link where nothing follows',
    field: 'link',
    peer: /rel="next"$/,
    berth: '-',
    steps: /\/tags\/list\?n=/,
  },
  {
    why: 'too large a number is cut',
    field: 'answer',
    peer: '400 PAGINATION_NUMBER_INVALID',
    berth: '200',
    steps: /\?n=\d+$/,
  },
]

export const DIFFERENCES: readonly Difference[] = [
  ...FORMS,
  ...BASE,
  ...UPLOADS,
  ...NAMES,
  ...BLOBS,
  ...MANIFESTS,
  ...LISTS,
]
