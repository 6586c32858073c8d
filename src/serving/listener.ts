/**
 * The socket to the world: node:http or node:https, HTTP/1.1 only, with the limits of a server that takes
 * bodies of 50 GB from clients nobody trusts. What breaks HTTP is answered here, as the specification's JSON;
 * everything else reaches the handler.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Logger } from '../lib/logger.ts'
import { checkRequest } from './check-request.ts'
import { createConnection, type Connection } from './connection.ts'
import { continueOnFirstRead } from './expect-continue.ts'
import { divertPlainHttp } from './first-byte.ts'
import { explainListenFailure } from './listen-error.ts'
import { sendRefusal, type Refusal } from './refusal.ts'
import { clearStaleSocket } from './socket-file.ts'
import { openTls, type Tls, type TlsOptions } from './tls.ts'

export type Handler = (req: IncomingMessage, res: ServerResponse) => void

/** Where to listen; no port or port 0 takes a free one, `fd` is a socket that systemd opened. */
export type ListenAddress = { host?: string; port?: number } | { socketPath: string } | { fd: number }

export type ListenerLimits = {
  /** Time for the headers of a request, and for a TLS handshake. */
  headersMs: number
  /** How long an idle connection is kept. */
  keepAliveMs: number
  /** Silence of the client in the middle of a body or an answer after which the connection is given up. */
  progressMs: number
  /** Request line and headers together. */
  maxHeaderBytes: number
  maxHeaders: number
  maxUrlBytes: number
  /** Connections beyond this many are answered 503. */
  maxConnections: number
  /** After an early answer: what is still read from the client, and for how long. */
  lingerBytes: number
  lingerMs: number
}

export const defaultLimits: ListenerLimits = {
  headersMs: 30_000,
  keepAliveMs: 75_000,
  progressMs: 60_000,
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 256,
  maxUrlBytes: 16 * 1024,
  maxConnections: 20_000,
  lingerBytes: 256 * 1024,
  lingerMs: 1_000,
}

export type Listener = {
  /** For people and clients; an address that means "all" is shown as localhost. */
  url: string
  /** Absent for a socket file. */
  port?: number
  /** Connections open now. */
  connections(): number
  /**
   * Stops accepting, closes what is idle, lets running requests finish with `Connection: close`, and destroys
   * what is left after `drainMs`. Called again, the shorter time counts.
   */
  close(drainMs: number): Promise<void>
}

/** @throws ListenError with what to do, for an address that cannot be had and for TLS files that do not fit. */
export async function createListener({
  handler,
  address,
  tls: tlsOptions,
  limits: given = {},
  log,
}: {
  handler: Handler
  address: ListenAddress
  tls?: TlsOptions
  limits?: Partial<ListenerLimits>
  log: Logger
}): Promise<Listener> {
  const limits = { ...defaultLimits, ...given }
  const tls = tlsOptions === undefined ? undefined : await openTls(tlsOptions, log)
  if ('socketPath' in address) await clearStaleSocket(address.socketPath)
  const server = serverOf(limits, tls)
  const traffic = serveOn(server, { handler, limits, log, ...(tls === undefined ? {} : { tls }) })
  await listen(server, address)
  const unwatch = tls?.watch(server as TlsServer)
  server.on('error', (error) => log.error('listening socket failed', { error }))
  const { url, port } = described(server, tls !== undefined)
  let closing: Promise<void> | undefined
  return {
    url,
    ...(port === undefined ? {} : { port }),
    connections: () => traffic.sockets.size,
    close(drainMs) {
      unwatch?.()
      closing ??= closed(server, traffic.sockets)
      traffic.drain(drainMs)
      return closing
    },
  }
}

function serverOf(limits: ListenerLimits, tls: Tls | undefined): Server | TlsServer {
  const http = {
    maxHeaderSize: limits.maxHeaderBytes,
    requireHostHeader: false,
    insecureHTTPParser: false,
    requestTimeout: 0,
    headersTimeout: limits.headersMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, limits.headersMs / 4)),
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
  }
  const server =
    tls === undefined
      ? createServer(http)
      : createTlsServer({ ...http, ...tls.serverOptions(), handshakeTimeout: limits.headersMs })
  server.timeout = limits.progressMs
  // The bytes of the headers are bounded; a bound on their count would drop the rest silently.
  server.maxHeadersCount = 0
  // Some more than are served, so that those too many can be told.
  server.maxConnections = limits.maxConnections + 100
  return server
}

type Traffic = { sockets: ReadonlySet<Socket>; drain(ms: number): void }
type TrafficOptions = { handler: Handler; limits: ListenerLimits; log: Logger; tls?: Tls }

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

