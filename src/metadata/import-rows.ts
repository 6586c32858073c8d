/**
 * What CNCF Distribution wrote of a repository, as rows. A repository is imported in as many transactions as it has
 * batches, each of which may be repeated, by any process, also after a kill: every row is made once. The last one says
 * that all of it is here; from then on no batch finds the repository as it expects it, so that what was deleted or moved
 * since cannot come back. No transaction imports anything once the takeover is complete.
 *
 * A row names the file where it lies (`objects.path`); a file has one owner, whatever digests it is known by. Links that
 * are imported are no candidates for collection: what holds them may be known later, or have been lost.
 */
import type { RepositoryName } from '../oci/reference.ts'
import { LEASE_MS } from './blob-links.ts'
import type { Db, Params, Statement, Step } from './database.ts'
import type { EncodedBatch } from './import-batch.ts'

/** Who did it, as rows keep it. */
const BY = { by: 'import', client: 'CNCF Distribution' } as const

const LOCK: Statement = {
  name: 'lock-import',
  sql: `SELECT 1 AS open FROM repositories r
        WHERE r.id = :repositoryId AND r.deleted_at IS NULL AND r.imported_at IS :importedAt
        AND EXISTS (SELECT 1 FROM takeover WHERE id = 1 AND completed_at IS NULL)`,
  rows: true,
}
const OBJECTS: Statement = {
  name: 'import-objects',
  sql: `INSERT INTO objects (id, path, state, digest, size, stamp, created_at)
        SELECT unhex(j.value ->> 'id'), j.value ->> 'path', 'live', unhex(j.value ->> 'stored'), j.value ->> 'size',
          j.value ->> 'stamp', :now
        FROM json_each(:blobs) j
        WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.digest = unhex(j.value ->> 'digest'))
        ON CONFLICT DO NOTHING`,
}
/** The copy went on while it was read: nothing has verified these bytes, so the file is what it is. */
const GROWN_OBJECTS: Statement = {
  name: 'import-grown-objects',
  sql: `UPDATE objects SET size = j.value ->> 'size', stamp = j.value ->> 'stamp' FROM json_each(:blobs) j
        WHERE objects.path = j.value ->> 'path' AND objects.size <> j.value ->> 'size'`,
}
const GROWN_BLOBS: Statement = {
  name: 'import-grown-blobs',
  sql: `UPDATE blobs SET size = j.value ->> 'size', damaged_at = NULL FROM json_each(:blobs) j
        WHERE blobs.digest = unhex(j.value ->> 'digest') AND blobs.size <> j.value ->> 'size' AND blobs.verified_at IS NULL
        AND blobs.object_id = (SELECT o.id FROM objects o WHERE o.path = j.value ->> 'path')`,
}
const BLOBS: Statement = {
  name: 'import-blobs',
  sql: `INSERT INTO blobs (digest, size, object_id)
        SELECT unhex(j.value ->> 'digest'), o.size, o.id FROM json_each(:blobs) j
        CROSS JOIN objects o ON o.path = j.value ->> 'path' AND o.state = 'live'
        WHERE true ON CONFLICT (digest) DO NOTHING`,
}
const LINKS: Statement = {
  name: 'import-links',
  sql: `INSERT INTO blob_links (digest, repository_id, lease_until, linked_at)
        SELECT b.digest, :repositoryId, :leaseUntil, j.value ->> 'linkedAt' FROM json_each(:blobs) j
        CROSS JOIN blobs b ON b.digest = unhex(j.value ->> 'digest')
        WHERE true ON CONFLICT (digest, repository_id) DO NOTHING`,
}
const MANIFESTS: Statement = {
  name: 'import-manifests',
  sql: `INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, bytes, config_digest, config_type,
          platform, created, annotations, content_size, pushed_at, pushed_by, pushed_by_name, client, request_id, cause)
        SELECT :repositoryId, unhex(j.value ->> 'digest'), j.value ->> 'mediaType', j.value ->> 'artifactType',
          unhex(j.value ->> 'subject'), substr(:bytes, j.value ->> 'start', j.value ->> 'length'),
          unhex(j.value ->> 'configDigest'), j.value ->> 'configType', j.value ->> 'platform', j.value ->> 'created',
          j.value ->> 'annotations', j.value ->> 'contentSize', j.value ->> 'pushedAt', :by, :by, :client, '', 'import'
        FROM json_each(:manifests) j WHERE true ON CONFLICT (repository_id, digest) DO NOTHING`,
}
const REFERENCES: Statement = {
  name: 'import-references',
  sql: `INSERT INTO manifest_refs (repository_id, manifest, position, kind, digest, media_type, size, platform, role,
          held_manifest, held_blob)
        SELECT :repositoryId, j.manifest, j.value ->> 'position', j.value ->> 'kind', j.digest, j.value ->> 'mediaType',
          j.value ->> 'size', j.value ->> 'platform', j.value ->> 'role',
          m.digest, CASE WHEN m.digest IS NULL THEN l.digest END
        FROM (SELECT value, unhex(value ->> 'manifest') AS manifest, unhex(value ->> 'digest') AS digest
          FROM json_each(:references)) j
        LEFT JOIN manifests m ON j.value ->> 'kind' = 'child'
          AND m.repository_id = :repositoryId AND m.digest = j.digest AND m.deleted_at IS NULL
        LEFT JOIN blob_links l ON l.repository_id = :repositoryId AND l.digest = j.digest AND l.unlinked_at IS NULL
        WHERE true ON CONFLICT (repository_id, manifest, position) DO NOTHING`,
}
const FILL_CHILDREN: Statement = {
  name: 'import-fill-children',
  sql: `UPDATE manifest_refs SET held_manifest = digest
        WHERE repository_id = :repositoryId AND digest IN (SELECT unhex(value ->> 'digest') FROM json_each(:manifests))
        AND kind = 'child' AND held_manifest IS NULL AND held_blob IS NULL`,
}
const FILL_BLOBS: Statement = {
  name: 'import-fill-blobs',
  sql: `UPDATE manifest_refs SET held_blob = digest
        WHERE repository_id = :repositoryId AND digest IN (SELECT unhex(value ->> 'digest') FROM json_each(:blobs))
        AND held_manifest IS NULL AND held_blob IS NULL
        AND EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = manifest_refs.digest
          AND l.repository_id = :repositoryId AND l.unlinked_at IS NULL)`,
}
/** A child that was also linked as a blob is a manifest: that one must not be collected. */
const PREFER_MANIFEST: Statement = {
  name: 'import-prefer-manifest',
  sql: `UPDATE manifest_refs SET held_manifest = digest, held_blob = NULL
        WHERE held_blob IN (SELECT unhex(value ->> 'digest') FROM json_each(:manifests))
        AND repository_id = :repositoryId AND kind = 'child'`,
}
const LAST_MOVE = `SELECT p.at FROM tag_moves p WHERE p.repository_id = :repositoryId AND p.name = j.value ->> 'name'
  ORDER BY p.seq DESC LIMIT 1`
