/** What tests of blob stores are made of. */
import { createHash, randomBytes } from 'node:crypto'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { BlobStore, ByteSource, ObjectId, ObjectStat, StoredObject, UploadState } from './blob-store.ts'

export function newObject(): StoredObject {
  return { id: randomBytes(16).toString('hex') as ObjectId }
}

/** `length` bytes that do not repeat themselves within a piece; the same for the same seed. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  const words = new Uint32Array(bytes.buffer, 0, length >>> 2)
  let word = seed >>> 0 || 1
  for (let index = 0; index < words.length; index += 1) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    words[index] = word
  }
  return bytes
}

export function sha(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}

export async function* bodyOf(bytes: Uint8Array, chunk = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunk) yield bytes.subarray(start, start + chunk)
}

/** Gives these bytes, and then fails or, without an error, never goes on. */
export async function* brokenBody(bytes: Uint8Array, error?: Error): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes)
  if (error !== undefined) throw error
  await new Promise(() => undefined)
}

export type Pushed = { object: StoredObject & { digest: Digest }; bytes: Uint8Array; stat: ObjectStat }

/** One append, one finish. */
export async function push(
  store: BlobStore,
  bytes: Uint8Array,
  { algorithm = 'sha256', chunk }: { algorithm?: DigestAlgorithm; chunk?: number } = {},
): Promise<Pushed> {
  const planned = store.plan(newObject(), { length: bytes.byteLength })
  const hash = store.createHash(algorithm, { length: bytes.byteLength })
  const { signal } = new AbortController()
  try {
    const { state } = await store.append(planned, bodyOf(bytes, chunk), {
      hash,
      signal,
      length: bytes.byteLength,
    })
    const digest = await hash.digest()
    const stat = await store.finish(state, digest)
    return { object: { ...state.object, digest }, bytes, stat }
  } finally {
    hash.close()
  }
}

/** Appends without an end to wait for. */
export async function append(
  store: BlobStore,
  state: UploadState,
  hash: Parameters<BlobStore['append']>[2]['hash'],
  body: AsyncIterable<Uint8Array>,
): Promise<UploadState> {
  const { signal } = new AbortController()
  const result = await store.append(state, body, { hash, signal })
  if (result.failure !== undefined) throw result.failure as Error
  return result.state
}

/** Everything a source gives; each piece is copied and released before the next one is asked for. */
export async function drain(source: ByteSource): Promise<Buffer> {
  const all: Buffer[] = []
  for (let piece = await source.read(); piece !== undefined; piece = await source.read()) {
    all.push(Buffer.from(piece.bytes))
    piece.release()
  }
  source.close()
  return Buffer.concat(all)
}

/** The bytes of a finished object; fails if it is not there. */
export async function readBack(
  store: BlobStore,
  { object, bytes }: Pick<Pushed, 'object' | 'bytes'>,
  range?: { first: number; last: number },
): Promise<Buffer> {
  const source = await store.open(object, bytes.byteLength, range, undefined)
  if (source === undefined || source === 'changed') throw new Error(`the object is ${source ?? 'missing'}`)
  return drain(source)
}
