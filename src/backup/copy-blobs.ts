/**
 * Copies blobs into a folder of backups: each is hashed while it is copied, synced, and gets its name last; what has a
 * name is there already. Killed at any point, what has been copied counts for the next time.
 */
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BlobStore, ByteSource } from '../blobs/blob-store.ts'
import { syncPath } from '../lib/sync-file.ts'
import { algorithmOf, createDigestHash, type Digest } from '../oci/digest.ts'
import type { BackedUpBlob } from './blob-rows.ts'
import { addTo, type BoundedList, boundedList } from './bounded-list.ts'
import { concurrently } from '../lib/concurrently.ts'
import { BackupError, blobName, hexOf, type MissingBlob, PART } from './layout.ts'

/** Small files wait for the disk more than for anything else. */
const AT_A_TIME = 8

type CopyPlan = {
  /** To be copied. */
  blobs: number
  bytes: number
}

export type Copied = { blobs: number; bytes: number; missing: BoundedList<MissingBlob> }

type Watch = { progress(done: { blobs: number; bytes: number }): void; signal: AbortSignal }

/** What is not there yet; removes halves that a kill left. */
export async function planCopy(folder: string, blobs: Iterable<BackedUpBlob>): Promise<CopyPlan> {
  const plan = { blobs: 0, bytes: 0 }
  for await (const { size } of absentBlobs(folder, blobs)) {
    plan.blobs++
    plan.bytes += size
  }
  return plan
}

/** @throws BackupError: it surely does not fit */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= bytes) return
  throw new BackupError(
    `${folder} has ${bavail * bsize} bytes free, and ${bytes} are to be copied: make room and try again`,
  )
}

/** One folder of names in memory at a time: digests come in order. */
async function* absentBlobs(folder: string, blobs: Iterable<BackedUpBlob>): AsyncGenerator<BackedUpBlob> {
  let shard = ''
  let names = new Set<string>()
  for (const blob of blobs) {
    const path = dirname(join(folder, blobName(blob.digest)))
    if (path !== shard) {
      shard = path
      names = new Set(await namesOf(path))
    }
    if (!names.has(hexOf(blob.digest))) yield blob
  }
}

async function namesOf(path: string): Promise<string[]> {
  await mkdir(path, { recursive: true })
  const names = await readdir(path)
  for (const name of names) if (name.endsWith(PART)) await rm(join(path, name), { force: true })
  return names
}

/** @throws what the folder cannot take (ENOSPC …), AbortError; what was copied stays */
export async function copyBlobs(
  store: BlobStore,
  folder: string,
  blobs: Iterable<BackedUpBlob>,
  { progress, signal }: Watch,
): Promise<Copied> {
  const copied: Copied = { blobs: 0, bytes: 0, missing: boundedList() }
  const done = { blobs: 0, bytes: 0 }
  const written = new Set<string>()
  await concurrently(absentBlobs(folder, blobs), AT_A_TIME, async (blob) => {
    const path = join(folder, blobName(blob.digest))
    const why = await copyBlob(store, blob, path, (bytes) => {
      signal.throwIfAborted()
      done.bytes += bytes
      progress(done)
    })
    done.blobs++
    if (why !== undefined) return addTo(copied.missing, { digest: blob.digest, size: blob.size, why })
    written.add(dirname(path))
    copied.blobs++
    copied.bytes += blob.size
  })
  for (const path of written) syncPath(path)
  if (written.size > 0)
    for (const algorithm of ['', 'sha256', 'sha512']) syncIfThere(join(folder, 'blobs', algorithm))
  return copied
}

function syncIfThere(path: string): void {
  try {
    syncPath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** @returns why it is not there now; undefined: it is */
async function copyBlob(
  store: BlobStore,
  { digest, size, object }: BackedUpBlob,
  path: string,
  advance: (bytes: number) => void,
): Promise<MissingBlob['why'] | undefined> {
  const source = await openWhole(store, object, size)
  if (source === undefined) return 'gone'
  const part = `${path}${PART}`
  try {
    const file = await open(part, 'w', 0o600)
    try {
      const isRight = await hashing(digest, source, async (bytes) => {
        await writeAll(file, bytes)
        advance(bytes.byteLength)
      })
      if (!isRight) return 'damaged'
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(part, path)
    return undefined
  } finally {
    source.close()
    await rm(part, { force: true })
  }
}

/** Undefined: not there, not as long, or not readable: a broken sector is no reason to copy nothing else. */
export async function openWhole(
  store: BlobStore,
  object: BackedUpBlob['object'],
  size: number,
): Promise<ByteSource | undefined> {
  try {
    return await store.openCold(object, size)
  } catch {
    return undefined
  }
}

/** Gives each piece to `take`. @returns whether all of them together have the digest; false also where they end early */
export async function hashing(
  digest: Digest,
  source: ByteSource,
  take: (bytes: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const hash = createDigestHash(algorithmOf(digest))
  for (;;) {
    const piece = source.whole ?? (await readOrEnd(source))
    if (piece === 'broken') return false
    if (piece === undefined) break
    const bytes = piece instanceof Uint8Array ? piece : piece.bytes
    hash.update(bytes)
    await take(bytes)
    if (piece instanceof Uint8Array) break
    piece.release()
  }
  return hash.digest('hex') === hexOf(digest)
}

async function readOrEnd(source: ByteSource): Promise<Awaited<ReturnType<ByteSource['read']>> | 'broken'> {
  try {
    return await source.read()
  } catch {
    return 'broken'
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>

async function writeAll(file: OpenFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done)
    done += bytesWritten
  }
}
