/** Reading what a store gives, to its end. */
import type { ByteSource } from '../blobs/blob-store.ts'

/** Feeds everything a source gives to a hash. */
export async function hashAll(
  source: ByteSource,
  hash: { update(bytes: Uint8Array): Promise<void> | void },
): Promise<void> {
  if (source.whole !== undefined) return void (await hash.update(source.whole))
  for (;;) {
    const piece = await source.read()
    if (piece === undefined) return
    await hash.update(piece.bytes)
    piece.release()
  }
}

/** Everything in memory, for what is known to be small; closes the source. */
export async function readAll(source: ByteSource): Promise<Buffer> {
  if (source.whole !== undefined) return Buffer.from(source.whole)
  const pieces: Buffer[] = []
  try {
    for (;;) {
      const piece = await source.read()
      if (piece === undefined) return Buffer.concat(pieces)
      pieces.push(Buffer.from(piece.bytes))
      piece.release()
    }
  } finally {
    source.close()
  }
}
