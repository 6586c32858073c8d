import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEAST, loadFile, load, mistakesOf } from './files.fixture.ts'

test('all mistakes at once, each with its place', () => {
  const text = `version: 0.1
Log: {}
log:
  lvel: debug
storage:
  filesystem:
    rootdir: /y
  delete: { enabled: 'true' }
rootdirectory: /x
http:
  addr: 5000
  tls: { key: /k, minimumtls: tls1.0 }
  addr: :5001
`
  const env = { REGISTRY_LOG_LEVEL: 'loud', REGISTRY_HEALTH_FILECHECKERS_2_FILE: '/x' }
  assert.deepEqual(
    mistakesOf(() => loadFile(text, env)),
    [
      'config.yml:2: Log: there is no such key; did you mean log?',
      'config.yml:4: log.lvel: there is no such key; did you mean log.level?',
      'config.yml:7: storage.filesystem.rootdir: there is no such key; did you mean storage.filesystem.rootdirectory?',
      'config.yml:8: storage.delete.enabled: must be true or false without quotes, not "true"',
      'config.yml:9: rootdirectory: there is no such key; did you mean storage.filesystem.rootdirectory?',
      'config.yml:11: http.addr: must be host:port; write ":5000" to listen on every address, not "5000"',
      'config.yml:12: http.tls.minimumtls: must be one of tls1.2, tls1.3, not "tls1.0"',
      'config.yml:12: http.tls.key: needs http.tls.certificate beside it',
      'config.yml:13: http.addr: stands here a second time: keep one',
      'REGISTRY_HEALTH_FILECHECKERS_2_FILE: health.file[2].file: has no entry 2 yet: the next is 0',
      'REGISTRY_LOG_LEVEL: log.level: must be one of error, warn, info, debug, not "loud"',
    ],
  )
})

test('each kind of wrong value is named with its setting', () => {
  const table: [string, RegExp][] = [
    ['http: { addr: "::1:5000" }', /http\.addr: must have an IPv6 address in brackets/],
    ['http: { addr: ":65536" }', /http\.addr: must end in a port number/],
    ['http: { addr: ":http" }', /http\.addr: must end in a port number/],
    ['http: { addr: "http://a:1" }', /http\.addr: must be host:port, without a scheme/],
    ['http: { net: udp }', /http\.net: must be one of tcp, unix/],
    ['http: { net: unix }', /http\.addr: must be the path of the socket/],
    ['http: { prefix: foo/ }', /http\.prefix: must begin with a slash: write "\/foo\/"/],
    ['http: { prefix: "/a b/" }', /http\.prefix: must be a path/],
    ['http: { prefix: /../ }', /http\.prefix: must be a path/],
    ['http: { host: registry.example.com }', /http\.host: must be a URL with its scheme/],
    ['http: { host: "https://a/b" }', /http\.host: .* goes into http\.prefix/],
    ['http: { draintimeout: 1d }', /http\.draintimeout: .* write 24h/],
    ['http: { draintimeout: "5" }', /http\.draintimeout: must be a duration/],
    ['http: { draintimeout: -1s }', /http\.draintimeout: must be at least 0s/],
    ['http: { headers: { X-Foo: a } }', /http\.headers\.X-Foo: must be a list, not "a": write \[a\]/],
    ['http: { headers: { "X Foo": [a] } }', /http\.headers\.X Foo: must be named as an HTTP header/],
    ['http: { headers: { Content-Length: ["1"] } }', /http\.headers\.Content-Length: must not be set/],
    ['http: { headers: { X-Foo: ["a\\nb"] } }', /http\.headers\.X-Foo\[0\]: must be a header value/],
    ['http: { tls: { certificate: /c } }', /http\.tls\.certificate: needs http\.tls\.key/],
    ['http: { tls: { clientcas: [/c] } }', /http\.tls\.clientcas: asks clients/],
    [
      'http: { tls: { clientauth: request-client-cert } }',
      /http\.tls\.clientauth: needs http\.tls\.clientcas/,
    ],
    ['http: { tls: { clientauth: maybe } }', /http\.tls\.clientauth: must be one of request-client-cert/],
    ['http: { tls: { ciphersuites: [TLS_AES_128_GCM_SHA25] } }', /\(TLS_AES_128_GCM_SHA256\?\)/],
    ['http: { tls: { ciphersuites: [TLS_RSA_WITH_3DES_EDE_CBC_SHA] } }', /must not be a 3DES suite/],
    ['http: { debug: { addr: "5001" } }', /http\.debug\.addr: must be host:port/],
    ['http: { trustedproxies: [10.0.0.0/33] }', /http\.trustedproxies\[0\]: must be an address such as/],
    [
      'http: { trustedproxies: [unix, proxy.example.com] }',
      /trustedproxies\[1\]: must be an address such as/,
    ],
    ['http: foo', /http: must hold keys, not "foo"/],
    ['http: { addr: [a] }', /http\.addr: must be one value, not a list/],
    ['log: { formatter: xml }', /log\.formatter: must be one of text, json, logstash/],
    ['log: { accesslog: { disabled: 1 } }', /log\.accesslog\.disabled: must be true or false/],
    ['catalog: { maxentries: 1.5 }', /catalog\.maxentries: must be a whole number/],
    ['catalog: { maxentries: "5" }', /catalog\.maxentries: must not stand in quotes/],
    ['tags: { maxtags: -1 }', /tags\.maxtags: must be at least 0/],
    ['trash: { keep: soon }', /trash\.keep: must be a duration/],
    ['validation: { manifests: { sparse: some } }', /sparse: must be one of none, indexes, all/],
    ['validation: { manifests: { maxbytes: 1GiB } }', /maxbytes: must be at most 64MiB/],
    ['validation: { manifests: { urls: { allow: ["("] } } }', /allow\[0\]: must be a regular expression/],
    ['validation: { manifests: { urls: { deny: ["[[:alpha:]]"] } } }', /deny\[0\]: must not use classes/],
    ['validation: { manifests: { indexes: { platforms: list } } }', /needs a platformlist/],
    ['health: { http: [{ interval: 1s }] }', /health\.http\[0\]\.uri: must be set/],
    ['health: { tcp: [{ addr: a }] }', /health\.tcp\[0\]\.addr: must be host:port/],
    ['health: { file: [{}] }', /health\.file\[0\]\.file: must be set/],
    ['? [a]\n: b', /a key must be a word/],
    ['http: *nowhere', /config\.yml:3: is not YAML|config\.yml:3: http: refers to an anchor/],
    ['http: !!set {}', /the tag .* is not known here/],
  ]
  for (const [line, expected] of table) {
    const mistakes = mistakesOf(() => loadFile(`${LEAST}${line}\n`))
    assert.equal(mistakes.length, 1, `${line}: ${mistakes.join(' | ')}`)
    assert.match(mistakes[0] ?? '', expected, line)
  }
})

