import { connect, type Socket } from 'node:net'

export type Raw = { ask(text: string): Promise<string>; end(): void }

/** Requests on one connection, and the answers as they are on the wire. */
export async function connection(url: string): Promise<Raw> {
  const { hostname, port } = new URL(url)
  const socket: Socket = connect(Number(port), hostname)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.setNoDelay(true)
  return {
    ask: (text) =>
      new Promise((resolve, reject) => {
        let answer = ''
        const isHead = text.startsWith('HEAD')
        const onData = (piece: Buffer): void => {
          answer += piece.toString('latin1')
          const end = answer.indexOf('\r\n\r\n')
          if (end < 0) return
          const length = Number(/^content-length: (\d+)/im.exec(answer.slice(0, end))?.[1] ?? '0')
          if (!isHead && answer.length < end + 4 + length) return
          socket.off('data', onData).off('error', reject)
          resolve(answer)
        }
        socket.on('data', onData).once('error', reject)
        socket.write(text)
      }),
    end: () => void socket.destroy(),
  }
}