/** Where the tag's last move is known here, only a later one counts: what was deleted or moved since stays so. */
const LATER_MOVES: Statement = {
  name: 'import-later-moves',
  sql: `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause)
        SELECT :repositoryId, j.value ->> 'name',
          1 + (SELECT max(seq) FROM tag_moves p WHERE p.repository_id = :repositoryId AND p.name = j.value ->> 'name'),
          j.value ->> 'at', t.digest, m.digest, m.media_type, length(m.bytes), :by, :by, :client, '', 'import'
        FROM json_each(:tags) j
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = unhex(j.value ->> 'digest')
        LEFT JOIN tags t ON t.repository_id = :repositoryId AND t.name = j.value ->> 'name'
        WHERE m.deleted_at IS NULL AND t.digest IS NOT m.digest AND j.value ->> 'at' > (${LAST_MOVE})`,
}
const FIRST_MOVES: Statement = {
  name: 'import-first-moves',
  sql: `INSERT INTO tag_moves (repository_id, name, seq, at, from_digest, to_digest, media_type, size,
          principal_id, principal_name, client, request_id, cause)
        SELECT :repositoryId, j.value ->> 'name', j.value ->> 'seq', j.value ->> 'at', unhex(j.value ->> 'from'),
          unhex(j.value ->> 'to'), m.media_type, length(m.bytes), :by, :by, :client, '', 'import'
        FROM json_each(:moves) j
        LEFT JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = unhex(j.value ->> 'to')
        WHERE NOT EXISTS (${LAST_MOVE})`,
}
/** Those whose last move is the one that was found. */
const TAGS: Statement = {
  name: 'import-tags',
  sql: `INSERT INTO tags (repository_id, name, digest, sort_key, moved_at, moved_by)
        SELECT :repositoryId, j.value ->> 'name', m.digest, j.value ->> 'key', j.value ->> 'at', :by
        FROM json_each(:tags) j
        CROSS JOIN manifests m ON m.repository_id = :repositoryId AND m.digest = unhex(j.value ->> 'digest')
        WHERE m.deleted_at IS NULL AND m.digest = (SELECT p.to_digest FROM tag_moves p
          WHERE p.repository_id = :repositoryId AND p.name = j.value ->> 'name' ORDER BY p.seq DESC LIMIT 1)
        ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, moved_at = excluded.moved_at,
          moved_by = excluded.moved_by WHERE tags.digest <> excluded.digest`,
}
const FINISH: Statement = {
  name: 'finish-import',
  sql: `UPDATE repositories SET imported_at = max(:now, coalesce(imported_at, 0) + 1), imported_as_of = :asOf,
          published_at = iif(:published, coalesce(published_at, :oldest), published_at), created_at = min(created_at, :oldest)
        WHERE id = :repositoryId`,
}
const FORGET_FINDINGS: Statement = {
  name: 'forget-findings',
  sql: 'DELETE FROM takeover_findings WHERE repository = :repository',
}
const FINDINGS: Statement = {
  name: 'import-findings',
  sql: `INSERT INTO takeover_findings (repository, kind, detail, at)
        SELECT :repository, j.value ->> 'kind', j.value ->> 'detail', :now FROM json_each(:findings) j
        WHERE (SELECT coalesce(max(id), 0) FROM takeover_findings) < :mostFindings`,
}

