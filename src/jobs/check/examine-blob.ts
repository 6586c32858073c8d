/**
 * One blob's row against its file. Rows change while a check walks: what looks wrong is told only where the row, read
 * again afterwards, is still the same one. That proves it: a file is removed only after its row has gone.
 */
import type { BlobStore } from '../../blobs/blob-store.ts'
import { type CheckedBlob, findCheckedBlob, storedObjectOf } from '../../metadata/check-blobs.ts'
import type { Db } from '../../metadata/database.ts'
import { algorithmOf } from '../../oci/digest.ts'
import type { ReadRate } from '../read-rate.ts'
import type { BlobDamage } from './problem.ts'

export type Examined =
  | {
      kind: 'whole'
      blob: CheckedBlob
      isHashed: boolean
      /** How the store marks the bytes now, where the row says otherwise. */
      stamp?: number
    }
  | { kind: BlobDamage; blob: CheckedBlob; detail: string }
  /** There is no such blob any more. */
  | { kind: 'gone' }

type Parts = { db: Db; store: BlobStore; rate: ReadRate }
type Look = { kind: 'whole'; isHashed: boolean; stamp?: number } | { kind: BlobDamage; detail: string }

/**
 * @param rehash whether the bytes are hashed too; they are in any case where the file was touched since, or the blob is
 *   marked as damaged
 */
export async function examineBlob(parts: Parts, first: CheckedBlob, rehash: boolean): Promise<Examined> {
  for (let blob = first; ;) {
    const seen = await look(parts, blob, rehash)
    if (seen.kind === 'whole') return { ...seen, blob }
    const again = await findCheckedBlob(parts.db, blob.digest)
    if (again === undefined) return { kind: 'gone' }
    if (again.object === blob.object && again.size === blob.size) return { ...seen, blob: again }
    blob = again
  }
}

async function look({ store, rate }: Parts, blob: CheckedBlob, rehash: boolean): Promise<Look> {
  if (blob.state !== 'live')
    return { kind: 'no-object', detail: `the object is ${blob.state ?? 'not there'}` }
  const object = storedObjectOf(blob)
  try {
    const stat = await store.stat(object)
    if (stat === undefined) return { kind: 'missing', detail: 'there is no such file' }
    if (stat.size !== blob.size) {
      return { kind: 'wrong-size', detail: `${stat.size} bytes where ${blob.size} were pushed` }
    }
    const isTouched = stat.stamp !== undefined && blob.stamp !== stat.stamp
    if (!rehash && !isTouched && blob.damagedAt === undefined) return { kind: 'whole', isHashed: false }
    const digest = await hashObject({ store, rate }, blob)
    if (digest === undefined)
      return { kind: 'missing', detail: 'the file was cut or removed while it was read' }
    if (digest !== blob.digest) return { kind: 'wrong-bytes', detail: `they are those of ${digest}` }
    return { kind: 'whole', isHashed: true, ...(isTouched && { stamp: stat.stamp as number }) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || (error as Error).name === 'AbortError') throw error
    return { kind: 'unreadable', detail: `the system says ${code}` }
  }
}

async function hashObject(
  { store, rate }: Pick<Parts, 'store' | 'rate'>,
  blob: CheckedBlob,
): Promise<string | undefined> {
  const source = await store.openCold(storedObjectOf(blob), blob.size)
  if (source === undefined) return undefined
  const hash = store.createHash(algorithmOf(blob.digest), { length: blob.size })
  try {
    if (source.whole !== undefined) {
      await rate.spend(source.length)
      await hash.update(source.whole)
      return await hash.digest()
    }
    for (;;) {
      const piece = await source.read().catch(cutWhileRead)
      if (piece === 'cut') return undefined
      if (piece === undefined) break
      await hash.update(piece.bytes)
      const { byteLength } = piece.bytes
      piece.release()
      await rate.spend(byteLength)
    }
    return await hash.digest()
  } finally {
    hash.close()
    source.close()
  }
}

/** What has no code is no error of the disk: the file has become shorter than it was when it was opened. */
function cutWhileRead(error: NodeJS.ErrnoException): 'cut' {
  if (error.code !== undefined) throw error
  return 'cut'
}
