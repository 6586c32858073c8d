/**
 * Berth behind the real proxies, with the files of deploy/compose: what is pushed comes through, whole and at once; what
 * the proxy refuses has a reason that clients show; and the registry knows who asked.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { dockerConfigOf } from '../clients/access-workplace.ts'
import { createLayout, randomLayer, taggedDigest } from '../clients/layout.ts'
import {
  clientPath,
  createWorkplace,
  missingClients,
  needsRoot,
  type Workplace,
} from '../clients/workplace.ts'
import { basicHeader } from '../lib/basic-header.ts'
import { blobOf, type Blob } from '../lib/content.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  PUSH_METHODS,
  storedBytes,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { freePort } from '../lib/free-port.ts'
import { changed, COMPOSE, environmentOf } from './compose-forms.ts'
import { startProxy, type ProxyName, type RunningProxy } from './compose-proxy.ts'

const MIB = 1024 * 1024
const OVER = 101 * MIB
const ADMIN = { name: 'admin', password: 'of the administrator' }
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const REALM = /realm="([^"]+)"/
const SKIP_SKOPEO = missingClients(['skopeo'])
const SKIP = {
  nginx: missingClients(['nginx', 'openssl']) || needsRoot(),
  caddy: missingClients(['caddy', 'openssl']),
  haproxy: missingClients(['haproxy', 'openssl']) || needsRoot(),
}

type Scene = {
  proxy: RunningProxy
  workplace: Workplace
  client: RegistryClient
  /** Another client, by the address that it comes from. */
  clientFrom(localAddress: string, headers?: Record<string, string>): RegistryClient
}

/** The configuration of the image and the environment of the form; only the proxy's network is another here. */
async function begin(context: TestContext, name: ProxyName): Promise<Scene> {
  const config = parse(readFileSync(join(COMPOSE, '../image/config.yml'), 'utf8')) as Record<string, object>
  const root = temporaryFolder(context, `compose-${name}-data`)
  const trusted = environmentOf(name)['REGISTRY_HTTP_TRUSTEDPROXIES'] ?? ''
  const workplace = await createWorkplace(context, `compose-${name}`, {
    server: {
      config: { ...config, http: { ...config['http'], addr: '127.0.0.1:0' } },
      env: {
        REGISTRY_HTTP_TRUSTEDPROXIES: changed(trusted, [['172.16.0.0/12', '127.0.0.1']]),
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        REGISTRY_ACCESS_ADMINISTRATOR_PASSWORD: ADMIN.password,
      },
    },
  })
  const place = { folder: workplace.place('proxy'), port: await freePort(), berth: workplace.server.host }
  const proxy = await startProxy(context, name, place)
  const ca = readFileSync(proxy.authority, 'utf8')
  copyFileSync(proxy.authority, join(workplace.place('certs'), 'ca.crt'))
  const clientFrom = (localAddress: string, more: Record<string, string> = {}): RegistryClient => {
    const headers = { authorization: basicHeader(`${ADMIN.name}:${ADMIN.password}`), ...more }
    const client = createRegistryClient(proxy.url, { ca, localAddress, headers })
    afterwards(context, () => client.close())
    return client
  }
  return { proxy, workplace, client: clientFrom('127.0.0.1'), clientFrom }
}

let layout: string | undefined
after(() => layout !== undefined && rmSync(layout, { recursive: true }))

/** The folder of images with layers of about a byte and 5 MiB, `small`, and with one of 101 MiB more, `large`. */
function images(): string {
  if (layout !== undefined) return layout
  layout = mkdtempSync(join(tmpdir(), 'berth-compose-layout-'))
  const { addImage, tag } = createLayout(layout)
  const layers = [1, 5 * MIB].map((length) => randomLayer(`compose-${length}`, length))
  tag(addImage({ layers }), 'small')
  tag(addImage({ layers: [...layers, randomLayer('compose-over', OVER)] }), 'large')
  return layout
}

async function assertStored(
  client: RegistryClient,
  repository: string,
  { bytes, digest }: Blob,
): Promise<void> {
  const answer = await client.getBlob(repository, digest)
  assert.equal(answer.status, 200)
  assert.ok(answer.body.equals(bytes), `${digest} came back with other bytes`)
}

