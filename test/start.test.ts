/** A start waits for nothing that it does not need: which of the sources an open registry has loaded when it answers. */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const START = fileURLToPath(new URL('../berth.js', import.meta.url))
const SRC = new URL('../src/', import.meta.url).href

/** Tells the URL of each module as it is loaded; given to Node before the program. */
const TELLER = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({
  load(url, context, next) {
    process._rawDebug('loaded ' + url)
    return next(url, context)
  },
})`)}`

/** What belongs to features that are off: the beginnings of paths below src/, and of packages. */
const NOT_NEEDED = [
  'auth/external-token/',
  'auth/gate.ts',
  'auth/ldap/',
  'auth/rules/access-now.ts',
  'auth/tokens/',
  'auth/workloads/',
  'backup/',
  'jobs/tasks.ts',
  'jobs/schedule.ts',
  'jobs/check/',
  'management/api.ts',
  'management/contract',
  'serving/debug.ts',
  'serving/tls.ts',
  'takeover/takeover.ts',
  'takeover/watch.ts',
]
const PACKAGES = /\/node_modules\/(hono|zod|jose|ldapts|prom-client|hash-wasm|modern-tar|yaml)\//

test('a start of an open registry loads what it needs for its first answer, and no more', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-start-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const registry = spawn(process.execPath, ['--import', TELLER, START, 'serve'], {
    env: {
      ...process.env,
      REGISTRY_HTTP_ADDR: '127.0.0.1:0',
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: folder,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => registry.kill('SIGKILL'))
  const { url, loaded } = await listening(registry)
  assert.equal((await fetch(`${url}/v2/`)).status, 200)
  registry.kill('SIGTERM')
  await once(registry, 'exit')

  const ours = loaded.filter((at) => at.startsWith(SRC)).map((at) => at.slice(SRC.length))
  // Else nothing at all was told, and the lists below would be empty for no good reason.
  assert.ok(ours.includes('server.ts') && ours.includes('distribution/handler.ts'), ours.join('\n'))
  assert.deepEqual(
    ours.filter((path) => NOT_NEEDED.some((start) => path.startsWith(start))),
    [],
  )
  assert.deepEqual(
    loaded.filter((at) => PACKAGES.test(at)),
    [],
  )
})

/** @returns when it listens: where, and what was loaded until then */
async function listening(registry: ChildProcess): Promise<{ url: string; loaded: string[] }> {
  const loaded: string[] = []
  const said: string[] = []
  for await (const line of createInterface({ input: registry.stderr as NodeJS.ReadableStream })) {
    if (line.startsWith('loaded ')) loaded.push(line.slice('loaded '.length))
    else said.push(line)
    const url = /listening on (http:\S+),/.exec(line)?.[1]
    if (url !== undefined) return { url, loaded }
  }
  throw new Error(`it ended:\n${said.join('\n')}`)
}

/** Tells at the end whether Node has loaded what strips types. */
const STRIPPER = `data:text/javascript,${encodeURIComponent(`
process.on('exit', () => {
  process._rawDebug(process.moduleLoadList.some((name) => name.includes('amaro')) ? 'stripped' : 'kept')
})`)}`

test('types are stripped at the first start only', () => {
  const version = (): string => {
    const { status, stderr } = spawnSync(process.execPath, ['--import', STRIPPER, START, '--version'], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    return stderr.trim()
  }
  version()
  assert.equal(version(), 'kept')
})