function serveOn(server: Server | TlsServer, { handler, limits, log, tls }: TrafficOptions): Traffic {
  const sockets = new Set<Socket>()
  const connections = new Map<Duplex, Connection>()
  let draining = false

  const track = (socket: Socket): Connection => {
    const refused = (refusal: Refusal): void => {
      const from = socket.remoteAddress ?? 'unix socket'
      log.info('request refused', {
        'http.request.remoteaddr': from,
        status: refusal.status,
        reason: refusal.message,
      })
    }
    const connection = createConnection(socket, { limits, progressMs: limits.progressMs, refused })
    connections.set(socket, connection)
    socket.once('close', () => connections.delete(socket))
    socket.on('error', () => undefined)
    return connection
  }

  const begin = (req: IncomingMessage, res: ServerResponse, wasContinued?: () => boolean): void => {
    const connection = connections.get(req.socket) ?? track(req.socket)
    connection.begin(req, res, wasContinued)
    // The parser throws away what follows an `Upgrade` that is not taken up in the same packet; the client must not wait for it.
    if (draining || req.headers.upgrade !== undefined) res.shouldKeepAlive = false
    const refusal = connection.refusal ?? checkRequest(req, limits)
    if (refusal !== undefined) return sendRefusal(res, refusal)
    try {
      handler(req, res)
    } catch (error) {
      log.error('request handler failed', { error })
      if (res.headersSent) req.socket.destroy()
      else sendRefusal(res, FAILED)
    }
  }

  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    if (tls === undefined) {
      const connection = track(socket)
      if (sockets.size > limits.maxConnections) connection.refuse(TOO_MANY)
    } else if (sockets.size > limits.maxConnections) socket.destroy()
  })
  server.on('request', begin)
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) =>
    begin(req, res, continueOnFirstRead(req, res)),
  )
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const connection = connections.get(req.socket) ?? track(req.socket)
    connection.begin(req, res, () => false)
    sendRefusal(res, NO_EXPECTATION)
  })
  server.on('connect', (req: IncomingMessage, stream: Duplex) => {
    const connection = connections.get(req.socket)
    if (connection === undefined) stream.destroy()
    else connection.refuse(NO_TUNNEL)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const connection = connections.get(socket)
    if (connection === undefined) socket.destroy()
    else connection.fail(error)
  })
  server.on('timeout', (socket: Socket) => {
    if (connections.get(socket)?.silent() === true) socket.setTimeout(limits.progressMs)
    else socket.destroy()
  })
  if (tls !== undefined) {
    server.on('secureConnection', (socket: TLSSocket) => {
      track(socket).refusal = tls.refusalOf(socket)
    })
    divertPlainHttp(server as TlsServer, {
      firstByteMs: limits.headersMs,
      plain: (socket) => track(socket).refuse(SPEAK_TLS),
    })
  }

  const drain = (ms: number): void => {
    draining = true
    for (const connection of connections.values()) {
      for (const res of connection.open) if (!res.headersSent) res.shouldKeepAlive = false
    }
    // A connection on which nothing was asked so far gets a moment: its request may be on the way.
    const idle = setTimeout(() => destroyIdle(connections), Math.min(ms, 500))
    const rest = setTimeout(() => sockets.forEach((socket) => socket.destroy()), ms)
    server.once('close', () => {
      clearTimeout(idle)
      clearTimeout(rest)
    })
  }
  return { sockets, drain }
}

function destroyIdle(connections: ReadonlyMap<Duplex, Connection>): void {
  for (const [socket, connection] of connections) if (connection.open.length === 0) socket.destroy()
}

/** The server counts a connection as gone a moment before its socket says so; both are waited for. */
async function closed(server: Server | TlsServer, sockets: ReadonlySet<Socket>): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await Promise.all([...sockets].map((socket) => once(socket, 'close')))
}

function listen(server: Server | TlsServer, address: ListenAddress): Promise<void> {
  const options =
    'socketPath' in address
      ? { path: address.socketPath }
      : 'fd' in address
        ? { fd: address.fd }
        : { port: address.port ?? 0, ...(address.host ? { host: address.host } : {}) }
  const where =
    'path' in options ? options.path : 'fd' in options ? `descriptor ${options.fd}` : shown(options)
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(explainListenFailure(error, where))
    server.once('error', failed)
    try {
      server.listen({ backlog: 1024, ...options }, () => {
        server.off('error', failed)
        resolve()
      })
    } catch (error) {
      failed(error as NodeJS.ErrnoException)
    }
  })
}

function shown({ host, port }: { host?: string; port: number }): string {
  return host?.includes(':') === true ? `[${host}]:${port}` : `${host ?? ''}:${port}`
}

function described(server: Server | TlsServer, secure: boolean): { url: string; port?: number } {
  const bound = server.address() as AddressInfo | string | null
  if (bound === null || typeof bound === 'string') return { url: `unix:${bound ?? ''}` }
  const host = bound.address === '::' || bound.address === '0.0.0.0' ? 'localhost' : bound.address
  return { url: `${secure ? 'https' : 'http'}://${shown({ host, port: bound.port })}`, port: bound.port }
}
