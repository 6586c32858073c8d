/** A request's body that is small, read whole. */
import type { IncomingMessage } from 'node:http'

/**
 * The connection is left alone whatever comes, so that the reason can still be answered: the rest is thrown away.
 * @returns `too-large`: more than `limit` bytes, or announced to be
 * @throws Error with the code ECONNRESET: the client left before its end
 */
export function readWhole(request: IncomingMessage, limit: number): Promise<Buffer | 'too-large'> {
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    request.resume()
    return Promise.resolve('too-large')
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const onData = (chunk: Buffer): void => {
      bytes += chunk.byteLength
      if (bytes > limit) finish(() => resolve('too-large'))
      else chunks.push(chunk)
    }
    const onEnd = (): void => finish(() => resolve(Buffer.concat(chunks)))
    const onClose = (): void => finish(() => reject(clientLeft()))
    const finish = (then: () => void): void => {
      // The listener for errors stays: without one, a client that leaves would end the process.
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      request.resume()
      then()
    }
    if (request.destroyed) return reject(clientLeft())
    request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose)
  })
}

function clientLeft(): Error {
  return Object.assign(new Error('the client left before its body was complete'), { code: 'ECONNRESET' })
}
