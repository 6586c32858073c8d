/** Who names a manifest as its subject. */
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { Db, Row, Statement } from './database.ts'

/** Bytes of annotations in one page, beyond the first descriptor's: memory is bounded, whatever was pushed. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

/** Lengths are known without reading what they are of. */
const WEIGH: Statement = {
  name: 'weigh-referrers',
  sql: `SELECT coalesce(octet_length(m.annotations), 0) AS weight
        FROM repositories r JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND m.subject = :subject AND m.deleted_at IS NULL
        AND m.digest > :after AND (:artifactType IS NULL OR m.artifact_type = :artifactType)
        ORDER BY m.digest LIMIT :limit`,
  rows: true,
}

const LIST: Statement = {
  name: 'list-referrers',
  sql: `SELECT m.digest, m.media_type, length(m.bytes) AS size, m.artifact_type, m.annotations
        FROM repositories r JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND m.subject = :subject AND m.deleted_at IS NULL
        AND m.digest > :after AND (:artifactType IS NULL OR m.artifact_type = :artifactType)
        ORDER BY m.digest LIMIT :limit`,
  rows: true,
}

export type Referrers = {
  readonly descriptors: readonly Descriptor[]
  readonly more: boolean
  /** What the descriptors hold in memory, about. */
  readonly bytes: number
}

/** Of a descriptor without its annotations. */
const DESCRIPTOR_BYTES = 512

/**
 * Descriptors after `after`, in order of digest, at most `limit` (distribution-spec, "Listing Referrers"); fewer where
 * their annotations are many. `more` says whether others follow.
 */
export async function listReferrerRows(
  db: Pick<Db, 'read'>,
  repository: string,
  subject: Digest,
  artifactType: string | undefined,
  after: Digest | undefined,
  limit: number,
): Promise<Referrers> {
  const values = {
    repository,
    subject: digestToBytes(subject),
    artifactType: artifactType ?? null,
    after: after === undefined ? new Uint8Array(0) : digestToBytes(after),
  }
  const weights = (await db.read(WEIGH, { ...values, limit: limit + 1 })).map(
    (row) => row['weight'] as number,
  )
  const count = Math.min(limit, fitting(weights))
  if (count === 0) return { descriptors: [], more: weights.length > 0, bytes: 0 }
  const rows = await db.read(LIST, { ...values, limit: count })
  const bytes = weights.slice(0, count).reduce((sum, weight) => sum + weight, count * DESCRIPTOR_BYTES)
  return { descriptors: rows.map(descriptorOf), more: weights.length > count, bytes }
}

/** How many of the first go into one page; one always does. */
function fitting(weights: readonly number[]): number {
  let total = 0
  const end = weights.findIndex((weight, index) => (total += weight) > MAX_PAGE_BYTES && index > 0)
  return end < 0 ? weights.length : end
}

function descriptorOf(row: Row): Descriptor {
  return {
    mediaType: row['media_type'] as string,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    size: row['size'] as number,
    ...(row['artifact_type'] !== null && { artifactType: row['artifact_type'] as string }),
    ...(row['annotations'] !== null && {
      annotations: JSON.parse(row['annotations'] as string) as Record<string, string>,
    }),
  }
}
