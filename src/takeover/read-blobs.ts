/** The links of `_layers` and the files they lead to. */
import { closeSync, openSync, type Stats } from 'node:fs'
import { type Digest, digestOf } from '../oci/digest.ts'
import { refusalText } from './file-errors.ts'
import type { FoundBatch, FoundBlob } from './found.ts'
import { blobPath, LAYERS } from './layout.ts'
import { BATCH_ITEMS, digestFolders, linkOf, type Reading, statFile } from './repository-reading.ts'

const NO_BYTES: ReadonlySet<Digest> = new Set([
  digestOf('sha256', new Uint8Array()),
  digestOf('sha512', new Uint8Array()),
])

export function* readBlobs(reading: Reading): Generator<FoundBatch> {
  let blobs: FoundBlob[] = []
  for (const digest of digestFolders(reading, LAYERS)) {
    const link = linkOf(reading, LAYERS, digest)
    if (link !== undefined) {
      const blob = blobOf(reading, digest, link)
      reading.layers.set(digest, blob?.size)
      if (blob !== undefined) blobs.push(blob)
    }
    if (blobs.length < BATCH_ITEMS && !reading.isFull()) continue
    yield reading.batch({ blobs })
    blobs = []
  }
  if (blobs.length > 0) yield reading.batch({ blobs })
}

function blobOf(
  reading: Reading,
  digest: Digest,
  { stored, at }: { stored: Digest; at: number },
): FoundBlob | undefined {
  const path = blobPath(stored)
  const stats = statFile(reading, `${reading.dataFolder}/${path}`, path)
  if (stats === 'refused') return undefined
  if (stats === 'absent' || !stats.isFile()) {
    const what = stats === 'absent' ? 'its bytes are gone' : `${path} is not a file`
    reading.find(
      'layer-without-data',
      `${LAYERS} links ${digest}, but ${what}; after Distribution's garbage-collect that is usual, and nothing is lost`,
    )
    return undefined
  }
  if (stats.size === 0 && !isOfNoBytes(stored)) {
    reading.find(
      'empty-blob',
      `${path} is empty: a write that was cut off. Push an image with ${digest} again`,
      { digest: stored },
    )
    return undefined
  }
  return isReadable(reading, path)
    ? { digest, stored, path, ...sizeAndStamp(stats), linkedAt: at }
    : undefined
}

function isOfNoBytes(digest: Digest): boolean {
  return NO_BYTES.has(digest)
}

/** The stamp is that of the blob store (src/blobs/filesystem/calls.ts). */
function sizeAndStamp(stats: Stats): { size: number; stamp: number } {
  return { size: stats.size, stamp: Math.floor(stats.mtimeMs * 1000) }
}

/** Asked only of those whom the system could refuse. */
function isReadable(reading: Reading, path: string): boolean {
  if (process.geteuid?.() === 0) return true
  try {
    closeSync(openSync(`${reading.dataFolder}/${path}`, 'r'))
    return true
  } catch (error) {
    reading.find('not-readable', `${path} ${refusalText(error)}`)
    return false
  }
}
