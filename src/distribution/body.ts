/** Bodies of requests. */
import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../oci/error.ts'
import type { Chunk } from '../registry/registry.ts'

/** Bytes, and pieces of any size, that wait for a consumer before the connection is told to wait too. */
const MAX_WAITING = 256 * 1024
const MAX_PIECES_WAITING = 256

/** Whether a body was announced at all; one of no bytes does not count. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  if (length !== undefined) return Number(length) > 0
  return request.headers['transfer-encoding'] !== undefined
}

/** Content-Length. @throws RegistryError SIZE_INVALID for one that no body can have */
export function bodyLength(request: IncomingMessage): number | undefined {
  const header = request.headers['content-length']
  if (header === undefined) return undefined
  const length = Number(header)
  if (Number.isSafeInteger(length)) return length
  throw new RegistryError('SIZE_INVALID', 'Content-Length is larger than anything this registry can take')
}

/**
 * The body, chunk by chunk as the connection gives it, without copies. Unlike Node's own iterator it leaves the
 * connection alone when the consumer stops early, so that the reason can still be answered: what then arrives is
 * thrown away. How long a body may be silent is the business of who owns the connection.
 * @throws from its iterator: an Error with the code ECONNRESET when the client leaves; what the request was
 * destroyed with
 */
export function readBody(request: IncomingMessage): Body {
  const memory = createMemory()
  return { [Symbol.asyncIterator]: () => iterate(request, memory), done: memory.free }
}

type Body = Chunk['body']
type Memory = { own(chunk: Uint8Array): void; free(chunk: Uint8Array): void }

/**
 * Each chunk of a body comes in a buffer of its own of up to 64 KiB, outside the heap, and the garbage collector is in
 * no hurry with those: a fast push would leave 100 MiB of them behind. Freed by hand they cost nothing.
 */
function createMemory(): Memory {
  const owned = new WeakSet<ArrayBufferLike>()
  return {
    own(chunk) {
      if (chunk.byteLength === chunk.buffer.byteLength) owned.add(chunk.buffer)
    },
    free({ buffer }) {
      if (owned.delete(buffer)) (buffer as ArrayBuffer).transfer(0)
    },
  }
}

type Step = IteratorResult<Uint8Array, undefined>
const END: Step = { done: true, value: undefined }

/** By hand, not as a generator, which would cost a large push some promises more for each of its many chunks. */
function iterate(request: IncomingMessage, memory: Memory): AsyncIterator<Uint8Array, undefined> {
  const waiting: Uint8Array[] = []
  let bytes = 0
  let ended = request.readableEnded
  let failure: Error | undefined
  let isOver = false
  let wake: (() => void) | undefined
  const onData = (chunk: Uint8Array): void => {
    memory.own(chunk)
    waiting.push(chunk)
    bytes += chunk.byteLength
    if (bytes >= MAX_WAITING || waiting.length >= MAX_PIECES_WAITING) request.pause()
    wake?.()
  }
  const onEnd = (): void => {
    ended = true
    wake?.()
  }
  const onFailure = (error?: Error): void => {
    if (!ended) failure ??= error ?? clientLeft()
    wake?.()
  }
  const onClose = (): void => onFailure()
  if (request.destroyed && !ended) failure = request.errored ?? clientLeft()
  request.on('data', onData).on('end', onEnd).on('error', onFailure).on('close', onClose)
  const letGo = (): void => {
    isOver = true
    // The listener for errors stays: without one, a client that leaves would end the process.
    request.off('data', onData).off('end', onEnd).off('close', onClose)
    request.resume()
  }
  const step = (resolve: (step: Step) => void, reject: (error: unknown) => void): void => {
    if (isOver) return resolve(END)
    const chunk = waiting.shift()
    if (chunk !== undefined) {
      bytes -= chunk.byteLength
      return resolve({ done: false, value: chunk })
    }
    if (failure === undefined && !ended) {
      wake = () => {
        wake = undefined
        step(resolve, reject)
      }
      request.resume()
      return
    }
    letGo()
    if (failure === undefined) resolve(END)
    else reject(failure)
  }
  return {
    next: () => (isOver ? Promise.resolve(END) : new Promise(step)),
    return() {
      if (!isOver) letGo()
      wake?.()
      return Promise.resolve(END)
    },
  }
}

function clientLeft(): Error {
  return Object.assign(new Error('the client left before its body was complete'), { code: 'ECONNRESET' })
}

/** Memory that the bodies of all requests share, so that many clients who send slowly cannot fill it together. */
export type BodyMemory = {
  /** For one request. @returns what it takes from: false where there is no more */
  lease(): { take(bytes: number): boolean; release(): void }
}

/** What one request may hold uncounted, so that those who hold much keep nobody from what is usual. */
const UNCOUNTED = 64 * 1024

export function createBodyMemory(maxBytes: number): BodyMemory {
  let used = 0
  return {
    lease() {
      let taken = 0
      let counted = 0
      return {
        take(bytes) {
          taken += bytes
          const more = Math.max(0, taken - UNCOUNTED) - counted
          if (used + more > maxBytes) return false
          counted += more
          used += more
          return true
        },
        release() {
          used -= counted
          counted = 0
        },
      }
    },
  }
}

/**
 * A body that fits in memory.
 * @throws RegistryError from `tooLarge`, before reading where Content-Length tells; UNAVAILABLE where `take` says no
 */
export async function readSmallBody(
  request: IncomingMessage,
  limit: number,
  tooLarge: () => RegistryError,
  take: (bytes: number) => boolean = () => true,
): Promise<Uint8Array> {
  const announced = bodyLength(request) ?? limit
  if (announced > limit) throw tooLarge()
  let whole: Uint8Array = new Uint8Array(0)
  let bytes = 0
  for await (const chunk of readBody(request)) {
    const end = bytes + chunk.byteLength
    if (end > limit) throw tooLarge()
    if (!take(chunk.byteLength)) throw tooMany()
    if (bytes === 0) whole = chunk
    else {
      whole = withRoom(whole, bytes, end, announced)
      whole.set(chunk, bytes)
    }
    bytes = end
  }
  return whole.subarray(0, bytes)
}

const SMALLEST_ROOM = 16 * 1024

/** Copied together as they come: a list of the pieces would take many times their bytes, where each has only one. */
function withRoom(whole: Uint8Array, bytes: number, needed: number, announced: number): Uint8Array {
  if (needed <= whole.byteLength) return whole
  const doubled = Math.max(2 * whole.byteLength, SMALLEST_ROOM)
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(doubled, announced)))
  larger.set(whole.subarray(0, bytes))
  return larger
}

function tooMany(): RegistryError {
  const message = 'too many large manifests are being sent at the moment: try again in a second'
  return new RegistryError('UNAVAILABLE', message, { retryAfter: 1 })
}
