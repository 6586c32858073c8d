/** Guessing, floods and proxies, as clients meet them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { startServer } from '../../src/server.ts'
import { blobOf, imageOf } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { afterwards, type Ending } from '../lib/temporary.ts'
import { basicOf, startSubject } from './subject.ts'

const from = (address: string, authorization?: string) => ({
  headers: { 'x-forwarded-for': address, ...(authorization !== undefined && { authorization }) },
})

/** An answer that tells a client to wait. @returns for how many seconds */
function waitIn(answer: Answer): number {
  assert.equal(answer.status, 429)
  const body = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] }
  assert.equal(body.errors[0]?.code, 'TOOMANYREQUESTS')
  assert.match(body.errors[0]?.message ?? '', /try again in \d+ s|finish one of them first/)
  const seconds = Number(answer.headers['retry-after'])
  assert.ok(seconds >= 1)
  return seconds
}

test('who guesses waits, told before anything is hashed; who is known does not', async (t) => {
  const { ask, basic } = await startSubject(t)
  const reader = basic('reader')
  assert.equal((await ask('GET /v2/', from('192.0.2.1', reader))).status, 200)
  const guess = (address: string, name = 'reader') => ask('GET /v2/', from(address, basicOf(name, 'wrong')))
  // From the same address as the right one, and from another one.
  for (let i = 0; i < 10; i++) assert.equal((await guess('192.0.2.1')).status, 401)
  waitIn(await guess('192.0.2.1'))
  for (let i = 0; i < 5; i++) assert.equal((await guess('192.0.2.2')).status, 401)
  waitIn(await guess('192.0.2.2'))
  waitIn(await ask('GET /token?service=berth', from('192.0.2.2', basicOf('reader', 'wrong'))))
  // What was right is right: from there, from elsewhere, and for others there.
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    assert.equal((await ask('GET /v2/', from(address, reader))).status, 200)
  assert.equal((await ask('GET /v2/', from('192.0.2.2', basic('pusher')))).status, 200)
  // Names that nobody has are no different.
  for (let i = 0; i < 5; i++) assert.equal((await guess('192.0.2.4', 'nobody')).status, 401)
  waitIn(await guess('192.0.2.4', 'nobody'))
})

async function openRegistry(test: Ending, env: Record<string, string>) {
  const { config } = loadConfig({
    env: {
      REGISTRY_HTTP_ADDR: '127.0.0.1:0',
      REGISTRY_HTTP_TRUSTEDPROXIES: '[127.0.0.0/8]',
      REGISTRY_STORAGE: 'inmemory',
      ...env,
    },
  })
  const server = await startServer({ config, version: 'test', log: silentLogger })
  afterwards(test, () => server.close(1000))
  const client = createRegistryClient(server.url)
  afterwards(test, () => client.close())
  return client
}

test('requests are limited per address; what has a body is not refused, and counts', async (t) => {
  const client = await openRegistry(t, { REGISTRY_RATELIMITS_REQUESTS: '1', REGISTRY_RATELIMITS_BURST: '5' })
  const ask = (method: string, path: string, address: string, body?: Buffer) =>
    client.ask(method, path, { ...from(address), body })
  const started = await ask('POST', '/v2/a/blobs/uploads/', '192.0.2.1')
  assert.equal(started.status, 202)
  for (let i = 0; i < 4; i++) assert.equal((await ask('GET', '/v2/', '192.0.2.1')).status, 200)
  assert.equal(waitIn(await ask('GET', '/v2/', '192.0.2.1')), 1)
  const head = await ask('HEAD', '/v2/a/manifests/x', '192.0.2.1')
  assert.deepEqual([head.status, head.headers['retry-after']], [429, '1'])
  waitIn(await ask('POST', '/v2/a/blobs/uploads/', '192.0.2.1'))
  const { bytes, digest } = blobOf('chunk', 2000)
  const location = String(started.headers['location'])
  assert.equal((await ask('PATCH', location, '192.0.2.1', bytes)).status, 202)
  assert.equal((await ask('PUT', `${location}?digest=${digest}`, '192.0.2.1')).status, 201)
  assert.ok(waitIn(await ask('GET', '/v2/', '192.0.2.1')) > 1, 'they counted')
  assert.equal((await ask('GET', '/v2/', '192.0.2.2')).status, 200, 'another address')
})

test('tokens that are none count as requests of their address', async (t) => {
  const client = await openRegistry(t, {
    REGISTRY_RATELIMITS_REQUESTS: '1',
    REGISTRY_RATELIMITS_BURST: '5',
    REGISTRY_ACCESS_ADMINISTRATOR_PASSWORD: 'of the administrator',
  })
  const ask = (address: string) => client.ask('GET', '/v2/', from(address, 'Bearer no.such.token'))
  for (let i = 0; i < 5; i++) assert.equal((await ask('192.0.2.1')).status, 401)
  assert.equal(waitIn(await ask('192.0.2.1')), 1)
  assert.equal((await ask('192.0.2.2')).status, 401, 'another address')
})

test('bytes that are pulled are limited, and no answer is cut off', async (t) => {
  const client = await openRegistry(t, { REGISTRY_RATELIMITS_BYTES: '1KiB' })
  const blob = blobOf('large', 500_000)
  assert.equal((await client.pushBlob('a', blob, 'post')).status, 201)
  const answer = await client.getBlob('a', blob.digest)
  assert.deepEqual([answer.status, answer.body.length], [200, 500_000])
  assert.ok(waitIn(await client.getBlob('a', blob.digest)) <= 60)
  assert.equal((await client.pushBlob('a', blobOf('other', 10), 'chunks')).status, 429)
  assert.equal((await client.ask('GET', '/v2/', from('192.0.2.2'))).status, 200)
})

test('uploads at a time are limited', async (t) => {
  const client = await openRegistry(t, { REGISTRY_RATELIMITS_UPLOADS: '2' })
  const start = () => client.ask('POST', '/v2/a/blobs/uploads/')
  const [one] = [await start(), await start()]
  assert.equal(waitIn(await start()), 5)
  const empty = blobOf('one', 10)
  const path = `${String(one.headers['location'])}?digest=${empty.digest}`
  assert.equal((await client.ask('PUT', path, { body: empty.bytes })).status, 201)
  assert.equal((await start()).status, 202)
})

test('without limits there are none', async (t) => {
  const client = await openRegistry(t, {})
  const answers = await Promise.all(Array.from({ length: 500 }, () => client.ask('GET', '/v2/')))
  assert.ok(answers.every(({ status }) => status === 200))
  const [config, layer] = [blobOf('c', 10), blobOf('l', 10)]
  for (const blob of [config, layer]) await client.pushBlob('a', blob, 'chunks')
  assert.equal((await client.putManifest('a', 'v1', imageOf(config, [layer]))).status, 201)
})
