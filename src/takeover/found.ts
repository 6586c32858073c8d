/**
 * What is found in a folder that CNCF Distribution wrote, a repository at a time. Reading it changes nothing; what
 * cannot be taken over as it is, is told as a {@link Finding} beside what can.
 */
import type { ImportedBlob, ImportedTag } from '../metadata/import-batch.ts'
import type { Digest } from '../oci/digest.ts'
import type { ParsedManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** Where CNCF Distribution keeps blobs and repositories, below the data folder. */
export const DISTRIBUTION_ROOT = 'docker/registry/v2'

/** A link of `_layers` whose file is there. */
export type FoundBlob = ImportedBlob

/** A revision whose bytes have its digest and can be read as a manifest. */
export type FoundManifest = {
  digest: Digest
  bytes: Uint8Array
  parsed: ParsedManifest
  /** When the revision's link was written. Milliseconds. */
  pushedAt: number
}

/** A tag whose manifest is among those found. */
export type FoundTag = ImportedTag

export type FindingKind =
  | 'invalid-name' // a repository that no client can name
  | 'bad-link' // a link file that is empty, or holds no digest, or another than its place says
  | 'layer-without-data' // a link of _layers whose blob file is gone
  | 'empty-blob' // a blob file without bytes whose digest is not that of no bytes
  | 'revision-without-data'
  | 'damaged-manifest' // bytes that do not have the digest
  | 'unreadable-manifest' // no manifest that a registry may serve
  | 'schema1' // Docker's manifest of before 2016: not served by Distribution 3 either
  | 'tag-without-revision' // listed by Distribution, answered with 404
  | 'layer-without-link' // a manifest names what its repository has no link to
  | 'size-differs' // a blob's file is longer or shorter than a manifest says
  | 'unfinished-upload'
  | 'not-readable' // the system refuses: owner, mode, a broken disk
  | 'unknown-file' // something Distribution does not write there

export type Finding = {
  /** Its name, or the folder's where it has none; empty: none. */
  repository: string
  kind: FindingKind
  /** What, and what can be done, in one line. */
  detail: string
  /** What it takes up on the disk, where that is known and nothing else names it. */
  bytes?: number
  /** Whose file it is about: that one is named, though it cannot be taken over. */
  digest?: Digest
}

/**
 * A part of a repository, of bounded size: all its blobs come before its manifests, these before its tags. Manifests
 * come in no order; an index may stand before its children.
 */
export type FoundBatch = {
  blobs: readonly FoundBlob[]
  manifests: readonly FoundManifest[]
  tags: readonly FoundTag[]
  findings: readonly Finding[]
}

export type FoundName = {
  name: RepositoryName
  /** Distribution 3 lists it: `_manifests` is there. */
  published: boolean
}
