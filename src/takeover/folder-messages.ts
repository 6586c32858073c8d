/** What the thread that reads a folder is asked, and what it answers. */
import type { EncodedBatch } from '../metadata/import-batch.ts'
import type { ImportEnd } from '../metadata/import-rows.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Finding, FoundName } from './found.ts'

export type ReadingRequest =
  /** A part of it for each credit. */
  | { do: 'read'; id: number; name: RepositoryName; urgent: boolean; credits: number }
  | { do: 'more'; id: number }
  | { do: 'hurry'; id: number }
  | { do: 'end'; id: number }
  | { do: 'list'; id: number; after: string; limit: number; urgent: boolean }
  | { do: 'find'; id: number; name: RepositoryName }
  | { do: 'newer'; id: number; since: readonly ReadSince[]; deep: boolean }
  | { do: 'close' }

/** A repository, and when it was read. Milliseconds. */
export type ReadSince = { name: RepositoryName; asOf: number }

export type Counts = { blobs: number; manifests: number; tags: number; links: number; findings: number }

/** A part of a repository as one transaction takes it; the last one has `end`. */
export type ReadPart = { batch: EncodedBatch; counts: Counts; end: ImportEnd | undefined }

export type ReadingAnswer =
  | { id: number; part: ReadPart }
  | { id: number; names: readonly FoundName[]; beside: readonly Finding[] }
  | { id: number; found: FoundName | undefined }
  | { id: number; newer: readonly RepositoryName[] }
  | { id: number; failure: { code: string | undefined; message: string } }
