/** Which of some blobs, manifests and tags a repository has: for those who have a list, and look each up. */
import { type Digest, digestFromBytes, digestToStoredHex } from '../oci/digest.ts'
import type { Db, Row, Statement } from './database.ts'

type Reader = Pick<Db, 'read'>

const LINKED_AMONG: Statement = {
  name: 'linked-among',
  sql: `SELECT l.digest FROM json_each(:digests) j
        CROSS JOIN blob_links l ON l.digest = unhex(j.value) AND l.repository_id = :repositoryId AND l.unlinked_at IS NULL`,
  rows: true,
}
const MANIFESTS_AMONG: Statement = {
  name: 'manifests-among',
  sql: `SELECT m.digest FROM json_each(:digests) j
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = unhex(j.value) AND m.deleted_at IS NULL`,
  rows: true,
}
const TAGS_AMONG: Statement = {
  name: 'tags-among',
  sql: `SELECT j.value AS name, t.digest, EXISTS (SELECT 1 FROM tag_moves p
          WHERE p.repository_id = :repositoryId AND p.name = j.value) AS known
        FROM json_each(:names) j LEFT JOIN tags t ON t.repository_id = :repositoryId AND t.name = j.value`,
  rows: true,
}

/** Which of these blobs are linked. */
export async function linkedAmong(
  db: Reader,
  repositoryId: number,
  digests: readonly Digest[],
): Promise<Set<Digest>> {
  const rows = await db.read(LINKED_AMONG, { repositoryId, digests: storedHexOf(digests) })
  return new Set(rows.map(digestOf))
}

/** Which of these manifests are served. */
export async function manifestsAmong(
  db: Reader,
  repositoryId: number,
  digests: readonly Digest[],
): Promise<Set<Digest>> {
  const rows = await db.read(MANIFESTS_AMONG, { repositoryId, digests: storedHexOf(digests) })
  return new Set(rows.map(digestOf))
}

/** Of these names: where it points now, and whether there ever was such a tag here. */
export async function tagsAmong(
  db: Reader,
  repositoryId: number,
  names: readonly string[],
): Promise<Map<string, { digest: Digest | undefined; known: boolean }>> {
  const rows = await db.read(TAGS_AMONG, { repositoryId, names: JSON.stringify(names) })
  return new Map(
    rows.map((row) => [
      row['name'] as string,
      { digest: row['digest'] === null ? undefined : digestOf(row), known: row['known'] === 1 },
    ]),
  )
}

const digestOf = (row: Row): Digest => digestFromBytes(row['digest'] as Uint8Array)
const storedHexOf = (digests: readonly Digest[]): string => JSON.stringify(digests.map(digestToStoredHex))
