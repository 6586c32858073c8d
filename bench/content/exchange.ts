/** Requests that are not measured: seeding, and the checks of answers. Over plain HTTP or TLS. */
import { Agent, request, type IncomingHttpHeaders } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { BenchFailure } from '../failure.ts'

export type Reply = { status: number; headers: IncomingHttpHeaders; body: Buffer }
export type Sent = {
  headers?: Record<string, string>
  body?: Uint8Array
  /** Is given the body piece by piece; the reply's own is then empty. */
  onData?: (piece: Buffer) => void
}

export type Exchange = {
  /** @throws BenchFailure when the connection breaks */
  ask(method: string, path: string, sent?: Sent): Promise<Reply>
  /** @throws BenchFailure on another status */
  expect(status: number, method: string, path: string, sent?: Sent): Promise<Reply>
  close(): void
}

const LIMIT_MS = 120_000

/** @param authorization the value of that header, which all requests then send */
export function createExchange(url: string, authorization?: string): Exchange {
  const isTls = url.startsWith('https:')
  const options = { keepAlive: true, maxSockets: 32 }
  const agent = isTls ? new SecureAgent({ ...options, rejectUnauthorized: false }) : new Agent(options)
  const own = authorization === undefined ? {} : { authorization }
  const send = isTls ? secureRequest : request
  const ask: Exchange['ask'] = (method, path, sent = {}) =>
    new Promise((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(new BenchFailure(`${method} ${path}: ${error.message}`, { cause: error }))
      const { body, onData } = sent
      const length =
        method === 'GET' || method === 'HEAD' ? {} : { 'content-length': String(body?.length ?? 0) }
      const asked = send(
        new URL(path, url),
        { method, agent, headers: { ...own, ...length, ...sent.headers }, timeout: LIMIT_MS },
        (response) => {
          const pieces: Buffer[] = []
          response.on('data', (piece: Buffer) => (onData ? onData(piece) : pieces.push(piece)))
          response.once('error', fail)
          response.once('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(pieces),
            }),
          )
        },
      )
      asked.once('error', fail)
      asked.once('timeout', () => asked.destroy(new Error(`no answer for ${LIMIT_MS / 1000} s`)))
      asked.end(body)
    })
  return {
    ask,
    expect: async (status, method, path, sent) => {
      const reply = await ask(method, path, sent)
      if (reply.status === status) return reply
      const said = reply.body.toString('utf8', 0, 200)
      throw new BenchFailure(
        `${method} ${path}: status ${reply.status} where ${status} was expected: ${said}`,
      )
    },
    close: () => agent.destroy(),
  }
}
