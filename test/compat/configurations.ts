/**
 * The ways in which people configure CNCF Distribution: its two stock files, and environments on top of them. Ports
 * and folders always come from the environment, so that the files can stay as they are.
 */
import { STOCK_V2, STOCK_V3 } from '../../src/config/files.fixture.ts'
import type { Difference } from './compare-answers.ts'
import type { Setup, Surroundings } from './launch.ts'
import type { Place } from './play.ts'

export type Configuration = {
  name: string
  file: 'v2' | 'v3'
  env?: Record<string, string> | ((around: Surroundings) => Record<string, string>)
  /** Taken out of the environment that holds for all. */
  without?: readonly string[]
  place?: (around: Surroundings) => Place
  /** Response headers whose values matter here. */
  headers?: readonly string[]
  /** Neither starts with it. */
  refused?: true
  /** What both do at start, where it is not the same: why. */
  start?: { peer: 'starts' | 'refuses'; berth: 'starts' | 'refuses'; why: string }
  /** What is different on purpose with this configuration only. */
  differences?: readonly Difference[]
  needsCertificate?: true
}

const DELETES_OFF: readonly Difference[] = [
  {
    why: 'a 405 has an Allow (RFC 9110, section 15.5.6)',
    field: 'allow',
    peer: '-',
    berth: 'GET, HEAD',
    steps: /^DELETE /,
  },
]

const NOSNIFF: readonly Difference[] = [
  {
    why: 'browsers are told not to guess types, whatever http.headers says',
    field: 'x-content-type-options',
    peer: '-',
    berth: 'nosniff',
  },
]

const EVERYWHERE = (field: string, value: string): Difference => ({
  why: 'http.headers stand on every answer of the API, also where there is no such address',
  field,
  peer: '-',
  berth: value,
})

const LENGTH_OF_REDIRECT: readonly Difference[] = [
  {
    why: '/v2 is sent on to /v2/ without a page of HTML',
    field: 'content-length',
    peer: /^4\d$/,
    berth: '0',
    steps: ['GET /v2'],
  },
]

const URLS: readonly Difference[] = [
  {
    why: 'urls are for layers that must not be distributed; others are pushed',
    field: 'answer',
    peer: '201',
    berth: '400 MANIFEST_INVALID',
    steps: ['PUT /v2/up/manifests/urls <urls-on-layer content-type:oci.manifest.v1'],
  },
]

const URLS_REFUSED: readonly Difference[] = [
  {
    why: 'a URL that the rules refuse is the mistake of the client, not of the server',
    field: 'answer',
    peer: /^500 UNKNOWN/,
    berth: '400 MANIFEST_INVALID',
    steps: ['PUT /v2/up/manifests/elsewhere <foreign-elsewhere content-type:oci.manifest.v1'],
  },
]

const READ_ONLY: readonly Difference[] = [
  {
    why: 'what cannot be understood is told first',
    field: 'answer',
    peer: '405 text Method not allowed',
    berth: /^(?:400 DIGEST_INVALID|404 UNSUPPORTED)$/,
  },
  {
    why: 'whether there is such an upload is not looked at where nothing can be written',
    field: 'answer',
    peer: '404 BLOB_UPLOAD_INVALID',
    berth: '405 UNSUPPORTED',
  },
  {
    why: 'an address that never takes the method says so, with what it takes when it may',
    field: 'allow',
    peer: 'GET, HEAD',
    berth: /^(?:POST|DELETE, GET, HEAD(?:, PUT)?)$/,
  },
  {
    why: 'the slash at the end may be missing',
    field: 'answer',
    peer: '301',
    berth: '405 UNSUPPORTED',
  },
  {
    why: 'who sends a large body hears why it is not wanted; Distribution cuts the connection',
    field: 'answer',
    peer: /^0 |^0$|^405/,
    berth: '405 UNSUPPORTED',
    steps: /<too-large/,
  },
  {
    why: 'a repository that is not there has no pages either',
    field: 'answer',
    peer: /^(?:200|400 PAGINATION_NUMBER_INVALID)$/,
    berth: '404 NAME_UNKNOWN',
    steps: /^GET \/v2\/mounted\/tags\/list\?/,
  },
]

