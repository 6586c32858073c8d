/** A connection to a directory as its client sees it: whole answers, each looked at before, and not too much of them. */
import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { NotLdap, readElement } from './ber.ts'
import { checkAnswer, readMessage } from './check-answer.ts'

const LARGEST_ANSWER = 1024 * 1024
/** In the life of a connection, which answers a handful of requests. */
const MOST = 4 * 1024 * 1024

/** Ends with its socket, and ends it. What is wrong with an answer is its error. */
export function createCheckedStream(socket: Socket): Duplex {
  let request: { id: number; operation: number } | undefined
  let unread: Buffer = Buffer.alloc(0)
  let received = 0

  const stream = new Duplex({
    readableObjectMode: true,
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      request = readMessage(chunk)
      socket.write(chunk, (error) => done(error))
    },
    destroy(error, done) {
      socket.destroySoon()
      done(error)
    },
  })
  const take = (chunk: Buffer): void => {
    received += chunk.length
    if (received > MOST) throw new NotLdap('too much')
    unread = Buffer.concat([unread, chunk])
    for (;;) {
      if (unread.length > 0 && unread[0] !== 0x30) throw new NotLdap('something else than a message')
      const element = readElement(unread, 0)
      if ((element?.end ?? 0) > LARGEST_ANSWER) throw new NotLdap('an answer that is too long')
      if (element === undefined || element.end > unread.length) return
      const answer = checkAnswer(unread.subarray(0, element.end), request)
      unread = unread.subarray(element.end)
      if (answer !== undefined) stream.push(answer)
    }
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      if (!stream.destroyed) take(chunk)
    } catch (error) {
      const why = error instanceof NotLdap ? error.message : 'something that cannot be read'
      stream.destroy(new Error(`the directory sent ${why}`))
    }
  })
  socket.on('error', (error) => stream.destroy(error))
  socket.on('close', () => stream.destroy())
  // The client asks a connection that it is given whether it is open.
  return Object.assign(stream, { connecting: false, readyState: 'open' })
}
