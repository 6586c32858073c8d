/** The command itself, as a shell or a container engine sees it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const started: ChildProcess[] = []
const folders: string[] = []

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function berth(args: readonly string[], env: Record<string, string> = {}): Promise<ChildProcess> {
  const cwd = await mkdtemp(join(tmpdir(), 'berth-serve-'))
  folders.push(cwd)
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], REGISTRY_HTTP_ADDR: '127.0.0.1:0', ...env },
  })
  started.push(child)
  return child
}

/** What it writes until something matches, or until it ends. */
function output(child: ChildProcess, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const look = (piece: Buffer): void => {
      text += piece.toString()
      if (until.test(text)) resolve(text)
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.once('exit', () => reject(new Error(`ended: ${text}`)))
  })
}

async function ended(child: ChildProcess): Promise<{ code: number | null; text: string }> {
  let text = ''
  child.stdout?.on('data', (piece: Buffer) => (text += piece.toString()))
  child.stderr?.on('data', (piece: Buffer) => (text += piece.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}

test('serve says where, that it is open, what to type next, and ends on SIGTERM', async () => {
  const child = await berth(['serve'])
  const text = await output(child, /next: docker tag IMAGE/)
  assert.match(text, /listening on http:\/\/127\.0\.0\.1:\d+, data in .*data/)
  assert.match(text, /open to everyone: whoever reaches this address can pull, push and delete/)
  child.kill('SIGTERM')
  const { code } = await ended(child)
  assert.equal(code, 0)
})

test('a log that nobody reads any more does not end it', async () => {
  const child = await berth(['serve'])
  const text = await output(child, /listening on (\S+),/)
  const url = /listening on (\S+),/.exec(text)?.[1] ?? ''
  child.stderr?.destroy()
  child.stdout?.destroy()
  for (let round = 0; round < 5; round++) assert.equal((await fetch(`${url}/v2/`)).status, 200)
  assert.equal(child.exitCode, null)
})

test('a read-only registry does not say that it takes pushes', async () => {
  const child = await berth(['serve'], { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' })
  const text = await output(child, /Read-only: [^\n]*\n/)
  assert.match(text, /whoever reaches this address can pull\. Read-only: nothing can be pushed or deleted/)
})

test('no signal opens a debugger', async () => {
  const child = await berth(['serve'])
  const url = /listening on (\S+),/.exec(await output(child, /next: /))?.[1] ?? ''
  const rest = ended(child)
  child.kill('SIGUSR1')
  await sleep(300)
  assert.equal((await fetch(`${url}/v2/`)).status, 200)
  child.kill('SIGTERM')
  const { code, text } = await rest
  assert.equal(code, 0)
  assert.doesNotMatch(text, /Debugger/)
})

const COMMANDS: readonly [args: string[], code: number, says: RegExp][] = [
  [[], 2, /Usage: berth COMMAND/],
  [['--help'], 0, /Commands:/],
  [['--version'], 0, /^berth \d+\.\d+\.\d+\n$/],
  [['serve', '--help'], 0, /Usage: berth serve/],
  [['serve', '--version'], 0, /^berth \d/],
  [['config', '--help'], 0, /berth config/],
  [['sevre'], 2, /^berth: there is no command "sevre"\. See "berth --help"\.\n$/],
  [['serve', 'a', 'b'], 2, /at most one argument/],
  [['serve', 'no-such.yml'], 1, /no-such\.yml/],
]

for (const [args, code, says] of COMMANDS) {
  test(`berth ${args.join(' ')}`, async () => {
    const result = await ended(await berth(args))
    assert.equal(result.code, code, result.text)
    assert.match(result.text, says)
  })
}

test('what cannot be started says why in one line, and ends with 1', async () => {
  const first = await berth(['serve'])
  const text = await output(first, /listening on http:\/\/127\.0\.0\.1:(\d+),/)
  const port = /127\.0\.0\.1:(\d+),/.exec(text)?.[1] ?? ''
  const second = await ended(await berth(['serve'], { REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` }))
  assert.equal(second.code, 1)
  assert.match(second.text, /^[^\n]*cannot start: [^\n]*another program listens there already[^\n]*\n$/)

  const missing = `[{ name: ci, issuer: 'https://issuer.test', audience: a, jwks: /nowhere/keys.json, claims: [{ name: c, match: { a: b } }] }]`
  const keyless = await ended(await berth(['serve'], { REGISTRY_AUTH_WORKLOADS: missing }))
  assert.equal(keyless.code, 1)
  assert.match(
    keyless.text,
    /^[^\n]*cannot start: auth\.workloads: jwks of ci: cannot read \/nowhere\/keys\.json: there is no such file; in a container: is its folder mounted [^\n]*\n$/,
  )

  const token = {
    REGISTRY_AUTH_TOKEN_REALM: 'https://issuer.test/auth',
    REGISTRY_AUTH_TOKEN_SERVICE: 'here',
    REGISTRY_AUTH_TOKEN_ISSUER: 'issuer',
    REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: '/nowhere/ca.crt',
  }
  const certless = await ended(await berth(['serve'], { REGISTRY_AUTH: 'token', ...token }))
  assert.equal(certless.code, 1)
  assert.match(certless.text, /ca\.crt: there is no such file; in a container: is its folder mounted/)

  const wrong = await ended(await berth(['serve'], { REGISTRY_AUTH: 'htpasswd', REGISTRY_LOG_LEVEL: 'loud' }))
  assert.equal(wrong.code, 1)
  assert.match(wrong.text, /auth/)
  assert.match(wrong.text, /log\.level/)
})

test('a folder of backups is not served as an empty registry', { timeout: 30_000 }, async () => {
  const first = await berth(['serve'])
  await output(first, /listening on/)
  const data = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(folders.at(-1) ?? '', 'data') }
  const backups = await mkdtemp(join(tmpdir(), 'berth-serve-'))
  folders.push(backups)
  assert.equal((await ended(await berth(['backup', backups], data))).code, 0)
  const before = (await readdir(backups)).toSorted()
  const served = await ended(await berth(['serve'], { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: backups }))
  assert.equal(served.code, 1)
  assert.match(
    served.text,
    /^[^\n]*cannot start: the data folder \S+ has backups, [^\n]*berth restore[^\n]*\n$/,
  )
  assert.deepEqual((await readdir(backups)).toSorted(), before)
})
