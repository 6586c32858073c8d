/**
 * Where the bytes of blobs live. A store knows objects by an id that is never used again: it is asked to remove by
 * id, never by digest, so that a late removal can never hit what somebody pushed meanwhile. It keeps no state of
 * uploads: that is in the upload's row. Hashes are the caller's business; a store may lend its threads (see
 * {@link RunningHash}).
 */
import type { Waiting } from '../lib/waiting.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'

/** 32 lower-case hexadecimal digits. */
export type ObjectId = string & { readonly __object: never }

export type StoredObject = {
  id: ObjectId
  /** Known once the object is finished. */
  digest?: Digest
  /** Only for what was taken over from CNCF Distribution: the file's path below the store's root. */
  path?: string
}

export type JsonValue =
  string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue | undefined }

/** What a store must be told again to go on with an object; it is kept in the upload's row. */
export type UploadState = {
  object: StoredObject
  /** Bytes the store holds: where the next append begins. */
  received: number
  /** The store's own notes, e.g. the parts of a multipart upload. */
  detail?: JsonValue
}

/**
 * Some bytes of a source. They are valid until `release` is called, which says that nobody looks at them any more:
 * the buffer may then be used for something else. A consumer that is cut off does not release, it closes the source.
 */
export type Piece = { bytes: Uint8Array; release(): void }

/** Bytes on their way out. At most two pieces may be unreleased at a time. */
export type ByteSource = {
  /** Bytes in all. */
  readonly length: number
  /** Everything at once, where it was in memory anyway; then `read` need not be called. */
  readonly whole?: Uint8Array
  /**
   * The next piece, or undefined at the end.
   * @throws if the object ends early or cannot be read
   */
  read(): Promise<Piece | undefined>
  /** Gives back what is held; any number of times, at any time. */
  close(): void
}

/**
 * The hash of an upload so far, in this process. It goes on from request to request; another process makes its own
 * by reading what is stored.
 */
export type RunningHash = {
  readonly algorithm: DigestAlgorithm
  /** Bytes hashed so far. */
  readonly length: number
  /** Resolves when the caller may reuse `bytes`. */
  update(bytes: Uint8Array): Promise<void> | void
  /** The digest of all bytes so far; the hash goes on afterwards. */
  digest(): Promise<Digest>
  close(): void
}

/**
 * Bytes on their way in. `done`, where there is one, is called for each chunk that the store does not look at any more:
 * its memory can be given back at once instead of waiting for the garbage collector.
 */
export type Body = AsyncIterable<Uint8Array> & { done?(chunk: Uint8Array): void }

export type AppendOptions = {
  /** Told to stop: the client is gone, or another request took the upload over. */
  signal: AbortSignal
  /**
   * Is given every byte, in order, that the store takes. Made by this store's `createHash`, and as far as the
   * upload: `hash.length === state.received`. An append that throws takes it back to where it was; where that
   * cannot be (its worker died), all its later uses throw, and a new one is made from what `reread` gives.
   */
  hash: RunningHash
  /** Bytes announced for this append, if known. */
  length?: number | undefined
  /**
   * Called once, before anything of this append is written; what it throws ends the append. `isWhole`: all that will
   * come of the body is here, in memory, and what follows is short. Not called where there is nothing to write.
   */
  begin?: (isWhole: boolean) => Promise<void>
}

export type AppendResult = {
  state: UploadState
  /** Why the body ended early, if it did: what came before is kept in `state`. */
  failure?: unknown
}

export type RemoveResult = { id: ObjectId; removed: boolean; error?: unknown }

export type ListedObject = { object: StoredObject; size: number; modifiedAt: number; finished: boolean }

/** Bytes that were acknowledged for an unfinished object are no longer there: the upload cannot go on. */
export class LostBytesError extends Error {
  override readonly name = 'LostBytesError'
  readonly object: ObjectId
  constructor(object: ObjectId, message: string) {
    super(`object ${object}: ${message}`)
    this.object = object
  }
}

/** What {@link BlobStore.stat} and finish tell of a finished object. */
export type ObjectStat = {
  size: number
  /** When the store says the bytes last changed, in its own unit; equal numbers mean untouched bytes. Absent: unknown. */
  stamp?: number
}

export type BlobStore = {
  /**
   * Opens a finished object of `size` bytes, or a part of it. `stamp` is what finish told: if the store now says
   * otherwise, the answer is 'changed', and the caller decides after re-hashing (open again without a stamp).
   * Undefined: the bytes are not there, or not `size` long. That is an alarm, not a plain 404.
   */
  open(
    object: StoredObject,
    size: number,
    range: { first: number; last: number } | undefined,
    stamp: number | undefined,
  ): Waiting<ByteSource | 'changed' | undefined>
  /**
   * The bytes of a finished object as they lie on the disk, past every cache: for checks. Undefined: they are not
   * there, or not `size` long.
   */
  openCold(object: StoredObject, size: number): Promise<ByteSource | undefined>
  /** Whether the whole object is in memory now; never does I/O. */
  peek(object: StoredObject): Uint8Array | undefined
  /** No I/O: what to commit before the first append. */
  plan(object: StoredObject, hint: { length?: number | undefined; digest?: Digest | undefined }): UploadState
  createHash(algorithm: DigestAlgorithm, hint: { length?: number | undefined }): RunningHash
  /**
   * Appends a body at `state.received`. What it reports as received survives the death of this process, though not
   * a power cut. A body that breaks off is no error: it is reported in `failure`, and its bytes are kept.
   * The chunks of `body` must not be changed afterwards. Where the append ends before the body does, the iterator's
   * `return` is called, without waiting for it: who wants to answer on the same connection gives an iterator that
   * does not destroy the request (`request.iterator({ destroyOnReturn: false })`).
   * @throws LostBytesError if the store holds fewer than `state.received` bytes
   * @throws if the store cannot take the bytes (ENOSPC …); then nothing of this append counts.
   */
  append(state: UploadState, body: Body, options: AppendOptions): Promise<AppendResult>
  /** The unfinished bytes from `first` (0) on, for hashing what another process received. Undefined: they are lost. */
  reread(state: UploadState, first?: number): Promise<ByteSource | undefined>
  /**
   * Makes the object durable under its last name: once this returns, neither kill nor power cut loses it.
   * Idempotent, also after its own success. Bytes beyond `state.received` were never counted and are cut off.
   * @throws LostBytesError if fewer than `state.received` bytes are stored
   */
  finish(state: UploadState, digest: Digest): Promise<ObjectStat>
  /** Finished or not; what is not there counts as removed. */
  remove(objects: readonly StoredObject[]): Promise<RemoveResult[]>
  stat(object: StoredObject): Promise<ObjectStat | undefined>
  /**
   * The file that a finished object is, whether or not it is there; only where the store keeps each in one of its own.
   * For second names (hard links): nobody may write into it.
   */
  fileOf?(object: StoredObject & { digest: Digest }): string
  /** All objects in order of id, after `after`: for the scrub only. */
  list(after?: ObjectId): AsyncIterable<ListedObject>
  /** Cheap proof that the store can be written and read: for health checks. @throws what is wrong */
  probe(): Promise<void>
  close(): Promise<void>
}
