/** The configuration file changes while the registry runs: what of it is taken over, and what is said. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadConfig } from './config/load.ts'
import { silentLogger, type Logger } from './lib/logger.ts'
import { type AccessInFile, openAccessInFile } from './server-reload.ts'

const HEAD = 'version: 0.1\nstorage: filesystem\n'

function recording(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  const log = { ...silentLogger, info: write('info'), warn: write('warn'), error: write('error') }
  return { log, lines }
}

function opened(t: TestContext, text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-reload-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'config.yml')
  writeFileSync(file, HEAD + text)
  const load = () => loadConfig({ path: file, env: {} })
  const loaded = load()
  const { log, lines } = recording()
  const access = openAccessInFile({
    config: loaded.config,
    reloadable: { ...loaded, load },
    log,
    everyMs: 20,
  })
  t.after(() => access.close())
  return { folder, file, access, lines, write: (now: string) => writeFileSync(file, HEAD + now) }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 300) assert.fail('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const patterns = (access: AccessInFile) => access.current()?.rules.map(({ pattern }) => pattern)

test('rules, groups and administrators are taken over; the same ones are the same object', async (t) => {
  const { access, write, lines, file } = opened(
    t,
    "access: { rules: [{ repositories: ['a/**'], allow: {} }] }\n",
  )
  const first = access.current()
  assert.deepEqual(patterns(access), ['a/**'])
  // Read again, and nothing of access is another.
  write("access: { rules: [{ repositories: ['a/**'], allow: {} }] }\n# a remark\n")
  await new Promise((resolve) => setTimeout(resolve, 600))
  assert.equal(access.current(), first)
  assert.deepEqual(lines, [])

  write("access: { administrators: ['user:root'], rules: [{ repositories: ['b/**'], allow: {} }] }\n")
  await until(() => access.current() !== first)
  assert.deepEqual(patterns(access), ['b/**'])
  assert.deepEqual([...(access.current()?.administrators ?? [])], ['user:root'])
  assert.deepEqual(lines, [`info ${file}: access is as it is now: 1 rules, 0 groups, 1 administrators`])
})

test('a mistake: all of them are said once, with their lines, and the rules that ran go on', async (t) => {
  const { access, write, lines, file } = opened(t, 'access: { anonymous: [pull] }\n')
  const first = access.current()
  write("access:\n  anonymous: [pul]\n  rules: [{ repositories: ['A'], allow: { 'grup:x': [pull] } }]\n")
  await until(() => lines.length >= 4)
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.equal(access.current(), first)
  assert.deepEqual(lines, [
    'error the configuration changed and is wrong: nothing of it is taken over, the rules that ran go on',
    `error ${file}:4: access.anonymous[0]: must be one of pull, push, create, delete, admin, not "pul"`,
    `error ${file}:5: access.rules[0].allow.grup:x: names nobody: there is no kind "grup"; did you mean group:x?`,
    `error ${file}:5: access.rules[0].repositories[0]: the pattern "A" has "A": names of repositories are lower case; write a`,
  ])
  rmSync(file)
  await until(() => lines.length >= 6)
  assert.equal(lines[5], `error ${file}: cannot be read: there is no such file`)
  write('access: { anonymous: [] }\n')
  await until(() => access.current() !== first)
  assert.deepEqual(access.current()?.defaults.allow.anonymous, [])
})

test('what else changed needs a restart, and so does access itself; values are not said', async (t) => {
  const { access, write, lines, file } = opened(t, 'access: { anonymous: [pull] }\nhttp: { secret: one }\n')
  const first = access.current()
  write('http: { secret: two, draintimeout: 9s }\nlog: { level: warn }\n')
  await until(() => lines.length > 0)
  assert.equal(access.current(), first)
  assert.deepEqual(lines, [
    `warn ${file}: log.level, http.draintimeout, access changed, which needs a restart; until then it is as it was`,
  ])
  // With it, what is taken over is.
  write('access: { anonymous: [push] }\nhttp: { secret: two, draintimeout: 9s }\nlog: { level: warn }\n')
  await until(() => access.current() !== first)
  assert.deepEqual(access.current()?.defaults.allow.anonymous, ['push'])
  assert.match(lines.join('\n'), /access\.anonymous: gives push without pull/)
})

test("Kubernetes' swap of a link, and at once where it is asked", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-reload-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, pattern] of [
    ['one', 'a/**'],
    ['two', 'b/**'],
    ['three', 'c/**'],
  ] as const) {
    mkdirSync(join(folder, name))
    writeFileSync(
      join(folder, name, 'config.yml'),
      `${HEAD}access: { rules: [{ repositories: ['${pattern}'], allow: {} }] }\n`,
    )
  }
  const swap = (to: string): void => {
    symlinkSync(to, join(folder, '..new'))
    renameSync(join(folder, '..new'), join(folder, '..data'))
  }
  swap('one')
  const file = join(folder, 'config.yml')
  symlinkSync('..data/config.yml', file)
  const load = () => loadConfig({ path: file, env: {} })
  const loaded = load()
  const reloadable = { ...loaded, load }
  const { log } = recording()
  const watched = openAccessInFile({ config: loaded.config, reloadable, log, everyMs: 20 })
  t.after(() => watched.close())
  swap('two')
  await until(() => patterns(watched)?.[0] === 'b/**')
  watched.close()

  const asked = openAccessInFile({ config: loaded.config, reloadable, log, everyMs: 60_000 })
  t.after(() => asked.close())
  swap('three')
  assert.deepEqual(patterns(asked), ['a/**'])
  asked.reload?.()
  assert.deepEqual(patterns(asked), ['c/**'])
})

test('access that was not there at the start needs a restart, which is said', async (t) => {
  const { access, write, lines, file } = opened(t, '')
  write('access: { anonymous: [pull] }\n')
  await until(() => lines.length > 0)
  assert.equal(access.current(), undefined)
  assert.deepEqual(lines, [`warn ${file}: access changed, which needs a restart; until then it is as it was`])
})

test('without access, or without a file, nothing is taken over', () => {
  const { config } = loadConfig({ env: {} })
  const { log } = recording()
  const access = openAccessInFile({ config, reloadable: undefined, log })
  assert.equal(access.current(), undefined)
  assert.equal(access.reload, undefined)
  access.close()
  const env = { REGISTRY_ACCESS_ANONYMOUS: '[pull]' }
  const fixed = openAccessInFile({ config: loadConfig({ env }).config, reloadable: undefined, log })
  assert.deepEqual(fixed.current()?.defaults.allow.anonymous, ['pull'])
})
