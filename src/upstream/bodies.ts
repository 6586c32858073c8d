/** Small bodies: sent, and passed over. */
import type { IncomingMessage } from 'node:http'

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
