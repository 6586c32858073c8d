/** The README's two commands, in a copy of the repository as a clone has it, with the npm and Node.js of the system. */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NOT_CLONED = ['node_modules', 'dist', '.git', 'data'].map((name) => `--exclude=./${name}`)

test('npm ci && npm start', { timeout: 300_000 }, async (t) => {
  const folder = temporaryFolder(t, 'fresh')
  const clone = join(folder, 'berth')
  mkdirSync(clone)
  execFileSync('tar', ['-C', ROOT, ...NOT_CLONED, '-cf', join(folder, 'clone.tar'), '.'])
  execFileSync('tar', ['-C', clone, '-xf', join(folder, 'clone.tar')])

  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:REGISTRY|npm|NODE)_/.test(name))
  const path = (process.env['PATH'] ?? '').split(':').filter((part) => !part.includes('node_modules'))
  const env = { ...Object.fromEntries(inherited), PATH: path.join(':') }
  const began = Date.now()
  try {
    await run('npm', ['ci', '--prefer-offline'], { cwd: clone, env })
  } catch (error) {
    const isOffline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH/.test(String(error))
    if (process.env['CI'] || !isOffline) throw error
    return t.skip('SKIPPED: no network for npm ci')
  }
  const installed = Date.now()

  const child = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...env, REGISTRY_HTTP_ADDR: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  afterwards(t, async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGINT')
    await ended
  })
  let log = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (piece: Buffer): void => {
      log += piece.toString()
      const found = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(log)?.[1]
      if (found !== undefined) resolve(found)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void ended.then(() => reject(new Error(`ended: ${log}`)))
  })
  assert.equal(await (await fetch(`${url}/v2/`)).text(), '{}')
  const version = (await run('node', ['--version'], { env })).stdout.trim()
  t.diagnostic(`Node.js ${version}: npm ci ${installed - began} ms, npm start ${Date.now() - installed} ms`)
})
