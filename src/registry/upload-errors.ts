/** What a client is told of an upload that does not go on as it thought. */
import type { UploadRow } from '../metadata/uploads.ts'
import { RegistryError } from '../oci/error.ts'
import type { Chunk } from './registry.ts'

/**
 * `Range: 0-0` means "nothing" and "one byte" alike, so a client that has sent one byte may rightly begin again at 0.
 */
export function restarts(row: UploadRow, chunk: Chunk): boolean {
  return chunk.from === 0 && row.received === 1
}

/** @throws RegistryError RANGE_INVALID: the chunk does not begin where the stored bytes end */
export function checkOffset(row: UploadRow, chunk: Chunk | undefined): void {
  if (chunk?.from === undefined || chunk.from === row.received || restarts(row, chunk)) return
  throw rangeInvalid(
    row,
    `this upload has ${row.received} bytes, so the next chunk begins at ${row.received}`,
  )
}

function rangeInvalid(row: { id: string; received: number }, message: string): RegistryError {
  return new RegistryError('RANGE_INVALID', message, { upload: { id: row.id, received: row.received } })
}

export function stillWriting(row: UploadRow): RegistryError {
  return rangeInvalid(
    row,
    'another request is writing this upload; wait for it, or say by Content-Range where you go on',
  )
}

export function takenOver(row: UploadRow): RegistryError {
  return rangeInvalid(row, 'another request has taken this upload over: ask where to go on')
}

export function lostBytes(row: UploadRow): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the bytes of this upload were lost: begin a new one', {
    detail: { id: row.id },
  })
}

/** For longer than files that no row knows are left alone. */
export function stoodStill(): RegistryError {
  const message = 'the push stood still for a week, and its bytes are gone: send it again'
  return new RegistryError('BLOB_UPLOAD_INVALID', message)
}

export function brokenOff(id: string, received: number, cause: unknown): RegistryError {
  return new RegistryError('BLOB_UPLOAD_INVALID', 'the body broke off; what was received is kept', {
    upload: { id, received },
    cause,
  })
}

export function checkLength(row: UploadRow, chunk: Chunk, got: number): void {
  if (chunk.length === undefined || chunk.length === got) return
  throw new RegistryError('SIZE_INVALID', `the chunk has ${got} bytes, but ${chunk.length} were announced`, {
    upload: { id: row.id, received: row.received + got },
  })
}

export function unknownUpload(id: string): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'no such upload in this repository: begin a new one', {
    detail: { id: id.slice(0, 100) },
  })
}
