/** Reads what a layout has, and compares it with its digest. */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { algorithmOf, createDigestHash, type Digest } from '../../oci/digest.ts'
import { LayoutError, type Stored } from './layout.ts'

const PIECE = 256 * 1024

/** @throws LayoutError: it is larger than `most` bytes, or cannot be read */
export function readSmall({ path, at, size, shown }: Stored, most: number): Buffer {
  if (size > most) throw new LayoutError(`${shown} has ${size} bytes, which is too much for what it is`)
  const bytes = Buffer.alloc(size)
  let read = 0
  try {
    const file = openSync(path, 'r')
    try {
      for (let more = 1; read < size && more > 0; read += more)
        more = readSync(file, bytes, read, size - read, at + read)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new LayoutError(`${shown} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  if (read < size) throw new LayoutError(`${shown} has become shorter while it was read`)
  return bytes
}

/** Bytes `from` to `to`, the last one not included. @throws LayoutError */
export async function* readRange(stored: Stored, from: number, to: number): AsyncGenerator<Buffer> {
  const { path, at, shown } = stored
  if (from >= to) return
  let read = 0
  try {
    const stream = createReadStream(path, { start: at + from, end: at + to - 1, highWaterMark: PIECE })
    for await (const piece of stream as AsyncIterable<Buffer>) {
      read += piece.length
      yield piece
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof LayoutError || code === undefined || code.startsWith('ERR_')) throw error
    throw new LayoutError(`${shown} cannot be read (${code})`)
  }
  if (read < to - from) throw new LayoutError(`${shown} has become shorter while it was read`)
}

export type CheckedReader = {
  /**
   * Bytes from here to there. What was not read before is hashed; the last piece of the whole is held back until the
   * digest is right.
   * @throws LayoutError: the bytes are not those of the digest
   */
  read(from: number, to: number): AsyncGenerator<Buffer>
}

/** Reads a blob in parts, one after the other, some of them again, and vouches for its digest at the end. */
export function createCheckedReader(stored: Stored, digest: Digest): CheckedReader {
  const hash = createDigestHash(algorithmOf(digest))
  let hashed = 0
  let isRight = false
  const take = (piece: Buffer, at: number): void => {
    const end = at + piece.length
    if (end <= hashed) return
    hash.update(at < hashed ? piece.subarray(hashed - at) : piece)
    hashed = end
    if (hashed < stored.size || isRight) return
    if (`${digest.split(':')[0]}:${hash.digest('hex')}` !== digest) throw damaged(stored, digest)
    isRight = true
  }
  return {
    async *read(from, to) {
      // A request that broke off may still be reading: each says where its pieces stand.
      let passed = hashed
      for await (const piece of readRange(stored, passed, from)) {
        take(piece, passed)
        passed += piece.length
      }
      let at = from
      for await (const piece of readRange(stored, from, to)) {
        take(piece, at)
        at += piece.length
        yield piece
      }
    },
  }
}

export function damaged({ shown }: Stored, digest: Digest): LayoutError {
  return new LayoutError(
    `${shown} is damaged: its bytes are not those of ${digest}. Make or copy the layout again`,
  )
}
