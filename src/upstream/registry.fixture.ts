/** Registries of a few lines, and a connection to them. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Connection, type ConnectOptions, connect } from './connection.ts'
import type { Credentials } from './credentials/credentials.ts'
import { UpstreamError } from './failure.ts'

export const ALICE: Credentials = {
  kind: 'password',
  username: 'alice',
  password: 'secret',
  from: 'the password of alice',
}
export const SCOPE = 'repository:a/b:pull,push'

/** @returns its host and port */
export async function start(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

export async function connected(
  t: TestContext,
  host: string,
  options: Partial<ConnectOptions> = {},
): Promise<Connection> {
  const connection = await connect(host, { transport: 'plain', userAgent: 'tests/1', ...options })
  t.after(() => connection.close())
  return connection
}

export async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of answer.setEncoding('utf8')) text += piece as string
  return text
}

export const failsWith =
  (kind: UpstreamError['kind'], message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof UpstreamError && error.kind === kind && message.test(error.message)