test('what is not built yet, or never will be, is refused with what to do', () => {
  const table: [string, string][] = [
    ['auth: { silly: { realm: a } }', 'auth.silly'],
    ['auth: { htpaswd: {} }', 'auth.htpaswd'],
    ['proxy: { remoteurl: "https://registry-1.docker.io" }', 'proxy.remoteurl'],
    ['notifications: { endpoints: [{ name: a, url: http://b }] }', 'notifications.endpoints[0]'],
    ['middleware: { storage: [{ name: redirect }] }', 'middleware.storage[0]'],
    ['policy: { repository: { classes: [image] } }', 'policy.repository.classes'],
    ['log: { hooks: [{ type: mail }] }', 'log.hooks[0]'],
    ['http: { h2c: { enabled: true } }', 'http.h2c.enabled'],
    ['http: { tls: { letsencrypt: { cachefile: /x, hosts: [a] } } }', 'http.tls.letsencrypt'],
    ['compatibility: { schema1: { enabled: true } }', 'compatibility.schema1.enabled'],
  ]
  for (const [line, path] of table) {
    const mistakes = mistakesOf(() => loadFile(`${LEAST}${line}\n`))
    assert.equal(mistakes.length, 1, `${line}: ${mistakes.join(' | ')}`)
    assert.ok(mistakes[0]?.startsWith(`config.yml:3: ${path}: `), mistakes.join())
  }
  for (const driver of ['s3', 's3aws', 'azure', 'gcs', 'oss', 'swift']) {
    const mistakes = mistakesOf(() => loadFile(`version: 0.1\nstorage: { ${driver}: { bucket: x } }\n`))
    assert.equal(mistakes.length, 1, driver)
    assert.match(
      mistakes[0] ?? '',
      /^config\.yml:2: storage\.\w+: storage in .* is not built yet: use storage/,
    )
  }
})

test('the same, switched off or empty, is accepted', () => {
  const { notes, warnings } = loadFile(`${LEAST}auth: none
proxy: { remoteurl: "" }
notifications: { endpoints: [{ name: a, disabled: true, headers: { Authorization: [x] }, timeout: 1s }] }
middleware: { storage: [{ name: redirect, disabled: yes, options: { baseurl: http://a } }] }
policy: { repository: { classes: [] } }
log: { hooks: [{ disabled: true, type: mail, levels: [panic], options: { smtp: { addr: a:25 }, to: [b] } }] }
http: { h2c: { enabled: false }, tls: { letsencrypt: { cachefile: "", hosts: [] } } }
compatibility: { schema1: { enabled: false } }
`)
  assert.deepEqual([notes, warnings], [[], []])
})

