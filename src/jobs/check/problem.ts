/** What a check can find, and what a person is told of each: what it means, and what to do. */
import type { StoredObject } from '../../blobs/blob-store.ts'
import type { CheckedBlob } from '../../metadata/check-blobs.ts'
import type { CountedRepository } from '../../metadata/check-counts.ts'
import type { Overdue, UnnamedObject } from '../../metadata/check-leftovers.ts'
import type { BrokenTag, CheckedManifest, CheckedReference } from '../../metadata/check-manifests.ts'

export type BlobDamage = 'missing' | 'wrong-size' | 'wrong-bytes' | 'unreadable' | 'no-object'
type ReferenceDamage = 'missing-blob' | 'missing-child' | 'deleted-blob' | 'size-differs'

/** A file that no row knows. */
export type UnknownFile = {
  object: StoredObject
  size: number
  /** Milliseconds since 1970. */
  modifiedAt: number
}

export type Problem =
  | { kind: BlobDamage; blob: CheckedBlob; detail: string }
  | { kind: 'recovered'; blob: CheckedBlob }
  | { kind: 'manifest-bytes'; manifest: CheckedManifest }
  | { kind: 'references-differ'; manifest: CheckedManifest }
  | { kind: ReferenceDamage; manifest: CheckedManifest; reference: CheckedReference }
  | { kind: 'tag-without-manifest'; tag: BrokenTag }
  | { kind: 'database'; detail: string }
  | { kind: 'counts-differ'; counted: CountedRepository }
  | { kind: 'abandoned-upload' | 'unnamed-object'; object: UnnamedObject }
  | { kind: 'not-collected'; overdue: Overdue }
  | { kind: 'unfinished-file' | 'second-copy' | 'unknown-blob' | 'left-by-distribution'; file: UnknownFile }

type ProblemKind = Problem['kind']

/**
 * broken: something that was pushed cannot be pulled, or may not for long. untidy: space is held, or a number is
 * wrong, and nothing is lost. note: as it may be; it does not make a check fail.
 */
export type Severity = 'broken' | 'untidy' | 'note'

const PULL_AGAIN =
  'push it again, or fetch it from where it still is: berth check --repair --from SOURCE (another registry, a copy of the data folder)'

export const KINDS: Readonly<Record<ProblemKind, { severity: Severity; means: string; advice: string }>> = {
  missing: { severity: 'broken', means: 'the file of a blob is missing', advice: PULL_AGAIN },
  'wrong-size': { severity: 'broken', means: 'the file of a blob is cut, or too long', advice: PULL_AGAIN },
  'wrong-bytes': {
    severity: 'broken',
    means: 'the bytes of a blob are not those that were pushed',
    advice: PULL_AGAIN,
  },
  unreadable: {
    severity: 'broken',
    means: 'the file of a blob cannot be read',
    advice:
      'look at the disk, and at who owns the file; once it can be read, check again. --repair --from SOURCE puts a copy in its place',
  },
  'no-object': {
    severity: 'broken',
    means: 'a blob names a file that the database does not know',
    advice: PULL_AGAIN,
  },
  recovered: {
    severity: 'broken',
    means: 'a blob is marked as damaged, and its bytes are right',
    advice: 'berth check --repair serves it again',
  },
  'manifest-bytes': {
    severity: 'broken',
    means: 'the bytes of a manifest are not those that were pushed',
    advice: PULL_AGAIN,
  },
  'references-differ': {
    severity: 'broken',
    means: 'what a manifest names and what the database remembers of it differ',
    advice: 'push the image again',
  },
  'missing-blob': {
    severity: 'broken',
    means: 'a manifest names a blob that is not in its repository',
    advice: PULL_AGAIN,
  },
  'missing-child': {
    severity: 'broken',
    means: 'an index names a manifest that is not in its repository',
    advice: PULL_AGAIN,
  },
  'deleted-blob': {
    severity: 'broken',
    means: 'a manifest names a blob that was deleted from its repository',
    advice: 'delete the image too, or push it again',
  },
  'size-differs': {
    severity: 'broken',
    means: 'a manifest tells another size than the blob or manifest has',
    advice: 'clients may refuse to pull it: build the image again and push it',
  },
  'tag-without-manifest': {
    severity: 'broken',
    means: 'a tag points to a manifest that cannot be read',
    advice: 'delete the tag, or push it again',
  },
  database: {
    severity: 'broken',
    means: 'the metadata database is damaged',
    advice:
      'end the registry and keep a copy of the file; then restore a backup, or the newest file of berth/snapshots in the data folder',
  },
  'counts-differ': {
    severity: 'untidy',
    means: 'the counts of a repository are wrong',
    advice: 'berth check --repair counts again',
  },
  'abandoned-upload': {
    severity: 'untidy',
    means: 'the bytes of an upload that is not there any more take up room',
    advice: 'berth check --repair gives them to the collector',
  },
  'unnamed-object': {
    severity: 'untidy',
    means: 'stored bytes that no blob names take up room',
    advice: 'berth check --repair gives them to the collector',
  },
  'not-collected': {
    severity: 'untidy',
    means: 'nothing needs it, and the collector does not know of it',
    advice: 'berth check --repair tells the collector',
  },
  'unfinished-file': {
    severity: 'untidy',
    means: 'the file of a push that was cut off',
    advice: 'berth check --remove-unknown removes it',
  },
  'second-copy': {
    severity: 'untidy',
    means: 'a file that no row knows; the registry has the same blob in another file',
    advice: 'berth check --remove-unknown removes it',
  },
  'unknown-blob': {
    severity: 'untidy',
    means: 'the file of a blob that no row knows: a push that was cut off at its end, or of another database',
    advice: 'berth check --remove-unknown removes it, if you do not need it',
  },
  'left-by-distribution': {
    severity: 'note',
    means: 'a file that CNCF Distribution left and that nothing names',
    advice: 'berth check --remove-unknown removes it',
  },
}
