/** One row of `deletions` for each DELETE request: what a restore brings back together. */
import { digestFromBytes, type Digest } from '../oci/digest.ts'
import { type Actor, actorEntry } from './actor.ts'
import type { JournalEntry, Row } from './database.ts'

type DeletionKind = 'tag' | 'manifest' | 'blob'

/** One DELETE request. */
export type Deletion = {
  id: number
  repository: string
  repositoryId: number
  kind: DeletionKind
  /** `tag v1`, `manifest sha256:…`, `blob sha256:…`. */
  what: string
  /** Of the manifest or the blob; of a tag: where it pointed. */
  digest: Digest
  /** Milliseconds since 1970. */
  at: number
  /** It can be restored up to here. */
  until: number
}

/** @param row with the columns of `deletions`, and the repository's name */
export function deletionFromRow(row: Row): Deletion {
  return {
    id: row['id'] as number,
    repository: row['name'] as string,
    repositoryId: row['repository_id'] as number,
    kind: row['kind'] as DeletionKind,
    what: row['what'] as string,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    at: row['at'] as number,
    until: row['until'] as number,
  }
}

/** Its id may be another one in a database that was made again: then the rest tells which it was. */
export function deletionEntry(
  verb: 'restore' | 'empty',
  { id, repository, what, digest, at }: Deletion,
  actor: Actor,
): JournalEntry {
  return { do: verb, repository, deletion: id, what, digest, deletedAt: at, ...actorEntry(actor) }
}
