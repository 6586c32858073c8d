/** What a plan named, removed if it still may be; and why, where it may not. */
import { type CandidateKind, removeIfRipe } from './collect.ts'
import { FORGET_ITEM, type PlanItem } from './collection-plans.ts'
import type { Db, Statement, Step } from './database.ts'

type PlannedRemoval =
  | { kind: 'removed'; bytes: number }
  /** It is not there: another run took it. */
  | { kind: 'gone' }
  /** What changed since, as a person reads it. */
  | { kind: 'skipped'; reason: string }
  /** A takeover goes on. */
  | { kind: 'not-taken-over' }

/** What was deleted itself is due now, unless a reader holds it; what it took along follows when it goes. */
const EMPTY_MANIFEST: Statement = {
  name: 'empty-planned-manifest',
  sql: `UPDATE manifests SET expires_at = :now WHERE repository_id = :repositoryId AND digest = :digest
        AND expires_at > :now AND (deleted_at IS NOT NULL OR coalesce(lease_until, 0) <= :now)
        AND EXISTS (SELECT 1 FROM deletions d WHERE d.id = deletion_id AND d.digest = :digest)`,
}
const EMPTY_DELETION: Statement = {
  name: 'empty-planned-deletion',
  sql: `UPDATE deletions SET emptied_at = :now WHERE restored_at IS NULL AND emptied_at IS NULL
        AND id = (SELECT deletion_id FROM manifests WHERE repository_id = :repositoryId AND digest = :digest)`,
}
const EMPTY_LINK: Statement = {
  name: 'empty-planned-link',
  sql: `UPDATE blob_links SET kept_until = :now
        WHERE digest = :digest AND repository_id = :repositoryId AND unlinked_at IS NOT NULL`,
}
const EMPTY: Readonly<Record<CandidateKind, readonly Step[]>> = {
  manifest: [{ statement: EMPTY_MANIFEST }, { statement: EMPTY_DELETION }],
  link: [{ statement: EMPTY_LINK }],
  blob: [],
}

const WHY_MANIFEST: Statement = {
  name: 'why-manifest-stays',
  sql: `SELECT m.expires_at, m.deletion_id,
          (SELECT name FROM tags t WHERE t.repository_id = :repositoryId AND t.digest = :digest LIMIT 1) AS tag,
          EXISTS (SELECT 1 FROM manifest_refs r WHERE r.repository_id = :repositoryId AND r.held_manifest = :digest) AS held
        FROM manifests m WHERE m.repository_id = :repositoryId AND m.digest = :digest`,
  rows: true,
}
const WHY_LINK: Statement = {
  name: 'why-link-stays',
  sql: `SELECT max(lease_until, iif(unlinked_at IS NULL, 0, coalesce(kept_until, unlinked_at + :keepMs))) AS until,
          EXISTS (SELECT 1 FROM manifest_refs r WHERE r.held_blob = :digest AND r.repository_id = :repositoryId) AS held
        FROM blob_links WHERE digest = :digest AND repository_id = :repositoryId`,
  rows: true,
}
const WHY_BLOB: Statement = {
  name: 'why-blob-stays',
  sql: `SELECT (SELECT r.name FROM blob_links l JOIN repositories r ON r.id = l.repository_id
          WHERE l.digest = :digest LIMIT 1) AS repository FROM blobs WHERE digest = :digest`,
  rows: true,
}

/**
 * Removes what an item names by the same transaction as the collector (T6), and the item with it.
 * @param emptiesTrash the plan was made as if the trash were emptied
 */
export async function removePlanned(
  db: Db,
  item: PlanItem,
  emptiesTrash: boolean,
  now: number,
  keepMs: number,
): Promise<PlannedRemoval> {
  const own = { plan: item.planId, kind: item.kind, itemRepository: item.repositoryId ?? 0, digest: item.key }
  const removal = await removeIfRipe(db, item, now, keepMs, {
    before: emptiesTrash ? EMPTY[item.kind] : [],
    after: [{ statement: FORGET_ITEM, expect: 1 }],
    params: own,
  })
  if (removal === 'not-taken-over') return { kind: 'not-taken-over' }
  if (removal !== 'needed') return { kind: 'removed', bytes: removal.bytes }
  const reason = await whyItStays(db, item, now, keepMs)
  if (reason !== undefined) return { kind: 'skipped', reason }
  await db.write({ steps: [{ statement: FORGET_ITEM }], params: own, touches: [], frees: true })
  return { kind: 'gone' }
}

/** Undefined: it is not there any more. */
async function whyItStays(
  db: Db,
  { kind, repositoryId, key }: PlanItem,
  now: number,
  keepMs: number,
): Promise<string | undefined> {
  const statement = { manifest: WHY_MANIFEST, link: WHY_LINK, blob: WHY_BLOB }[kind]
  const [row] = await db.read(statement, { repositoryId: repositoryId ?? null, digest: key, now, keepMs })
  if (row === undefined) return undefined
  const until = (time: unknown): string => new Date(time as number).toISOString()
  if (kind === 'blob')
    return row['repository'] === null
      ? 'it changed in this moment'
      : `repository ${row['repository'] as string} has it again`
  if (kind === 'link') {
    if (row['held'] === 1) return 'a manifest names it'
    return (row['until'] as number) > now
      ? `pushed, mounted or asked for again: promised until ${until(row['until'])}`
      : 'it changed in this moment'
  }
  if (row['tag'] !== null) return `tag ${row['tag'] as string} names it now`
  if (row['held'] === 1) return 'an index names it'
  if (row['expires_at'] === null) return 'pushed again, or restored'
  return (row['expires_at'] as number) > now
    ? `read or deleted again: stays until ${until(row['expires_at'])}`
    : 'it changed in this moment'
}
