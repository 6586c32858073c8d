/** What is said and counted about each request once it is over: log line, access log, metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { AccessLog } from './access-log.ts'
import { type AddressOf, createClientAddress, plainAddress } from './client-address.ts'
import { goDuration } from './go-duration.ts'
import type { Metrics } from './metrics.ts'
import { redactUrl } from './redact.ts'
import { createRequestIds } from './request-id.ts'

/** Filled by whoever handles the request, read when the response is closed. */
export type Observation = {
  readonly id: string
  /** Where the request comes from: its client, also behind a proxy that is trusted. */
  readonly address: string
  /** The kind of route, one of a few: a label of metrics. */
  kind: string
  /** Who asked, for the access log. */
  user?: string | undefined
  /** The repository that was asked for. */
  repository?: string | undefined
  /** Set for an answer that is an error: the line then says so, at level error for 5xx. */
  error?: { code: string; message: string; detail?: unknown } | undefined
  contentType?: string | undefined
  /** Bytes of the answer's body, where the handler knows better than the socket's counter. */
  bytesOut?: number | undefined
}

export type Observe = (req: IncomingMessage, res: ServerResponse) => Observation

export function createObserver({
  log,
  accessLog,
  metrics,
  clock,
  addressOf = createClientAddress(),
}: {
  log: Logger
  accessLog: AccessLog
  metrics: Metrics
  clock: Clock
  addressOf?: AddressOf
}): Observe {
  const idFor = createRequestIds()
  return (req, res) => {
    const { socket, url = '' } = req
    // Taken now: a closed socket no longer knows its peer.
    const { remotePort } = socket
    const address = addressOf(req)
    const peerAddress = plainAddress(socket.remoteAddress)
    const began = performance.now()
    const startedAt = clock.now()
    const [read, written] = [socket.bytesRead, socket.bytesWritten]
    const observation: Observation = { id: idFor(req.headers['x-request-id']), address, kind: 'other' }
    metrics.inFlight(1)
    // It comes once: to take the listener away again would cost as much as the rest.
    res.on('close', () => {
      metrics.inFlight(-1)
      const ms = performance.now() - began
      const { method = '', headers } = req
      const known = res.writableFinished ? observation.bytesOut : undefined
      const bytes = known ?? bodyBytes(req, res, socket.bytesWritten - written)
      const took = Number(headers['content-length'] ?? Math.max(0, socket.bytesRead - read))
      metrics.observeRequest(observation.kind, method, res.statusCode, ms / 1000, took, bytes)
      accessLog.record({
        startedAt,
        remoteAddress: address,
        user: observation.user,
        method,
        url,
        httpVersion: req.httpVersion,
        status: res.statusCode,
        bytes,
        referer: headers.referer,
        userAgent: headers['user-agent'],
      })
      const peer = remotePort === undefined ? peerAddress : `${shownHost(peerAddress)}:${remotePort}`
      const isProxied = address !== peerAddress
      logCompleted(log, { req, res, observation, url, peer, isProxied, ms, bytes })
    })
    return observation
  }
}

/** What the answer's body had, headers not counted where they can be told apart. */
function bodyBytes(req: IncomingMessage, res: ServerResponse, sent: number): number {
  if (req.method === 'HEAD' || res.statusCode === 204 || res.statusCode === 304) return 0
  const declared = res.writableFinished ? res.getHeader('content-length') : undefined
  return declared === undefined ? Math.max(0, sent) : Number(declared)
}

function shownHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

type Completed = {
  req: IncomingMessage
  res: ServerResponse
  observation: Observation
  url: string
  peer: string
  /** The peer is a proxy, and the client somebody else. */
  isProxied: boolean
  ms: number
  bytes: number
}

/** Distribution's line: the same message, the same keys. A client that left early is told apart by `http.response.aborted`. */
function logCompleted(
  log: Logger,
  { req, res, observation, url, peer, isProxied, ms, bytes }: Completed,
): void {
  const { error } = observation
  const failed = error !== undefined || res.statusCode >= 400
  const level = res.statusCode >= 500 ? 'error' : 'info'
  if (!log.enabled(level)) return
  const { headers } = req
  log[level](failed ? 'response completed with error' : 'response completed', {
    'auth.user.name': observation.user,
    'err.code': error?.code.toLowerCase(),
    'err.detail': error?.detail,
    'err.message': error?.message,
    'http.request.contenttype': headers['content-type'],
    'http.request.host': headers.host,
    'http.request.id': observation.id,
    'http.request.method': req.method,
    'http.request.referer': headers.referer === undefined ? undefined : redactUrl(headers.referer),
    'http.request.proxy': isProxied ? peer : undefined,
    'http.request.remoteaddr': isProxied ? observation.address : peer,
    'http.request.uri': redactUrl(url),
    'http.request.useragent': headers['user-agent'],
    'http.response.aborted': res.writableFinished ? undefined : true,
    'http.response.contenttype': observation.contentType,
    'http.response.duration': goDuration(ms),
    'http.response.status': res.statusCode,
    'http.response.written': bytes,
    'vars.name': observation.repository,
  })
}
