/** Repositories: rows that uploads and manifests make, and the list of those that have had a manifest. */
import type { RepositoryName } from '../oci/reference.ts'
import { type Db, ForeignKeyError, type Statement, type Step } from './database.ts'

/** A repository as statements need it. The id is never used again, so a stale one is refused, not mistaken. */
export type RepositoryRow = { id: number; name: RepositoryName; published: boolean }

const FIND: Statement = {
  name: 'find-repository',
  sql: 'SELECT id, published_at FROM repositories WHERE name = :repository AND deleted_at IS NULL',
  rows: true,
}
const CREATE: Statement = {
  name: 'create-repository',
  sql: `INSERT INTO repositories (name, created_at, created_by) VALUES (:repository, :now, :createdBy)
        ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING`,
}
const PUBLISH: Statement = {
  name: 'publish-repository',
  sql: 'UPDATE repositories SET published_at = :now WHERE id = :repositoryId AND published_at IS NULL',
}
const LIVE: Statement = {
  name: 'lock-repository',
  sql: 'SELECT 1 AS live FROM repositories WHERE id = :repositoryId AND deleted_at IS NULL',
  rows: true,
}
const LIST: Statement = {
  name: 'list-repositories',
  sql: `SELECT name FROM repositories
        WHERE deleted_at IS NULL AND published_at IS NOT NULL AND name > :after ORDER BY name LIMIT :limit`,
  rows: true,
}

/** First step of a transaction that adds to a repository: refuses when it was deleted meanwhile. */
export const LOCK_REPOSITORY: Step = { statement: LIVE, expect: 1 }
/** Makes it show in the catalog. */
export const PUBLISH_REPOSITORY: Step = { statement: PUBLISH }

/** From memory, if it is known to be what the database says now. */
export function recallRepository(db: Pick<Db, 'recall'>, name: RepositoryName): RepositoryRow | undefined {
  return db.recall(name, 'repository') as RepositoryRow | undefined
}

export async function findRepository(
  db: Pick<Db, 'cached'>,
  name: RepositoryName,
): Promise<RepositoryRow | undefined> {
  return db.cached(
    name,
    'repository',
    FIND,
    { repository: name },
    ([row]) =>
      row === undefined
        ? undefined
        : { id: row['id'] as number, name, published: row['published_at'] !== null },
    () => 32,
  )
}

export async function findOrCreateRepository(
  db: Db,
  name: RepositoryName,
  createdBy: string,
  now: number,
): Promise<RepositoryRow> {
  for (;;) {
    const found = await findRepository(db, name)
    if (found !== undefined) return found
    await db.write({
      steps: [{ statement: CREATE }],
      params: { repository: name, createdBy, now },
      touches: [name],
      journal: [{ do: 'repository', repository: name, t: now, by: createdBy }],
    })
  }
}

/** Names after `after` in byte order, at most `limit`. */
export async function listRepositoryNames(
  db: Pick<Db, 'read'>,
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await db.read(LIST, { after, limit })
  return rows.map((row) => row['name'] as string)
}

const UNUSED: Statement = {
  name: 'unused-repositories',
  sql: `SELECT id, name FROM repositories r
        WHERE deleted_at IS NULL AND published_at IS NULL AND created_at < :before
        AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.repository_id = r.id)
        AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.repository_id = r.id)
        AND NOT EXISTS (SELECT 1 FROM takeover WHERE takeover.id = 1 AND completed_at IS NULL) -- some wait to be filled
        ORDER BY created_at LIMIT :limit`,
  rows: true,
}
const FORGET_COUNTS: Statement = {
  name: 'forget-repository-counts',
  sql: 'DELETE FROM repository_counts WHERE repository_id = :repositoryId',
}
/** Of blobs that were collected since: nothing of them can be restored. */
const FORGET_DELETIONS: Statement = {
  name: 'forget-repository-deletions',
  sql: 'DELETE FROM deletions WHERE repository_id = :repositoryId',
}
const FORGET_PULLS: Statement = {
  name: 'forget-repository-pulls',
  sql: 'DELETE FROM pull_days WHERE repository_id = :repositoryId',
}
const FORGET: Statement = {
  name: 'forget-repository',
  sql: 'DELETE FROM repositories WHERE id = :repositoryId AND published_at IS NULL',
}

/**
 * Removes repositories that an upload made and that never got anything: else anyone could fill the database with
 * names. Something that was pushed meanwhile holds its repository by a foreign key.
 * @param before created before this time
 * @returns how many of at most `limit`
 */
export async function forgetUnusedRepositories(db: Db, before: number, limit: number): Promise<number> {
  const rows = await db.read(UNUSED, { before, limit })
  let forgotten = 0
  for (const row of rows) {
    const repository = { id: row['id'] as number, name: row['name'] as string }
    forgotten += Number(await forgetRepository(db, repository))
  }
  return forgotten
}

/** False: it is published, or something is in it. */
export async function forgetRepository(db: Db, repository: { id: number; name: string }): Promise<boolean> {
  try {
    const outcome = await db.write({
      steps: [
        { statement: FORGET_COUNTS },
        { statement: FORGET_DELETIONS },
        { statement: FORGET_PULLS },
        { statement: FORGET, expect: 1 },
      ],
      params: { repositoryId: repository.id },
      touches: [repository.name],
      journal: [{ do: 'forget-repository', repository: repository.name }],
      frees: true,
    })
    return outcome.done
  } catch (error) {
    if (error instanceof ForeignKeyError) return false
    throw error
  }
}
