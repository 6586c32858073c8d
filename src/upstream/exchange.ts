/** One request and its answer, over connections that are kept. Knows nothing of registries. */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as overHttp,
} from 'node:http'
import { Agent as HttpsAgent, request as overTls } from 'node:https'
import { getCACertificates } from 'node:tls'
import { failureOfRequest, UpstreamError } from './failure.ts'

/** A body that can be sent again: each `open` begins it anew. */
export type RequestBody = { length: number; open(): AsyncIterable<Uint8Array> }

export type Outgoing = {
  method: string
  url: URL
  headers: OutgoingHttpHeaders
  body?: RequestBody | undefined
  signal?: AbortSignal | undefined
}

export type ExchangeOptions = {
  userAgent: string
  /** Certificates, PEM, beside those of the system and of Node.js. */
  ca?: string | undefined
  /** Certificates are not looked at. */
  trustsAll?: boolean | undefined
  /** Connections to one host at a time. */
  connections?: number
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` stand; absent: no proxies. */
  env?: NodeJS.ProcessEnv | undefined
  /** Without a byte in either direction for so long, a connection counts as lost. */
  silenceMs?: number | undefined
  /** The same for an answer after a body was sent: the registry may compare and sync it first. */
  thinkingMs?: number | undefined
}

export type Exchange = {
  /**
   * Resolves when the head of the answer is there; its body must be read, or destroyed. An answer that comes while the
   * body is being sent ends the sending.
   * @throws UpstreamError `unreachable`, `plain`, `tls`, `lost` or `odd`; what `body` throws; an AbortError
   */
  send(outgoing: Outgoing): Promise<IncomingMessage>
  close(): void
}

export function createExchange(options: ExchangeOptions): Exchange {
  const { userAgent, ca, trustsAll = false, connections = 16, env } = options
  const { silenceMs = 60_000, thinkingMs = 300_000 } = options
  const kept = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections }
  let http: HttpAgent | undefined
  let https: HttpsAgent | undefined
  const plainAgent = (): HttpAgent =>
    (http ??= withProxies(() => new HttpAgent({ ...kept, ...(env && { proxyEnv: env }) })))
  // Reading the system's certificates takes a while: not for a registry without TLS.
  const tlsAgent = (): HttpsAgent =>
    (https ??= withProxies(
      () =>
        new HttpsAgent({
          ...kept,
          ...(env && { proxyEnv: env }),
          ca: [...certificates(), ...(ca === undefined ? [] : [ca])],
          rejectUnauthorized: !trustsAll,
        }),
    ))
  return {
    send({ method, url, headers, body, signal }) {
      const isTls = url.protocol === 'https:'
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      const asked = (isTls ? overTls : overHttp)(url, {
        method,
        headers: {
          'user-agent': userAgent,
          'accept-encoding': 'identity',
          ...headers,
          ...(body && { 'content-length': body.length }),
        },
        agent: isTls ? tlsAgent() : plainAgent(),
        timeout: silenceMs,
        ...(signal && { signal }),
      })
      let isAnswered = false
      asked.once('response', (answer) => {
        isAnswered = true
        // A connection on which half a body was sent is good for nothing more.
        if (!asked.writableFinished) answer.once('close', () => asked.destroy())
        resolve(answer)
      })
      asked.on('error', (error) => reject(failureOfRequest(error, url.host)))
      asked.once('upgrade', (_answer, socket) => {
        socket.destroy()
        reject(new UpstreamError('odd', `${url.host} changes to another protocol: is this a registry?`))
      })
      asked.on('timeout', () =>
        asked.destroy(new UpstreamError('lost', `${url.host} has not answered for a while`)),
      )
      if (body === undefined) asked.end()
      else {
        sendBody(asked, body, () => isAnswered).then(
          () => asked.setTimeout(thinkingMs),
          (error: Error) => {
            reject(error)
            asked.destroy(error)
          },
        )
      }
      return promise
    },
    close() {
      http?.destroy()
      https?.destroy()
    },
  }
}

/** Node.js says the proxy's URL, in which a password may stand. */
function withProxies<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PROXY_INVALID_CONFIG') throw error
    throw new UpstreamError(
      'unreachable',
      'the proxy in HTTP_PROXY or HTTPS_PROXY is no URL: write it as http://HOST:PORT',
    )
  }
}

function certificates(): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
}

async function sendBody(asked: ClientRequest, body: RequestBody, isAnswered: () => boolean): Promise<void> {
  for await (const piece of body.open()) {
    if (isAnswered() || asked.destroyed) return
    if (!asked.write(piece)) await drained(asked)
  }
  asked.end()
}

/** Or answered, or broken off. */
function drained(asked: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      asked.off('drain', go).off('close', go).off('response', go)
      resolve()
    }
    asked.on('drain', go).on('close', go).on('response', go)
    if (asked.destroyed) go()
  })
}
