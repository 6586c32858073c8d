/** The counts kept for each repository, beside what they count. */
import type { Db, Statement } from './database.ts'

export type Counts = { tags: number; manifests: number; bytes: number }
export type CountedRepository = { id: number; name: string; kept: Counts | undefined; counted: Counts }

const NEXT: Statement = {
  name: 'next-counted-repositories',
  sql: `SELECT id, name FROM repositories WHERE id > :after AND id <= :last AND deleted_at IS NULL ORDER BY id LIMIT :limit`,
  rows: true,
}
const COUNT_TAGS = `(SELECT count(*) FROM tags WHERE repository_id = :repositoryId)`
const COUNT_MANIFESTS = `(SELECT count(*) FROM manifests WHERE repository_id = :repositoryId AND deleted_at IS NULL)`
const SUM_BYTES = `(SELECT coalesce(sum(b.size), 0) FROM blob_links l CROSS JOIN blobs b ON b.digest = l.digest
  WHERE l.repository_id = :repositoryId AND l.unlinked_at IS NULL)`
/** One statement: what is kept and what there is are of one moment. */
const COMPARE: Statement = {
  name: 'compare-counts',
  sql: `SELECT c.tags, c.manifests, c.bytes, ${COUNT_TAGS} AS real_tags, ${COUNT_MANIFESTS} AS real_manifests,
          ${SUM_BYTES} AS real_bytes
        FROM repositories r LEFT JOIN repository_counts c ON c.repository_id = r.id WHERE r.id = :repositoryId`,
  rows: true,
}
const FIX: Statement = {
  name: 'fix-counts',
  sql: `INSERT INTO repository_counts (repository_id, tags, manifests, bytes)
        SELECT id, ${COUNT_TAGS}, ${COUNT_MANIFESTS}, ${SUM_BYTES} FROM repositories WHERE id = :repositoryId
        ON CONFLICT (repository_id) DO UPDATE SET tags = excluded.tags, manifests = excluded.manifests, bytes = excluded.bytes`,
}

export const countsAgree = ({ kept, counted }: CountedRepository): boolean =>
  kept !== undefined &&
  kept.tags === counted.tags &&
  kept.manifests === counted.manifests &&
  kept.bytes === counted.bytes

/** Repositories with what is kept and what there is, or one of them. Costs as much as there is to count. */
export async function* countedRepositories(
  db: Db,
  only: number | undefined,
): AsyncGenerator<CountedRepository> {
  const last = only ?? Number.MAX_SAFE_INTEGER
  for (let after = only === undefined ? 0 : only - 1; ;) {
    const page = await db.read(NEXT, { after, last, limit: 200 })
    for (const row of page) {
      after = row['id'] as number
      const [counts] = await db.read(COMPARE, { repositoryId: after })
      if (counts === undefined) continue
      const number = (name: string): number => counts[name] as number
      yield {
        id: after,
        name: row['name'] as string,
        kept:
          counts['tags'] === null
            ? undefined
            : { tags: number('tags'), manifests: number('manifests'), bytes: number('bytes') },
        counted: {
          tags: number('real_tags'),
          manifests: number('real_manifests'),
          bytes: number('real_bytes'),
        },
      }
    }
    if (page.length < 200) return
  }
}

export async function fixCounts(db: Db, { id, name }: Pick<CountedRepository, 'id' | 'name'>): Promise<void> {
  await db.write({ steps: [{ statement: FIX }], params: { repositoryId: id }, touches: [name] })
}
