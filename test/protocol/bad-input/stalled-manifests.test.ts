/** Many clients that send a large manifest and never its end. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createRegistryClient } from '../../lib/registry-client.ts'
import { memoryOf, startServer } from '../../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../../lib/temporary.ts'
import { BLOB, IMAGE, sha256, TYPE } from './case.ts'

const CLIENTS = 100
const SENT = Buffer.alloc(3_900_000, ' ')
const HEAD = `PUT /v2/r/manifests/x HTTP/1.1\r\nHost: h\r\nContent-Type: ${TYPE.manifest}\r\nContent-Length: 4000000\r\n\r\n`

test('hold bounded memory together, hear so, and keep nobody from pushing', async (t) => {
  const server = await startServer({ root: temporaryFolder(t, 'stalled') })
  afterwards(t, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(t, () => client.close())
  const before = process.platform === 'linux' ? memoryOf(server.pid).now : 0
  const statuses: string[] = []
  const sockets: Socket[] = []
  afterwards(t, () => sockets.forEach((socket) => socket.destroy()))
  for (let i = 0; i < CLIENTS; i++) {
    const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', (data) => statuses.push(data.toString().slice(9, 12)))
    socket.write(HEAD)
    await new Promise<void>((resolve) => socket.write(SENT, () => resolve()))
  }
  const deadline = Date.now() + 5000
  while (statuses.length < CLIENTS - 35 && Date.now() < deadline) await wait(20)
  // 128 MiB are 34 of them.
  assert.ok(statuses.length >= CLIENTS - 35 && statuses.length < CLIENTS - 30, `${statuses.length}`)
  assert.deepEqual([...new Set(statuses)], ['503'])
  if (before > 0) {
    const grown = memoryOf(server.pid).now - before
    assert.ok(grown < 300, `${grown} MiB more`)
  }
  // A manifest as manifests are still goes in.
  await client.ask('POST', `/v2/r/blobs/uploads/?digest=${sha256(BLOB)}`, { body: Buffer.from(BLOB) })
  const put = (body: string): Promise<{ status: number }> =>
    client.ask('PUT', '/v2/r/manifests/v1', {
      headers: { 'content-type': TYPE.manifest },
      body: Buffer.from(body),
    })
  assert.equal((await put(IMAGE)).status, 201)
  const large = IMAGE.replace('}]}', `}],"annotations":{"much":"${'x'.repeat(1_000_000)}"}}`)
  for (const socket of sockets) socket.destroy()
  // What they held is given back.
  let status = 0
  for (let i = 0; i < 50 && status !== 201; i++) {
    status = (await put(large)).status
    if (status !== 201) await wait(20)
  }
  assert.equal(status, 201)
})
