/**
 * All of the bytes, where they are few.
 * @param tooMany what is thrown where there are more than `most`; the rest is not read
 */
export async function readBounded(
  bytes: AsyncIterable<Uint8Array>,
  most: number,
  tooMany: () => Error = () => new RangeError(`there are more than ${most} bytes`),
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of bytes) {
    length += piece.byteLength
    if (length > most) throw tooMany()
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
