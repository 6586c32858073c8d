import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { RegistryError } from '../oci/error.ts'
import { hasBody, readBody, readSmallBody } from './body.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

async function serve(t: TestContext, handle: Handle): Promise<number> {
  const server = createServer((request, response) => void handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

test('the body comes whole, in order, however it is sent and however slowly it is taken', async (t) => {
  const port = await serve(t, async (request, response) => {
    const parts: Uint8Array[] = []
    for await (const part of readBody(request)) {
      parts.push(part)
      if (parts.length % 10 === 1) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    response.end(Buffer.concat(parts))
  })
  const content = Buffer.from(Array.from({ length: 2_000_000 }, (_, i) => i % 253))
  for (const size of [0, 1, 65_536, 2_000_000]) {
    const reply = await fetch(`http://127.0.0.1:${port}/`, { method: 'PUT', body: content.subarray(0, size) })
    assert.ok(Buffer.from(await reply.arrayBuffer()).equals(content.subarray(0, size)), `${size}`)
  }
})

test('a consumer that stops early can answer, and the connection serves the next request', async (t) => {
  const port = await serve(t, async (request, response) => {
    for await (const part of readBody(request)) {
      if (part.byteLength > 0) break
    }
    response.end(`${request.url}`)
  })
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const body = 'x'.repeat(1_000_000)
  for (const path of ['/1', '/2']) {
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    let text = ''
    while (!text.endsWith(path)) text += String((await once(socket, 'data'))[0])
    assert.match(text, /^HTTP\/1\.1 200/)
  }
})

test('a client that leaves is an error of the iterator, with what came before it', async (t) => {
  let tell: (outcome: [number, unknown]) => void
  const outcome = new Promise<[number, unknown]>((resolve) => (tell = resolve))
  const port = await serve(t, async (request) => {
    let bytes = 0
    try {
      for await (const part of readBody(request)) bytes += part.byteLength
      tell([bytes, undefined])
    } catch (error) {
      tell([bytes, error])
    }
  })
  const socket = connect(port, '127.0.0.1')
  socket.write('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n12345', () => socket.destroy())
  const [bytes, error] = await outcome
  assert.equal(bytes, 5)
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
})

test('a small body has a bound, with and without a Content-Length', async (t) => {
  const port = await serve(t, async (request, response) => {
    const tooLarge = (): RegistryError => new RegistryError('MANIFEST_INVALID', 'too large', { status: 413 })
    try {
      const bytes = await readSmallBody(request, 10, tooLarge)
      response.end(`${hasBody(request)} ${Buffer.from(bytes).toString()}`)
    } catch (error) {
      response.writeHead(error instanceof RegistryError ? error.status : 500).end()
    }
  })
  const put = async (body: RequestInit['body']): Promise<string> => {
    const init = { method: 'PUT', body, duplex: 'half' } as RequestInit
    const reply = await fetch(`http://127.0.0.1:${port}/`, init)
    return `${reply.status} ${await reply.text()}`
  }
  const chunked = (...parts: string[]): NonNullable<RequestInit['body']> =>
    ReadableStream.from(parts.map((part) => Buffer.from(part)))
  assert.equal(await put(null), '200 false ')
  assert.equal(await put('0123456789'), '200 true 0123456789')
  assert.equal(await put(chunked('01234', '56789')), '200 true 0123456789')
  assert.equal(await put('0123456789a'), '413 ')
  assert.equal(await put(chunked('01234', '56789', 'a')), '413 ')
})
