/** Where right bytes may still be: another registry, or a folder. What it gives is never trusted: it is hashed. */
import { readBounded } from '../../lib/read-bounded.ts'
import type { Digest } from '../../oci/digest.ts'

export type Wanted = {
  digest: Digest
  kind: 'blob' | 'manifest'
  /** Bytes; undefined: not known. */
  size: number | undefined
  /** As it was stored; sent as Accept. */
  mediaType?: string
  /** Names under which it is known here, and may be known there. */
  repositories: readonly string[]
}

export type Source = {
  /** As a person named it, without a password. */
  readonly name: string
  /** Told what is wanted next, where looking for many at a time is cheaper. */
  prepare(wanted: ReadonlySet<Digest>, signal: AbortSignal): Promise<void>
  /**
   * All it has under this digest, one after the other: the first may be a damaged one. What is not read to its end is
   * given up by ending the iteration.
   * @throws SourceError: it could not be asked; the message says why
   */
  copies(wanted: Wanted, signal: AbortSignal): AsyncIterable<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** What is wrong with a source, as a person reads it. */
export class SourceError extends Error {
  override readonly name = 'SourceError'
}

/** Manifests are small; what is larger is none. */
export const LARGEST_MANIFEST = 16 * 1024 * 1024

/** Everything in memory. @throws SourceError: more than `most` bytes */
export function readAnswer(bytes: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  return readBounded(bytes, most, () => new SourceError(`the answer has more than ${most} bytes`))
}
