import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { createHeadWriter } from './head.ts'

const BASE = ['Docker-Distribution-Api-Version', 'registry/2.0', 'X-Content-Type-Options', 'nosniff']
const BODY = 'the body'
const HEADERS = ['Content-Type', 'application/json', 'Content-Length', `${BODY.length}`, 'ETag', '"é"']

type Answer = (response: ServerResponse, status: number, headers: readonly string[]) => void

/** Every byte that comes back for a request, twice on one connection where it is kept. */
async function exchange(answer: Answer, status: number, raw: string, keepAliveMs: number): Promise<string> {
  const server = createServer((request, response) => {
    const isEmpty = status === 204 || status === 304
    answer(response, status, isEmpty ? ['ETag', '"x"'] : HEADERS)
    assert.equal(response.headersSent, true)
    assert.equal(response.statusCode, status)
    response.end(isEmpty || request.method === 'HEAD' ? undefined : BODY)
  })
  server.keepAliveTimeout = keepAliveMs
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.setEncoding('latin1')
  socket.write(raw)
  const first = once(socket, 'data')
  await first
  socket.end(raw)
  const rest = await text(socket)
  server.close()
  await once(server, 'close')
  return `${String((await first)[0])}${rest}`.replaceAll(
    /Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT/g,
    'Date: D',
  )
}

const REQUESTS: Record<string, string> = {
  ordinary: 'GET / HTTP/1.1\r\nHost: h\r\n\r\n',
  head: 'HEAD / HTTP/1.1\r\nHost: h\r\n\r\n',
  close: 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'HTTP/1.0, kept': 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
}

for (const [name, raw] of Object.entries(REQUESTS)) {
  test(`each byte is the one that writeHead writes: ${name}`, async () => {
    const write = createHeadWriter(BASE)
    const plain: Answer = (response, status, headers) => response.writeHead(status, [...BASE, ...headers])
    for (const keepAliveMs of [0, 5000, 72_500]) {
      for (const status of [200, 201, 202, 204, 206, 304, 404]) {
        const wanted = await exchange(plain, status, raw, keepAliveMs)
        assert.match(wanted, new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*Date: D`))
        assert.equal(await exchange(write, status, raw, keepAliveMs), wanted, `${status}, ${keepAliveMs}`)
      }
    }
  })
}

test('the text is made here, not by writeHead, where the answer is ordinary', async () => {
  const write = createHeadWriter(BASE)
  let isOurs = false
  const answer: Answer = (response, ...rest) => {
    const own = Object.getPrototypeOf(response) as { writeHead: unknown }
    const { writeHead } = own
    isOurs = true
    own.writeHead = (...args: unknown[]) => {
      isOurs = false
      return (writeHead as (...args: unknown[]) => unknown).apply(response, args)
    }
    try {
      write(response, ...rest)
    } finally {
      own.writeHead = writeHead
    }
  }
  await exchange(answer, 200, REQUESTS['ordinary'] as string, 5000)
  assert.equal(isOurs, true)
  await exchange(answer, 404, REQUESTS['ordinary'] as string, 5000)
  assert.equal(isOurs, false)
})

test('who wants to know when the head is written is told', async () => {
  const write = createHeadWriter(BASE)
  const seen: number[] = []
  const answer: Answer = (response, ...rest) => {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse
    response.writeHead = (...args: unknown[]) => {
      seen.push(args[0] as number)
      return writeHead(...args)
    }
    write(response, ...rest)
  }
  await exchange(answer, 200, REQUESTS['ordinary'] as string, 5000)
  assert.deepEqual(seen, [200, 200])
})

test('nothing that ends a line gets into a head', async () => {
  assert.throws(() => createHeadWriter(['X-A', 'b\r\nX-C: d']), { code: 'ERR_INVALID_CHAR' })
  assert.throws(() => createHeadWriter(['X A', 'b']), { code: 'ERR_INVALID_HTTP_TOKEN' })
  const write = createHeadWriter(BASE)
  const answer: Answer = (response, status, headers) => {
    for (const wrong of ['a\r\nX-B: c', 'a\nb', 'a\0', 'ā']) {
      assert.throws(
        () => write(response, status, [...headers, 'X-A', wrong]),
        TypeError,
        JSON.stringify(wrong),
      )
    }
    assert.equal(response.headersSent, false)
    write(response, status, headers)
  }
  assert.match(await exchange(answer, 200, REQUESTS['ordinary'] as string, 5000), /^HTTP\/1.1 200 OK/)
})
