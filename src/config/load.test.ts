import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEAST, load, loadFile, mistakesOf, STOCK_V2, STOCK_V3 } from './files.fixture.ts'

const V3_PATH = '/etc/distribution/config.yml'
const V2_PATH = '/etc/docker/registry/config.yml'

test('without a file: ./data, port 5000, deletes on', () => {
  const { config, file, notes, warnings, sources } = load({})
  assert.equal(file, undefined)
  assert.deepEqual([notes, warnings], [[], []])
  assert.deepEqual(config.storage.filesystem, { rootdirectory: './data' })
  assert.equal(config.storage.inmemory, undefined)
  assert.equal(config.storage.delete.enabled, true)
  assert.equal(config.http.addr, ':5000')
  assert.equal(config.trash.keep, 86_400_000)
  assert.equal(config.validation.manifests.maxbytes, 4_194_304)
  assert.equal(sources['http.addr'], 'default')
})

test('the environment alone is enough', () => {
  const { config, sources } = load({ env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/srv/registry' } })
  assert.deepEqual(config.storage.filesystem, { rootdirectory: '/srv/registry' })
  assert.equal(config.storage.delete.enabled, true)
  assert.equal(sources['storage.filesystem.rootdirectory'], 'env REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY')
  const memory = load({ env: { REGISTRY_STORAGE: 'inmemory' } }).config.storage
  assert.deepEqual([memory.inmemory, memory.filesystem, memory.delete.enabled], [{}, undefined, true])
})

test('which file is read', () => {
  const table: {
    path?: string
    env?: Record<string, string>
    files: Record<string, string>
    file: string
  }[] = [
    {
      path: 'a.yml',
      env: { REGISTRY_CONFIGURATION_PATH: 'b.yml' },
      files: { 'a.yml': LEAST },
      file: 'a.yml',
    },
    { env: { REGISTRY_CONFIGURATION_PATH: 'b.yml' }, files: { 'b.yml': LEAST }, file: 'b.yml' },
    { path: V3_PATH, files: { [V3_PATH]: LEAST, [V2_PATH]: 'wrong' }, file: V3_PATH },
    { path: V3_PATH, files: { [V2_PATH]: LEAST }, file: V2_PATH },
    { path: V2_PATH, files: { [V3_PATH]: LEAST }, file: V3_PATH },
  ]
  for (const { file, ...given } of table) assert.equal(load(given).file, file)
  assert.deepEqual(
    mistakesOf(() => load({ path: 'gone.yml', files: { [V2_PATH]: LEAST } })),
    ['gone.yml: cannot be read: there is no such file'],
  )
  assert.deepEqual(
    mistakesOf(() => load({ path: V2_PATH })),
    [`${V2_PATH}: cannot be read: there is no such file`],
  )
  assert.equal(load({ env: { REGISTRY_CONFIGURATION_PATH: '' } }).file, undefined)
})

test('with a file, deletes are off unless it says so', () => {
  assert.equal(loadFile(LEAST).config.storage.delete.enabled, false)
  assert.equal(loadFile(LEAST).config.storage.filesystem?.rootdirectory, '/var/lib/registry')
  assert.equal(
    loadFile(LEAST, { REGISTRY_STORAGE_DELETE_ENABLED: 'yes' }).config.storage.delete.enabled,
    true,
  )
})

test('the stock files of Distribution 2 and 3 load, and say what is not needed', () => {
  const v3 = loadFile(STOCK_V3)
  assert.equal(v3.config.log.level, 'debug')
  assert.deepEqual(v3.config.log.fields, { service: 'registry', environment: 'development' })
  assert.deepEqual(v3.config.http.headers, { 'X-Content-Type-Options': ['nosniff'] })
  assert.deepEqual(v3.config.http.debug, { addr: ':5001', prometheus: { enabled: true, path: '/metrics' } })
  assert.deepEqual(v3.config.health.storagedriver, { enabled: true, interval: 10_000, threshold: 3 })
  assert.equal(v3.config.storage.maintenance.uploadpurging.enabled, false)
  assert.equal(v3.config.storage.maintenance.uploadpurging.age, 604_800_000)
  assert.deepEqual(
    v3.notes.map((note) => note.split(' is ')[0]),
    ['config.yml:7: storage.cache', 'config.yml:12: storage.tag'],
  )
  const v2 = loadFile(STOCK_V2)
  assert.equal(v2.config.storage.delete.enabled, false)
  assert.equal(v2.notes.length, 1)
})

test('values are YAML 1.1', () => {
  const { config } = loadFile(`version: "0.1"
storage:
  filesystem: &here
    rootdirectory: 0755
  delete: { enabled: yes }
  maintenance: { uploadpurging: { dryrun: on, enabled: Off } }
catalog: { maxentries: 0o17 }
tags: { maxtags: 1_000 }
validation: { manifests: { maxreferences: 010, maxbytes: 0x1000 } }
log: { fields: { yes: no, count: 012, quoted: "012", time: 10:30, none: ~ } }
`)
  assert.equal(config.storage.filesystem?.rootdirectory, '0755')
  assert.equal(config.storage.delete.enabled, true)
  assert.equal(config.storage.maintenance.uploadpurging.dryrun, true)
  assert.equal(config.storage.maintenance.uploadpurging.enabled, false)
  assert.deepEqual([config.catalog.maxentries, config.tags.maxtags], [15, 1000])
  assert.equal(config.validation.manifests.maxreferences, 8)
  assert.equal(config.validation.manifests.maxbytes, 4096)
  assert.deepEqual(config.log.fields, { yes: false, count: 10, quoted: '012', time: '10:30', none: null })
})

test('anchors, merge keys and flow maps whose brace stands at the margin', () => {
  const { config } = loadFile(`version: 0.1
storage: {
  filesystem: {}
}
health:
  http:
    - &first { uri: http://a/, interval: 5s }
    - { <<: *first, uri: http://b/ }
`)
  assert.deepEqual(
    config.health.http.map(({ uri, interval, statuscode }) => [uri, interval, statuscode]),
    [
      ['http://a/', 5000, 200],
      ['http://b/', 5000, 200],
    ],
  )
})

test('an empty value is as none', () => {
  const { config } = loadFile(
    'version: 0.1\nstorage:\n  filesystem:\n  delete:\nhttp:\n  host: ""\n  addr:\nlog: ~\n',
  )
  assert.equal(config.http.host, undefined)
  assert.equal(config.http.addr, ':5000')
  assert.equal(config.storage.filesystem?.rootdirectory, '/var/lib/registry')
})

test('values in their normal form', () => {
  const { config } = loadFile(`${LEAST}http: { prefix: /my/registry, host: "https://Registry.example.com/" }
catalog: { maxentries: -1 }
tags: { maxtags: 0 }
validation: { manifests: { urls: { allow: ['(?i)^https://(?P<host>a)', '\\Ab\\z'] }, indexes: { platforms: NONE } } }
`)
  assert.equal(config.http.prefix, '/my/registry/')
  assert.equal(config.http.host, 'https://registry.example.com')
  assert.deepEqual([config.catalog.maxentries, config.tags.maxtags], [1000, 1000])
  assert.deepEqual(config.validation.manifests.urls.allow, ['(?i:^https://(?<host>a))', '^b$'])
  assert.equal(config.validation.manifests.indexes.platforms, 'none')
})

test('validation: enabled wins over disabled, and both absent is on', () => {
  const of = (text: string) => loadFile(`${LEAST}validation: ${text}\n`).config.validation.enabled
  assert.deepEqual(
    ['{}', '{disabled: true}', '{enabled: true, disabled: true}', '{enabled: false}'].map(of),
    [true, false, true, true],
  )
})

test('loglevel is the old name of log.level', () => {
  const { config, notes } = loadFile(`${LEAST}loglevel: WARN\n`)
  assert.equal(config.log.level, 'warn')
  assert.deepEqual(notes, ['config.yml:3: loglevel is the old name of log.level'])
  const both = loadFile(`${LEAST}loglevel: warn\nlog: { level: error }\n`)
  assert.equal(both.config.log.level, 'error')
  assert.match(both.notes[0] ?? '', /^config\.yml:3: loglevel is not needed/)
})

test('the configuration is frozen through and through', () => {
  const { config } = loadFile(STOCK_V3)
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen))
  assert.ok(frozen(config))
})

test('a plain number as a duration counts nanoseconds, with a warning', () => {
  const { config, warnings } = loadFile(`${LEAST}http: { draintimeout: 60 }\n`)
  assert.equal(config.http.draintimeout, 1)
  assert.match(warnings[0] ?? '', /^config\.yml:3: http\.draintimeout: .* write 60s/)
})
