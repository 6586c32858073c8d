/** Small bodies: sent, read, and passed over. */
import type { IncomingMessage } from 'node:http'

/** @throws RangeError: it has more than `most` bytes; the rest is not read */
export async function readBounded(bytes: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of bytes) {
    length += piece.byteLength
    if (length > most) throw new RangeError(`there are more than ${most} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** What is passed over so that a connection can be kept; more is not worth it, and may never end. */
const LARGEST_PASSED = 64 * 1024

/** For an answer whose body says nothing that is needed. */
export function discard(answer: IncomingMessage): void {
  let passed = 0
  answer.on('data', (piece: Buffer) => {
    passed += piece.length
    if (passed > LARGEST_PASSED) answer.destroy()
  })
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
