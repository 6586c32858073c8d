/** `berth client-config` as it is typed: how it finds out what a registry speaks, and what it refuses. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTls } from 'node:https'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { startRegistry } from '../berth.ts'
import { createCertificates, withoutOpenssl } from '../serving/certificates.fixture.ts'
import { command } from './client-config.ts'

async function run(args: string[]): Promise<{ code: number; out: string; said: string }> {
  const texts = { out: '', said: '' }
  const into = (key: 'out' | 'said'): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        texts[key] += chunk.toString()
        done()
      },
    })
  const code = await command.run(args, { env: {}, stdout: into('out'), stderr: into('said') })
  return { code, ...texts }
}

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('asks the registry how it is spoken to, and says what it found', async (t) => {
  const registry = await startRegistry()
  t.after(() => registry.close())
  const { host } = new URL(registry.url)
  const found = await run(['podman', host])
  assert.equal(found.code, 0)
  assert.equal(found.said, `berth client-config: ${host} answers without TLS.\n`)
  assert.match(found.out, /insecure = true/)
  const offline = await run(['podman', host, '--offline'])
  assert.deepEqual([offline.code, offline.said], [0, ''])
  assert.match(offline.out, /Nothing needs to be configured/)
})

test(
  'a certificate that is not known here: --ca is asked for',
  { skip: (await withoutOpenssl()) ?? false },
  async (t) => {
    const files = await createCertificates()
    t.after(() => files.remove())
    const authority = await files.authority('own')
    const { certificate, key } = await files.issue('server', authority)
    const host = await listening(t, createTls({ cert: readFileSync(certificate), key: readFileSync(key) }))
    const found = await run(['docker', host])
    assert.equal(found.code, 1)
    assert.match(found.said, /from a certificate authority that is not known here/)
    const told = await run(['docker', host, '--ca', authority.certificate])
    assert.equal(told.code, 0)
    assert.match(
      told.out,
      new RegExp(`# /etc/docker/certs\\.d/${host}/ca\\.crt\n-----BEGIN CERTIFICATE-----`),
    )
  },
)

test('nobody there: refused, but for names inside a cluster', async (t) => {
  const closed = createTcp()
  const host = await listening(t, closed)
  closed.close()
  const nobody = await run(['docker', host])
  assert.equal(nobody.code, 1)
  assert.match(
    nobody.said,
    /cannot be reached: .*Say how it is spoken to: --plain-http, --ca FILE, or --offline/,
  )
  const cluster = await run(['k3s', 'basic-registry.default.svc.cluster.local:5000'])
  assert.equal(cluster.code, 0, cluster.said)
  assert.match(
    cluster.said,
    /is a name inside a cluster and is not reached from here: taken to be without TLS/,
  )
  assert.match(cluster.out, /- "http:\/\/basic-registry\.default\.svc\.cluster\.local:5000"/)
})

test('--write: below a folder, and nothing is replaced', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-client-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const args = ['buildkit', 'registry.example:5000', '--plain-http', '--write', folder]
  const path = join(folder, 'etc/buildkit/buildkitd.toml')
  assert.equal((await run(args)).said, `berth client-config: ${path} is written.\n`)
  assert.equal(readFileSync(path, 'utf8'), '[registry."registry.example:5000"]\n  http = true\n')
  writeFileSync(path, 'of somebody else')
  const again = await run(args)
  assert.equal(again.code, 1)
  assert.match(again.said, /is there already: add to it what is printed above\.$/m)
  assert.equal(readFileSync(path, 'utf8'), 'of somebody else')
})

test('wrong arguments', async () => {
  const rows: [args: string[], code: number, said: RegExp][] = [
    [[], 2, /say docker, containerd, podman, k3s, kaniko or buildkit\./],
    [['helm', 'r:1'], 2, /what is "helm"\? Say docker/],
    [['docker'], 2, /which registry\?/],
    [['docker', 'https://r.example'], 2, /"https:\/\/r\.example" is not HOST or HOST:PORT/],
    [['docker', 'r.example/team'], 2, /is not HOST or HOST:PORT/],
    [['docker', 'r:1', '--plain-http', '--ca', 'x'], 2, /say --plain-http or --ca, but not both/],
    [['docker', 'r:1', '--ca', import.meta.filename.replace('.test', '')], 2, /has no certificate in PEM/],
    [['docker', 'r:1', '--plain-http', '--mirror', '../x'], 2, /--mirror "\.\.\/x" is no name of a registry/],
    [
      ['docker', 'r:1', '--plain-http', '--mirror', 'quay.io'],
      1,
      /docker can be given mirrors of docker\.io only/,
    ],
  ]
  for (const [args, code, said] of rows) {
    const ran = await run(args)
    assert.equal(ran.code, code, args.join(' '))
    assert.match(ran.said, said)
    assert.equal(ran.out, '')
  }
})
