/** One backup as a tar stream, complete in itself; unpacked, it is a folder of backups with one in it. */
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { openFrozen } from '../metadata/sqlite/frozen.ts'
import { type BackUpOptions, recordOf } from './back-up.ts'
import { type BackedUpBlob, blobRows } from './blob-rows.ts'
import { addTo, boundedList } from './bounded-list.ts'
import { hashing, openWhole } from './copy-blobs.ts'
import { incompleteImages } from './incomplete.ts'
import {
  backupNames,
  blobName,
  type BackupRecord,
  idOf,
  type MissingBlob,
  ROOT_FILE,
  ROOT_TEXT,
} from './layout.ts'
import { takeMoment } from './take-moment.ts'
import { createTarWriter, type TarWriter } from './tar.ts'

const CHUNK = 1024 * 1024

/** @throws BackupError, AbortError, what `output` cannot take: then what was written is no archive */
export async function backUpToTar(output: Writable, options: BackUpOptions): Promise<BackupRecord> {
  const { store, progress, signal } = options
  progress.say('copying the metadata')
  const moment = await takeMoment({ ...options, fallback: options.folder, reason: 'backup as a tar' })
  const tar = await createTarWriter(output)
  const frozen = openFrozen(moment.path)
  try {
    const id = idOf(moment.at)
    const names = backupNames(id)
    const about = await recordOf(frozen, moment.path, options.version)
    await writeText(tar, ROOT_FILE, ROOT_TEXT)
    await writeFileTo(tar, names.metadata, moment.path, about.metadata.size)
    const all = { blobs: about.rows.blobs, bytes: about.rows.bytes }
    const done = { blobs: 0, bytes: 0 }
    const missing = boundedList<MissingBlob>()
    for (const blob of blobRows(frozen.connection)) {
      const advance = (bytes: number): void => {
        signal.throwIfAborted()
        moment.check()
        done.bytes += bytes
        progress.copied(done, all)
      }
      const why = await writeBlob(tar, store, blob, advance)
      if (why !== undefined) addTo(missing, { digest: blob.digest, size: blob.size, why })
      done.blobs++
    }
    const record: BackupRecord = {
      ...about,
      id,
      at: new Date(moment.at).toISOString(),
      copied: { blobs: done.blobs - missing.count, bytes: done.bytes },
      missing,
      incomplete: await incompleteImages(frozen.db, missing.first),
    }
    moment.check()
    await writeText(tar, names.record, `${JSON.stringify(record, undefined, 2)}\n`)
    await tar.finish()
    return record
  } catch (error) {
    tar.abort(error)
    throw error
  } finally {
    frozen.close()
    await moment.release()
  }
}

/** A file that ends early is filled up: the archive goes on, and its last file says that this one is not whole. */
async function writeBlob(
  tar: TarWriter,
  store: BackUpOptions['store'],
  { digest, size, object }: BackedUpBlob,
  advance: (bytes: number) => void,
): Promise<MissingBlob['why'] | undefined> {
  const source = await openWhole(store, object, size)
  if (source === undefined) return 'gone'
  try {
    const file = tar.file(blobName(digest), size)
    let written = 0
    const isRight = await hashing(digest, source, async (bytes) => {
      written += bytes.byteLength
      await file.write(bytes)
      advance(bytes.byteLength)
    })
    for (; written < size; written += Math.min(CHUNK, size - written))
      await file.write(new Uint8Array(Math.min(CHUNK, size - written)))
    await file.end()
    return isRight ? undefined : 'damaged'
  } finally {
    source.close()
  }
}

async function writeText(tar: TarWriter, name: string, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  const file = tar.file(name, bytes.byteLength)
  await file.write(bytes)
  await file.end()
}

async function writeFileTo(tar: TarWriter, name: string, path: string, size: number): Promise<void> {
  const file = tar.file(name, size)
  if (size <= CHUNK) await file.write(readFileSync(path))
  else await writeInChunks(file, path)
  await file.end()
}

async function writeInChunks(file: ReturnType<TarWriter['file']>, path: string): Promise<void> {
  const source = await open(path)
  try {
    for await (const chunk of source.createReadStream({ highWaterMark: CHUNK, autoClose: false })) {
      await file.write(chunk as Buffer)
    }
  } finally {
    await source.close()
  }
}
