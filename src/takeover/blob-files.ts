/** The files below `blobs/`, in order of digest: what is stored, whether anything names it or not. */
import type { Stats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Digest, isDigest, isDigestAlgorithm } from '../oci/digest.ts'
import { isAbsent, refusalText } from './file-errors.ts'
import { blobPath, BLOBS_PATH } from './layout.ts'
import type { Report } from './repositories.ts'

export type BlobFile = {
  digest: Digest
  /** Below the data folder, with slashes. */
  path: string
  size: number
  /** As {@link import('./found.ts').FoundBlob}'s. */
  stamp: number
  /** Milliseconds. */
  modifiedAt: number
}

/** Looked at together. */
const AT_ONCE = 64
const TWO = /^[0-9a-f]{2}$/

/**
 * All blob files whose digest is greater than `after`; memory is that of one folder of names (a 256th of all).
 * @param report is told of what is there and is no blob
 */
export async function* walkBlobFiles(
  dataFolder: string,
  after = '',
  report: Report = () => undefined,
): AsyncGenerator<BlobFile> {
  const walk = { dataFolder, report }
  for (const algorithm of await list(walk, BLOBS_PATH)) {
    const folder = `${BLOBS_PATH}/${algorithm}`
    if (!isDigestAlgorithm(algorithm)) {
      tellUnknown(walk, folder)
      continue
    }
    // '~' is greater than every hexadecimal digit.
    if (`${algorithm}:~` <= after) continue
    for (const two of await list(walk, folder)) {
      if (!TWO.test(two)) tellUnknown(walk, `${folder}/${two}`)
      else if (`${algorithm}:${two}~` > after) yield* walkTwo(walk, algorithm, two, after)
    }
  }
}

type Walk = { dataFolder: string; report: Report }

async function* walkTwo(walk: Walk, algorithm: string, two: string, after: string): AsyncGenerator<BlobFile> {
  const folder = `${BLOBS_PATH}/${algorithm}/${two}`
  const digests: Digest[] = []
  for (const hex of await list(walk, folder)) {
    const digest = `${algorithm}:${hex}`
    if (!isDigest(digest) || !hex.startsWith(two)) tellUnknown(walk, `${folder}/${hex}`)
    else if (digest > after) digests.push(digest)
  }
  for (let first = 0; first < digests.length; first += AT_ONCE) {
    const some = digests.slice(first, first + AT_ONCE)
    for (const file of await Promise.all(some.map((digest) => look(walk, digest)))) {
      if (file !== undefined) yield file
    }
  }
}

async function look(walk: Walk, digest: Digest): Promise<BlobFile | undefined> {
  const path = blobPath(digest)
  let stats: Stats
  try {
    stats = await stat(join(walk.dataFolder, path))
  } catch (error) {
    if (isAbsent(error)) await tellLeftovers(walk, path.slice(0, -'/data'.length))
    else tell(walk, 'not-readable', `${path} ${refusalText(error)}`)
    return undefined
  }
  if (!stats.isFile()) {
    tellUnknown(walk, path)
    return undefined
  }
  const { size, mtimeMs } = stats
  return { digest, path, size, stamp: Math.floor(mtimeMs * 1000), modifiedAt: Math.floor(mtimeMs) }
}

/** A folder that garbage collection or a crash left empty is nothing to tell. */
async function tellLeftovers(walk: Walk, folder: string): Promise<void> {
  for (const name of await list(walk, folder)) {
    const path = `${folder}/${name}`
    const stats = await stat(join(walk.dataFolder, path)).catch(() => undefined)
    const detail = `${path}: what a write that was cut off left, or not of Distribution; left alone`
    walk.report({ repository: '', kind: 'unknown-file', detail, bytes: stats?.size ?? 0 })
  }
}

/** In byte order. */
async function list(walk: Walk, folder: string): Promise<string[]> {
  try {
    return (await readdir(join(walk.dataFolder, folder))).sort()
  } catch (error) {
    if (!isAbsent(error)) tell(walk, 'not-readable', `${folder} ${refusalText(error)}`)
    return []
  }
}

function tellUnknown(walk: Walk, path: string): void {
  tell(walk, 'unknown-file', `${path}: not written by Distribution; left alone`)
}

function tell({ report }: Walk, kind: 'unknown-file' | 'not-readable', detail: string): void {
  report({ repository: '', kind, detail })
}
