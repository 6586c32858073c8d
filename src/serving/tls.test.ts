import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { Agent, request, type RequestOptions } from 'node:https'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { connect } from 'node:net'
import { createLogger } from './log.ts'
import { silentLogger, type Logger } from '../lib/logger.ts'
import {
  createCertificates,
  withoutOpenssl,
  type Authority,
  type Certificates,
} from './certificates.fixture.ts'
import { ListenError } from './listen-error.ts'
import { createListener, type Listener } from './listener.ts'
import { converse, converseOn } from './raw-request.fixture.ts'
import type { TlsOptions } from './tls.ts'
import { clientAuthOf, minimumTlsVersion, opensslCiphers } from './tls-names.ts'

const skip = (await withoutOpenssl()) ?? false
const GET = 'GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

let certificates: Certificates
let [authority, other, server, client, stranger] = [] as unknown as [
  Authority,
  Authority,
  Authority,
  Authority,
  Authority,
]
let ca: Buffer

async function listening(
  t: TestContext,
  tls: Partial<TlsOptions>,
  log: Logger = silentLogger,
): Promise<Listener> {
  const listener = await createListener({
    log,
    address: { host: '127.0.0.1' },
    tls: { certificate: server.certificate, key: server.key, ...tls },
    limits: { headersMs: 500 },
    handler: (req, res) => {
      let length = 0
      req.on('data', (chunk: Buffer) => (length += chunk.length))
      req.on('end', () => res.end(`ok ${length}`))
    },
  })
  t.after(async () => {
    await listener.close(0)
    assert.equal(listener.connections(), 0)
  })
  return listener
}

/** `status body`, or the code of the failure. */
function ask(url: string, options: RequestOptions = {}, body = ''): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      { ca, agent: false, method: body === '' ? 'GET' : 'PUT', ...options },
      (res) => {
        let text = ''
        res.on('data', (chunk: Buffer) => (text += chunk.toString()))
        res.on('end', () => resolve(`${res.statusCode} ${text}`))
        res.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      },
    )
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    sent.end(body)
  })
}

async function pair({ certificate, key }: Authority): Promise<{ cert: Buffer; key: Buffer }> {
  return { cert: await readFile(certificate), key: await readFile(key) }
}

