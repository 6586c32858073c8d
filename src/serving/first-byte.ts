/** Tells TLS from plain HTTP on a TLS port by the first byte of a connection. */
import type { Server } from 'node:https'
import type { Socket } from 'node:net'

/** First byte of a TLS record that carries a handshake (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16

/**
 * Puts a look at the first byte before the server's own TLS. Bytes that were read are given back, so that
 * after them TLS reads from the kernel as usual.
 * @param plain called with a socket whose peer does not speak TLS; nothing else touches that socket.
 */
export function divertPlainHttp(
  server: Server,
  { plain, firstByteMs }: { plain: (socket: Socket) => void; firstByteMs: number },
): void {
  const accept = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const timer = setTimeout(() => socket.destroy(), firstByteMs)
    socket.once('close', () => clearTimeout(timer))
    socket.on('error', () => socket.destroy())
    socket.once('readable', () => {
      clearTimeout(timer)
      const first = socket.read() as Buffer | null
      if (first === null || socket.destroyed) return void socket.destroy()
      if (first[0] !== TLS_HANDSHAKE) return plain(socket)
      socket.unshift(first)
      for (const listener of accept) listener.call(server, socket)
    })
  })
}