const PUBLIC_HOST: readonly Difference[] = [
  {
    why: 'Locations are relative also where http.host is set',
    field: 'location',
    peer: /^https:\/\/registry\.example\.com\/v2\//,
    berth: (peer) => peer.replace('https://registry.example.com', '').replace('?_state=<state>', ''),
  },
]

const NO_PANIC = 'Distribution panics where the rest of the section is not given'

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: 'stock file of v3', file: 'v3' },
  { name: 'stock file of v2', file: 'v2', differences: DELETES_OFF },
  {
    name: 'deletes off',
    file: 'v3',
    env: { REGISTRY_STORAGE_DELETE_ENABLED: 'false' },
    differences: DELETES_OFF,
  },
  {
    name: 'deletes "no"',
    file: 'v3',
    env: { REGISTRY_STORAGE_DELETE_ENABLED: 'no' },
    differences: DELETES_OFF,
  },
  { name: 'deletes "yes"', file: 'v2', env: { REGISTRY_STORAGE_DELETE_ENABLED: 'yes' } },
  { name: 'deletes as a map', file: 'v2', env: { REGISTRY_STORAGE_DELETE: '{enabled: true}' } },
  {
    name: 'prefix',
    file: 'v3',
    env: { REGISTRY_HTTP_PREFIX: '/registry' },
    place: below('/registry'),
    differences: LENGTH_OF_REDIRECT,
  },
  {
    name: 'prefix of two parts',
    file: 'v3',
    env: { REGISTRY_HTTP_PREFIX: '/a/b/' },
    place: below('/a/b'),
    differences: LENGTH_OF_REDIRECT,
  },
  {
    name: 'headers as a map',
    file: 'v3',
    env: { REGISTRY_HTTP_HEADERS: '{X-Test: [one, two], Access-Control-Allow-Origin: ["*"]}' },
    headers: ['x-test', 'access-control-allow-origin'],
    differences: [
      ...NOSNIFF,
      EVERYWHERE('x-test', 'one, two'),
      EVERYWHERE('access-control-allow-origin', '*'),
    ],
  },
  {
    name: 'one header as a list',
    file: 'v3',
    env: { 'REGISTRY_HTTP_HEADERS_X-Test': '[one]' },
    headers: ['x-test'],
    differences: [EVERYWHERE('x-test', 'one')],
  },
  { name: 'one header as a text', refused: true, file: 'v3', env: { 'REGISTRY_HTTP_HEADERS_X-Test': 'one' } },
  {
    name: 'read-only as a map',
    file: 'v3',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' },
    differences: READ_ONLY,
  },
  {
    name: 'read-only by its key',
    file: 'v3',
    env: { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' },
    start: { peer: 'refuses', berth: 'starts', why: NO_PANIC },
  },
  { name: 'pages of tags', file: 'v3', env: { REGISTRY_TAGS_MAXTAGS: '2' } },
  { name: 'pages of repositories', file: 'v3', env: { REGISTRY_CATALOG_MAXENTRIES: '2' } },
  {
    name: 'urls allowed',
    file: 'v3',
    env: { REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW: '["^https://example\\\\.com/"]' },
    differences: [...URLS, ...URLS_REFUSED],
  },
  {
    name: 'urls denied',
    file: 'v3',
    env: {
      REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW: '[".*"]',
      REGISTRY_VALIDATION_MANIFESTS_URLS_DENY: '["^https://elsewhere\\\\."]',
    },
    differences: [...URLS, ...URLS_REFUSED],
  },
  {
    name: 'platforms none',
    file: 'v3',
    env: { REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS: 'none' },
  },
  {
    name: 'platforms of a list',
    file: 'v3',
    env: {
      REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS: 'list',
      REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST: '[{architecture: amd64, os: linux}]',
    },
  },
  { name: 'validation off', file: 'v3', env: { REGISTRY_VALIDATION_DISABLED: 'true' }, differences: URLS },
  { name: 'relative URLs', file: 'v3', env: { REGISTRY_HTTP_RELATIVEURLS: 'true' } },
  {
    name: 'a public host',
    file: 'v3',
    env: { REGISTRY_HTTP_HOST: 'https://registry.example.com' },
    differences: PUBLIC_HOST,
  },
  {
    name: 'TLS',
    file: 'v3',
    needsCertificate: true,
    env: certificate,
    place: overTls,
  },
  {
    name: 'TLS 1.3 only',
    file: 'v3',
    needsCertificate: true,
    env: (around) => ({ ...certificate(around), REGISTRY_HTTP_TLS_MINIMUMTLS: 'tls1.3' }),
    place: overTls,
  },
  {
    name: 'TLS 1.0',
    refused: true,
    file: 'v3',
    needsCertificate: true,
    env: (around) => ({ ...certificate(around), REGISTRY_HTTP_TLS_MINIMUMTLS: 'tls1.0' }),
    place: overTls,
  },
  {
    name: 'TLS without a certificate',
    refused: true,
    file: 'v3',
    env: ({ folder }) => ({
      REGISTRY_HTTP_TLS_CERTIFICATE: `${folder}/no.crt`,
      REGISTRY_HTTP_TLS_KEY: `${folder}/no.key`,
    }),
    place: overTls,
  },
  {
    name: 'unix socket',
    file: 'v3',
    env: ({ folder }) => ({ REGISTRY_HTTP_NET: 'unix', REGISTRY_HTTP_ADDR: `${folder}/s` }),
    place: ({ folder }) => ({ url: 'http://localhost', socketPath: `${folder}/s` }),
  },
  {
    name: 'logs in JSON, errors only',
    file: 'v3',
    env: { REGISTRY_LOG_FORMATTER: 'json', REGISTRY_LOG_LEVEL: 'error' },
  },
  {
    name: 'logs for logstash, without an access log',
    file: 'v3',
    env: { REGISTRY_LOG_FORMATTER: 'logstash', REGISTRY_LOG_ACCESSLOG_DISABLED: 'true' },
  },
  {
    name: 'the old name of the level',
    file: 'v2',
    env: { REGISTRY_LOGLEVEL: 'debug' },
    differences: DELETES_OFF,
  },
  { name: 'a level that is none', refused: true, file: 'v2', env: { REGISTRY_LOG_LEVEL: 'chatty' } },
  { name: 'a formatter that is none', refused: true, file: 'v2', env: { REGISTRY_LOG_FORMATTER: 'xml' } },
  { name: 'no debug port', file: 'v3', env: { REGISTRY_HTTP_DEBUG_ADDR: '""' } },
  {
    name: 'metrics elsewhere',
    file: 'v3',
    env: { REGISTRY_HTTP_DEBUG_PROMETHEUS_PATH: '/prometheus' },
  },
  {
    name: 'upload purging as a map',
    file: 'v3',
    env: {
      REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING:
        '{"enabled":true,"age":"168h","interval":"24h","dryrun":false}',
    },
  },
  {
    name: 'upload purging off by its key',
    file: 'v2',
    env: { REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED: 'false' },
    start: { peer: 'refuses', berth: 'starts', why: NO_PANIC },
  },
  {
    name: 'storage as a whole map',
    file: 'v3',
    without: ['REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY'],
    env: ({ folder }) => ({
      REGISTRY_STORAGE: `{filesystem: {rootdirectory: ${folder}/whole}, delete: {enabled: true}}`,
    }),
  },
  {
    name: 'storage filesystem as a text, which drops the rest',
    file: 'v3',
    env: { REGISTRY_STORAGE: 'filesystem' },
    differences: DELETES_OFF,
  },
  {
    name: 'storage in memory',
    file: 'v3',
    without: ['REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY'],
    env: { REGISTRY_STORAGE: 'inmemory', REGISTRY_STORAGE_DELETE_ENABLED: 'true' },
  },
  { name: 'two kinds of storage', refused: true, file: 'v3', env: { REGISTRY_STORAGE_INMEMORY: '{}' } },
  {
    name: 'a kind of storage that is none',
    refused: true,
    file: 'v3',
    env: { REGISTRY_STORAGE_FLOPPY_DRIVE: 'a' },
  },
  { name: 'an address that is none', refused: true, file: 'v3', env: { REGISTRY_HTTP_ADDR: 'nonsense' } },
  {
    name: 'a version that is none',
    file: 'v3',
    env: { REGISTRY_VERSION: '9.9' },
    start: { peer: 'starts', berth: 'refuses', why: 'a version that is not known is not guessed at' },
  },
  { name: 'YAML that is none', refused: true, file: 'v3', env: { REGISTRY_STORAGE_DELETE: '{enabled: [' } },
  {
    name: 'variables of a Kubernetes Service',
    file: 'v3',
    env: {
      REGISTRY_PORT: 'tcp://10.0.0.1:5000',
      REGISTRY_SERVICE_HOST: '10.0.0.1',
      REGISTRY_SERVICE_PORT: '5000',
    },
  },
  { name: 'a secret', file: 'v3', env: { REGISTRY_HTTP_SECRET: 'not needed here' } },
  { name: 'HTTP/2 off', file: 'v3', env: { REGISTRY_HTTP_HTTP2_DISABLED: 'true' } },
  { name: 'a cache', file: 'v3', env: { REGISTRY_STORAGE_CACHE_BLOBDESCRIPTORSIZE: '100' } },
  {
    name: 'threads and redirects',
    file: 'v3',
    env: {
      REGISTRY_STORAGE_FILESYSTEM_MAXTHREADS: '50',
      REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
    },
  },
  { name: 'auth none', file: 'v3', env: { REGISTRY_AUTH: 'none' } },
  { name: 'auth that has no kind', refused: true, file: 'v3', env: { REGISTRY_AUTH: 'nonsense' } },
]

