/**
 * The socket to the world: node:http or node:https, HTTP/1.1 only, with the limits of a server that takes
 * bodies of 50 GB from clients nobody trusts. What breaks HTTP is answered here, as the specification's JSON;
 * everything else reaches the handler.
 */
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Logger } from '../lib/logger.ts'
import { defaultLimits, type ListenerLimits } from './limits.ts'
import { explainListenFailure } from './listen-error.ts'
import { clearStaleSocket } from './socket-file.ts'
import type { Tls, TlsOptions } from './tls.ts'
import { createTraffic, type Handler } from './traffic.ts'

export type { Handler }

/** Where to listen; no port or port 0 takes a free one, `fd` is a socket that systemd opened. */
export type ListenAddress = { host?: string; port?: number } | { socketPath: string } | { fd: number }

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
  const tls = tlsOptions === undefined ? undefined : await (await import('./tls.ts')).openTls(tlsOptions, log)
  if ('socketPath' in address) await clearStaleSocket(address.socketPath)
  const server = serverOf(limits, tls)
  const traffic = createTraffic(server, { handler, limits, log, tls })
  await listen(server, address)
  const unwatch = tls?.watch(server as TlsServer, () => traffic.renew())
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
  // A client that has said all it will say (`printf … | nc`) still wants its answer.
  Object.assign(server, { httpAllowHalfOpen: true })
  // The bytes of the headers are bounded; a bound on their count would drop the rest silently.
  server.maxHeadersCount = 0
  // Some more than are served, so that those too many can be told.
  server.maxConnections = limits.maxConnections + 100
  return server
}

/** The server counts a connection as gone a moment before its socket says so; both are waited for. */
async function closed(server: Server | TlsServer, sockets: ReadonlySet<Socket>): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
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