/** The common name of the certificate the server shows now, and what was agreed on. */
function handshake(port: number, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca, ...options }, () => {
      resolve(
        `${String(socket.getPeerCertificate().subject.CN)} ${socket.getProtocol()} ${socket.getCipher().standardName}`,
      )
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

describe('TLS', { skip }, () => {
  before(async () => {
    certificates = await createCertificates()
    authority = await certificates.authority('authority')
    other = await certificates.authority('other')
    server = await certificates.issue('server', authority)
    client = await certificates.issue('client', authority)
    stranger = await certificates.issue('stranger', other)
    ca = await readFile(authority.certificate)
  })
  after(() => certificates.remove())

  test('requests are served, large bodies too', async (t) => {
    const { url, port } = await listening(t, {})
    assert.equal(url, `https://127.0.0.1:${port}`)
    assert.equal(await ask(url), '200 ok 0')
    assert.equal(await ask(url, {}, 'x'.repeat(3_000_000)), '200 ok 3000000')
    assert.equal(
      await handshake(port ?? 0, { ALPNProtocols: ['h2', 'http/1.1'] }),
      'server TLSv1.3 TLS_AES_128_GCM_SHA256',
    )
    const onlyHttp2 = await handshake(port ?? 0, { ALPNProtocols: ['h2'] })
    assert.equal(onlyHttp2, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('keep-alive and pipelining over TLS', async (t) => {
    const { port = 0 } = await listening(t, {})
    const socket = connectTls({ port, host: '127.0.0.1', ca, allowHalfOpen: true } as ConnectionOptions)
    const { answers } = await converseOn(socket, [GET.replace('Connection: close\r\n', '').repeat(2), GET])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
  })

  test('broken HTTP inside TLS gets the JSON error', async (t) => {
    const { port = 0 } = await listening(t, {})
    const open = (): ReturnType<typeof connectTls> => connectTls({ port, host: '127.0.0.1', ca })
    const rows: [string[], number][] = [
      [['garbage\r\n\r\n'], 400],
      [['GET /a HTTP/1.1\r\n\r\n'], 400],
      [[`GET /a HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`], 431],
      [['CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n'], 405],
      [['PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n'], 400],
      [['GET /a HTTP/1.1\r\nHo'], 408],
    ]
    for (const [sent, status] of rows) {
      const { answers, error } = await converseOn(open(), sent)
      assert.deepEqual([answers.map((answer) => answer.status), error], [[status], undefined])
      assert.ok(JSON.parse(answers[0]?.body ?? ''))
    }
  })

  test('plain HTTP on the TLS port is told to use https', async (t) => {
    const { port = 0, url } = await listening(t, {})
    for (const sent of [
      [GET],
      ['G', 30, GET.slice(1)],
      ['PRI * HTTP/2.0\r\n\r\n'],
      [`PUT / HTTP/1.1\r\n\r\n${'x'.repeat(500_000)}`],
    ]) {
      const { answers, error } = await converse(port, sent)
      assert.deepEqual(
        answers.map(({ status }) => status),
        [400],
        String(error),
      )
      assert.match(
        answers[0]?.body ?? '',
        /"message":"this port speaks HTTPS, not plain HTTP: use https:\/\/"/,
      )
    }
    assert.equal(await ask(url), '200 ok 0')
  })

  test('connections that never speak, or break off in the handshake, are closed', async (t) => {
    const { port = 0, url } = await listening(t, {})
    assert.deepEqual((await converse(port, [])).answers, [])
    assert.deepEqual(await converseBytes(port, '\x16\x03\x01'), '')
    const alert = await converseBytes(port, `\x16\x03\x01\x00\x05${'\xff'.repeat(50)}`)
    assert.ok(alert === '' || alert.startsWith('\x15\x03'), alert)
    const reset = connect(port, '127.0.0.1').on('error', () => undefined)
    reset.write('\x16\x03')
    await sleep(20)
    reset.resetAndDestroy()
    assert.equal(await ask(url), '200 ok 0')
  })

  test('minimum version and cipher suites', async (t) => {
    const newer = await listening(t, { minimumVersion: 'tls1.3' })
    assert.match(await handshake(newer.port ?? 0), /TLSv1.3/)
    assert.equal(
      await handshake(newer.port ?? 0, { maxVersion: 'TLSv1.2' }),
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    )
    const ordinary = await listening(t, {})
    assert.match(await handshake(ordinary.port ?? 0, { maxVersion: 'TLSv1.2' }), /TLSv1.2 TLS_ECDHE_ECDSA/)
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const
    assert.match(await handshake(ordinary.port ?? 0, old), /^ERR_SSL|ECONNRESET/)
    const suite = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
    const narrow = await listening(t, { cipherSuites: [suite] })
    assert.equal(await handshake(narrow.port ?? 0, { maxVersion: 'TLSv1.2' }), `server TLSv1.2 ${suite}`)
    assert.match(await handshake(narrow.port ?? 0), /TLSv1.3/)
    const wrong = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' } as const
    assert.match(await handshake(narrow.port ?? 0, wrong), /HANDSHAKE_FAILURE/)
  })

  test('client certificates: the four rules of Distribution', async (t) => {
    const none = {}
    const good = await pair(client)
    const unknown = await pair(stranger)
    const clientCAs = [authority.certificate]
    const rows: [Partial<TlsOptions>, [none: number, good: number, unknown: number]][] = [
      [{}, [200, 200, 200]],
      [{ clientAuth: 'request-client-cert', clientCAs }, [200, 200, 200]],
      [{ clientAuth: 'require-any-client-cert', clientCAs }, [403, 200, 200]],
      [{ clientAuth: 'require-any-client-cert' }, [403, 200, 200]],
      [{ clientAuth: 'verify-client-cert-if-given', clientCAs }, [200, 200, 403]],
      [{ clientAuth: 'require-and-verify-client-cert', clientCAs }, [403, 200, 403]],
      [{ clientCAs }, [403, 200, 403]],
      [{ clientCAs: [other.certificate, authority.certificate] }, [403, 200, 200]],
    ]
    for (const [tls, statuses] of rows) {
      const { url } = await listening(t, tls)
      const got = await Promise.all([none, good, unknown].map((with_) => ask(url, with_)))
      assert.deepEqual(
        got.map((text) => Number(text.slice(0, 3))),
        statuses,
        JSON.stringify(tls),
      )
      for (const refused of got.filter((text) => text.startsWith('403')))
        assert.match(refused, /"code":"DENIED"/)
    }
  })

  test('a resumed session does not make up for a missing client certificate', async (t) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { port = 0 } = await listening(t, { clientCAs: [authority.certificate] })
      let session: Buffer | undefined
      const first = connectTls({ port, host: '127.0.0.1', ca, maxVersion })
      first.on('session', (one) => (session = one))
      assert.equal((await converseOn(first, [GET])).answers[0]?.status, 403)
      const again = connectTls({
        port,
        host: '127.0.0.1',
        ca,
        maxVersion,
        ...(session === undefined ? {} : { session }),
      })
      assert.equal((await converseOn(again, [GET])).answers[0]?.status, 403)
    }
  })

  test('changed files are used, broken ones are not, under load', async (t) => {
    const [certificate, key] = [certificates.path('live.crt'), certificates.path('live.key')]
    const put = async (from: { certificate: string; key: string }): Promise<void> => {
      await copyFile(from.key, `${key}.new`)
      await rename(`${key}.new`, key)
      await copyFile(from.certificate, certificate)
    }
    await put(server)
    const lines: string[] = []
    const log = createLogger({ level: 'info', formatter: 'text', write: (line) => lines.push(line) })
    const { port = 0, url } = await listening(t, { certificate, key, pollMs: 20 }, log)
    const agent = new Agent({ keepAlive: true, ca, maxSockets: 4 })
    let running = true
    const outcomes = new Set<string>()
    const load = Array.from({ length: 4 }, async (_, i) => {
      while (running) outcomes.add(await ask(url, i % 2 === 0 ? { agent } : {}, 'x'.repeat(10_000)))
    })
    const until = async (what: string): Promise<void> => {
      const deadline = Date.now() + 3_000
      while (!(await handshake(port)).startsWith(`${what} `)) {
        assert.ok(Date.now() < deadline, `${what} never shown`)
        await sleep(10)
      }
    }
    for (const name of ['second', 'third', 'fourth']) {
      await put(await certificates.issue(name, authority, { rsa: name === 'third' }))
      await until(name)
    }
    await writeFile(certificate, 'broken')
    await sleep(200)
    await until('fourth')
    await copyFile(server.certificate, certificate)
    await sleep(200)
    await until('fourth')
    await put(client)
    await until('client')
    running = false
    await Promise.all(load)
    agent.destroy()
    assert.deepEqual([...outcomes], ['200 ok 10000'])
    const errors = lines.filter((line) => line.includes('level=error'))
    assert.equal(errors.length, 2, lines.join(''))
    assert.match(errors[0] ?? '', /holds no certificate in PEM form/)
    assert.match(errors[1] ?? '', /does not belong to the certificate/)
    assert.equal(lines.filter((line) => line.includes('changed and are in use')).length, 4)
  })

  test("Kubernetes' way of changing a secret: a symbolic link to a folder is turned", async (t) => {
    const mount = certificates.path('mount')
    const fill = async (folder: string, from: Authority): Promise<void> => {
      await mkdir(`${mount}/${folder}`, { recursive: true })
      await copyFile(from.certificate, `${mount}/${folder}/tls.crt`)
      await copyFile(from.key, `${mount}/${folder}/tls.key`)
      await symlink(folder, `${mount}/..data_tmp`)
      await rename(`${mount}/..data_tmp`, `${mount}/..data`)
    }
    await fill('..2026_01', server)
    await symlink('..data/tls.crt', `${mount}/tls.crt`)
    await symlink('..data/tls.key', `${mount}/tls.key`)
    const { port = 0 } = await listening(t, {
      certificate: `${mount}/tls.crt`,
      key: `${mount}/tls.key`,
      pollMs: 20,
    })
    assert.match(await handshake(port), /^server /)
    await fill('..2026_02', client)
    const deadline = Date.now() + 3_000
    while (!(await handshake(port)).startsWith('client ')) {
      assert.ok(Date.now() < deadline)
      await sleep(10)
    }
  })

  test('changed client authorities count at once', async (t) => {
    const authorities = certificates.path('clients.crt')
    await copyFile(authority.certificate, authorities)
    const { url } = await listening(t, { clientCAs: [authorities], pollMs: 20 })
    assert.match(await ask(url, await pair(stranger)), /^403/)
    await copyFile(other.certificate, authorities)
    await sleep(300)
    assert.match(await ask(url, await pair(stranger)), /^200/)
    assert.match(await ask(url, await pair(client)), /^403/)
  })

  test('changed client authorities end connections that were judged by those before', async (t) => {
    const authorities = certificates.path('clients.crt')
    await copyFile(authority.certificate, authorities)
    const { url, connections } = await listening(t, { clientCAs: [authorities], pollMs: 20 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const again = async (): Promise<string> => ask(url, { ...(await pair(client)), agent })
    assert.match(await again(), /^200/)
    assert.match(await again(), /^200/)
    assert.equal(connections(), 1)
    await copyFile(other.certificate, authorities)
    await sleep(300)
    assert.equal(connections(), 0)
    assert.match(await again(), /^403/)
  })

  test('files that do not fit are named at start', async (t) => {
    const write = async (name: string, ...from: (string | Buffer)[]): Promise<string> => {
      await writeFile(certificates.path(name), Buffer.concat(from.map((part) => Buffer.from(part))))
      return certificates.path(name)
    }
    const read = (path: string): Promise<Buffer> => readFile(path)
    const empty = await write('empty', '')
    const text = await write('text', 'hello')
    const damaged = await write(
      'damaged.crt',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    )
    const badKey = await write(
      'damaged.key',
      '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    )
    const locked = await write(
      'locked.key',
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    )
    const reversed = await write(
      'reversed.crt',
      await read(authority.certificate),
      await read(server.certificate),
    )
    const der = await write('der.crt', Buffer.from([0x30, 0x82, 1, 2]))
    const missing = certificates.path('missing')
    const rows: [Partial<TlsOptions>, RegExp][] = [
      [{ certificate: missing }, /http.tls.certificate: cannot read .*missing: there is no such file/],
      [{ key: missing }, /http.tls.key: cannot read .*missing: there is no such file/],
      [{ certificate: certificates.path('') }, /http.tls.certificate: cannot read .*: it is a folder/],
      [{ key: '' }, /http.tls.key: the name of the file is missing/],
      [{ certificate: empty }, /certificate: .*empty holds no certificate .*it is empty/],
      [{ certificate: text }, /certificate: .*text holds no certificate in PEM form$/],
      [{ certificate: der }, /looks like DER/],
      [{ certificate: damaged }, /certificate 1 in .*damaged.crt is damaged/],
      [{ certificate: server.key, key: server.certificate }, /swapped/],
      [{ key: server.certificate }, /holds no private key .*swapped/],
      [{ key: badKey }, /private key in .*damaged.key is damaged/],
      [{ key: locked }, /protected by a passphrase/],
      [{ key: client.key }, /does not belong to the certificate in .*server.crt/],
      [{ certificate: reversed }, /must come first/],
      [{ clientCAs: [authority.certificate, text] }, /clientcas: .*text holds no certificate/],
      [{ clientCAs: [missing] }, /clientcas: cannot read/],
      [{ minimumVersion: 'tls1.0' }, /minimumtls: "tls1.0" must be tls1.2 or tls1.3 \(older/],
      [{ cipherSuites: ['RC4'] }, /unknown cipher suite "RC4"/],
      [{ clientAuth: 'yes' }, /clientauth: "yes" must be one of/],
    ]
    for (const [tls, message] of rows) {
      await assert.rejects(listening(t, tls), (error) => {
        assert.ok(error instanceof ListenError, String(error))
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /BEGIN|AAAA/)
        return true
      })
    }
  })
})

function converseBytes(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(port, '127.0.0.1')
    socket.setEncoding('latin1').on('data', (text: string) => (got += text))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(got))
    socket.write(bytes, 'latin1')
  })
}

test('names of versions, suites and rules', () => {
  assert.equal(minimumTlsVersion(), 'TLSv1.2')
  assert.equal(minimumTlsVersion('tls1.3'), 'TLSv1.3')
  for (const name of ['tls1.1', 'TLS1.2', 'ssl3', '1.2'])
    assert.throws(() => minimumTlsVersion(name), ListenError)
  assert.match(opensslCiphers(), /^TLS_AES_128_GCM_SHA256:.*:ECDHE-ECDSA-AES256-GCM-SHA384:/)
  assert.match(
    opensslCiphers(['TLS_RSA_WITH_AES_128_CBC_SHA', 'TLS_AES_128_GCM_SHA256']),
    /SHA256:AES128-SHA$/,
  )
  assert.throws(() => opensslCiphers(['TLS_RSA_WITH_3DES_EDE_CBC_SHA']), /too weak/)
  assert.equal(clientAuthOf(undefined, false), undefined)
  assert.equal(clientAuthOf(undefined, true), 'require-and-verify-client-cert')
  assert.equal(clientAuthOf('request-client-cert', false), 'request-client-cert')
  assert.throws(() => clientAuthOf('verify-client-cert-if-given', false), /needs http.tls.clientcas/)
})
