/** Documents from addresses that others chose: never from where they may not lead. */
import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createAddressKind } from './address-kind.ts'
import { createGuardedFetch, FetchError } from './guarded-fetch.ts'

const KINDS: Readonly<Record<string, 'public' | 'private' | 'unusable'>> = {
  '8.8.8.8': 'public',
  '172.15.0.1': 'public',
  '172.32.0.1': 'public',
  '100.128.0.1': 'public',
  '127.0.0.1': 'private',
  '127.255.1.1': 'private',
  '10.1.2.3': 'private',
  '172.16.0.1': 'private',
  '172.31.255.255': 'private',
  '192.168.1.1': 'private',
  '169.254.169.254': 'private',
  '100.64.0.1': 'private',
  '0.0.0.0': 'unusable',
  '224.0.0.1': 'unusable',
  '255.255.255.255': 'unusable',
  '192.0.2.1': 'unusable',
  '2606:4700::1111': 'public',
  '::1': 'private',
  'fc00::1': 'private',
  'fd12:3456::1': 'private',
  'fe80::1': 'private',
  'fe80::1%eth0': 'private',
  'fd00:ec2::254': 'private',
  '::': 'unusable',
  'ff02::1': 'unusable',
  '2001:db8::1': 'unusable',
  '2002:7f00:1::': 'unusable',
  '2001:0:7f00:1::': 'unusable',
  '::ffff:127.0.0.1': 'private',
  '::ffff:7f00:1': 'private',
  '::ffff:169.254.169.254': 'private',
  '::ffff:8.8.8.8': 'public',
  '64:ff9b::10.0.0.1': 'private',
  '64:ff9b::808:808': 'public',
  '64:ff9b::': 'unusable',
  '::127.0.0.1': 'unusable',
  localhost: 'unusable',
  '': 'unusable',
}

test('which network an address belongs to', () => {
  const kindOf = createAddressKind()
  for (const [address, kind] of Object.entries(KINDS)) assert.equal(kindOf(address), kind, address)
})

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const refused = (message: RegExp) => (error: unknown) =>
  error instanceof FetchError && message.test(error.message)

test('a document of a private network, where that is allowed; redirects on the same host', async (t) => {
  const asked: string[] = []
  const url = await serve(t, (request, response) => {
    asked.push(`${request.url} ${request.headers.authorization} ${request.headers.cookie}`)
    if (request.url === '/moved') response.writeHead(302, { Location: '/there' }).end()
    else response.end('found')
  })
  const fetch = createGuardedFetch({ allowPrivate: true })
  assert.equal(text(await fetch(`${url}/moved`)), 'found')
  assert.deepEqual(asked, ['/moved undefined undefined', '/there undefined undefined'])
})

test('this machine and private networks are not asked, by address, by name, or by one of many addresses', async (t) => {
  let requests = 0
  const url = await serve(t, (_request, response) => {
    requests += 1
    response.end()
  })
  const { port } = new URL(url)
  const of = (...addresses: string[]) =>
    createGuardedFetch({
      allowPrivate: false,
      resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    })
  const own = /leads to an address of this machine or of a private network/
  for (const host of [
    '127.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '0x7f.1',
    '169.254.169.254',
    '10.0.0.1',
  ])
    await assert.rejects(of()(`https://${host}:${port}/`), refused(own), host)
  await assert.rejects(
    createGuardedFetch({ allowPrivate: false })(`https://localhost:${port}/`),
    refused(own),
  )
  await assert.rejects(of('127.0.0.1')(`https://issuer.example:${port}/`), refused(own))
  await assert.rejects(of('8.8.8.8', '::1')(`https://issuer.example:${port}/`), refused(own))
  await assert.rejects(of()(`https://issuer.example:${port}/`), refused(/has no address/))
  await assert.rejects(of()(`https://0.0.0.0:${port}/`), refused(/nothing is at/))
  await assert.rejects(of('8.8.8.8')(`http://issuer.example:${port}/`), refused(/it must be https/))
  assert.equal(requests, 0)
})

test('a name that says something else the second time is asked once, and what it said first is connected to', async (t) => {
  const url = await serve(t, (_request, response) => void response.end('first'))
  const answers: LookupAddress[][] = [
    [{ address: '127.0.0.1', family: 4 }],
    [{ address: '10.255.255.1', family: 4 }],
  ]
  let lookups = 0
  const fetch = createGuardedFetch({ allowPrivate: true, resolve: async () => answers[lookups++] ?? [] })
  assert.equal(text(await fetch(`http://issuer.example:${new URL(url).port}/`)), 'first')
  assert.equal(lookups, 1)
})

test('redirects to other hosts, other protocols and without end are not followed', async (t) => {
  const other = await serve(t, (_request, response) => void response.end('secret'))
  const url = await serve(t, ({ url: path }, response) => {
    const to = {
      '/host': other,
      '/ever': '/ever',
      '/file': 'file:///etc/passwd',
      '/tls': `https://${new URL(other).host}/`,
    }
    response.writeHead(307, { Location: to[path as '/host'] }).end()
  })
  const fetch = createGuardedFetch({ allowPrivate: true })
  await assert.rejects(fetch(`${url}/host`), refused(/redirects to another host, which is not followed/))
  await assert.rejects(fetch(`${url}/tls`), refused(/redirects to another host/))
  await assert.rejects(fetch(`${url}/ever`), refused(/again and again/))
  await assert.rejects(fetch(`${url}/file`), refused(/only https/))
})

test('what is too large, too slow, packed or not 200 is given up', async (t) => {
  const url = await serve(t, ({ url: path }, response) => {
    if (path === '/large') response.end(Buffer.alloc(2000))
    if (path === '/packed') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x')
    if (path === '/absent') response.writeHead(404).end()
    if (path === '/begun') response.writeHead(200).write('x')
    if (path === '/broken') {
      response.writeHead(200, { 'Content-Length': '10' }).write('x')
      setTimeout(() => response.destroy(), 20)
    }
  })
  const fetch = createGuardedFetch({ allowPrivate: true, maxBytes: 1000, timeoutMs: 200 })
  await assert.rejects(fetch(`${url}/large`), refused(/more than 1000 bytes/))
  await assert.rejects(fetch(`${url}/packed`), refused(/packed \(gzip\)/))
  await assert.rejects(fetch(`${url}/absent`), refused(/answered 404/))
  await assert.rejects(fetch(`${url}/broken`), refused(/broke off/))
  await assert.rejects(fetch(`${url}/never`), refused(/no answer within 200 ms|cannot be reached/))
  await assert.rejects(fetch(`${url}/begun`), refused(/no answer within 200 ms|broke off/))
  const never = createGuardedFetch({
    allowPrivate: true,
    timeoutMs: 50,
    resolve: () => new Promise(() => {}),
  })
  const ending = setTimeout(() => undefined, 5000)
  await assert.rejects(never('https://issuer.example/'), refused(/no answer within 50 ms/))
  clearTimeout(ending)
})

test('no URL, no scheme but http, no passwords', async () => {
  const fetch = createGuardedFetch({ allowPrivate: true })
  await assert.rejects(fetch('issuer'), refused(/no URL/))
  await assert.rejects(fetch('file:///etc/passwd'), refused(/only https/))
  await assert.rejects(
    fetch('https://user:secret@issuer.example/'),
    (error: Error) => !error.message.includes('secret'),
  )
})