test('what is not needed is accepted with one line each', () => {
  const { notes } = loadFile(`version: 0.1
storage:
  filesystem: { maxthreads: 50 }
  cache: { blobdescriptor: redis, blobdescriptorsize: 5 }
  redirect: { disable: true }
  tag: { concurrencylimit: 8 }
http: { secret: hunter2, relativeurls: true, http2: { disabled: true } }
log: { reportcaller: true }
redis: { addr: a:1, addrs: [b:1], password: hunter2, db: 0, pool: { maxidle: 1, idletimeout: 300s }, tls: {} }
reporting: { bugsnag: { apikey: hunter2 } }
compatibility: { schema1: { signingkeyfile: /k } }
proxy: { username: u }
notifications: { events: { includereferences: true } }
`)
  const paths = notes.map((note) => /^config\.yml:(\d+: \S+) is not needed: .{10}/.exec(note)?.[1])
  assert.deepEqual(paths.toSorted(), [
    '10: reporting',
    '11: compatibility.schema1.signingkeyfile',
    '12: proxy.username',
    '13: notifications.events.includereferences',
    '3: storage.filesystem.maxthreads',
    '4: storage.cache',
    '5: storage.redirect',
    '6: storage.tag',
    '7: http.http2.disabled',
    '7: http.relativeurls',
    '7: http.secret',
    '8: log.reportcaller',
    '9: redis',
  ])
  assert.ok(!notes.join().includes('hunter2'))
  // What is inside is still checked.
  assert.match(
    mistakesOf(() => loadFile(`${LEAST}redis: { adr: a }\n`))[0] ?? '',
    /did you mean redis\.addr\?/,
  )
})

test('storage: no driver, an unknown one, two', () => {
  assert.match(mistakesOf(() => loadFile('version: 0.1\n'))[0] ?? '', /^storage: names no storage driver/)
  assert.match(
    mistakesOf(() => loadFile('version: 0.1\nstorage:\n  delete: {enabled: true}\n'))[0] ?? '',
    /^config\.yml:2: storage: names no storage driver/,
  )
  assert.deepEqual(
    mistakesOf(() => loadFile('version: 0.1\nstorage: { filesytem: {} }\n')),
    ['config.yml:2: storage.filesytem: there is no such key; did you mean storage.filesystem?'],
  )
  assert.match(
    mistakesOf(() => loadFile(LEAST, { REGISTRY_STORAGE_INMEMORY: '{}' }))[0] ?? '',
    /filesystem \(config\.yml:2\) and inmemory \(env REGISTRY_STORAGE_INMEMORY\) are two .* REGISTRY_STORAGE=inmemory/,
  )
})

test('a file that is none', () => {
  const table: [string, RegExp][] = [
    ['', /^config\.yml:1: version: must be set: begin the file with "version: 0\.1"$/],
    ['storage: filesystem\n', /^config\.yml:1: version: must be set/],
    ['version: 0.2\nstorage: filesystem\n', /^config\.yml:1: version: must be one of 0\.1, not "0\.2"$/],
    ['just text', /^config\.yml:1: is no configuration/],
    ['- a\n', /^config\.yml:1: is no configuration/],
    ['version: 0.1\nstorage: {', /^config\.yml:2: is not YAML/],
    ['version: 0.1\n---\nversion: 0.1\n', /^config\.yml:2: is not YAML/],
    [`a: ${'['.repeat(20_000)}`, /nests too deeply|is not YAML/],
    ['a: &a [*a]\n', /nests too deeply|anchor/],
    [`version: 0.1\n#${'x'.repeat(8 * 1024 * 1024)}`, /at most 8 MiB/],
  ]
  for (const [text, expected] of table) {
    assert.match(mistakesOf(() => loadFile(text))[0] ?? '', expected, text.slice(0, 40))
  }
})

test('a variable that is not YAML is one mistake, however often it goes wrong', () => {
  const lines = mistakesOf(() => loadFile(LEAST, { REGISTRY_STORAGE_DELETE: '{enabled: [' }))
  assert.equal(lines.length, 1, lines.join('\n'))
})

test('references that multiply are stopped', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let n = 1; n < 12; n++)
    lines.push(
      `a${n}: &a${n} [${Array(9)
        .fill(`*a${n - 1}`)
        .join(', ')}]`,
    )
  const begin = performance.now()
  assert.ok(
    mistakesOf(() => loadFile(lines.join('\n'))).some((line) => /too many (?:values|references)/.test(line)),
  )
  assert.ok(performance.now() - begin < 2000)
})

test('a report has one line a mistake, and no secret', () => {
  const lines = mistakesOf(() =>
    loadFile(`${LEAST}health: { http: [{ uri: "a\\nb", headers: { Authorization: Bearer hunter2 } }] }\n`, {
      REGISTRY_HTTP_SECRET: '{a: hunter2}',
      REGISTRY_REDIS_PASSWORD: '*hunter2',
      REGISTRY_STORAGE_S3_SECRETKEY: 'hunter2',
    }),
  )
  assert.ok(lines.length >= 5, lines.join('\n'))
  assert.ok(lines.every((line) => !/[\r\n]/.test(line)))
  assert.ok(!lines.join().includes('hunter2'))
  assert.equal(load({}).warnings.length, 0)
})
