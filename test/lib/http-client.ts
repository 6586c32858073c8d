/** HTTP as it is on the wire: no retries, no redirects, nothing hidden. */
import {
  Agent,
  request as sendPlain,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as TlsAgent, request as sendEncrypted } from 'node:https'

export type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer }

export type Ask = {
  method?: string
  headers?: Record<string, string | string[]>
  /** A buffer gets a Content-Length; pieces are sent chunked unless a Content-Length is given. */
  body?: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** Milliseconds for the whole exchange. */
  timeout?: number
  /** Is given the answer's body piece by piece; the answer's own body is then empty. */
  onData?: (piece: Buffer) => void
}

export type HttpClient = {
  readonly url: string
  /** @throws what the connection says: whether the request had an effect is then not known. */
  ask(path: string, ask?: Ask): Promise<Answer>
  close(): void
}

export type HttpClientOptions = {
  connections?: number
  /** Sent with every request, e.g. Authorization. */
  headers?: Record<string, string>
  /** For https: the certificate that is believed, PEM. */
  ca?: string
  /** The address of this machine that requests come from, IPv4. */
  localAddress?: string
}

export function createHttpClient(url: string, options: HttpClientOptions = {}): HttpClient {
  const { connections = 64, ca, localAddress } = options
  const settings = {
    keepAlive: true,
    maxSockets: connections,
    ...(localAddress && { localAddress, family: 4 }),
  }
  const agent = url.startsWith('https:')
    ? new TlsAgent({ ...settings, ...(ca && { ca }) })
    : new Agent(settings)
  return {
    url,
    ask: (path, ask = {}) =>
      exchange(new URL(path, url), agent, { ...ask, headers: { ...options.headers, ...ask.headers } }),
    close: () => agent.destroy(),
  }
}

function exchange(url: URL, agent: Agent, ask: Ask): Promise<Answer> {
  const { body } = ask
  const headers = { ...ask.headers }
  if (body instanceof Uint8Array) headers['content-length'] ??= String(body.length)
  else if (body === undefined && (ask.method ?? 'GET') !== 'GET' && ask.method !== 'HEAD')
    headers['content-length'] ??= '0'
  return new Promise((resolve, reject) => {
    let answered = false
    const send = url.protocol === 'https:' ? sendEncrypted : sendPlain
    const request = send(url, { method: ask.method ?? 'GET', headers, agent })
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within the time: ${ask.method ?? 'GET'} ${url.pathname}`)),
      ask.timeout ?? 30_000,
    )
    const fail = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    request.on('error', (error) => {
      if (!answered) fail(error)
    })
    request.on('response', (response) => {
      answered = true
      readAll(response, ask.onData).then((bytes) => {
        clearTimeout(timer)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes })
      }, fail)
    })
    if (body === undefined || body instanceof Uint8Array) request.end(body)
    else void sendPieces(request, body).catch((error: unknown) => request.destroy(error as Error))
  })
}

async function sendPieces(request: ClientRequest, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) {
    if (request.destroyed) return
    if (request.write(piece)) continue
    await drained(request)
  }
  request.end()
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      request.off('drain', go)
      request.off('close', go)
      resolve()
    }
    request.on('drain', go)
    request.on('close', go)
  })
}

async function readAll(
  response: IncomingMessage,
  onData: ((piece: Buffer) => void) | undefined,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of response) {
    if (onData) onData(piece as Buffer)
    else pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces)
}