function below(prefix: string): (around: Surroundings) => Place {
  return ({ port }) => ({ url: `http://127.0.0.1:${port}`, prefix })
}

function overTls({ port }: Surroundings): Place {
  return { url: `https://127.0.0.1:${port}` }
}

function certificate({ certificateFile = '', keyFile = '' }: Surroundings): Record<string, string> {
  return { REGISTRY_HTTP_TLS_CERTIFICATE: certificateFile, REGISTRY_HTTP_TLS_KEY: keyFile }
}

/** The configuration as a program gets it. */
export function setupOf(one: Configuration, tls?: { certificate: string; key: string }): Setup {
  const env = (given: Surroundings): Record<string, string> => {
    const around = { ...given, ...(tls && { certificateFile: tls.certificate, keyFile: tls.key }) }
    const own = typeof one.env === 'function' ? one.env(around) : (one.env ?? {})
    const all = {
      REGISTRY_HTTP_ADDR: `127.0.0.1:${around.port}`,
      ...(one.file === 'v3' && { REGISTRY_HTTP_DEBUG_ADDR: `127.0.0.1:${around.debugPort}` }),
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: `${around.folder}/data`,
      ...own,
    }
    const dropped = new Set(one.without ?? [])
    return Object.fromEntries(Object.entries(all).filter(([name]) => !dropped.has(name)))
  }
  return {
    file: one.file === 'v3' ? STOCK_V3 : STOCK_V2,
    env,
    ...(one.place && { place: one.place }),
  }
}
