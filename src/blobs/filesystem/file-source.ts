/**
 * Sends a part of an open file: pooled buffers, the next piece read while the consumer still has the last one, at
 * most two buffers a source.
 */
import type { ByteSource, Piece } from '../blob-store.ts'
import type { Lease, ReadBuffers } from '../read-buffers.ts'
import { readAt } from './calls.ts'

const MOST_UNRELEASED = 2

type Options = {
  file: number
  first: number
  length: number
  buffers: ReadBuffers
  /** Called once, when the file is not needed any more. */
  done: () => void
}

type State = Options & {
  position: number
  end: number
  /** Held by the consumer, or read ahead for it. */
  unreleased: Set<Lease>
  ahead: Promise<Piece | undefined> | undefined
  reading: number
  closed: boolean
  finished: boolean
}

export function createFileSource(options: Options): ByteSource {
  const state: State = {
    ...options,
    position: options.first,
    end: options.first + options.length,
    unreleased: new Set(),
    ahead: undefined,
    reading: 0,
    closed: false,
    finished: false,
  }
  return {
    length: options.length,
    async read() {
      if (state.closed && state.ahead === undefined) throw closedError()
      if (state.ahead === undefined && state.unreleased.size >= MOST_UNRELEASED) {
        throw new Error('two pieces are unreleased; release one before reading on')
      }
      const next = state.ahead ?? readNext(state)
      state.ahead = undefined
      const piece = await next
      readAhead(state)
      return piece
    },
    close() {
      state.closed = true
      // What a socket may still be writing from is never used again.
      for (const lease of state.unreleased) lease.abandon()
      state.unreleased.clear()
      finishIfDone(state)
    },
  }
}

async function readNext(state: State): Promise<Piece | undefined> {
  const { file, buffers, position: at, end } = state
  if (at >= end) return undefined
  const lease = buffers.take(end - at)
  const bytes = lease.bytes.subarray(0, Math.min(lease.bytes.byteLength, end - at))
  state.position += bytes.byteLength
  state.reading += 1
  try {
    const read = await readAt(file, bytes, at)
    if (read < bytes.byteLength) throw new Error(`the object ends at ${at + read}, before ${end}`)
    if (state.closed) throw closedError()
    return pieceOf(state, lease, bytes)
  } catch (error) {
    lease.giveBack()
    state.closed = true
    throw error
  } finally {
    state.reading -= 1
    finishIfDone(state)
  }
}

function pieceOf(state: State, lease: Lease, bytes: Uint8Array): Piece {
  state.unreleased.add(lease)
  return {
    bytes,
    release: () => {
      if (state.unreleased.delete(lease)) lease.giveBack()
      readAhead(state)
    },
  }
}

function readAhead(state: State): void {
  const { closed, ahead, position, end, unreleased, reading, buffers } = state
  if (closed || ahead !== undefined || position >= end) return
  if (unreleased.size + reading >= MOST_UNRELEASED || !buffers.plenty()) return
  state.ahead = readNext(state)
  // Whoever reads on is told; a source that is closed before has nobody to tell.
  state.ahead.catch(() => undefined)
}

/** The file goes back as soon as the last byte is read, however long the consumer keeps the piece. */
function finishIfDone(state: State): void {
  const { finished, reading, closed, position, end } = state
  if (finished || reading > 0 || (!closed && position < end)) return
  state.finished = true
  state.done()
}

function closedError(): Error {
  return new Error('the source was closed')
}
