import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { Agent, get, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '../lib/logger.ts'
import { ListenError } from './listen-error.ts'
import type { ListenerLimits } from './limits.ts'
import { createListener, type Listener } from './listener.ts'
import type { Handler } from './traffic.ts'
import { converse, converseOn } from './raw-request.fixture.ts'

async function listening(
  t: TestContext,
  handler: Handler,
  limits: Partial<ListenerLimits> = {},
): Promise<Listener> {
  const listener = await createListener({
    log: silentLogger,
    address: { host: '127.0.0.1', port: 0 },
    limits,
    handler,
  })
  t.after(async () => {
    await listener.close(0)
    assert.equal(listener.connections(), 0)
  })
  return listener
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'berth-serving-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

function answer(_req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(200, { 'Content-Length': 2 })
  res.end('ok')
}

const GET = 'GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

describe('the listener', { concurrency: 6 }, () => {
  test('progress: a request that waits for this server is not given up', async (t) => {
    const { port = 0 } = await listening(
      t,
      (req, res) => {
        req.resume()
        req.on('end', () => void setTimeout(() => answer(req, res), 700))
      },
      { progressMs: 150 },
    )
    const { answers } = await converse(port, [
      'PUT /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc',
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
  })

  test('progress: a reader that is held up by its disk does not lose its client', async (t) => {
    const { port = 0 } = await listening(
      t,
      (req, res) => {
        let length = 0
        req.on('data', (chunk: Buffer) => {
          if (length === 0) {
            req.pause()
            setTimeout(() => req.resume(), 700)
          }
          length += chunk.length
        })
        req.on('end', () => res.end(String(length)))
      },
      { progressMs: 150 },
    )
    const size = 400_000
    const { answers } = await converse(port, [
      `PUT /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n${'a'.repeat(size)}`,
    ])
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body]),
      [[200, '400000']],
    )
  })

  test('progress: a body that drips without end is taken, however long it lasts', async (t) => {
    const { port = 0 } = await listening(
      t,
      (req, res) => {
        req.resume()
        req.on('end', () => answer(req, res))
      },
      { progressMs: 600 },
    )
    const drops = Array.from({ length: 10 }, () => [100, 'a']).flat()
    const { answers, ms } = await converse(port, [
      'PUT /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n',
      ...drops,
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
    assert.ok(ms > 900)
  })

  test('progress: a client that does not read is given up, a slow one is not', async (t) => {
    const closed: string[] = []
    const size = 30_000_000
    const { port = 0 } = await listening(
      t,
      (req, res) => {
        res.on('close', () => closed.push(`${req.url} ${res.writableFinished}`))
        res.writeHead(200, { 'Content-Length': size })
        res.end(Buffer.alloc(size))
      },
      { progressMs: 700 },
    )
    const stuck = connect(port, '127.0.0.1')
    stuck.on('error', () => undefined).pause()
    stuck.write(GET.replace('/a', '/stuck'))
    const slow = connect(port, '127.0.0.1')
    slow.write(GET.replace('/a', '/slow'))
    let got = 0
    slow.on('data', (chunk: Buffer) => {
      got += chunk.length
      slow.pause()
      setTimeout(() => slow.resume(), chunk.length / 30_000)
    })
    await once(slow, 'close')
    assert.ok(got > size)
    const deadline = Date.now() + 5_000
    while (closed.length < 2 && Date.now() < deadline) await sleep(20)
    assert.deepEqual(closed.toSorted(), ['/slow true', '/stuck false'])
    stuck.destroy()
  })

  test('an idle connection is closed after its time', async (t) => {
    const { port = 0 } = await listening(t, answer, { keepAliveMs: 100 })
    const { answers, ms } = await converse(port, ['GET /a HTTP/1.1\r\nHost: x\r\n\r\n'])
    assert.equal(answers.length, 1)
    assert.ok(ms < 2_500, `${ms}`)
  })

  test('connections beyond the limit are told so', async (t) => {
    const { port = 0 } = await listening(t, answer, { maxConnections: 2 })
    const held = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    await Promise.all(held.map((socket) => once(socket, 'connect')))
    await sleep(50)
    const { answers } = await converse(port, [GET])
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers['retry-after']]),
      [[503, '5']],
    )
    for (const socket of held) socket.destroy()
    await sleep(50)
    assert.equal((await converse(port, [GET])).answers[0]?.status, 200)
  })

  test('early answers reach ordinary clients that are still sending', async (t) => {
    const { url } = await listening(t, (_req, res) => {
      res.writeHead(401, { 'Content-Length': 6 })
      res.end('denied')
    })
    const agent = new Agent({ keepAlive: true })
    const statuses = await Promise.all(
      Array.from({ length: 40 }, (_, i) => {
        const sent = request(url, { method: 'PUT', agent, headers: { 'Content-Length': 10 ** (i % 8) } })
        const { promise, resolve } = Promise.withResolvers<unknown>()
        sent.on('response', (res) => resolve(res.resume().statusCode))
        sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        sent.end(Buffer.alloc(10 ** (i % 8)))
        return promise
      }),
    )
    agent.destroy()
    assert.deepEqual(
      statuses,
      Array.from({ length: 40 }, () => 401),
    )
  })

  test('a handler that stops reading in the middle still gets its answer out', async (t) => {
    const stop = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
      for await (const _ of req) break
      res.writeHead(413, { 'Content-Length': 3 })
      res.end('big')
    }
    const { port = 0 } = await listening(t, (req, res) => void stop(req, res))
    for (const size of [20_000_000, 30_000]) {
      const sent = `PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n${'a'.repeat(20_000)}`
      const { answers } = await converse(port, [sent, 30, 'a'.repeat(10_000)])
      assert.deepEqual(
        answers.map(({ status, headers }) => [status, headers['connection']]),
        [[413, 'close']],
      )
    }
  })

  test('drain: running requests end with Connection: close, idle connections at once, nothing new', async () => {
    const listener = await createListener({
      log: silentLogger,
      address: { host: '127.0.0.1' },
      handler: (req, res) => void setTimeout(() => answer(req, res), 300),
    })
    const { port = 0 } = listener
    const idle = connect(port, '127.0.0.1')
    idle.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(idle, 'data')
    const fresh = connect(port, '127.0.0.1')
    await once(fresh, 'connect')
    const running = Array.from({ length: 30 }, () => converse(port, ['GET /a HTTP/1.1\r\nHost: x\r\n\r\n']))
    await sleep(100)
    const began = performance.now()
    const closing = listener.close(3_000)
    idle.resume()
    await once(idle, 'close')
    assert.ok(performance.now() - began < 400)
    const refused = (await converse(port, [GET])).error
    for (const { answers } of await Promise.all(running)) {
      assert.deepEqual(
        answers.map(({ status, headers }) => [status, headers['connection']]),
        [[200, 'close']],
      )
    }
    fresh.resume().on('error', () => undefined)
    await closing
    assert.equal(refused, 'ECONNREFUSED')
    assert.ok(performance.now() - began < 2_000)
    assert.equal(listener.connections(), 0)
  })

  test('drain: what does not end in time is cut off', async () => {
    const listener = await createListener({
      log: silentLogger,
      address: { host: '127.0.0.1' },
      handler: () => undefined,
    })
    const stuck = converse(listener.port ?? 0, [GET])
    await sleep(50)
    const began = performance.now()
    await listener.close(200)
    const took = performance.now() - began
    assert.ok(took > 150 && took < 2_000, `${took}`)
    assert.deepEqual((await stuck).answers, [])
  })

  test('drain under load: every request that was answered was answered whole', async () => {
    const listener = await createListener({
      log: silentLogger,
      address: { host: '127.0.0.1' },
      handler: (req, res) => void setTimeout(() => answer(req, res), 5),
    })
    const agent = new Agent({ keepAlive: true })
    const outcomes = new Map<string, number>()
    let running = true
    const worker = async (): Promise<void> => {
      while (running) {
        const outcome = await new Promise<string>((resolve) => {
          get(listener.url, { agent }, (res) => {
            let body = ''
            res.on('data', (chunk: Buffer) => (body += chunk.toString()))
            res.on('end', () => resolve(`${res.statusCode} ${body}`))
            res.on('error', () => resolve('cut'))
          }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
        })
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        if (outcome === 'ECONNREFUSED') return
      }
    }
    const workers = Array.from({ length: 16 }, worker)
    await sleep(200)
    await listener.close(2_000)
    running = false
    await Promise.all(workers)
    agent.destroy()
    assert.ok((outcomes.get('200 ok') ?? 0) > 100)
    assert.equal(outcomes.get('cut'), undefined)
    assert.deepEqual(
      [...outcomes.keys()].filter((key) => !['200 ok', 'ECONNREFUSED', 'ECONNRESET'].includes(key)),
      [],
    )
  })

  test('unix socket: served, file removed at the end, stale file replaced, alive or foreign one refused', async (t) => {
    const dir = await folder(t)
    const socketPath = join(dir, 'berth.sock')
    const open = (path = socketPath): Promise<Listener> =>
      createListener({ log: silentLogger, address: { socketPath: path }, handler: answer })

    const listener = await open()
    assert.equal(listener.url, `unix:${socketPath}`)
    assert.equal(listener.port, undefined)
    assert.equal((await converseOn(connect(socketPath), [GET])).answers[0]?.status, 200)
    await assert.rejects(
      open(),
      (error) => error instanceof ListenError && /another program listens/.test(error.message),
    )
    await listener.close(0)
    await assert.rejects(stat(socketPath), { code: 'ENOENT' })

    const code = `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`
    await once(spawn(process.execPath, ['-e', code]), 'exit')
    assert.ok((await stat(socketPath)).isSocket())
    const second = await open()
    assert.equal((await converseOn(connect(socketPath), [GET])).answers[0]?.status, 200)
    await second.close(0)

    const file = join(dir, 'file')
    await writeFile(file, 'precious')
    await symlink(file, join(dir, 'link'))
    for (const path of [file, join(dir, 'link')]) {
      await assert.rejects(
        open(path),
        (error) => error instanceof ListenError && /not a socket/.test(error.message),
      )
    }
    await assert.rejects(open(join(dir, 'none', 'x.sock')), /its folder does not exist/)
    await assert.rejects(open(join(dir, 'x'.repeat(200))), ListenError)
  })

  test('addresses that cannot be had are explained', async (t) => {
    const other = createServer()
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.after(() => other.close())
    const { port } = other.address() as { port: number }
    const rows: [{ host?: string; port?: number }, RegExp][] = [
      [{ host: '127.0.0.1', port }, new RegExp(`cannot listen on 127.0.0.1:${port}: another program`)],
      [{ host: '203.0.113.7', port: 0 }, /no such address/],
      [{ host: '2001:db8::7', port: 0 }, /cannot listen on \[2001:db8::7\]:0: /],
      [{ host: 'no-such-host.invalid', port: 0 }, /host name/],
      [{ port: 99_999 }, /cannot listen on :99999/],
    ]
    for (const [address, message] of rows) {
      await assert.rejects(createListener({ log: silentLogger, address, handler: answer }), (error) => {
        assert.ok(error instanceof ListenError)
        assert.match(error.message, message)
        return true
      })
    }
  })

  test('a listener says where it is', async (t) => {
    const { url, port } = await listening(t, answer)
    assert.equal(url, `http://127.0.0.1:${port}`)
    const all = await createListener({ log: silentLogger, address: {}, handler: answer })
    assert.equal(all.url, `http://localhost:${all.port}`)
    await all.close(0)
  })
})

test('many stalled clients cost little memory and leave others alone', async (t) => {
  const { port = 0, url } = await listening(
    t,
    (req, res) => {
      if (req.url === '/') return answer(req, res)
      req.resume()
    },
    { progressMs: 60_000 },
  )
  const before = process.memoryUsage().rss
  const stalled: Socket[] = Array.from({ length: 200 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('PUT /stall HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc')
    return socket
  })
  await sleep(200)
  const began = performance.now()
  assert.equal((await fetch(url)).status, 200)
  assert.ok(performance.now() - began < 500)
  assert.ok(process.memoryUsage().rss - before < 60 * 1024 * 1024)
  for (const socket of stalled) socket.destroy()
})