/** What an upload has, as soon as the registry knows that its client is gone. */
async function storedAtRest(client: RegistryClient, location: string): Promise<number> {
  for (let before = -1; ; await sleep(200)) {
    const answer = await client.getUpload(location)
    const stored = answer.status === 204 ? storedBytes(answer) : -1
    if (stored >= 0 && stored === before) return stored
    before = stored
  }
}

for (const name of Object.keys(SKIP) as ProxyName[]) {
  const options = { skip: SKIP[name], timeout: 180_000 }

  test(`${name}: what is pushed in any way comes back, whole and in ranges`, options, async (context) => {
    const { client } = await begin(context, name)
    for (const length of [1, 5 * MIB])
      for (const method of PUSH_METHODS) {
        const blob = blobOf(`${method} ${length}`, length)
        expectStatus(await client.pushBlob('team/app', blob, method), 201)
        await assertStored(client, 'team/app', blob)
      }
    const begun = await client.startUpload('team/app')
    // Relative: neither the scheme nor the port that Berth sees is the client's.
    assert.match(begun.headers.location ?? '', /^\/v2\/team\/app\/blobs\/uploads\//)
    const { bytes, digest } = blobOf('patch 5242880', 5 * MIB)
    const part = await client.getBlob('team/app', digest, { range: 'bytes=4000000-4999999' })
    assert.equal(part.status, 206)
    assert.ok(part.body.equals(bytes.subarray(4_000_000, 5_000_000)))
    const both = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        // The same blob from several at once, too.
        const blob = blobOf(`at once ${index % 8}`, 3 * MIB)
        expectStatus(await client.pushBlob('team/app', blob, PUSH_METHODS[index % 5] ?? 'stream'), 201)
        return blob
      }),
    )
    for (const blob of both) await assertStored(client, 'team/app', blob)
  })

  test(
    `${name}: sign-in happens at the proxy's address, and the log has the client's`,
    options,
    async (context) => {
      const { clientFrom, proxy, workplace } = await begin(context, name)
      const nobody = await clientFrom('127.0.0.1', { authorization: '' }).ask('GET', '/v2/')
      assert.equal(nobody.status, 401)
      assert.equal(REALM.exec(nobody.headers['www-authenticate'] ?? '')?.[1], `${proxy.url}/token`)
      const forged = {
        'x-forwarded-for': '203.0.113.7',
        forwarded: 'for=203.0.113.8',
        'x-forwarded-proto': 'http',
      }
      const liar = await clientFrom('127.0.0.9', { ...forged, authorization: '' }).ask('GET', '/v2/')
      assert.equal(REALM.exec(liar.headers['www-authenticate'] ?? '')?.[1], `${proxy.url}/token`)
      await clientFrom('127.0.0.8').ask('GET', '/v2/_catalog')
      for (let waited = 0; !workplace.server.log().includes('GET /v2/_catalog'); waited += 20) {
        assert.ok(waited < 5000, workplace.server.log())
        await sleep(20)
      }
      assert.match(workplace.server.log(), /^127\.0\.0\.8 .*"GET \/v2\/_catalog/m)
      assert.match(workplace.server.log(), /^127\.0\.0\.9 .*"GET \/v2\/ /m)
      assert.doesNotMatch(workplace.server.log(), /203\.0\.113/)
    },
  )

  test(`${name}: a push that the proxy's death cuts off goes on`, options, async (context) => {
    const { client, proxy } = await begin(context, name)
    const blob = blobOf('cut off', 24 * MIB)
    const location = locationOf(await client.startUpload('team/cut'))
    const slowly = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < blob.bytes.length; at += MIB) {
        yield blob.bytes.subarray(at, at + MIB)
        await sleep(40)
      }
    }
    const cut = client.patchUpload(location, slowly()).then(
      (answer) => `answered ${answer.status}`,
      () => 'cut off',
    )
    await sleep(500)
    await proxy.kill()
    assert.equal(await cut, 'cut off')
    await proxy.start()
    const stored = await storedAtRest(client, location)
    assert.ok(stored >= 4 * MIB, `only ${stored} bytes had gone through: bodies are held up`)
    assert.ok(stored < blob.bytes.length)
    const range: [number, number] = [stored, blob.bytes.length - 1]
    expectStatus(await client.patchUpload(location, blob.bytes.subarray(stored), range), 202)
    expectStatus(await client.finishUpload(location, blob.digest), 201)
    await assertStored(client, 'team/cut', blob)
  })

  test(
    `${name}: skopeo and crane push and pull`,
    { ...options, skip: options.skip || SKIP_SKOPEO },
    async (context) => {
      const { client, workplace, proxy } = await begin(context, name)
      const { run, place, folder } = workplace
      const tag = name === 'nginx' ? 'small' : 'large'
      const source = `${images()}:${tag}`
      const target = `${proxy.host}/team/app:1`
      const certs = join(folder, 'certs')
      const env = {
        REGISTRY_AUTH_FILE: join(place('login'), 'auth.json'),
        SSL_CERT_FILE: join(certs, 'ca.crt'),
      }
      await run('skopeo', ['login', '--cert-dir', certs, '-u', ADMIN.name, '--password-stdin', proxy.host], {
        input: ADMIN.password,
        env,
      })
      await run('skopeo', ['copy', '--dest-cert-dir', certs, `oci:${source}`, `docker://${target}`], { env })
      await run('skopeo', ['copy', '--src-cert-dir', certs, `docker://${target}`, `oci:${place('back')}:1`], {
        env,
      })
      assert.equal(taggedDigest(join(folder, 'back'), '1'), taggedDigest(images(), tag))
      assert.match(proxy.log(), /\/token/)
      if (clientPath('crane') === undefined) return context.diagnostic('no crane here')
      const credentials = dockerConfigOf(proxy.host, ADMIN)
      writeFileSync(join(place('home'), 'config.json'), credentials)
      await run('crane', ['pull', '--format=oci', target, join(folder, 'by-crane')], { env })
      await run('crane', ['push', join(folder, 'by-crane'), `${proxy.host}/other/app:2`], { env })
      const digest = await run('crane', ['digest', `${proxy.host}/other/app:2`], { env })
      assert.equal((await client.statManifest('other/app', digest.stdout.trim())).status, 200)
    },
  )
}

