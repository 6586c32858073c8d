import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { startRegistry } from '../berth.ts'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { command } from './healthcheck.ts'

async function healthcheck(env: NodeJS.ProcessEnv, ...args: string[]) {
  const said = { out: '', err: '' }
  const write = (to: 'out' | 'err') => ({ write: (text: string) => void (said[to] += text) })
  const io = { env, stdout: write('out'), stderr: write('err') } as never
  return { code: await command.run(args, io), ...said }
}

test('a registry that serves is well, at any address that stands for all', async (t) => {
  const registry = await startRegistry({})
  t.after(() => registry.close())
  const port = new URL(registry.url).port
  for (const addr of [`:${port}`, `0.0.0.0:${port}`, `127.0.0.1:${port}`]) {
    const { code, out, err } = await healthcheck({ REGISTRY_HTTP_ADDR: addr })
    assert.deepEqual({ code, out, err }, { code: 0, out: `ok: 127.0.0.1:${port}\n`, err: '' })
  }
})

test('nobody there, a failing check, a wrong configuration and wrong words: not well, and why', async () => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? 503 : 200).end('health check failed')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const REGISTRY_HTTP_ADDR = `127.0.0.1:${port}`
  const failing = await healthcheck({ REGISTRY_HTTP_ADDR })
  assert.equal(failing.code, 1)
  assert.equal(failing.err, `berth healthcheck: 127.0.0.1:${port} answers 503: health check failed\n`)
  const debug = await healthcheck({ REGISTRY_HTTP_ADDR: ':1', REGISTRY_HTTP_DEBUG_ADDR: REGISTRY_HTTP_ADDR })
  assert.equal(debug.err, failing.err)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))

  const away = await healthcheck({ REGISTRY_HTTP_ADDR })
  assert.equal(away.code, 1)
  assert.match(away.err, /^berth healthcheck: .*ECONNREFUSED/)
  const wrong = await healthcheck({ REGISTRY_HTTP_ADDR: 'nonsense' })
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /the configuration is wrong\n.*http\.addr/s)
  assert.equal((await healthcheck({}, 'a.yml', 'b.yml')).code, 2)
})

test('an answer that never comes to its end is none', { timeout: 20_000 }, async (t) => {
  const server = createServer((_request, response) => {
    const trickle = setInterval(() => response.write('.'), 500)
    response.once('close', () => clearInterval(trickle))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  const REGISTRY_HTTP_ADDR = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, err } = await healthcheck({ REGISTRY_HTTP_ADDR })
  assert.equal(code, 1)
  assert.match(err, /no answer within 5 seconds/)
})

test('with TLS, by a certificate that nobody signed', async (t) => {
  const folder = temporaryFolder(t, 'healthcheck')
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=elsewhere.test'
  execFileSync('openssl', [...words.split(' '), '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const settings = { REGISTRY_HTTP_TLS_CERTIFICATE: certificate, REGISTRY_HTTP_TLS_KEY: key }
  const registry = await startRegistry({ settings })
  t.after(() => registry.close())
  const address = `:${new URL(registry.url).port}`
  assert.equal((await healthcheck({ ...settings, REGISTRY_HTTP_ADDR: address })).code, 0)
})
