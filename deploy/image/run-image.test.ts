/** The image as it runs: any user, a read-only root, and what it needs of its own files. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../test/lib/free-port.ts'
import { builtImage, cannotBuildImage } from '../../test/lib/image.ts'
import {
  cannotRunContainers,
  type Container,
  type ContainerOptions,
  startContainer,
  unpackImage,
} from '../../test/lib/image-container.ts'
import { type Ending, temporaryFolder } from '../../test/lib/temporary.ts'

const skip = cannotBuildImage() || cannotRunContainers()
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch

suite('the image runs', { skip, timeout: 300_000 }, () => {
  let folder = ''
  let start: (test: Ending, options?: Omit<ContainerOptions, 'root'>) => Container
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-image-'))
    // runc wants to be able to look into it as any user.
    chmodSync(folder, 0o755)
    const root = join(folder, 'root')
    mkdirSync(root)
    const { layout } = await builtImage()
    const config = await unpackImage(layout, ARCHITECTURE, root)
    // File modes that this process's umask has taken away.
    for (const path of ['tmp', 'var/lib/registry']) chmodSync(join(root, path), 0o1777)
    // Engines make these; the root of a container may be read-only.
    for (const name of ['hosts', 'resolv.conf'])
      writeFileSync(join(root, 'etc', name), '127.0.0.1 localhost\n')
    start = (test, options) => startContainer(test, folder, config, { root, ...options })
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  async function serve(test: Ending, options: Omit<ContainerOptions, 'root'> = {}) {
    const port = await freePort()
    const isKept = '/var/lib/registry' in (options.mounts ?? {})
    const env = { REGISTRY_HTTP_ADDR: `:${port}`, ...(isKept ? {} : IN_MEMORY), ...options.env }
    const container = start(test, { ...options, env })
    const url = `http://127.0.0.1:${port}`
    await until(async () => (await fetch(`${url}/v2/`)).status === 200, container)
    return { container, url }
  }

  const users = [
    { name: 'root', options: {} },
    { name: 'root, read-only, without capabilities', options: { locked: true } },
    { name: 'the user 12345, read-only', options: { user: 12345, locked: true } },
    { name: 'the user 65532, read-only', options: { user: 65532, locked: true } },
  ]
  for (const { name, options } of users) {
    test(`as ${name}: push, pull, health, what is run beside it, end`, async (t) => {
      const data = temporaryFolder(t, 'image-data')
      chmodSync(data, 0o1777)
      const { container, url } = await serve(t, { ...options, mounts: { '/var/lib/registry': data } })
      await pushAndPull(url)
      for (const program of ['registry', '/bin/registry', '/usr/bin/berth', '/entrypoint.sh'])
        assert.deepEqual(await container.exec(program, '--version'), {
          code: 0,
          output: `berth ${version()}\n`,
        })
      const health = await container.exec('registry', 'healthcheck')
      assert.equal(health.code, 0, health.output)
      const garbage = await container.exec(
        'registry',
        'garbage-collect',
        '-d',
        '/etc/docker/registry/config.yml',
      )
      assert.match(garbage.output, /^1 blobs marked, 0 blobs and 0 manifests eligible for deletion$/m)
      // Without a name of a file: that of the registry which runs.
      assert.match((await container.exec('berth', 'gc', '--dry-run')).output, /^Would remove 0 manifests/)
      assert.match(
        container.log(),
        /Berth \S+ listening on \S+, data in \/var\/lib\/registry, configured by /,
      )
      const took = await container.stop()
      assert.equal(await container.ended, 0)
      assert.ok(took < 3000, `SIGTERM took ${took} ms`)
    })
  }

  test("Distribution's command lines", async (t) => {
    for (const command of [
      ['serve', '/etc/docker/registry/config.yml'],
      ['/etc/docker/registry/config.yml'],
      ['registry', 'serve', '/etc/distribution/config.yml'],
      ['serve'],
    ]) {
      const { container } = await serve(t, { command })
      const file = command.at(-1)?.endsWith('.yml') ? command.at(-1) : '/etc/distribution/config.yml'
      // The line may come after the first answer.
      await until(async () => container.log().includes(`configured by ${file}`), container)
      await container.stop()
    }
    const lines: [string[], number, RegExp][] = [
      [['--version'], 0, /^berth \d/],
      [['--help'], 0, /^Berth, a container registry/],
      [['garbage-collect', '--help'], 0, /registry garbage-collect \[CONFIG\]/],
      [['sh', '-c', 'echo'], 2, /there is no command "sh"/],
      [['serve', '/none.yml'], 1, /\/none\.yml/],
    ]
    for (const [command, code, said] of lines) {
      const container = start(t, { command })
      assert.equal(await container.ended, code, command.join(' '))
      assert.match(container.log(), said)
    }
  })

  test('a file mounted at either of its two names is the one that holds, also for what is run beside it', async (t) => {
    for (const path of ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml']) {
      const file = join(temporaryFolder(t, 'image-config'), 'config.yml')
      writeFileSync(file, 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {prefix: /mine}\n')
      const port = await freePort()
      const env = { REGISTRY_HTTP_ADDR: `:${port}` }
      const container = start(t, { env, mounts: { [path]: file }, locked: true })
      await until(async () => (await fetch(`http://127.0.0.1:${port}/mine/v2/`)).status === 200, container)
      assert.match((await container.exec('berth', 'config', 'show')).output, /prefix: "?\/mine/)
      await container.stop()
    }
  })

  test('what V8 has compiled is taken, as the flags of the program are', async (t) => {
    const script = `
      const { Script } = require('node:vm')
      const { readFileSync, readdirSync } = require('node:fs')
      const folder = '/usr/lib/berth/'
      for (const cache of readdirSync(folder).filter((name) => name.endsWith('.cache'))) {
        const source = readFileSync(folder + cache.replace('.cache', '.js'), 'latin1')
        const { cachedDataRejected } = new Script(source, { cachedData: readFileSync(folder + cache) })
        console.log(cache, cachedDataRejected ? 'refused' : 'taken')
      }`
    const { container } = await serve(t)
    const { output } = await container.exec('node', '--min-semi-space-size=4', '-e', script)
    const lines = output.trim().split('\n').sort()
    assert.ok(lines.includes('main.cache taken') && lines.length > 4, output)
    assert.ok(
      lines.every((line) => line.endsWith(' taken')),
      output,
    )
  })

  test('time zones and names are known', async (t) => {
    const { container } = await serve(t, { env: { TZ: 'Asia/Kathmandu' }, user: 12345 })
    const script = `
      const { readFileSync } = require('node:fs')
      const offset = new Date(0).getTimezoneOffset()
      const zone = readFileSync('/usr/share/zoneinfo/Asia/Kathmandu').subarray(0, 4).toString()
      require('node:dns').lookup('localhost', { family: 4 }, (error, address) => {
        console.log(JSON.stringify({ offset, zone, address: error ?? address, home: require('node:os').homedir() }))
      })`
    const { output } = await container.exec('node', '-e', script)
    assert.deepEqual(JSON.parse(output), { offset: -330, zone: 'TZif', address: '127.0.0.1', home: '/' })
  })

  test('TLS to others: roots of the image, and a certificate that is mounted', async (t) => {
    const { server, authority } = await tlsServer(t)
    const { port } = server.address() as AddressInfo
    const script = `
      fetch('https://localhost:${port}/').then((answer) => answer.text(), (error) => error.cause.code).then((said) => {
        console.log(said, require('node:tls').getCACertificates('system').length > 100)
      })`
    const outcomes: [Record<string, string>, string][] = [
      [{}, 'DEPTH_ZERO_SELF_SIGNED_CERT true\n'],
      [{ '/usr/local/share/ca-certificates/own.crt': authority }, 'hello true\n'],
      [{ '/etc/ssl/certs/ca-certificates.crt': authority }, 'hello false\n'],
    ]
    for (const [mounts, said] of outcomes) {
      const { container } = await serve(t, { mounts, user: 12345, locked: true })
      assert.equal((await container.exec('node', '-e', script)).output, said)
      await container.stop()
    }
  })
})

const IN_MEMORY = { REGISTRY_STORAGE: '{inmemory: {}}' }

function version(): string {
  return (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version
}

async function pushAndPull(url: string): Promise<void> {
  // More than one chunk, so that the hashing thread is asked too.
  const body = Buffer.alloc(2_000_000, 'berth')
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const pushed = await fetch(`${url}/v2/a/b/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
  assert.equal(pushed.status, 201, await pushed.text())
  const pulled = Buffer.from(await (await fetch(`${url}/v2/a/b/blobs/${digest}`)).arrayBuffer())
  assert.ok(pulled.equals(body))
}

async function until(isSo: () => Promise<boolean>, container: Container): Promise<void> {
  let code: number | undefined
  void container.ended.then((ended) => (code = ended))
  for (const end = Date.now() + 20_000; ; await sleep(20)) {
    if (await isSo().catch(() => false)) return
    assert.ok(code === undefined && Date.now() < end, `ended with ${code}; its log:\n${container.log()}`)
  }
}

async function tlsServer(test: Ending): Promise<{ server: Server; authority: string }> {
  const folder = temporaryFolder(test, 'image-tls')
  chmodSync(folder, 0o755)
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost'
  const more = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate]
  execFileSync('openssl', [...words.split(' '), ...more], { stdio: 'ignore' })
  const files = { key: readFileSync(key), cert: readFileSync(certificate) }
  const server = createServer(files, (_, response) => response.end('hello')).listen(0, '127.0.0.1')
  test.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return { server, authority: certificate }
}