for (const name of ['caddy', 'haproxy'] as const)
  test(`${name}: a layer of 101 MiB`, { skip: SKIP[name], timeout: 180_000 }, async (context) => {
    const { client } = await begin(context, name)
    for (const method of ['post-put', 'stream', 'chunks'] as const) {
      const blob = blobOf(`large ${method}`, OVER)
      expectStatus(await client.pushBlob('team/large', blob, method), 201)
      await assertStored(client, 'team/large', blob)
    }
  })

test('nginx: over the limit of a body', { skip: SKIP.nginx, timeout: 180_000 }, async (context) => {
  const { client, proxy, workplace } = await begin(context, 'nginx')
  const { folder, run } = workplace
  const under = blobOf('under', 100 * MIB)
  for (const method of ['post-put', 'stream'] as const)
    expectStatus(await client.pushBlob(`team/${method}`, under, method), 201)
  const over = blobOf('over', OVER)
  for (const method of ['post', 'post-put', 'patch', 'stream'] as const) {
    const answer = await client.pushBlob('team/large', over, method)
    assert.equal(answer.status, 413, method)
    const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] }
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['DENIED'],
    )
    assert.match(
      errors[0]?.message ?? '',
      /at most 100 MB in one request: push larger layers with berth push/,
    )
  }
  // In pieces it goes through: the limit is that of one request.
  expectStatus(await client.pushBlob('team/large', over, 'chunks'), 201)
  await assertStored(client, 'team/large', over)
  assert.doesNotMatch(workplace.server.log(), /level=error/)
  const pushed = `${proxy.host}/team/pushed:1`
  const account = ['--ca', proxy.authority, '-u', ADMIN.name, '--password-stdin']
  const told = await run(process.execPath, [MAIN, 'push', `${images()}:large`, pushed, ...account], {
    input: ADMIN.password,
  })
  assert.match(told.stdout, /team\/pushed:1@sha256:/)
  assert.equal((await client.statManifest('team/pushed', taggedDigest(images(), 'large'))).status, 200)
  if (SKIP_SKOPEO !== false) return context.diagnostic(SKIP_SKOPEO)
  const trusted = [
    '--dest-cert-dir',
    join(folder, 'certs'),
    '--dest-creds',
    `${ADMIN.name}:${ADMIN.password}`,
  ]
  const target = `docker://${proxy.host}/team/app:1`
  const ran = await run('skopeo', ['copy', ...trusted, `oci:${images()}:large`, target], { mayFail: true })
  assert.notEqual(ran.code, 0)
  assert.match(ran.stderr, /push larger layers with berth push/)
})
