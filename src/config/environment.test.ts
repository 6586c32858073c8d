import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, loadFile, mistakesOf } from './files.fixture.ts'
import type { Config } from './schema.ts'

const FILE = `version: 0.1
storage:
  filesystem: { rootdirectory: /a }
  delete: { enabled: true }
  maintenance:
    uploadpurging: { enabled: true, age: 168h, interval: 24h, dryrun: false }
http:
  addr: :5000
  headers: { X-Foo: [a] }
health:
  http: [{ uri: http://one/ }]
`

// Each row was tried with Distribution 3.1.2; the rows after the blank line are those where it panics or ignores.
const RULE: [Record<string, string>, (config: Config) => unknown, unknown][] = [
  [{ REGISTRY_HTTP_ADDR: ':6000' }, (c) => c.http.addr, ':6000'],
  [{ REGISTRY_HTTP_ADDR: '"[::1]:6000"' }, (c) => c.http.addr, '[::1]:6000'],
  [{ REGISTRY_HTTP_ADDR: '' }, (c) => c.http.addr, ':5000'],
  [{ REGISTRY_HTTP: '{addr: ":6000"}' }, (c) => [c.http.addr, c.http.headers], [':6000', {}]],
  [{ REGISTRY_STORAGE: 'filesystem' }, (c) => c.storage.filesystem, { rootdirectory: '/var/lib/registry' }],
  [{ REGISTRY_STORAGE: 'filesystem' }, (c) => c.storage.delete.enabled, false],
  [
    { REGISTRY_STORAGE: '{"filesystem":{"rootdirectory":"/b"}}' },
    (c) => c.storage.filesystem?.rootdirectory,
    '/b',
  ],
  [
    { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/c', REGISTRY_STORAGE: 'filesystem' },
    (c) => c.storage.filesystem?.rootdirectory,
    '/c',
  ],
  [{ REGISTRY_STORAGE: 'inmemory' }, (c) => [c.storage.inmemory, c.storage.filesystem], [{}, undefined]],
  [{ REGISTRY_STORAGE_FILESYSTEM: '{rootdirectory: /d}' }, (c) => c.storage.filesystem?.rootdirectory, '/d'],
  [{ REGISTRY_STORAGE_DELETE_ENABLED: 'no' }, (c) => c.storage.delete.enabled, false],
  [{ REGISTRY_STORAGE_DELETE: '{enabled: off}' }, (c) => c.storage.delete.enabled, false],
  [{ REGISTRY_LOGLEVEL: 'ERROR' }, (c) => c.log.level, 'error'],
  [{ REGISTRY_LOG_LEVEL: 'warn', REGISTRY_LOGLEVEL: 'error' }, (c) => c.log.level, 'warn'],
  [{ REGISTRY_LOG_FIELDS_SERVICE: '1_000' }, (c) => c.log.fields, { service: 1000 }],
  [{ REGISTRY_LOG_FIELDS: '{a: [x]}' }, (c) => c.log.fields, { a: ['x'] }],
  [{ REGISTRY_LOG_FIELDS_A_B: 'x' }, (c) => c.log.fields, { a: { b: 'x' } }],
  [{ 'REGISTRY_HTTP_HEADERS_X-Bar': '[b]' }, (c) => c.http.headers, { 'X-Foo': ['a'], 'x-bar': ['b'] }],
  [{ REGISTRY_HTTP_HEADERS: '{"X-Bar":["b"]}' }, (c) => c.http.headers, { 'X-Bar': ['b'] }],
  [{ REGISTRY_HEALTH_HTTPCHECKERS_0_STATUSCODE: '204' }, (c) => c.health.http[0]?.statuscode, 204],
  [
    { REGISTRY_HEALTH_HTTPCHECKERS_1_URI: 'http://two/' },
    (c) => c.health.http.map(({ uri }) => uri),
    ['http://one/', 'http://two/'],
  ],
  [{ REGISTRY_HEALTH_TCPCHECKERS_0_ADDR: 'a:1' }, (c) => c.health.tcp[0]?.addr, 'a:1'],
  [{ REGISTRY_HEALTH_FILECHECKERS_0_FILE: '/x' }, (c) => c.health.file[0]?.file, '/x'],
  [{ REGISTRY_HEALTH_FILECHECKERS: '[{file: /x}, {file: /y}]' }, (c) => c.health.file.length, 2],
  [
    { REGISTRY_VALIDATION_MANIFESTS_URLS_ALLOW: '[a, b]' },
    (c) => c.validation.manifests.urls.allow,
    ['a', 'b'],
  ],
  [{ REGISTRY_VALIDATION_MANIFESTS_SPARSE: 'all' }, (c) => c.validation.manifests.sparse, 'all'],
  [{ REGISTRY_AUTH: 'none' }, (c) => c.http.addr, ':5000'],
  [{ REGISTRY_CATALOG_MAXENTRIES: '-3' }, (c) => c.catalog.maxentries, 1000],
  [{ REGISTRY_TRASH_KEEP: '1h' }, (c) => c.trash.keep, 3_600_000],
  [{ REGISTRY_METADATA_PATH: '/fast/db' }, (c) => c.metadata.path, '/fast/db'],

  [
    { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' },
    (c) => c.storage.maintenance.readonly.enabled,
    true,
  ],
  [
    { REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED: 'false' },
    ({ storage }) => [storage.maintenance.uploadpurging.enabled, storage.maintenance.uploadpurging.age],
    [false, 604_800_000],
  ],
  [{ REGISTRY_HEALTH_TCPCHECKERS_0: '{addr: "b:2"}' }, (c) => c.health.tcp[0]?.addr, 'b:2'],
  [{ REGISTRY_VALIDATION_MANIFESTS_URLS_DENY_0: 'x' }, (c) => c.validation.manifests.urls.deny, ['x']],
  [{ 'REGISTRY_HTTP_HEADERS_X-FOO': '[b]' }, (c) => c.http.headers, { 'X-Foo': ['b'] }],
]

test('the rule of the environment', () => {
  for (const [env, of, expected] of RULE) {
    assert.deepEqual(of(loadFile(FILE, env).config), expected, JSON.stringify(env))
  }
})

test('storage as a lone word takes parts from the environment', () => {
  const { config } = loadFile('version: 0.1\nstorage: filesystem\n', {
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x',
  })
  assert.equal(config.storage.filesystem?.rootdirectory, '/x')
})

test('a value that does not fit a known setting is a mistake', () => {
  const table: [string, string, RegExp][] = [
    ['REGISTRY_LOG_LEVEL', 'loud', /^REGISTRY_LOG_LEVEL: log\.level: must be one of/],
    ['REGISTRY_HTTP_ADDR', '[::]:5000', /^REGISTRY_HTTP_ADDR: http\.addr: .*put it in quotes/],
    ['REGISTRY_HTTP_ADDR', '[a]', /http\.addr: must be one value, not a list: put it in quotes/],
    ['REGISTRY_HTTP_HEADERS_X-Foo', 'a', /http\.headers\.X-Foo: must be a list, not "a": write \[a\]/],
    ['REGISTRY_HTTP_TLS_CLIENTCAS', '/x', /http\.tls\.clientcas: must be a list/],
    ['REGISTRY_STORAGE_DELETE_ENABLED', '1', /storage\.delete\.enabled: must be true or false, not "1"/],
    ['REGISTRY_HTTP_RELATIVEURLS', 'maybe', /http\.relativeurls: must be true or false/],
    ['REGISTRY_VERSION', '2', /version: must be one of 0\.1/],
    [
      'REGISTRY_HEALTH_HTTPCHECKERS_5_URI',
      'http://a/',
      /health\.http\[5\]\.uri: has no entry 5 yet: the next is 1/,
    ],
    ['REGISTRY_STORAGE_FOO', 'x', /storage\.foo: there is no such key/],
    // Not ignored: the door would stand open.
    [
      'REGISTRY_ACCES_ANONYMOUS',
      '[pull]',
      /^REGISTRY_ACCES_ANONYMOUS: .* did you mean REGISTRY_ACCESS_ANONYMOUS\?$/,
    ],
    ['REGISTRY_AUT_HTPASSWD_PATH', '/x', /did you mean REGISTRY_AUTH_HTPASSWD_PATH\?$/],
    ['REGISTRY_ACCESS_ENABLE', 'true', /did you mean REGISTRY_ACCESS_ENABLED\?$/],
    ['REGISTRY_AUTH_LDAP_URL', 'x', /auth\.ldap\.url: must be the URL of a directory/],
    [
      'REGISTRY_PROXY_REMOTEURL',
      'https://a',
      /proxy\.remoteurl: a cache of another registry is not built yet/,
    ],
    [
      'REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL',
      'http://a',
      /notifications\.endpoints\[0\]: notifications are not/,
    ],
  ]
  for (const [name, value, expected] of table) {
    const mistakes = mistakesOf(() => loadFile(FILE, { [name]: value }))
    assert.equal(mistakes.length, 1, `${name}: ${mistakes.join(' | ')}`)
    assert.match(mistakes[0] ?? '', expected)
  }
})

test('a variable that names no setting is a warning with the nearest name', () => {
  const table: [string, RegExp][] = [
    ['REGISTRY_HTP_ADDR', /did you mean REGISTRY_HTTP_ADDR\?$/],
    ['REGISTRY_http_addr', /did you mean REGISTRY_HTTP_ADDR\?$/],
    ['REGISTRY_STORAGE_FILESYSTEM_ROOTDIR', /did you mean REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\?$/],
    ['REGISTRY_HEALTH_FILE_0_FILE', /did you mean REGISTRY_HEALTH_FILECHECKERS_0_FILE\?$/],
    [
      'REGISTRY_NOTIFICATIONS_EVENTS_INCLUDEREFERENCES',
      /REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES\?$/,
    ],
    ['REGISTRY_HTTP_ADDR_X', /ignored/],
    ['REGISTRY_', /ignored$/],
    ['REGISTRY_PASSWORD', /ignored/],
    ['REGISTRY_AUTH_FILE', /belongs to podman/],
    ['REGISTRY_HTTP_ADDR_FILE', /works for secrets only/],
    ['REGISTRY___proto___x', /ignored/],
    ['REGISTRY_HTTP_constructor', /ignored/],
  ]
  for (const [name, expected] of table) {
    const { warnings, config } = load({ env: { [name]: 'x' } })
    assert.equal(warnings.length, 1, name)
    assert.match(warnings[0] ?? '', expected)
    assert.deepEqual(config, load({}).config)
  }
})

test('what Kubernetes injects for Services called registry… is one warning', () => {
  const env = {
    REGISTRY_PORT: 'tcp://10.0.0.1:5000',
    REGISTRY_SERVICE_HOST: '10.0.0.1',
    REGISTRY_SERVICE_PORT: '5000',
    REGISTRY_SERVICE_PORT_HTTP: '5000',
    REGISTRY_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    REGISTRY_PORT_5000_TCP_PROTO: 'tcp',
    REGISTRY_PORT_5000_TCP_PORT: '5000',
    REGISTRY_PORT_5000_TCP_ADDR: '10.0.0.1',
    REGISTRY_AUTH_SERVICE_HOST: '10.0.0.2',
    REGISTRY_AUTH_PORT: 'tcp://10.0.0.2:5000',
    REGISTRY_AUTH_PORT_5000_TCP: 'tcp://10.0.0.2:5000',
    REGISTRY_STORAGE_SERVICE_PORT: '80',
  }
  const { warnings, config } = load({ env })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /^REGISTRY_AUTH_PORT, .* and 9 more: set by Kubernetes/)
  assert.deepEqual(config, load({}).config)
})

test('secrets come from files', () => {
  const files = { '/run/secret': 'hunter2\n' }
  const { sources, notes } = load({ files, env: { REGISTRY_HTTP_SECRET_FILE: '/run/secret' } })
  assert.equal(sources['http.secret'], '/run/secret (env REGISTRY_HTTP_SECRET_FILE)')
  assert.ok(!notes.join().includes('hunter2'))
  assert.deepEqual(
    mistakesOf(() => load({ env: { REGISTRY_HTTP_SECRET_FILE: '/gone' } })),
    ['REGISTRY_HTTP_SECRET_FILE: http.secret: cannot read /gone: there is no such file'],
  )
  assert.match(
    mistakesOf(() =>
      load({ files, env: { REGISTRY_HTTP_SECRET_FILE: '/run/secret', REGISTRY_HTTP_SECRET: 'x' } }),
    )[0] ?? '',
    /is set by REGISTRY_HTTP_SECRET too/,
  )
})
