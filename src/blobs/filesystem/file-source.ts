/**
 * Sends a part of an open file: pooled buffers, the next piece read while the consumer still has the last one, at
 * most two buffers a source.
 */
import type { ByteSource, Piece } from '../blob-store.ts'
import type { Lease, ReadBuffers } from '../read-buffers.ts'
import { readAt } from './calls.ts'

const MOST_UNRELEASED = 2

/** @param options.done called once, when the file is not needed any more */
export function createFileSource({
  file,
  first,
  length,
  buffers,
  done,
}: {
  file: number
  first: number
  length: number
  buffers: ReadBuffers
  done: () => void
}): ByteSource {
  const end = first + length
  const unreleased = new Set<Lease>()
  let position = first
  let ahead: Promise<Piece | undefined> | undefined
  let reading = 0
  let closed = false
  let finished = false

  /** The file goes back as soon as the last byte is read, however long the consumer keeps the piece. */
  const finishIfDone = (): void => {
    if (finished || reading > 0 || (!closed && position < end)) return
    finished = true
    done()
  }
  const pieceOf = (lease: Lease, bytes: Uint8Array): Piece => {
    unreleased.add(lease)
    return {
      bytes,
      release: () => {
        if (unreleased.delete(lease)) lease.giveBack()
        readAhead()
      },
    }
  }
  const readNext = async (): Promise<Piece | undefined> => {
    if (position >= end) return undefined
    const at = position
    const lease = buffers.take(end - at)
    const bytes = lease.bytes.subarray(0, Math.min(lease.bytes.byteLength, end - at))
    position += bytes.byteLength
    reading += 1
    try {
      const read = await readAt(file, bytes, at)
      if (read < bytes.byteLength) throw new Error(`the object ends at ${at + read}, before ${end}`)
      if (closed) throw closedError()
      return pieceOf(lease, bytes)
    } catch (error) {
      lease.giveBack()
      closed = true
      throw error
    } finally {
      reading -= 1
      finishIfDone()
    }
  }
  const readAhead = (): void => {
    const held = unreleased.size + reading
    if (closed || ahead !== undefined || position >= end || held >= MOST_UNRELEASED || !buffers.plenty())
      return
    ahead = readNext()
    ahead.catch(() => undefined)
  }
  return {
    length,
    async read() {
      if (closed && ahead === undefined) throw closedError()
      if (ahead === undefined && unreleased.size >= MOST_UNRELEASED) {
        throw new Error('two pieces are unreleased; release one before reading on')
      }
      const next = ahead ?? readNext()
      ahead = undefined
      const piece = await next
      readAhead()
      return piece
    },
    close() {
      closed = true
      // What a socket may still be writing from is never used again.
      for (const lease of unreleased) lease.abandon()
      unreleased.clear()
      finishIfDone()
    },
  }
}

function closedError(): Error {
  return new Error('the source was closed')
}
