/** What Kubernetes puts into a container's environment for the Services of its namespace changes nothing. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import { schema } from '../../src/config/schema.ts'
import { walkShapes } from '../../src/config/shape.ts'
import { blobOf, imageOf } from '../lib/content.ts'
import { createRegistryClient, expectStatus } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { type LinkedService, serviceLinks } from './service-links.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const PORTS = [
  { name: 'registry', port: 5000 },
  { name: 'http-secret-file', port: 443 },
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'sctp', port: 9, protocol: 'SCTP' },
]

/** Services that people have, and one for each setting there is: `http.addr` and a Service called registry-http-addr. */
function services(): LinkedService[] {
  const settings = [...walkShapes(schema)]
    .map(({ variable }) => variable.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'))
    .map((name) => name.replace(/-$/, ''))
  const names = ['registry', 'basic-registry', 'registry-ui', 'berth', 'node', 'otel', ...settings]
  return [...new Set(names)].flatMap((name, at) => [
    { name, address: `10.0.${Math.floor(at / 250)}.${(at % 250) + 1}`, ports: PORTS },
    { name: `${name}-v6`, address: `fd00::${(at + 1).toString(16)}`, ports: [{ port: 5000 }] },
  ])
}

const allLinks = (): Record<string, string> => Object.assign({}, ...services().map(serviceLinks))

test('the variables are those that a pod has', () => {
  assert.deepEqual(
    serviceLinks({ name: 'registry-http', address: 'fd00::1', ports: [{ name: 'web', port: 80 }] }),
    {
      REGISTRY_HTTP_SERVICE_HOST: 'fd00::1',
      REGISTRY_HTTP_SERVICE_PORT: '80',
      REGISTRY_HTTP_SERVICE_PORT_WEB: '80',
      REGISTRY_HTTP_PORT: 'tcp://[fd00::1]:80',
      REGISTRY_HTTP_PORT_80_TCP: 'tcp://[fd00::1]:80',
      REGISTRY_HTTP_PORT_80_TCP_PROTO: 'tcp',
      REGISTRY_HTTP_PORT_80_TCP_PORT: '80',
      REGISTRY_HTTP_PORT_80_TCP_ADDR: 'fd00::1',
    },
  )
  const links = allLinks()
  for (const name of [
    'REGISTRY_PORT',
    'REGISTRY_AUTH_PORT',
    'REGISTRY_STORAGE_SERVICE_HOST',
    'REGISTRY_HTTP_ADDR_PORT',
  ])
    assert.ok(name in links, name)
  assert.ok(Object.keys(links).length > 2000, `${Object.keys(links).length} variables`)
})

test('every setting keeps its value', () => {
  const show = (env: Record<string, string>): string =>
    execFileSync(process.execPath, [MAIN, 'config', 'show'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  const own = { REGISTRY_HTTP_ADDR: ':5999' }
  assert.match(show(own), /5999/)
  assert.equal(show({ ...allLinks(), ...own }), show(own))
})

test('the registry serves as ever, and says once what it passed over', async (context) => {
  const root = temporaryFolder(context, 'links')
  const server = await startServer({ root, env: allLinks() })
  afterwards(context, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(context, () => client.close())
  const layer = blobOf('service links', 5000)
  expectStatus(await client.pushBlob('team/app', layer, 'post-put'), 201)
  const image = imageOf(layer, [layer])
  expectStatus(await client.putManifest('team/app', '1', image), 201)
  assert.deepEqual((await client.getManifest('team/app', '1')).body, image.bytes)
  const said = server.log().match(/set by Kubernetes for a Service called registry/g)
  assert.equal(said?.length, 1, server.log())
  assert.doesNotMatch(server.log(), /there is no such setting/)
})
