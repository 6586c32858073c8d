/** Requests that stop in the middle: what a client that dies or stalls sends. */
import { connect, type Socket } from 'node:net'

export type RawRequest = {
  socket: Socket
  /** What the server has answered so far. */
  received(): string
  /** Resolves when the server closed the connection. */
  closed: Promise<void>
  /** As a client that is killed: reset, not ended. */
  abort(): void
}

/** Sends a head and the beginning of a body, then nothing. */
export function sendPart(
  url: string,
  method: string,
  path: string,
  headers: Record<string, string | number>,
  body: Uint8Array = Buffer.alloc(0),
): Promise<RawRequest> {
  const { hostname, port, host } = new URL(url)
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`]
  for (const [name, value] of Object.entries(headers)) head.push(`${name}: ${value}`)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    const closed = new Promise<void>((done) => socket.once('close', () => done()))
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      // A reset is one of the ways a server may end such a request.
      socket.on('error', () => undefined)
      socket.write(`${head.join('\r\n')}\r\n\r\n`)
      socket.write(body, () =>
        resolve({ socket, closed, received: () => text, abort: () => socket.resetAndDestroy() }),
      )
    })
    socket.on('data', (piece: Buffer) => (text = (text + piece.toString('latin1')).slice(0, 10_000)))
  })
}

/** Asks for something and never reads the answer: the server's writes come to a halt. */
export function askAndNeverRead(url: string, path: string): Promise<RawRequest> {
  return sendPart(url, 'GET', path, {}).then((request) => {
    request.socket.removeAllListeners('data')
    request.socket.pause()
    return request
  })
}
