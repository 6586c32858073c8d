/** Writing answers. */
import type { ServerResponse } from 'node:http'
import type { Waiting } from '../lib/waiting.ts'
import type { BlobContent } from '../registry/registry.ts'
import type { Exchange } from './exchange.ts'

type ByteSource = BlobContent['source']

/**
 * Status and headers, in one go.
 * @param headers names and values in turn, besides those that every answer has; Content-Type stands first
 */
export function sendHead(x: Exchange, status: number, headers: readonly string[]): void {
  const { settings, request, response, route, call } = x
  if (settings.observe !== undefined) {
    const { requestId, principal } = call
    const contentType = headers[0] === 'Content-Type' ? headers[1] : undefined
    const contentLength = lengthIn(headers)
    settings.observe({ request, requestId, route, principal, status, contentType, contentLength })
  }
  settings.writeHead(response, status, ['X-Request-Id', call.requestId, ...headers])
}

/** What Content-Length says; absent for an answer whose length nobody knows yet. */
function lengthIn(headers: readonly string[]): number | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === 'Content-Length') return Number(headers[index + 1])
  }
  return undefined
}

/** An answer without a body. */
export function sendEmpty(x: Exchange, status: number, headers: readonly string[]): void {
  sendHead(x, status, headers)
  x.response.end()
}

/** An answer that is in memory. The bytes must not change afterwards. */
export function sendBytes(x: Exchange, status: number, headers: readonly string[], bytes: Uint8Array): void {
  sendHead(x, status, headers)
  endWith(x.response, bytes)
}

/**
 * Up to this many bytes, head and body go out in one write of one string, which costs less than two buffers. Each byte
 * is one character of latin1, whatever it means.
 */
const ONE_WRITE = 2 * 1024

function endWith(response: ServerResponse, bytes: Uint8Array): void {
  if (bytes.byteLength > ONE_WRITE) response.end(bytes)
  else
    response.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'), 'latin1')
}

/**
 * The body of an answer whose head has been written, from a source that is closed whatever happens: one piece is
 * written while the next one is read. Resolves when everything is with the kernel.
 * @throws what the source throws, or that the client is gone; the answer is then cut off, never ended
 */
export function sendSource(response: ServerResponse, source: ByteSource): Waiting<void> {
  if (source.whole === undefined) return sendPieces(response, source).finally(() => source.close())
  try {
    endWith(response, source.whole)
  } finally {
    source.close()
  }
}

async function sendPieces(response: ServerResponse, source: ByteSource): Promise<void> {
  const progress = createProgress(response, source)
  let left = source.length
  try {
    await progress.begin()
    while (left > 0) {
      const piece = await source.read()
      progress.check()
      if (piece === undefined) throw new Error(`the source ended ${left} bytes early`)
      left -= piece.bytes.byteLength
      if (left < 0) throw new Error(`the source gave ${-left} bytes too many`)
      const written = progress.add(piece)
      if (left === 0) response.end(piece.bytes, written)
      else response.write(piece.bytes, written)
      await progress.atMost(left === 0 ? 0 : 1)
    }
    if (!response.writableEnded) response.end()
  } finally {
    progress.end()
  }
}

/** Which pieces the kernel has not taken yet, and whether anybody is still there to take them. */
function createProgress(response: ServerResponse, source: ByteSource) {
  const connection = response.req.socket
  let unreleased = 0
  let failure: Error | undefined
  let wake: (() => void) | undefined
  const fail = (cause?: Error): void => {
    failure ??= new Error('the client left before it had the whole answer', { cause })
    wake?.()
  }
  const onClose = (): void => {
    if (response.writableFinished) return
    // Ends a read that hangs, too.
    source.close()
    fail()
  }
  const onSocket = (): void => wake?.()
  const check = (): void => {
    if (failure !== undefined) throw failure
  }
  const until = async (done: () => boolean): Promise<void> => {
    while (!done() && failure === undefined) await new Promise<void>((resolve) => (wake = resolve))
    check()
  }
  return {
    check,
    /** Behind others on one connection an answer waits its turn before it reads anything: pieces are memory. */
    async begin(): Promise<void> {
      response.once('close', onClose)
      if (response.destroyed || connection.destroyed) onClose()
      if (response.socket !== null || failure !== undefined) return check()
      connection.setMaxListeners(0)
      connection.once('close', onClose)
      response.once('socket', onSocket)
      await until(() => response.socket !== null)
    },
    /** To be called when the kernel has the piece. */
    add(piece: { release(): void }): (error?: Error | null) => void {
      unreleased += 1
      return (error) => {
        if (error) return fail(error)
        piece.release()
        unreleased -= 1
        wake?.()
      }
    },
    atMost: (count: number): Promise<void> => until(() => unreleased <= count),
    end(): void {
      response.off('close', onClose).off('socket', onSocket)
      connection.off('close', onClose)
    },
  }
}
