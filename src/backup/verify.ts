/**
 * Reads a backup again and compares every byte with its digest: all that any backup of a folder names, or all files of
 * a tar stream. A file of a folder that is damaged is set aside (`.damaged`), so that the next backup copies it again.
 */
import { createReadStream, createWriteStream, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openFrozen, type Frozen } from '../metadata/sqlite/frozen.ts'
import { algorithmOf, createDigestHash, type Digest, digestToBytes } from '../oci/digest.ts'
import { shardSizes } from './blob-rows.ts'
import { addTo, type BoundedList, boundedList } from './bounded-list.ts'
import { concurrently } from '../lib/concurrently.ts'
import { hashFile } from './hash-file.ts'
import { incompleteImages } from './incomplete.ts'
import {
  BackupError,
  backupNames,
  type BackupRecord,
  blobName,
  digestOfName,
  hexOf,
  listBackups,
  namesIn,
  parseRecord,
  SHARDS,
} from './layout.ts'
import { readTar } from './tar.ts'

const AT_A_TIME = 4
const CHUNK = 1024 * 1024

type BadBlob = { digest: Digest; why: 'gone' | 'damaged' }

export type Verified = {
  backups: number
  blobs: number
  bytes: number
  /** Backups whose rows are not what they were: these cannot be restored. */
  damaged: string[]
  bad: BoundedList<BadBlob>
  /** Of the newest backup. */
  incomplete: string[]
}

type Watch = { progress(done: { blobs: number; bytes: number }): void; signal: AbortSignal }

/** @throws BackupError: it is no folder of backups, or one of them cannot be read at all */
export async function verifyFolder(folder: string, { progress, signal }: Watch): Promise<Verified> {
  const records = listBackups(folder)
  if (records.length === 0) throw new BackupError(`there is no complete backup in ${folder}`)
  const verified = noneVerified()
  const opened: Frozen[] = []
  try {
    for (const record of records) {
      const frozen = await openBackup(folder, record)
      if (frozen === undefined) verified.damaged.push(record.id)
      else opened.push(frozen)
    }
    verified.backups = opened.length
    for (const algorithm of ['sha256', 'sha512'] as const) {
      for (const shard of SHARDS) {
        const needed = new Map(
          opened.flatMap(({ connection }) => [...shardSizes(connection, algorithm, shard)]),
        )
        await verifyShard(folder, `blobs/${algorithm}/${shard}`, needed, { verified, progress, signal })
      }
    }
    const newest = opened.at(-1)
    if (newest !== undefined) verified.incomplete = await incompleteImages(newest.db, verified.bad.first)
    return verified
  } finally {
    for (const frozen of opened) frozen.close()
  }
}

function noneVerified(): Verified {
  return { backups: 0, blobs: 0, bytes: 0, damaged: [], bad: boundedList(), incomplete: [] }
}

/** Undefined: its rows are not what they were. */
async function openBackup(folder: string, { id, metadata }: BackupRecord): Promise<Frozen | undefined> {
  const path = join(folder, backupNames(id).metadata)
  try {
    return (await hashFile(path)).sha256 === metadata.sha256 ? openFrozen(path) : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function verifyShard(
  folder: string,
  name: string,
  needed: ReadonlyMap<Digest, number>,
  { verified, progress, signal }: Watch & { verified: Verified },
): Promise<void> {
  const there = new Set(namesIn(join(folder, name)))
  await concurrently(needed.keys(), AT_A_TIME, async (digest) => {
    signal.throwIfAborted()
    const path = join(folder, blobName(digest))
    const why = there.has(hexOf(digest)) ? await verifyFile(path, digest, verified, progress) : 'gone'
    verified.blobs++
    if (why !== undefined) addTo(verified.bad, { digest, why })
  })
}

async function verifyFile(
  path: string,
  digest: Digest,
  verified: Verified,
  progress: Watch['progress'],
): Promise<BadBlob['why'] | undefined> {
  const isRight = await hasDigest(createReadStream(path, { highWaterMark: CHUNK }), digest, (bytes) => {
    verified.bytes += bytes
    progress(verified)
  })
  if (isRight) return undefined
  try {
    renameSync(path, `${path}.damaged`)
  } catch {
    // Where nothing may be written, it stays and is told each time.
  }
  return 'damaged'
}

/** False also where it cannot be read to its end. */
async function hasDigest(
  body: AsyncIterable<Uint8Array>,
  digest: Digest,
  advance: (bytes: number) => void,
): Promise<boolean> {
  const hash = createDigestHash(algorithmOf(digest))
  try {
    for await (const chunk of body) {
      hash.update(chunk)
      advance(chunk.byteLength)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return false
  }
  return hash.digest('hex') === hexOf(digest)
}

/** @throws BackupError, Error: it is no archive, or only a part of one */
export async function verifyTar(input: Readable, { progress, signal }: Watch): Promise<Verified> {
  const verified = noneVerified()
  const folder = mkdtempSync(join(tmpdir(), 'berth-verify-'))
  const path = join(folder, 'metadata.db')
  let record: BackupRecord | undefined
  const seen = new Set<string>()
  try {
    await readTar(input, async ({ name, body }) => {
      signal.throwIfAborted()
      const digest = digestOfName(name)
      if (name.endsWith('/metadata.db')) await pipeline(Readable.from(body), createWriteStream(path))
      else if (name.endsWith('/backup.json')) record = parseRecord(await textOf(body), name)
      else if (digest !== undefined) {
        const isRight = await hasDigest(body, digest, (bytes) => {
          verified.bytes += bytes
          progress(verified)
        })
        verified.blobs++
        if (isRight) seen.add(keyOf(digest))
        else addTo(verified.bad, { digest, why: 'damaged' })
      }
    })
    if (record === undefined)
      throw new BackupError('the archive does not end as a backup does: it is only a part of one')
    verified.backups = 1
    if ((await hashFile(path)).sha256 !== record.metadata.sha256) verified.damaged.push(record.id)
    else await tellMissing(path, seen, verified)
    return verified
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Half a digest tells them apart as well, and a million of them are 40 MB. */
function keyOf(digest: Digest): string {
  return Buffer.from(digestToBytes(digest)).toString('latin1', 0, 17)
}

async function tellMissing(path: string, seen: ReadonlySet<string>, verified: Verified): Promise<void> {
  const frozen = openFrozen(path)
  try {
    const bad = new Set(verified.bad.first.map(({ digest }) => digest))
    for (const algorithm of ['sha256', 'sha512'] as const) {
      for (const shard of SHARDS) {
        for (const digest of shardSizes(frozen.connection, algorithm, shard).keys()) {
          if (!seen.has(keyOf(digest)) && !bad.has(digest)) addTo(verified.bad, { digest, why: 'gone' })
        }
      }
    }
    verified.incomplete = await incompleteImages(frozen.db, verified.bad.first)
  } finally {
    frozen.close()
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
