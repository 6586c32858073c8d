/** A bad request over a connection of its own, byte for byte, and what comes back. */
import { connect } from 'node:net'
import type { Case } from './case.ts'

export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

const LONGEST_MS = 3000

/** @throws when there is no whole answer within 3 seconds */
export async function sendCase(url: string, one: Case): Promise<RawAnswer | 'closed'> {
  const { host } = new URL(url)
  const upload = one.line.includes('{upload}') ? await begun(url, one.received ?? 0) : ''
  const answer = await exchange(url, bytesOf(one, host, upload))
  return answer.length === 0 ? 'closed' : parsed(answer)
}

/** A new upload in the repository `r` that has received so many bytes: its path. */
async function begun(url: string, received: number): Promise<string> {
  const post = await fetch(`${url}/v2/r/blobs/uploads/`, { method: 'POST' })
  const location = pathOf(post, url)
  if (received === 0) return location
  const patch = await fetch(new URL(location, url), { method: 'PATCH', body: Buffer.alloc(received, 'x') })
  return pathOf(patch, url)
}

function pathOf(answer: Response, url: string): string {
  const { pathname, search } = new URL(answer.headers.get('location') ?? '', url)
  return `${pathname}${search}`
}

function begunAt(upload: string, mark: string): string {
  return mark === '?' && upload.includes('?') ? `${upload}&` : `${upload}${mark}`
}

function bytesOf({ line, headers = [], body, raw, whole }: Case, host: string, upload: string): Buffer {
  const head = [
    `${line.replace(/\{upload\}(\??)/, (_, mark: string) => begunAt(upload, mark))}${whole ? '' : ' HTTP/1.1'}`,
  ]
  if (!headers.some((header) => /^host:/i.test(header))) head.push(`Host: ${host}`)
  if (raw === undefined || !/^connection:/im.test(raw)) head.push('Connection: close')
  if (raw !== undefined) return Buffer.from(`${head.join('\r\n')}\r\n${raw}`, 'latin1')
  const bytes = Buffer.from(body ?? '')
  head.push(...headers)
  if (body !== undefined) head.push(`Content-Length: ${bytes.length}`)
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

function exchange(url: string, request: Buffer): Promise<Buffer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const socket = connect(Number(port), hostname)
    const done = (error?: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      if (error === undefined) resolve(Buffer.concat(pieces))
      else reject(error)
    }
    const timer = setTimeout(
      () => done(new Error(`no whole answer in time: ${Buffer.concat(pieces).toString('latin1', 0, 200)}`)),
      LONGEST_MS,
    )
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece)
      if (isWhole(Buffer.concat(pieces))) done()
    })
    socket.on('end', () => done())
    // A server that has answered may cut off what it does not want to read.
    socket.on('error', () => done())
    socket.write(request)
  })
}

/** Whether the final answer is here with its body, without waiting for the end of the connection. */
function isWhole(answer: Buffer): boolean {
  const text = withoutInterim(answer.toString('latin1'))
  const end = text.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)\r$/im.exec(text)?.[1]
  return end >= 0 && length !== undefined && text.length >= end + 4 + Number(length)
}

function withoutInterim(text: string): string {
  return text.replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '')
}

function parsed(answer: Buffer): RawAnswer {
  const text = withoutInterim(answer.toString('latin1'))
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) }
}
