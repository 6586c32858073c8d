/**
 * A registry in memory that can be told to be wrong: what the benchmark must notice. Run as
 * `node fake-registry.fixture.ts PORT FAULT [AFTER]`; the fault shows from request number AFTER on.
 */
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

const FAULTS = [
  'none',
  'wrong-body',
  'short-body',
  'wrong-status',
  'dies',
  'dies-for-good',
  'refuses-pushes',
] as const
type Fault = (typeof FAULTS)[number]

/** In the folder that it was started in: it will not start there again. */
const DEAD = 'dead-for-good'

type Stored = { bytes: Buffer; type: string; digest: string }

if (process.argv[1] === import.meta.filename) {
  const [port, fault = 'none', after = '0'] = process.argv.slice(2)
  serveFake(Number(port), fault as Fault, Number(after))
}

function serveFake(port: number, fault: Fault, after: number): void {
  if (!FAULTS.includes(fault)) throw new Error(`no fault is called ${fault}`)
  if (existsSync(DEAD)) throw new Error('the disk is gone')
  const blobs = new Map<string, Stored>()
  const manifests = new Map<string, Stored>()
  let requests = 0
  const server = createServer((request, response) => {
    const isFaulty = ++requests > after
    void readBody(request).then((body) => {
      if (isFaulty && isSpoiled(fault, request, response)) return
      const found = answer(request, body, blobs, manifests, response)
      if (found !== undefined) send(request, response, isFaulty ? spoil(fault, found) : found)
    })
  })
  server.listen(port, '127.0.0.1')
  process.once('SIGTERM', () => {
    server.closeAllConnections()
    server.close()
  })
}

/** Faults that need no look at what was asked for. */
function isSpoiled(fault: Fault, request: IncomingMessage, response: ServerResponse): boolean {
  const isRead = (request.method === 'GET' || request.method === 'HEAD') && request.url !== '/v2/'
  if (fault === 'dies-for-good' && isRead) writeFileSync(DEAD, '')
  if (fault.startsWith('dies') && isRead) process.kill(process.pid, 'SIGKILL')
  const isRefused =
    (fault === 'wrong-status' && isRead) || (fault === 'refuses-pushes' && request.method === 'PATCH')
  if (isRefused) response.writeHead(fault === 'wrong-status' ? 503 : 500).end()
  return isRefused
}

function spoil(fault: Fault, found: Stored): Stored {
  if (fault === 'short-body') return { ...found, bytes: found.bytes.subarray(0, found.bytes.length >> 1) }
  if (fault !== 'wrong-body') return found
  const bytes = Buffer.from(found.bytes)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return { ...found, bytes }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

function send(request: IncomingMessage, response: ServerResponse, { bytes, type, digest }: Stored): void {
  const headers = { 'content-length': bytes.length, 'content-type': type, 'docker-content-digest': digest }
  response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : bytes)
}

/** What is to be sent, or undefined: then it was answered here. */
function answer(
  request: IncomingMessage,
  body: Buffer,
  blobs: Map<string, Stored>,
  manifests: Map<string, Stored>,
  response: ServerResponse,
): Stored | undefined {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
  const reference = pathname.slice(pathname.lastIndexOf('/') + 1)
  const isManifest = pathname.includes('/manifests/')
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  switch (request.method) {
    case 'POST':
      response.writeHead(202, { location: `${pathname}one`, 'content-length': 0 }).end()
      return undefined
    case 'PATCH':
      blobs.set('upload', { bytes: body, type: 'application/octet-stream', digest })
      response.writeHead(202, { location: pathname, 'content-length': 0 }).end()
      return undefined
    case 'PUT': {
      const type = request.headers['content-type'] ?? 'application/octet-stream'
      const bytes = body.length === 0 ? (blobs.get('upload')?.bytes ?? body) : body
      if (isManifest)
        for (const name of [reference, digest]) manifests.set(name, { bytes: body, type, digest })
      else blobs.set(searchParams.get('digest') ?? '', { bytes, type, digest })
      response.writeHead(201, { 'content-length': 0 }).end()
      return undefined
    }
    default: {
      if (pathname === '/v2/') return { bytes: Buffer.from('{}'), type: 'application/json', digest: '' }
      const found = (isManifest ? manifests : blobs).get(reference)
      if (found === undefined) response.writeHead(404, { 'content-length': 0 }).end()
      return found
    }
  }
}
