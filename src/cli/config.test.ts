import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { STOCK_V3 } from '../config/files.fixture.ts'
import { loadConfig } from '../config/load.ts'
import { command } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'berth-config-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'config.yml')
const bad = join(folder, 'bad.yml')
writeFileSync(
  file,
  STOCK_V3.replace(
    'health:\n',
    'health:\n  http: [{ uri: http://a/, headers: { Authorization: [hunter2] } }]\n',
  ),
)
writeFileSync(bad, 'version: 0.1\nstorage: filesystem\nhttp:\n  adr: x\n  net: y\n')

async function run(args: string[], env: NodeJS.ProcessEnv = {}) {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const code = await command.run(args, { env, stdout, stderr })
  stdout.end()
  stderr.end()
  return { code, out: await text(stdout), err: await text(stderr) }
}

test('check says ok, and what is not needed', async () => {
  const { code, out, err } = await run(['check', file], { REGISTRY_HTP_ADDR: 'x' })
  assert.deepEqual([code, err], [0, ''])
  assert.match(
    out,
    /^ok: .*config\.yml\nnote: .*storage\.cache is not needed.*\nnote: .*\nwarning: REGISTRY_HTP_ADDR: /,
  )
  assert.equal((await run(['check'])).out, 'ok: no file, defaults\n')
  assert.match((await run(['check'], { REGISTRY_CONFIGURATION_PATH: file })).out, /^ok: .*config\.yml\n/)
})

test('check says every mistake and exits with 1', async () => {
  const { code, out, err } = await run(['check', bad])
  assert.deepEqual([code, out], [1, ''])
  const lines = err.split('\n')
  assert.equal(lines[0], `${bad}:4: http.adr: there is no such key; did you mean http.addr?`)
  assert.equal(lines[1], `${bad}:5: http.net: must be one of tcp, unix, not "y"`)
  assert.equal(lines[2], '2 mistakes')
  assert.equal((await run(['show', bad])).code, 1)
})

test('show prints what holds, where it was said, and no secret', async () => {
  const env = { REGISTRY_LOG_LEVEL: 'warn', REGISTRY_LOG_FIELDS_TEXT: '"yes"' }
  const { code, out, err } = await run(['show', file], env)
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^ {2}level: warn {2}# env REGISTRY_LOG_LEVEL$/m)
  assert.match(out, /^ {2}draintimeout: 8s {2}# default$/m)
  assert.match(out, /^ {4}rootdirectory: \/var\/lib\/registry {2}# .*config\.yml:9$/m)
  assert.match(out, /^ {4}- uri: http:\/\/a\/ {2}# /m)
  assert.match(out, /^ {6}headers: {2}# .*; hidden$/m)
  assert.ok(!out.includes('hunter2'))
})

test('what show prints loads to the same settings', async () => {
  const odd = STOCK_V3.replace('fields: {', 'fields: { odd: "a: #b", list: [1, x], yes: "on", ')
  for (const [args, env] of [
    [['show'], {}],
    [['show', file], { REGISTRY_HEALTH_HTTPCHECKERS: '[{uri: "http://b/"}]', REGISTRY_HTTP_PREFIX: '/p' }],
  ] as const) {
    writeFileSync(file, odd)
    const path = args[1]
    const before = loadConfig({ path, env }).config
    const printed = (await run([...args], env)).out
    assert.deepEqual(loadConfig({ path: 'shown', env: {}, readFile: () => printed }).config, before)
  }
})

test('help and wrong use', async () => {
  assert.match((await run(['--help'])).out, /^berth config: /)
  assert.match((await run(['check', '--help'])).out, /^berth config: /)
  for (const args of [[], ['chek'], ['check', '--fast'], ['check', 'a', 'b']]) {
    const { code, out, err } = await run(args)
    assert.deepEqual([code, out], [2, ''], args.join(' '))
    assert.match(err, /^berth config: .*\n\nberth config: reads/)
  }
})
