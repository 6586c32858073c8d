/**
 * Closing a connection whose peer is still sending. A plain close with unread bytes makes the kernel send a
 * reset, which can overtake the answer; so the write side is closed first, what still arrives is thrown away
 * within bounds, and only then the socket goes (RFC 9112 section 9.6).
 */
import type { Socket } from 'node:net'

export type LingerLimits = {
  /** Bytes read and thrown away; after them the peer is left to fill its own buffers. */
  lingerBytes: number
  /** Milliseconds until the socket is destroyed whatever happens. */
  lingerMs: number
}

/** Ends the socket after what is written, then drains and closes it. */
export function endAndLinger(socket: Socket, limits: LingerLimits): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), limits.lingerMs)
  socket.once('close', () => clearTimeout(timer))
  const closed = (): void => {
    if (socket.readableEnded && socket.writableFinished) socket.destroy()
  }
  socket.once('finish', closed)
  socket.once('end', closed)
  socket.end()
  closed()
  // Two steps: while node:http still consumes the handle, only its own 'resume' listener restarts a stopped read.
  socket.resume()
  setImmediate(() => discard(socket, limits.lingerBytes))
}

function discard(socket: Socket, bytes: number): void {
  if (socket.destroyed) return
  let left = bytes
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) socket.pause()
  })
  socket.resume()
}

/** From now on the end of the last response closes the connection this way. */
export function lingerOnClose(socket: Socket, limits: LingerLimits): void {
  let begun = false
  socket.destroySoon = () => {
    if (begun) return
    begun = true
    endAndLinger(socket, limits)
  }
}
