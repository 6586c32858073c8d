import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { sendSource } from './send.ts'

type Source = Parameters<typeof sendSource>[1]

/** A source of equal pieces that counts what happens to them. */
function sourceOf(pieces: number, size: number, { length = pieces * size, failAt = -1 } = {}) {
  const seen = { read: 0, released: 0, mostUnreleased: 0, closed: 0 }
  const source: Source = {
    length,
    async read() {
      await new Promise(setImmediate)
      if (seen.closed > 0) throw new Error('closed')
      if (seen.read === failAt) throw new Error('the disk is broken')
      if (seen.read === pieces) return undefined
      seen.read += 1
      seen.mostUnreleased = Math.max(seen.mostUnreleased, seen.read - seen.released)
      return { bytes: Buffer.alloc(size, seen.read), release: () => void (seen.released += 1) }
    },
    close: () => void (seen.closed += 1),
  }
  return { source, seen }
}

async function serve(t: TestContext, source: Source): Promise<{ port: number; outcome: Promise<unknown> }> {
  let tell: (outcome: unknown) => void
  const outcome = new Promise((resolve) => (tell = resolve))
  const server = createServer((_request, response: ServerResponse) => {
    response.writeHead(200, { 'Content-Length': source.length })
    Promise.resolve(sendSource(response, source)).then(
      () => tell('sent'),
      (error: unknown) => {
        response.destroy()
        tell(error)
      },
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, outcome }
}

async function get(port: number): Promise<Buffer> {
  return Buffer.from(await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer())
}

test('all pieces arrive in order, at most two are held, each is released, the source is closed', async (t) => {
  for (const pieces of [0, 1, 2, 3, 40]) {
    const { source, seen } = sourceOf(pieces, 100_000)
    const { port, outcome } = await serve(t, source)
    const body = await get(port)
    assert.equal(body.length, pieces * 100_000)
    for (let i = 0; i < pieces; i += 1) assert.equal(body[i * 100_000], i + 1)
    assert.equal(await outcome, 'sent')
    assert.equal(seen.released, pieces)
    assert.ok(seen.mostUnreleased <= 2, `${seen.mostUnreleased}`)
    assert.ok(seen.closed > 0)
  }
})

test('a reader that does not read holds two pieces, however long the blob', async (t) => {
  const { source, seen } = sourceOf(1000, 1_000_000)
  const { port, outcome } = await serve(t, source)
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  let before = -1
  while (seen.read === 0 || before !== seen.read) {
    before = seen.read
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.ok(seen.read < 100)
  assert.equal(seen.mostUnreleased, 2)
  socket.destroy()
  assert.match(String(await outcome), /the client left/)
  assert.ok(seen.closed > 0)
})

test('a source that fails, ends early or gives too much cuts the answer off: it never looks whole', async (t) => {
  for (const [options, why] of [
    [{ failAt: 2 }, /the disk is broken/],
    [{ length: 450_000 }, /ended 50000 bytes early/],
    [{ length: 350_000 }, /50000 bytes too many/],
  ] as const) {
    const { source, seen } = sourceOf(4, 100_000, options)
    const { port, outcome } = await serve(t, source)
    await assert.rejects(get(port))
    assert.match(String(await outcome), why)
    assert.ok(seen.closed > 0)
  }
})

test('what is in memory is sent at once', async (t) => {
  const whole = Buffer.from('whole')
  let closed = 0
  const source: Source = {
    length: 5,
    whole,
    read: () => Promise.reject(new Error('not to be read')),
    close: () => void (closed += 1),
  }
  const { port, outcome } = await serve(t, source)
  assert.equal((await get(port)).toString(), 'whole')
  assert.equal(await outcome, 'sent')
  assert.ok(closed > 0)
})
