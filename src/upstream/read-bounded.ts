/** A small body in memory. */

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
