/** From the events of a server to the handler: every connection is known, every request checked, nothing is left without an answer. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../lib/logger.ts'
import { checkRequest } from './check-request.ts'
import { createConnection, type Connection } from './connection.ts'
import { continueOnFirstRead } from './expect-continue.ts'
import { divertPlainHttp } from './first-byte.ts'
import type { ListenerLimits } from './limits.ts'
import { sendRefusal, type Refusal } from './refusal.ts'
import type { Tls } from './tls.ts'

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export type Traffic = {
  /** Every connection that is open, those in a TLS handshake too. */
  readonly sockets: ReadonlySet<Socket>
  /** Ends every connection as soon as what it has begun is answered: clients open new ones. */
  renew(): void
  /** Nothing more is accepted by now: lets running requests end, and cuts off what is left after `ms`. */
  drain(ms: number): void
}

type Options = { handler: Handler; limits: ListenerLimits; log: Logger; tls: Tls | undefined }
type Connections = {
  of(socket: Duplex): Connection | undefined
  track(socket: Socket): Connection
  all(): Iterable<[Socket, Connection]>
}

const TOO_MANY: Refusal = {
  status: 503,
  code: 'UNAVAILABLE',
  message: 'too many connections are open; try again soon',
  headers: { 'Retry-After': '5' },
}
const NO_TUNNEL: Refusal = {
  status: 405,
  code: 'UNSUPPORTED',
  message: 'this is a registry, not a proxy: CONNECT is not served; take it out of the proxy settings',
  headers: { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
}
const NO_EXPECTATION: Refusal = {
  status: 417,
  code: 'UNSUPPORTED',
  message: 'the only Expect understood is "100-continue"',
}
const SPEAK_TLS: Refusal = {
  status: 400,
  code: 'UNSUPPORTED',
  message: 'this port speaks HTTPS, not plain HTTP: use https://',
}
const FAILED: Refusal = { status: 500, code: 'UNKNOWN', message: 'unknown error' }
/** How long a connection on which nothing runs is kept when draining: its request may be on the way. */
const DRAIN_IDLE_MS = 500

/** Listens to the server's events from now on. */
export function createTraffic(server: Server | TlsServer, options: Options): Traffic {
  const { limits, log, tls } = options
  const sockets = new Set<Socket>()
  const connections = createConnections(limits, log)
  let draining = false

  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const tooMany = sockets.size > limits.maxConnections
    if (tls === undefined) {
      const connection = connections.track(socket)
      if (tooMany) connection.refuse(TOO_MANY)
    } else if (tooMany) socket.destroy()
  })
  bindRequests(server, { ...options, connections, draining: () => draining })
  bindFailures(server, connections, limits)
  if (tls !== undefined) bindTls(server as TlsServer, { tls, connections, limits })

  return {
    sockets,
    renew() {
      for (const [socket, connection] of connections.all()) {
        if (connection.open.length === 0) socket.destroy()
        for (const res of connection.open) {
          if (res.headersSent) res.once('finish', () => socket.end())
          else res.shouldKeepAlive = false
        }
      }
    },
    drain(ms) {
      draining = true
      for (const [, connection] of connections.all()) {
        for (const res of connection.open) if (!res.headersSent) res.shouldKeepAlive = false
      }
      const idle = setTimeout(() => destroyIdle(connections), Math.min(ms, DRAIN_IDLE_MS))
      const rest = setTimeout(() => sockets.forEach((socket) => socket.destroy()), ms)
      server.once('close', () => {
        clearTimeout(idle)
        clearTimeout(rest)
      })
    },
  }
}

function createConnections(limits: ListenerLimits, log: Logger): Connections {
  const known = new Map<Duplex, [Socket, Connection]>()
  return {
    of: (socket) => known.get(socket)?.[1],
    all: () => known.values(),
    track(socket) {
      const refused = ({ status, message }: Refusal): void => {
        const from = socket.remoteAddress ?? 'unix socket'
        log.info('request refused', {
          'http.request.remoteaddr': from,
          'http.response.status': status,
          reason: message,
        })
      }
      const connection = createConnection(socket, { limits, refused })
      known.set(socket, [socket, connection])
      socket.once('close', () => known.delete(socket))
      socket.on('error', () => undefined)
      return connection
    },
  }
}

function bindRequests(
  server: Server | TlsServer,
  {
    handler,
    limits,
    log,
    connections,
    draining,
  }: Options & { connections: Connections; draining: () => boolean },
): void {
  const begin = (
    req: IncomingMessage,
    res: ServerResponse,
    wasContinued?: () => boolean,
  ): Refusal | undefined => {
    const connection = connections.of(req.socket) ?? connections.track(req.socket)
    connection.begin(req, res, wasContinued)
    // The parser throws away what follows an `Upgrade` that is not taken up in the same packet; the client must not wait for it.
    if (draining() || req.headers.upgrade !== undefined) res.shouldKeepAlive = false
    return connection.refusal ?? checkRequest(req, limits)
  }
  const handle = (req: IncomingMessage, res: ServerResponse, wasContinued?: () => boolean): void => {
    const refusal = begin(req, res, wasContinued)
    if (refusal !== undefined) return sendRefusal(res, refusal)
    try {
      handler(req, res)
    } catch (error) {
      log.error('request handler failed', { error })
      if (res.headersSent) req.socket.destroy()
      else sendRefusal(res, FAILED)
    }
  }
  server.on('request', (req: IncomingMessage, res: ServerResponse) => handle(req, res))
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) =>
    handle(req, res, continueOnFirstRead(req, res)),
  )
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    sendRefusal(res, begin(req, res, () => false) ?? NO_EXPECTATION)
  })
  server.on('connect', (req: IncomingMessage, stream: Duplex) => {
    const connection = connections.of(req.socket)
    if (connection === undefined) stream.destroy()
    else connection.refuse(NO_TUNNEL)
  })
}

function bindFailures(server: Server | TlsServer, connections: Connections, limits: ListenerLimits): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const connection = connections.of(socket)
    if (connection === undefined) socket.destroy()
    else connection.fail(error)
  })
  server.on('timeout', (socket: Socket) => {
    if (connections.of(socket)?.silent() === true) socket.setTimeout(limits.progressMs)
    else socket.destroy()
  })
}

function bindTls(
  server: TlsServer,
  { tls, connections, limits }: { tls: Tls; connections: Connections; limits: ListenerLimits },
): void {
  server.on('secureConnection', (socket: TLSSocket) => {
    connections.track(socket).refusal = tls.refusalOf(socket)
  })
  divertPlainHttp(server, {
    firstByteMs: limits.headersMs,
    plain: (socket) => connections.track(socket).refuse(SPEAK_TLS),
  })
}

function destroyIdle(connections: Connections): void {
  for (const [socket, connection] of connections.all()) if (connection.open.length === 0) socket.destroy()
}
