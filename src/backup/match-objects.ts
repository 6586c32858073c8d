/**
 * Compares rows of objects with the files there are, both in order of id, a page of each in memory. Sizes and names are
 * looked at; no byte is read.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { BlobStore, ListedObject } from '../blobs/blob-store.ts'
import {
  adoptObject,
  findBlob,
  giveBytes,
  type LooseObject,
  markLost,
  type ObjectRow,
  objectRows,
} from '../metadata/unseen-rows.ts'
import type { Digest } from '../oci/digest.ts'
import { addTo, type BoundedList, boundedList } from './bounded-list.ts'

/** How long a file that no row knew waits for somebody to push its digest. */
const LOOSE_KEEP_MS = 30 * 86_400_000

type LostBlob = { digest: Digest; size: number; why: 'missing' | 'size' }

export type Matched = {
  /** Blobs whose bytes are there. */
  present: number
  lost: BoundedList<LostBlob>
  /** Files that no row knew; kept as blobs in no repository. */
  loose: BoundedList<LooseObject>
  /** Files of uploads that no row knows. */
  unfinished: number
}

type MatchOptions = {
  connection: DatabaseSync
  store: BlobStore
  now: number
  progress(objects: number): void
  signal: AbortSignal
}

export async function matchObjects(options: MatchOptions): Promise<Matched> {
  const { connection, store, progress, signal } = options
  const matched: Matched = { present: 0, lost: boundedList(), loose: boundedList(), unfinished: 0 }
  /** Copies of what rows know: whether those lack their bytes is only known at the end. */
  const copies: LooseObject[] = []
  const files = store.list()[Symbol.asyncIterator]()
  let seen = 0
  const nextFile = async (): Promise<ListedObject | undefined> => {
    signal.throwIfAborted()
    if (++seen % 1000 === 0) progress(seen)
    const { value, done } = await files.next()
    return done === true ? undefined : value
  }
  let file = await nextFile()
  const unknown = async (): Promise<void> => {
    const { object, size, finished } = file as ListedObject
    if (!finished || object.digest === undefined) matched.unfinished++
    else if (!adopt({ id: object.id, digest: object.digest, size }, options, matched)) {
      copies.push({ id: object.id, digest: object.digest, size })
    }
    file = await nextFile()
  }
  for (const row of objectRows(connection)) {
    while (file !== undefined && file.object.id < row.id) await unknown()
    const own = file?.object.id === row.id ? file : undefined
    settle(row, row.path === undefined ? own : await statTakenOver(store, row), options, matched)
    if (own !== undefined) file = await nextFile()
  }
  while (file !== undefined) await unknown()
  for (const copy of copies) heal(copy, options, matched)
  return matched
}

async function statTakenOver(
  store: BlobStore,
  { id, path }: ObjectRow,
): Promise<{ size: number } | undefined> {
  return store.stat({ id, ...(path !== undefined && { path }) })
}

function settle(
  row: ObjectRow,
  file: { size: number; finished?: boolean } | undefined,
  { connection, now }: MatchOptions,
  matched: Matched,
): void {
  const isThere = file !== undefined && file.finished !== false
  for (const { digest, size } of row.blobs) {
    if (isThere && file.size === size) {
      matched.present++
      continue
    }
    addTo(matched.lost, { digest, size, why: isThere ? 'size' : 'missing' })
    markLost(connection, digest, now)
  }
}

/** @returns false: rows know its digest */
function adopt(object: LooseObject, { connection, now }: MatchOptions, matched: Matched): boolean {
  if (findBlob(connection, object.digest) !== undefined) return false
  adoptObject(connection, object, now, now + LOOSE_KEEP_MS)
  addTo(matched.loose, object)
  return true
}

/** What a blob lacks goes to it; any other second copy is left to the walk that looks for leftovers. */
function heal(object: LooseObject, { connection, now }: MatchOptions, matched: Matched): void {
  const { lost } = matched
  const blob = findBlob(connection, object.digest)
  if (blob?.damaged !== true || blob.size !== object.size) return
  giveBytes(connection, object, now)
  const index = lost.first.findIndex(({ digest }) => digest === object.digest)
  if (index < 0) return
  lost.first.splice(index, 1)
  lost.count--
  matched.present++
}
