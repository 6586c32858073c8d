/** Who names a manifest as its subject. */
import type { Descriptor } from '../oci/descriptor.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { Db, Statement } from './database.ts'

const LIST: Statement = {
  name: 'list-referrers',
  sql: `SELECT m.digest, m.media_type, length(m.bytes) AS size, m.artifact_type, m.annotations
        FROM repositories r JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND m.subject = :subject AND m.deleted_at IS NULL
        AND m.digest > :after AND (:artifactType IS NULL OR m.artifact_type = :artifactType)
        ORDER BY m.digest LIMIT :limit`,
  rows: true,
}

/** Descriptors after `after`, in order of digest, at most `limit` (distribution-spec, "Listing Referrers"). */
export async function listReferrerRows(
  db: Db,
  repository: string,
  subject: Digest,
  artifactType: string | undefined,
  after: Digest | undefined,
  limit: number,
): Promise<Descriptor[]> {
  const rows = await db.read(LIST, {
    repository,
    subject: digestToBytes(subject),
    artifactType: artifactType ?? null,
    after: after === undefined ? new Uint8Array(0) : digestToBytes(after),
    limit,
  })
  return rows.map((row) => ({
    mediaType: row['media_type'] as string,
    digest: digestFromBytes(row['digest'] as Uint8Array),
    size: row['size'] as number,
    ...(row['artifact_type'] !== null && { artifactType: row['artifact_type'] as string }),
    ...(row['annotations'] !== null && {
      annotations: JSON.parse(row['annotations'] as string) as Record<string, string>,
    }),
  }))
}
