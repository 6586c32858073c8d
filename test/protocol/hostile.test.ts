/** What others got wrong: confused documents, foreign URLs, names that climb, writers that race, cut connections. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { errorCode, image, INDEX, MANIFEST, sha256, startProtocol } from './start.ts'

const ABSENT = `sha256:${'0'.repeat(64)}`

test('C8: no number of entries makes memory or a failure', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  await server.pushManifest('r', 'v1', image('{}'))
  for (const path of ['_catalog', 'r/tags/list', `r/referrers/${ABSENT}`]) {
    for (const [n, status] of [
      ['1000000000', 200],
      ['9223372036854775808', 200],
      ['0', 200],
      ['-1', 400],
      ['abc', 400],
    ] as const) {
      assert.equal((await server.ask(`GET /v2/${path}?n=${n}`)).status, status, `${path} ${n}`)
    }
  }
})

test('C9: a document that is manifest and index at once, or says another type, is refused', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const both = { ...image('{}'), manifests: [] }
  const untyped = { ...image('{}'), mediaType: undefined, manifests: [] }
  for (const [document, type] of [
    [both, MANIFEST],
    [both, INDEX],
    [untyped, MANIFEST],
    [untyped, INDEX],
    [image('{}'), INDEX],
  ] as const) {
    const reply = await server.ask('PUT /v2/r/manifests/v1', {
      body: JSON.stringify(document),
      headers: { 'content-type': type },
    })
    assert.deepEqual([reply.status, errorCode(reply)], [400, 'MANIFEST_INVALID'], type)
  }
  const { digest } = await server.pushManifest('r', 'v1', image('{}'))
  const get = await server.ask(`GET /v2/r/manifests/${digest}`, { headers: { accept: INDEX } })
  assert.equal(get.headers['content-type'], MANIFEST)
})

test('C19: urls are taken on non-distributable layers only, and never fetched', async (t) => {
  const server = await startProtocol(t)
  let fetched = 0
  const trap = await import('node:http').then(({ createServer }) => createServer(() => void (fetched += 1)))
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  t.after(() => trap.close())
  const { port } = trap.address() as { port: number }
  await server.push('r', '{}')
  const layer = (mediaType: string): object => ({
    ...image('{}'),
    layers: [{ mediaType, digest: ABSENT, size: 5, urls: [`http://127.0.0.1:${port}/layer`] }],
  })
  const put = async (mediaType: string): Promise<number> =>
    (
      await server.ask('PUT /v2/r/manifests/v1', {
        body: JSON.stringify(layer(mediaType)),
        headers: { 'content-type': MANIFEST },
      })
    ).status
  assert.equal(await put('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'), 201)
  assert.equal(await put('application/vnd.oci.image.layer.v1.tar+gzip'), 400)
  assert.equal((await server.ask(`GET /v2/r/blobs/${ABSENT}`)).status, 404)
  assert.equal(fetched, 0)
})

test('C20: an endless manifest, deep nesting, a hundred thousand descriptors: refused', async (t) => {
  const server = await startProtocol(t)
  const headers = { 'content-type': MANIFEST }
  const announced = await server
    .ask('PUT /v2/r/manifests/v1', { body: ['x'], headers: { ...headers, 'content-length': '1000000000' } })
    .catch((error: NodeJS.ErrnoException) => error)
  assert.ok(announced instanceof Error || announced.status === 413)
  const endless = Array.from({ length: 80 }, () => Buffer.alloc(64 * 1024, ' '))
  const reply = await server.ask('PUT /v2/r/manifests/v1', { body: endless, headers })
  assert.deepEqual([reply.status, errorCode(reply)], [413, 'MANIFEST_INVALID'])
  const config = { mediaType: 'a/b', digest: ABSENT, size: 1 }
  for (const body of [
    '['.repeat(100_000),
    `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    JSON.stringify({ ...image('{}'), layers: Array.from({ length: 30_000 }, () => config) }),
    'null',
    '{}',
    '[]',
    '1',
    '"text"',
    '',
    '\u0000',
    JSON.stringify({ ...image('{}'), config: { ...config, size: -1 } }),
    JSON.stringify({ ...image('{}'), config: { ...config, digest: 'sha256:../../x' } }),
  ]) {
    const refused = await server.ask('PUT /v2/r/manifests/v1', { body, headers })
    assert.ok([400, 413].includes(refused.status), `${refused.status} ${body.slice(0, 100)}`)
    assert.match(errorCode(refused), /^(MANIFEST_INVALID|MANIFEST_BLOB_UNKNOWN|DIGEST_INVALID)$/)
  }
})

test('C24: names, digests and ids that climb are refused as what they are', async (t) => {
  const server = await startProtocol(t)
  const long = 'a'.repeat(256)
  for (const name of [
    '..',
    '%2e%2e',
    'a/../b',
    'a//b',
    '_uploads',
    long,
    'A',
    'a%00b',
    'a%5cb',
    '%C3%A9',
    'a%2Fb',
    'a%zz',
  ]) {
    for (const line of [`GET /v2/${name}/tags/list`, `POST /v2/${name}/blobs/uploads/`]) {
      const reply = await server.ask(line)
      assert.deepEqual([reply.status, errorCode(reply)], [400, 'NAME_INVALID'], line)
    }
  }
  for (const digest of [
    'sha256:..%2F..%2Fx',
    'sha256:zz',
    'sha1:00',
    `sha256:${'A'.repeat(64)}`,
    `${ABSENT}0`,
  ]) {
    const reply = await server.ask(`GET /v2/r/blobs/${digest}`)
    assert.deepEqual([reply.status, errorCode(reply)], [400, 'DIGEST_INVALID'], digest)
  }
  for (const id of ['..', '%2e%2e', 'a%2Fb', 'a%00', long]) {
    const reply = await server.ask(`GET /v2/r/blobs/uploads/${id}`)
    assert.deepEqual([reply.status, errorCode(reply)], [404, 'BLOB_UPLOAD_UNKNOWN'], id)
  }
})

test('what was pushed never runs in a browser: sandboxed, not sniffed, saved when it is navigated to', async (t) => {
  const server = await startProtocol(t)
  const digest = await server.push('r', '<script>alert(1)</script>')
  const reply = await server.ask(`GET /v2/r/blobs/${digest}`, {
    headers: { 'sec-fetch-dest': 'document', cookie: 'session=stolen' },
  })
  assert.equal(reply.headers['content-type'], 'application/octet-stream')
  assert.equal(reply.headers['x-content-type-options'], 'nosniff')
  assert.equal(reply.headers['content-security-policy'], "sandbox; default-src 'none'")
  assert.equal(reply.headers['content-disposition'], 'attachment')
  assert.equal(reply.headers['set-cookie'], undefined)
  const plain = await server.ask(`GET /v2/r/blobs/${digest}`)
  assert.equal(plain.headers['content-disposition'], undefined)
})

test('D4: two writers on one upload: never the bytes of both', async (t) => {
  const server = await startProtocol(t)
  const [a, b] = [Buffer.alloc(200_000, 'a'), Buffer.alloc(200_000, 'b')]
  for (let round = 0; round < 20; round += 1) {
    const { location } = (await server.ask('POST /v2/r/blobs/uploads/')).headers
    const patches = await Promise.all(
      [a, b].map((body) =>
        server.ask(`PATCH ${location}`, { body, headers: { 'content-range': '0-199999' } }),
      ),
    )
    for (const { status } of patches) assert.ok([202, 404, 416].includes(status), `${status}`)
    for (const content of [a, b]) {
      const put = await server.ask(`PUT ${location}?digest=${sha256(content)}`)
      assert.ok([201, 400, 404].includes(put.status), `${put.status} ${put.text}`)
      if (put.status !== 201) continue
      assert.ok((await server.ask(`GET ${put.headers.location}`)).body.equals(content))
    }
  }
})

test('D5: push against delete of one tag, 20 clients: only 201, 202, 404', async (t) => {
  const server = await startProtocol(t)
  await server.push('r', '{}')
  const body = JSON.stringify(image('{}'))
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, client) => {
      const statuses: number[] = []
      for (let i = 0; i < 20; i += 1) {
        const reply =
          client % 2 === 0
            ? await server.ask('PUT /v2/r/manifests/v1', { body, headers: { 'content-type': MANIFEST } })
            : await server.ask('DELETE /v2/r/manifests/v1')
        statuses.push(reply.status)
      }
      return statuses
    }),
  )
  const seen = new Set(answers.flat())
  assert.ok(
    [...seen].every((status) => [201, 202, 404].includes(status)),
    [...seen].join(' '),
  )
})

test('a body that is not wanted does not stand in the way of the next request on the connection', async (t) => {
  const server = await startProtocol(t)
  const digest = await server.push('r', '{}')
  for (const line of [
    `GET /v2/r/blobs/${digest}`,
    `DELETE /v2/r/blobs/${ABSENT}`,
    'GET /v2/',
    'PATCH /v2/',
  ]) {
    for (const size of [1, 10_000, 2_000_000]) {
      const reply = await server.ask(line, { body: Buffer.alloc(size) })
      assert.ok(reply.status < 500, `${line} ${size}`)
    }
  }
  assert.equal((await server.ask(`GET /v2/r/blobs/${digest}`)).text, '{}')
})

test('many requests in one go on one connection are answered in order', async (t) => {
  const server = await startProtocol(t)
  const big = Buffer.alloc(2_000_000, 'x')
  const digest = await server.push('r', big)
  const socket = connect(server.port, '127.0.0.1')
  const lines = Array.from(
    { length: 20 },
    (_, i) => `GET /v2/r/blobs/${digest} HTTP/1.1\r\nHost: h\r\nX: ${i}\r\n\r\n`,
  )
  socket.write(`${lines.join('')}GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
  let bytes = 0
  let end = ''
  for await (const part of socket as AsyncIterable<Buffer>) {
    bytes += part.length
    end = (end + part.toString('latin1')).slice(-2)
  }
  assert.ok(bytes > 20 * big.length)
  assert.equal(end, '{}')
})

test('a reader that leaves in the middle is no failure, and leaves nothing open', async (t) => {
  const server = await startProtocol(t)
  const digest = await server.push('r', Buffer.alloc(8_000_000, 'x'))
  for (let i = 0; i < 5; i += 1) {
    const socket = connect(server.port, '127.0.0.1')
    socket.write(`GET /v2/r/blobs/${digest} HTTP/1.1\r\nHost: h\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
  }
  assert.equal((await server.ask(`GET /v2/r/blobs/${digest}`)).body.length, 8_000_000)
})
