/** Bodies in chunks of one byte each: six bytes on the wire, and a piece of its own for whoever keeps it. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createRegistryClient } from '../../lib/registry-client.ts'
import { memoryOf, startServer } from '../../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../../lib/temporary.ts'
import { IS_MANIFEST, sha256 } from './case.ts'

const BYTES = 500_000

function sendTiny(url: string, line: string): Promise<string> {
  const { hostname, port, host } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.on('error', reject)
    socket.on('data', (data: Buffer) => (answer += data.toString('latin1')))
    socket.on('end', () => {
      socket.destroy()
      resolve(answer)
    })
    const head = `${line} HTTP/1.1\r\nHost: ${host}\r\n${IS_MANIFEST}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`
    socket.write(`${head}${'1\r\nx\r\n'.repeat(BYTES)}0\r\n\r\n`)
  })
}

test('cost memory by their bytes, not by their number', async (t) => {
  const server = await startServer({ root: temporaryFolder(t, 'tiny') })
  afterwards(t, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(t, () => client.close())
  assert.match(await sendTiny(server.url, 'PUT /v2/r/manifests/x'), /^HTTP\/1\.1 400 .*MANIFEST_INVALID/s)
  if (process.platform === 'linux')
    assert.ok(memoryOf(server.pid).peak < 250, `${memoryOf(server.pid).peak} MiB`)
  const { location } = (await client.startUpload('r')).headers
  assert.match(await sendTiny(server.url, `PATCH ${location}`), /^HTTP\/1\.1 202 .*Range: 0-499999\r/s)
  const digest = sha256('x'.repeat(BYTES))
  assert.equal((await client.finishUpload(String(location), digest)).status, 201)
  assert.equal((await client.getBlob('r', digest)).body.toString(), 'x'.repeat(BYTES))
  if (process.platform === 'linux')
    assert.ok(memoryOf(server.pid).peak < 350, `${memoryOf(server.pid).peak} MiB`)
})
