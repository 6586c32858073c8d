/**
 * The scrub: reads every blob again once a month, slowly, those longest not verified first. What does not have its
 * digest is not served any more and heals by the next push; the log says which images that is. A slice at a time, by
 * one process at a time; what a slice has done is written down.
 */
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import { markDamaged, restampObject } from '../metadata/blob-links.ts'
import { type Affected, affectedByBlob } from '../metadata/check-affected.ts'
import {
  blobsByVerification,
  type CheckedBlob,
  damagedBlobs,
  recordVerified,
  unmarkDamaged,
} from '../metadata/check-blobs.ts'
import type { Db } from '../metadata/database.ts'
import { type Examined, examineBlob } from './check/examine-blob.ts'
import { mostlyGone } from './check/mostly-gone.ts'
import { createReadRate } from './read-rate.ts'

export type ScrubRules = {
  /** A blob that was not read whole for so long is read. Milliseconds. */
  ageMs: number
  bytesPerSecond: number
}

type Scrubbed = { blobs: number; bytes: number; damaged: number }

/** Written down together, unless they are large. */
const WRITTEN_TOGETHER = 50
const WRITTEN_AFTER_BYTES = 64 * 1024 * 1024

type Parts = { db: Db; store: BlobStore; log: Logger; now: () => number }

/** Whether there is anything to do; costs one look at an index. */
export async function isScrubDue({ db, now }: Pick<Parts, 'db' | 'now'>, ageMs: number): Promise<boolean> {
  for await (const page of blobsByVerification(db, now() - ageMs, 1)) return page.length > 0
  return false
}

/**
 * @param sliceMs no other blob is begun after that
 * @throws Error: most files are not there, and nothing was marked
 */
export async function scrub(
  parts: Parts,
  { ageMs, bytesPerSecond }: ScrubRules,
  sliceMs: number,
  signal: AbortSignal,
): Promise<Scrubbed> {
  const { db, store, now } = parts
  const rate = createReadRate(bytesPerSecond, signal)
  const ends = performance.now() + sliceMs
  const done: Scrubbed = { blobs: 0, bytes: 0, damaged: 0 }
  let looked: CheckedBlob[] = []
  let unwritten = 0
  const write = async (): Promise<void> => {
    await recordVerified(db, looked, now())
    looked = []
    unwritten = 0
  }
  try {
    for await (const page of blobsByVerification(db, now() - ageMs, WRITTEN_TOGETHER)) {
      for (const blob of page) {
        if (signal.aborted || performance.now() > ends) return done
        const examined = await examineBlob({ db, store, rate }, blob, true)
        if (examined.kind === 'gone') continue
        if (await settle(parts, examined)) done.damaged++
        // A damaged one too: it was looked at, and is looked at again in a month.
        looked.push(examined.blob)
        done.blobs++
        done.bytes += blob.size
        unwritten += blob.size
        if (unwritten >= WRITTEN_AFTER_BYTES) await write()
      }
      await write()
    }
    return done
  } catch (error) {
    if (signal.aborted) return done
    throw error
  } finally {
    await write()
  }
}

/**
 * Blobs that are marked as damaged, once more: their files may have been put back, or their disk. Those that are still
 * wrong stay as they are.
 * @returns how many are served again
 */
export async function lookAtDamaged(
  parts: Parts,
  { bytesPerSecond }: Pick<ScrubRules, 'bytesPerSecond'>,
  signal: AbortSignal,
): Promise<number> {
  const { db, store } = parts
  const rate = createReadRate(bytesPerSecond, signal)
  let served = 0
  try {
    for await (const page of damagedBlobs(db)) {
      for (const blob of page) {
        if (signal.aborted) return served
        const examined = await examineBlob({ db, store, rate }, blob, true)
        if (examined.kind === 'whole' && !(await settle(parts, examined))) served++
      }
    }
    return served
  } catch (error) {
    if (signal.aborted) return served
    throw error
  }
}

/** @returns whether it is damaged */
async function settle(
  { db, store, log, now }: Parts,
  examined: Exclude<Examined, { kind: 'gone' }>,
): Promise<boolean> {
  const { blob } = examined
  const { digest, object } = blob
  if (examined.kind === 'whole') {
    if (examined.stamp !== undefined) await restampObject(db, object, examined.stamp)
    if (blob.damagedAt !== undefined && (await unmarkDamaged(db, blob, now())))
      log.info('the bytes of a damaged blob are right again: it is served', { digest })
    return false
  }
  if (examined.kind === 'missing') await requireFiles({ db, store })
  const affects = (await affectedByBlob(db, digest, 20)).map(imageOf)
  const fields = { digest, object, what: examined.kind, detail: examined.detail, affects }
  if (examined.kind === 'unreadable') {
    log.error('the file of a blob cannot be read: look at the disk', fields)
    return true
  }
  if (blob.damagedAt === undefined) {
    log.error(
      'a stored blob is damaged and no longer served; push it again to heal it, or run berth check',
      fields,
    )
    await markDamaged(db, digest, object, now())
  }
  return true
}

async function requireFiles(parts: { db: Db; store: BlobStore }): Promise<void> {
  const sample = await mostlyGone(parts)
  if (sample === undefined) return
  throw new Error(
    `of ${sample.looked} blobs that were looked for, the files of ${sample.missing} are missing: is the disk mounted? Nothing was marked`,
  )
}

const imageOf = ({ repository, manifest, tag }: Affected): string =>
  tag !== undefined
    ? `${repository}:${tag}`
    : manifest === undefined
      ? repository
      : `${repository}@${manifest}`
