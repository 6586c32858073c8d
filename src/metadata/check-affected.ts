/** Which images a blob or a manifest is part of: so that a person knows what is broken. */
import { type Digest, digestFromBytes, digestToBytes } from '../oci/digest.ts'
import type { Db, Statement } from './database.ts'

export type Affected = {
  repository: string
  /** Absent: the repository has the blob, and no manifest names it. */
  manifest?: Digest
  tag?: string
}

/** How far a walk up from a blob goes: a base layer may be part of everything. */
const WALK = 1000

/** CROSS JOIN: from what is held to what holds it, never through a repository. */
const AND_ABOVE = `UNION SELECT p.repository_id, p.manifest FROM up CROSS JOIN manifest_refs p
            ON p.repository_id = up.repository_id AND p.held_manifest = up.digest LIMIT :walk)
        SELECT r.name, up.digest, t.name AS tag FROM up CROSS JOIN repositories r ON r.id = up.repository_id
        CROSS JOIN manifests m ON m.repository_id = up.repository_id AND m.digest = up.digest AND m.deleted_at IS NULL
        LEFT JOIN tags t ON t.repository_id = up.repository_id AND t.digest = up.digest
        WHERE r.deleted_at IS NULL LIMIT :limit`
const BY_BLOB: Statement = {
  name: 'affected-by-blob',
  sql: `WITH RECURSIVE up (repository_id, digest) AS (
          SELECT repository_id, manifest FROM manifest_refs WHERE held_blob = :digest
          ${AND_ABOVE}`,
  rows: true,
}
const BY_MANIFEST: Statement = {
  name: 'affected-by-manifest',
  sql: `WITH RECURSIVE up (repository_id, digest) AS (
          SELECT id, :digest FROM repositories WHERE id = :repositoryId
          ${AND_ABOVE}`,
  rows: true,
}
const LINKED: Statement = {
  name: 'repositories-with-blob',
  sql: `SELECT r.name FROM blob_links l CROSS JOIN repositories r ON r.id = l.repository_id
        WHERE l.digest = :digest AND l.unlinked_at IS NULL AND r.deleted_at IS NULL LIMIT :limit`,
  rows: true,
}

/**
 * @param limit told at most
 * @returns manifests, each once for every tag, and repositories that only have the blob
 */
export async function affectedByBlob(db: Db, digest: Digest, limit = 50): Promise<Affected[]> {
  const params = { digest: digestToBytes(digest), limit, walk: WALK }
  const named = (await db.read(BY_BLOB, params)).map(affectedOf)
  const known = new Set(named.map(({ repository }) => repository))
  const linked = (await repositoriesWithBlob(db, digest, limit)).filter((name) => !known.has(name))
  return [...named, ...linked.map((repository) => ({ repository }))].slice(0, limit)
}

export async function affectedByManifest(
  db: Db,
  repositoryId: number,
  digest: Digest,
  limit = 50,
): Promise<Affected[]> {
  const params = { repositoryId, digest: digestToBytes(digest), limit, walk: WALK }
  return (await db.read(BY_MANIFEST, params)).map(affectedOf)
}

/** Names of repositories in which the blob can be asked for. */
export async function repositoriesWithBlob(db: Db, digest: Digest, limit: number): Promise<string[]> {
  const rows = await db.read(LINKED, { digest: digestToBytes(digest), limit })
  return rows.map((row) => row['name'] as string)
}

function affectedOf(row: Record<string, unknown>): Affected {
  const tag = row['tag'] as string | null
  return {
    repository: row['name'] as string,
    manifest: digestFromBytes(row['digest'] as Uint8Array),
    ...(tag !== null && { tag }),
  }
}
