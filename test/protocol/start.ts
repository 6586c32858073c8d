/** The protocol over a hosted registry in memory, behind the real listener on a free port of the loopback. */
import { createHash } from 'node:crypto'
import { Agent, request as send, type IncomingHttpHeaders } from 'node:http'
import type { TestContext } from 'node:test'
import { createOpenGate } from '../../src/auth/authenticate.ts'
import type { DistributionEvent, DistributionOptions } from '../../src/distribution/exchange.ts'
import { createDistributionHandler } from '../../src/distribution/handler.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import type { HostedRules } from '../../src/registry/hosted-parts.ts'
import { createFixture, type Fixture } from '../../src/registry/hosted-fixtures.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { createListener } from '../../src/serving/listener.ts'

export type Reply = { status: number; headers: IncomingHttpHeaders; body: Buffer; text: string }
export type Ask = {
  headers?: Record<string, string>
  /** A buffer or text gets a Content-Length; pieces are sent chunked. */
  body?: string | Uint8Array | readonly (string | Uint8Array)[]
}

export type Protocol = {
  url: string
  port: number
  fixture: Fixture
  events: DistributionEvent[]
  /** @param line method and path as they go over the wire, e.g. `GET /v2/` */
  ask(line: string, ask?: Ask): Promise<Reply>
  /** Pushes in one request. @returns the digest */
  push(repository: string, content: string | Uint8Array): Promise<string>
  pushManifest(
    repository: string,
    reference: string,
    manifest: object,
  ): Promise<{ digest: string; bytes: Buffer }>
}

type ProtocolOptions = Partial<Omit<DistributionOptions, 'registry'>> & {
  rules?: Partial<HostedRules>
  /** Puts something between the protocol and the hosted registry. */
  wrap?: (registry: Registry) => Registry
}

/** Closed when the test ends. */
export async function startProtocol(t: TestContext, options: ProtocolOptions = {}): Promise<Protocol> {
  const { rules, wrap = (registry: Registry) => registry, ...others } = options
  const fixture = createFixture(rules)
  const events: DistributionEvent[] = []
  let requests = 0
  const handler = createDistributionHandler({
    registry: wrap(fixture.registry),
    gate: createOpenGate(),
    log: silentLogger,
    limits: { manifestBytes: 4 * 1024 * 1024, tagsMax: 1000, catalogMax: 1000 },
    headers: {},
    prefix: '',
    readOnly: false,
    requestId: () => `request-${(requests += 1)}`,
    addressOf: () => '127.0.0.1',
    observe: (event) => void events.push(event),
    ...others,
  })
  const listener = await createListener({
    handler,
    address: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
  })
  const agent = new Agent({ keepAlive: true })
  t.after(async () => {
    agent.destroy()
    await listener.close(1000)
    await fixture.close()
  })
  const port = listener.port ?? 0
  const ask = (line: string, { headers = {}, body }: Ask = {}): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const space = line.indexOf(' ')
      const pieces = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : body
      const length =
        pieces === undefined ? '0' : pieces instanceof Buffer ? `${pieces.byteLength}` : undefined
      const method = line.slice(0, space)
      const isRead = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
      const request = send(
        {
          port,
          host: '127.0.0.1',
          agent,
          method,
          path: line.slice(space + 1),
          headers: {
            ...(length === undefined || (isRead && body === undefined) ? {} : { 'content-length': length }),
            ...headers,
          },
          timeout: 20_000,
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () => {
            const whole = Buffer.concat(parts)
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: whole,
              text: whole.toString(),
            })
          })
        },
      )
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error(`no answer: ${line}`)))
      if (pieces instanceof Buffer || pieces === undefined) return void request.end(pieces)
      for (const piece of pieces) request.write(piece)
      request.end()
    })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    fixture,
    events,
    ask,
    async push(repository, content) {
      const digest = sha256(content)
      const reply = await ask(`POST /v2/${repository}/blobs/uploads/?digest=${digest}`, { body: content })
      if (reply.status !== 201) throw new Error(`push: ${reply.status} ${reply.text}`)
      return digest
    },
    async pushManifest(repository, reference, manifest) {
      const bytes = Buffer.from(JSON.stringify(manifest))
      const type = (manifest as { mediaType?: string }).mediaType
      const headers = type === undefined ? {} : { 'content-type': type }
      const reply = await ask(`PUT /v2/${repository}/manifests/${reference}`, { body: bytes, headers })
      if (reply.status !== 201) throw new Error(`push: ${reply.status} ${reply.text}`)
      return { digest: sha256(bytes), bytes }
    },
  }
}

export function sha256(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

export function sha512(content: string | Uint8Array): string {
  return `sha512:${createHash('sha512').update(content).digest('hex')}`
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX = 'application/vnd.oci.image.index.v1+json'

/** An image manifest over blobs that are pushed before. */
export function image(config: string, layers: readonly string[] = [], more: object = {}): object {
  const part = (mediaType: string, content: string): object => ({
    mediaType,
    digest: sha256(content),
    size: Buffer.byteLength(content),
  })
  return {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: part('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => part('application/vnd.oci.image.layer.v1.tar', layer)),
    ...more,
  }
}

/** The code of the one error in a body, which must have the specification's form. */
export function errorCode(reply: Reply): string {
  const { errors } = JSON.parse(reply.text) as {
    errors: { code: string; message: string; detail: unknown }[]
  }
  const [error] = errors
  if (error === undefined || typeof error.message !== 'string' || error.message === '')
    throw new Error(reply.text)
  return error.code
}