const LOCK_IMPORT: Step = { statement: LOCK, expect: 1 }
const BLOB_STEPS: readonly Step[] = [{ statement: OBJECTS }, { statement: BLOBS }, { statement: LINKS }]
const GROWN_STEPS: readonly Step[] = [{ statement: GROWN_OBJECTS }, { statement: GROWN_BLOBS }]
const MANIFEST_STEPS: readonly Step[] = [
  { statement: MANIFESTS },
  { statement: REFERENCES },
  { statement: FILL_CHILDREN },
  { statement: PREFER_MANIFEST },
]
const TAG_STEPS: readonly Step[] = [
  { statement: LATER_MOVES },
  { statement: FIRST_MOVES },
  { statement: TAGS },
]
const EMPTY = '[]'

/** The repository as it was when reading it began. */
export type ImportTarget = {
  id: number
  name: RepositoryName
  /** Undefined: it was never imported. */
  importedAt: number | undefined
}
export type ImportEnd = {
  /** Distribution lists it. */
  published: boolean
  /** The time of the oldest thing in it. */
  oldest: number
  /** When reading it began. */
  asOf: number
  findings: readonly { kind: string; detail: string }[]
}

/** Findings that are kept in all. */
export const MOST_FINDINGS = 20_000

/**
 * One transaction of an import; with `end`, the last one.
 * @returns false: another process has imported it meanwhile, it was deleted, or the takeover is complete
 */
export async function importBatch(
  db: Db,
  { id, name, importedAt }: ImportTarget,
  batch: EncodedBatch | undefined,
  end: ImportEnd | undefined,
  now: number,
): Promise<boolean> {
  const isAgain = importedAt !== undefined
  const outcome = await db.write({
    steps: [
      LOCK_IMPORT,
      ...(batch === undefined ? [] : stepsOf(batch, isAgain)),
      ...(end === undefined ? [] : endSteps(end)),
    ],
    params: {
      ...BY,
      ...batch,
      ...(end && endParams(end)),
      repositoryId: id,
      repository: name,
      importedAt: importedAt ?? null,
      leaseUntil: now + LEASE_MS,
      now,
    },
    // A blob that has grown is known to other repositories too.
    touches: isAgain ? ['*'] : [name],
    ...(end && { journal: [{ do: 'imported', repository: name }] }),
  })
  return outcome.done
}

function stepsOf(batch: EncodedBatch, isAgain: boolean): Step[] {
  return [
    ...(batch.blobs === EMPTY
      ? []
      : [...BLOB_STEPS, ...(isAgain ? GROWN_STEPS : []), { statement: FILL_BLOBS }]),
    ...(batch.manifests === EMPTY ? [] : MANIFEST_STEPS),
    ...(batch.tags === EMPTY ? [] : TAG_STEPS),
  ]
}

function endSteps({ findings }: ImportEnd): Step[] {
  return [
    { statement: FORGET_FINDINGS },
    ...(findings.length === 0 ? [] : [{ statement: FINDINGS }]),
    { statement: FINISH, expect: 1 },
  ]
}

function endParams({ published, oldest, asOf, findings }: ImportEnd): Params {
  return {
    published: published ? 1 : 0,
    oldest: Math.floor(oldest),
    asOf: Math.floor(asOf),
    findings: JSON.stringify(findings),
    mostFindings: MOST_FINDINGS,
  }
}

/** Writes down what was found beside the repositories; `about` is what the repository's name would be. */
export async function recordFindings(
  db: Db,
  about: string,
  findings: readonly { kind: string; detail: string }[],
  now: number,
): Promise<void> {
  await db.write({
    steps: [{ statement: FORGET_FINDINGS }, { statement: FINDINGS }],
    params: { repository: about, findings: JSON.stringify(findings), now, mostFindings: MOST_FINDINGS },
    touches: [],
  })
}
