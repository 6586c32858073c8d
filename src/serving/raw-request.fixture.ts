/** For tests: bytes to a port, bytes back; nothing between that would mend a broken request. */
import { connect, type Socket } from 'node:net'

export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

/** One step of a conversation: bytes to send (latin1), a pause in milliseconds, or `FIN`: the end of what is sent. */
export type Step = string | number

type Conversation = { answers: RawAnswer[]; bytes: string; error: string | undefined; ms: number }

/** Sends the steps and gathers what comes back until the server closes or `limitMs` is over. */
export function converse(port: number, steps: readonly Step[], limitMs = 4_000): Promise<Conversation> {
  return converseOn(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), steps, limitMs)
}

export function converseOn(socket: Socket, steps: readonly Step[], limitMs = 4_000): Promise<Conversation> {
  const began = performance.now()
  let bytes = ''
  let error: string | undefined
  socket.setEncoding('latin1').on('data', (text: string) => (bytes += text))
  socket.on('error', (failure: NodeJS.ErrnoException) => (error = failure.code))
  socket.on('end', () => socket.end())
  const queue = [...steps]
  const next = (): void => {
    const step = queue.shift()
    if (step === undefined || socket.destroyed) return
    if (typeof step === 'number') return void setTimeout(next, step)
    if (step === 'FIN') socket.end()
    else socket.write(step, 'latin1')
    next()
  }
  next()
  return new Promise((resolve) => {
    const limit = setTimeout(() => {
      error = 'NEVER CLOSED'
      socket.destroy()
    }, limitMs)
    socket.on('close', () => {
      clearTimeout(limit)
      resolve({ answers: parseAnswers(bytes), bytes, error, ms: performance.now() - began })
    })
  })
}

/** Every answer in the bytes; each must carry a Content-Length, as Berth's do, but for those without a body. */
function parseAnswers(bytes: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = bytes
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [first = '', ...lines] = rest.slice(0, Math.max(end, 0)).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) \S/.exec(first)?.[1])
    if (end < 0 || Number.isNaN(status))
      throw new Error(`not an HTTP answer: ${JSON.stringify(rest.slice(0, 200))}`)
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    const length = status === 100 ? 0 : Number(headers['content-length'])
    answers.push({ status, headers, body: rest.slice(end + 4, end + 4 + length) })
    rest = rest.slice(end + 4 + length)
  }
  return answers
}
