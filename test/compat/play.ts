/** Sends a scenario, and keeps of each answer what clients look at, without what is different every time. */
import { createHash } from 'node:crypto'
import { request as overHttp, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { request as overTls } from 'node:https'
import { CONTENT, type ContentName, digest } from './contents.ts'
import { namesOf, type Step } from './requests.ts'

export type Answer = {
  status: number
  headers: Record<string, string>
  /** `errors CODE …`, `json …`, `text …`, or the size and hash of other bytes; absent where there is none. */
  body?: string
}

/** Where to send to: a URL, or a socket's path. */
export type Place = { url: string; socketPath?: string; prefix?: string }

const HEADERS = [
  'docker-distribution-api-version',
  'content-type',
  'content-length',
  'docker-content-digest',
  'docker-upload-uuid',
  'location',
  'range',
  'content-range',
  'accept-ranges',
  'etag',
  'cache-control',
  'link',
  'allow',
  'www-authenticate',
  'x-content-type-options',
] as const
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b/g
const TIMEOUT_MS = 20_000

type Raw = { status: number; headers: IncomingHttpHeaders; body: Buffer }

/** One request after the other, in order. `extra` are headers whose values matter too. */
export async function play(
  steps: readonly Step[],
  place: Place,
  extra: readonly string[] = [],
): Promise<Map<string, Answer>> {
  const names = namesOf(steps)
  const saved = new Map<string, string>()
  const answers = new Map<string, Answer>()
  for (const [number, [ask, more = {}]] of steps.entries()) {
    const { headers = {}, body, chunked, save } = more
    const [method, target] = split(filled(ask, saved))
    const fixed = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, filled(value, saved)]),
    )
    const path = ask.includes(' {') || target === '/' ? target : `${place.prefix ?? ''}${target}`
    const raw = await send(place, { method, path, headers: fixed }, body, chunked === true)
    const { location } = raw.headers
    if (save !== undefined && location !== undefined) saved.set(save, pathOf(location))
    answers.set(names[number] ?? ask, normalised(raw, place, extra))
  }
  return answers
}

function split(line: string): [string, string] {
  const space = line.indexOf(' ')
  return [line.slice(0, space), line.slice(space + 1)]
}

function filled(text: string, saved: ReadonlyMap<string, string>): string {
  const digests = text.replace(/\{(sha256|sha512)(%?) ([^}]+)\}/g, (_, algorithm, percent, name) => {
    const whole = digest(algorithm as 'sha256' | 'sha512', CONTENT[name as ContentName])
    return percent === '' ? whole : whole.replace(':', '%3A')
  })
  return digests.replace(/\{(\w+)\}(\??)/g, (_, name: string, mark: string) => {
    const location = saved.get(name) ?? `/no-location-was-given-for-${name}`
    return mark === '?' && location.includes('?') ? `${location}&` : `${location}${mark}`
  })
}

function pathOf(location: string): string {
  return location.replace(/^https?:\/\/[^/]*/, '')
}

function send(
  place: Place,
  { method, path, headers }: { method: string; path: string; headers: Record<string, string> },
  bodyName: ContentName | undefined,
  chunked: boolean,
): Promise<Raw> {
  const body = bodyName === undefined ? undefined : Buffer.from(CONTENT[bodyName])
  const { hostname, port, protocol } = new URL(place.url)
  const hasNone = body === undefined && ['GET', 'HEAD', 'OPTIONS'].includes(method)
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    method,
    path,
    headers: {
      ...headers,
      ...(chunked
        ? { 'transfer-encoding': 'chunked' }
        : hasNone
          ? {}
          : { 'content-length': body?.length ?? 0 }),
    },
    agent: false,
    timeout: TIMEOUT_MS,
    rejectUnauthorized: false,
    ...(place.socketPath === undefined ? { hostname, port } : { socketPath: place.socketPath }),
  }
  return new Promise((resolve) => {
    let answered = false
    const failed = (error: NodeJS.ErrnoException): void => {
      if (!answered) resolve({ status: 0, headers: {}, body: Buffer.from(error.code ?? error.message) })
    }
    const request = (protocol === 'https:' ? overTls : overHttp)(options, (response) => {
      answered = true
      const pieces: Buffer[] = []
      const whole = (): void =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) })
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', whole)
      response.on('error', whole)
    })
    request.on('error', failed)
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    if (body === undefined || !chunked) return void request.end(body)
    request.write(body.subarray(0, body.length >> 1))
    request.end(body.subarray(body.length >> 1))
  })
}

function normalised(raw: Raw, place: Place, extra: readonly string[]): Answer {
  const headers: Record<string, string> = {}
  for (const name of [...HEADERS, ...extra]) {
    const value = raw.headers[name]
    if (value !== undefined) headers[name] = withoutIds(name, String(value), place)
  }
  // Messages are in every registry's own words.
  if (raw.status >= 400) delete headers['content-length']
  const body = bodyOf(raw)
  return { status: raw.status, headers, ...(body !== undefined && { body }) }
}

function withoutIds(name: string, value: string, { url, prefix = '' }: Place): string {
  if (name === 'allow') {
    return value
      .split(/\s*,\s*/)
      .sort()
      .join(', ')
  }
  if (name === 'docker-upload-uuid') return '<id>'
  if (name === 'content-type') return value.replace(/boundary=.*/, 'boundary=<boundary>')
  if (name !== 'location' && name !== 'link') return value
  const own = value.replace(`${new URL(url).origin}/`, '<origin>/').replace('http://localhost/', '<origin>/')
  return own
    .replace(`${prefix}/v2/`, '/v2/')
    .replace(UUID, '<id>')
    .replace(/_state=[^&]*/, '_state=<state>')
}

function bodyOf({ headers, body }: Raw): string | undefined {
  if (body.length === 0) return undefined
  const text = body.toString('utf8')
  if (/^application\/json\b/.test(headers['content-type'] ?? '') && text.length < 10_000) {
    try {
      const document = JSON.parse(text) as { errors?: { code: string }[] }
      if (Array.isArray(document.errors)) {
        return `errors ${document.errors.map(({ code }) => code).join(' ')}`
      }
      return `json ${JSON.stringify(document)}`
    } catch {
      return `text that is no JSON`
    }
  }
  const type = headers['content-type'] ?? ''
  if (type.startsWith('multipart/')) return 'parts'
  if (type.startsWith('text/')) return `text ${text.slice(0, 60).trim()}`
  return `${body.length} bytes ${createHash('sha256').update(body).digest('hex').slice(0, 12)}`
}
