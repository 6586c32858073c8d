/**
 * What a registry does, in the verbs of the OCI Distribution Specification. Everything that serves or wraps a
 * registry implements this one interface; what is absent or refused is thrown as a {@link RegistryError} whose
 * codes each verb lists. Any verb may also throw UNAVAILABLE (the store or the database does not answer) and
 * DENIED (the disk is full, the registry is read-only).
 *
 * Verbs that only read may answer at once where all they need is in memory: a promise for each layer would cost a small
 * request as much as all the rest. What they throw is a rejection all the same.
 */
import type { Principal } from '../auth/principal.ts'
import type { Body, ByteSource } from '../blobs/blob-store.ts'
import type { Logger } from '../lib/logger.ts'
import type { Waiting } from '../lib/waiting.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'

/** Why a tag or manifest came to be as it is; stored with it. */
export type Cause = 'push' | 'api' | 'restore' | 'rule' | 'replication' | 'upstream' | 'import'

/** Who asks, from where, and when they stop listening. */
export type Call = {
  readonly principal: Principal
  readonly requestId: string
  /** Where from, as `192.0.2.1`; empty: from this machine's own commands and jobs. */
  readonly address: string
  /** User-Agent, at most 256 characters. */
  readonly client: string
  readonly cause: Cause
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
  readonly log: Logger
}

type ManifestContent = { digest: Digest; mediaType: string; bytes: Uint8Array }

/** An inclusive range of bytes as the client asked for it; `last` absent: to the end; `suffix`: the last n bytes. */
export type ByteRange = { first: number; last?: number } | { suffix: number }

export type BlobContent = {
  digest: Digest
  /** Bytes of the whole blob. */
  size: number
  /** What {@link source} gives, when a range was asked: first and last byte, inclusive. */
  range?: { first: number; last: number }
  /** The caller closes it. */
  source: ByteSource
}

export type UploadStatus = {
  /** What stands in the upload's URL. */
  id: string
  /** Bytes that are stored: where the next chunk begins. */
  received: number
}

/** One request's body on its way into an upload. */
export type Chunk = {
  body: Body
  /** Content-Length, if it was given. A body that ends elsewhere throws SIZE_INVALID. */
  length?: number
  /** First byte by Content-Range. Absent: append at what is stored. */
  from?: number
}

export type ManifestPut = {
  mediaType: string | undefined
  bytes: Uint8Array
  /** The digest in the URL, which the bytes must have. Absent: pushed by tag. */
  digest?: Digest
  tags: readonly Tag[]
  /** A tag that is there stays where it points: one that points elsewhere is DENIED, and nothing is stored. */
  keepsTags?: boolean
}

export type NamePage = { names: readonly string[]; more: boolean }
type ReferrerPage = { descriptors: readonly Descriptor[]; more: boolean }
export type FoundNames = {
  names: readonly string[]
  /** The search goes on behind this name, which may be of a repository that nobody is told of. Absent: that was all. */
  next?: string
}
/** Whether something of this repository may be shown to who asks. */
export type IsReadable = (repository: RepositoryName) => boolean | Promise<boolean>
/** At most `limit` entries after `after` (exclusive), in byte order. */
export type Page = { limit: number; after?: string | undefined }

export type Registry = {
  /** @throws MANIFEST_UNKNOWN, NAME_UNKNOWN */
  getManifest(call: Call, repository: RepositoryName, reference: Reference): Waiting<ManifestContent>
  /** As {@link getManifest}, for HEAD: an implementation may leave `bytes` out of what it fetches. */
  statManifest(
    call: Call,
    repository: RepositoryName,
    reference: Reference,
  ): Waiting<{ digest: Digest; mediaType: string; size: number }>
  /**
   * @throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN (detail: the digests that are missing), DIGEST_INVALID, DENIED (it
   * keeps tags, and one of them points to something else; detail: those tags)
   */
  putManifest(
    call: Call,
    repository: RepositoryName,
    manifest: ManifestPut,
  ): Promise<{ digest: Digest; subject?: Digest }>
  /** Removes the manifest and all tags that point to it. @throws MANIFEST_UNKNOWN, NAME_UNKNOWN, UNSUPPORTED (deletes are off) */
  deleteManifest(call: Call, repository: RepositoryName, digest: Digest): Promise<void>
  /** @throws MANIFEST_UNKNOWN, NAME_UNKNOWN, UNSUPPORTED */
  deleteTag(call: Call, repository: RepositoryName, tag: Tag): Promise<void>

  /** A 200 also leases the blob: it stays for at least 24 hours. @throws BLOB_UNKNOWN, NAME_UNKNOWN */
  statBlob(call: Call, repository: RepositoryName, digest: Digest): Waiting<{ size: number }>
  /** @throws BLOB_UNKNOWN, NAME_UNKNOWN, RANGE_INVALID */
  openBlob(
    call: Call,
    repository: RepositoryName,
    digest: Digest,
    range: ByteRange | undefined,
  ): Waiting<BlobContent>
  /** @throws BLOB_UNKNOWN, NAME_UNKNOWN, UNSUPPORTED */
  deleteBlob(call: Call, repository: RepositoryName, digest: Digest): Promise<void>
  /** A whole blob in one request (end-4b). @throws DIGEST_INVALID, SIZE_INVALID */
  putBlob(call: Call, repository: RepositoryName, digest: Digest, chunk: Chunk): Promise<void>
  /**
   * Without `from`: from some repository that has it, of those that `isReadable` allows (absent: all); it is not looked
   * for in many. Both outcomes are ordinary.
   */
  mountBlob(
    call: Call,
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    isReadable?: IsReadable,
  ): Promise<'mounted' | 'unavailable'>

  startUpload(
    call: Call,
    repository: RepositoryName,
    algorithm: DigestAlgorithm | undefined,
  ): Promise<UploadStatus>
  /** @throws BLOB_UPLOAD_UNKNOWN */
  getUpload(call: Call, repository: RepositoryName, id: string): Promise<UploadStatus>
  /** @throws BLOB_UPLOAD_UNKNOWN, RANGE_INVALID (not at the stored offset; carries `upload`), SIZE_INVALID */
  appendUpload(call: Call, repository: RepositoryName, id: string, chunk: Chunk): Promise<UploadStatus>
  /**
   * Closes an upload, with or without a last chunk. A wrong digest leaves the upload as it is.
   * @throws BLOB_UPLOAD_UNKNOWN, RANGE_INVALID, SIZE_INVALID, DIGEST_INVALID
   */
  finishUpload(
    call: Call,
    repository: RepositoryName,
    id: string,
    digest: Digest,
    chunk: Chunk | undefined,
  ): Promise<void>
  /** @throws BLOB_UPLOAD_UNKNOWN */
  cancelUpload(call: Call, repository: RepositoryName, id: string): Promise<void>

  /** @throws NAME_UNKNOWN */
  listTags(call: Call, repository: RepositoryName, page: Page): Promise<NamePage>
  /** Never throws for an unknown repository or subject: the list is then empty. */
  listReferrers(
    call: Call,
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    page: Page,
  ): Promise<ReferrerPage>
  listRepositories(call: Call, page: Page): Promise<NamePage>
  /**
   * Repositories whose names contain `text`, in order. One call looks at a bounded number of names, so that it may find
   * fewer than `limit` although there are more: `next` says where to go on.
   * @param text compared as it is, but for capitals
   */
  searchRepositories(call: Call, text: string, page: Page): Promise<FoundNames>
}
