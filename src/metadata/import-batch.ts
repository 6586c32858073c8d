/**
 * What CNCF Distribution had of a repository, a batch at a time, and the form in which a transaction takes it: lists as
 * JSON, the bytes of all manifests behind each other. Made in the thread that reads the folder, so that nothing is left
 * to do but to pass it on.
 */
import { type Digest, digestToStoredHex } from '../oci/digest.ts'
import type { ParsedManifest } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import { manifestColumns, type ManifestDetails } from './manifests.ts'
import { naturalSortKey } from './tags.ts'

export type ImportedBlob = {
  digest: Digest
  /** Whose file it is: the digest itself, but for a sha512 blob, which Distribution stores under its sha256. */
  stored: Digest
  /** The file below the data folder, with slashes: `docker/registry/v2/blobs/sha256/ab/ab…/data`. */
  path: string
  /** Bytes. */
  size: number
  /** As the blob store tells it, {@link import('../blobs/blob-store.ts').ObjectStat}. */
  stamp: number
  /** When the link was written. Milliseconds. */
  linkedAt: number
}
export type ImportedManifest = {
  digest: Digest
  bytes: Uint8Array
  parsed: ParsedManifest & ManifestDetails
  pushedAt: number
}
export type ImportedTag = {
  name: Tag
  digest: Digest
  /** Milliseconds. */
  movedAt: number
  /** Digests the tag had before, oldest first, each once, without the present one; their manifests may be gone. */
  history: readonly { digest: Digest; at: number }[]
}
export type ImportBatch = {
  blobs: readonly ImportedBlob[]
  manifests: readonly ImportedManifest[]
  tags: readonly ImportedTag[]
}

/** A batch as its transaction takes it: plain values, made where there is time for it. */
export type EncodedBatch = Readonly<
  Record<'blobs' | 'manifests' | 'references' | 'tags' | 'moves', string> & { bytes: Uint8Array }
>

/** @param newId 32 random hexadecimal digits, an object's id */
export function encodeBatch({ blobs, manifests, tags }: ImportBatch, newId: () => string): EncodedBatch {
  let start = 1
  const rows = manifests.map(({ digest, bytes, parsed, pushedAt }) => {
    const columns = manifestColumns(parsed)
    const row = {
      ...columns,
      subject: hexOrNull(columns.subject),
      configDigest: hexOrNull(columns.configDigest),
      digest: digestToStoredHex(digest),
      start,
      length: bytes.byteLength,
      pushedAt: Math.floor(pushedAt),
    }
    start += bytes.byteLength
    return row
  })
  return {
    blobs: JSON.stringify(blobs.map((blob) => encodeBlob(blob, newId()))),
    manifests: JSON.stringify(rows),
    references: JSON.stringify(manifests.flatMap(encodeReferences)),
    tags: JSON.stringify(tags.map(encodeTag)),
    moves: JSON.stringify(tags.flatMap(encodeMoves)),
    bytes: Buffer.concat(manifests.map(({ bytes }) => bytes)),
  }
}

const hexOrNull = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

function encodeBlob({ digest, stored, path, size, stamp, linkedAt }: ImportedBlob, id: string) {
  return {
    id,
    digest: digestToStoredHex(digest),
    stored: digestToStoredHex(stored),
    path,
    size,
    stamp,
    linkedAt: Math.floor(linkedAt),
  }
}

function encodeReferences({ digest, parsed }: ImportedManifest) {
  const manifest = digestToStoredHex(digest)
  return parsed.references.map(({ kind, descriptor }, position) => ({
    manifest,
    position,
    kind,
    digest: digestToStoredHex(descriptor.digest),
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    platform: descriptor.platform,
    role: descriptor.role,
  }))
}

function encodeTag({ name, digest, movedAt }: ImportedTag) {
  return { name, digest: digestToStoredHex(digest), key: naturalSortKey(name), at: Math.floor(movedAt) }
}

function encodeMoves({ name, digest, movedAt, history }: ImportedTag) {
  let from: string | null = null
  return [...history, { digest, at: movedAt }].map((move, index) => {
    const to = digestToStoredHex(move.digest)
    const row = { name, seq: index + 1, at: Math.floor(move.at), from, to }
    from = to
    return row
  })
}
