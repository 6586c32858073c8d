/** What the main thread and a hashing worker say to each other. Each side handles messages in order. */
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts'

/** Memory shared by all threads of a process; jobs name a slab by where it begins. */
export type WorkerData = { memory: SharedArrayBuffer }

/** Jobs are answered, by number; orders are not. */
export type Job =
  /** Hashes the file's first `length` bytes: what was hashed elsewhere before the worker took the hash over. */
  | { kind: 'prefix'; hash: number; file: number; length: number }
  /** Hashes bytes of the shared memory, and writes them first if there is a file. */
  | { kind: 'take'; hash: number; start: number; length: number; file?: number; position: number }
  /** Goes back to the last mark. */
  | { kind: 'rewind'; hash: number }
  | { kind: 'digest'; hash: number }

export type Order =
  | { kind: 'open'; hash: number; algorithm: DigestAlgorithm }
  /** Where a rewind leads to. */
  | { kind: 'mark'; hash: number }
  | { kind: 'close'; hash: number }

export type ToWorker = Order | (Job & { job: number })

export type FromWorker = { job: number; digest?: Digest; error?: SentError }

/** An error as it crosses threads: an Error keeps its message only. */
export type SentError = { message: string; code?: string; errno?: number; syscall?: string }
