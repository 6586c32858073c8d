/** Manifests by tag and digest: reading (Q1), T4 (push) and T3 (lease). */
import type { Waiting } from '../lib/waiting.ts'
import { type Digest, digestFromBytes, digestToBytes, digestToStoredHex } from '../oci/digest.ts'
import type { ManifestReference, ParsedManifest } from '../oci/manifest.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import { type Actor, actorEntry, actorParams } from './actor.ts'
import { LEASE_MS } from './blob-links.ts'
import type { Db, JournalEntry, Statement, Step } from './database.ts'
import { LOCK_REPOSITORY, PUBLISH_REPOSITORY, type RepositoryRow } from './repositories.ts'
import { MOVE_TAGS, NONE_POINTS_ELSEWHERE, tagList } from './tags.ts'

export type StoredManifest = {
  digest: Digest
  mediaType: string
  bytes: Uint8Array
  repositoryId: number
  /** When it may be collected; undefined: it stays. */
  expiresAt: number | undefined
  /** Promised until then to whoever read it by digest while it was to expire. */
  leaseUntil: number | undefined
}

const FIELDS = 'm.digest, m.media_type, m.bytes, m.repository_id, m.expires_at, m.lease_until'
const BY_TAG: Statement = {
  name: 'manifest-by-tag',
  sql: `SELECT ${FIELDS} FROM repositories r
        JOIN tags t ON t.repository_id = r.id AND t.name = :tag
        JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest
        WHERE r.name = :repository AND r.deleted_at IS NULL AND m.deleted_at IS NULL`,
  rows: true,
}
const BY_DIGEST: Statement = {
  name: 'manifest-by-digest',
  sql: `SELECT ${FIELDS} FROM repositories r
        JOIN manifests m ON m.repository_id = r.id AND m.digest = :digest
        WHERE r.name = :repository AND r.deleted_at IS NULL AND m.deleted_at IS NULL`,
  rows: true,
}

/** Without waiting where it is in memory, as with each pull of what is pulled often. */
export function findManifest(
  db: Pick<Db, 'cached'>,
  repository: string,
  reference: Reference,
): Waiting<StoredManifest | undefined> {
  const byTag = reference.kind === 'tag'
  const params = byTag
    ? { repository, tag: reference.tag }
    : { repository, digest: digestToBytes(reference.digest) }
  return db.cached(
    repository,
    byTag ? `:${reference.tag}` : `@${reference.digest}`,
    byTag ? BY_TAG : BY_DIGEST,
    params,
    ([row]) =>
      row === undefined
        ? undefined
        : {
            digest: digestFromBytes(row['digest'] as Uint8Array),
            mediaType: row['media_type'] as string,
            bytes: row['bytes'] as Uint8Array,
            repositoryId: row['repository_id'] as number,
            expiresAt: (row['expires_at'] as number | null) ?? undefined,
            leaseUntil: (row['lease_until'] as number | null) ?? undefined,
          },
    (manifest) => manifest.bytes.byteLength + 300,
  )
}

/** Also of what was deleted and can still be restored: it would come back as something else. */
const OTHER_TYPE: Statement = {
  name: 'manifest-of-other-type',
  sql: `SELECT media_type, deleted_at FROM manifests
        WHERE repository_id = :repositoryId AND digest = :digest AND media_type <> :mediaType`,
  rows: true,
}
/**
 * Pushed again, or named by what is pushed, while it waited to be collected: what was to go with it stays too. Only
 * what is to expire is walked through, so that an ordinary push looks at its own row and its children's.
 */
const KEEP_FOLLOWERS: Statement = {
  name: 'keep-followers',
  sql: `WITH RECURSIVE back (digest) AS (
          SELECT digest FROM manifests WHERE repository_id = :repositoryId AND digest = :digest AND expires_at IS NOT NULL
          UNION ALL SELECT c.digest FROM json_each(:refs) j CROSS JOIN manifests c
            ON c.repository_id = :repositoryId AND c.digest = unhex(j.value ->> 'bytes')
            WHERE j.value ->> 'kind' = 'child' AND c.expires_at IS NOT NULL AND c.deleted_at IS NULL
          UNION SELECT c.digest FROM back b CROSS JOIN manifest_refs r
            ON r.repository_id = :repositoryId AND r.manifest = b.digest AND +r.held_manifest IS NOT NULL
            CROSS JOIN manifests c ON c.repository_id = :repositoryId AND c.digest = r.held_manifest
            AND c.expires_at IS NOT NULL AND c.deleted_at IS NULL
          UNION SELECT m.digest FROM back b CROSS JOIN manifests m
            ON m.repository_id = :repositoryId AND m.subject = b.digest AND m.expires_at IS NOT NULL
            AND m.deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.id = m.deletion_id AND d.digest = m.digest))
        UPDATE manifests SET expires_at = NULL, deletion_id = NULL
        WHERE repository_id = :repositoryId AND deleted_at IS NULL AND expires_at IS NOT NULL
        AND digest IN (SELECT digest FROM back)`,
}
const UPSERT: Statement = {
  name: 'upsert-manifest',
  sql: `INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, bytes, config_digest, config_type,
          platform, created, annotations, content_size, pushed_at, pushed_by, pushed_by_name, client, request_id, cause)
        VALUES (:repositoryId, :digest, :mediaType, :artifactType, :subject, :bytes, :configDigest, :configType,
          :platform, :created, :annotations, :contentSize, :now, :principalId, :principalName, :client, :requestId, :cause)
        ON CONFLICT (repository_id, digest) DO UPDATE SET
          pushed_at = iif(deleted_at IS NULL, pushed_at, excluded.pushed_at),
          pushed_by = iif(deleted_at IS NULL, pushed_by, excluded.pushed_by),
          pushed_by_name = iif(deleted_at IS NULL, pushed_by_name, excluded.pushed_by_name),
          client = iif(deleted_at IS NULL, client, excluded.client),
          request_id = iif(deleted_at IS NULL, request_id, excluded.request_id),
          cause = iif(deleted_at IS NULL, cause, excluded.cause),
          deleted_at = NULL, deletion_id = NULL, expires_at = NULL`,
}
/** A reference is there when its blob or manifest can be read now; the manifest's own row is not its child. */
const MISSING: Statement = {
  name: 'missing-references',
  sql: `SELECT DISTINCT j.value ->> 'digest' AS digest FROM json_each(:refs) j
        WHERE j.value ->> 'required' = 1
        AND NOT EXISTS (SELECT 1 FROM blob_links l JOIN blobs b ON b.digest = l.digest
          WHERE l.digest = unhex(j.value ->> 'bytes') AND l.repository_id = :repositoryId
          AND l.unlinked_at IS NULL AND b.damaged_at IS NULL)
        AND NOT (j.value ->> 'kind' = 'child' AND EXISTS (SELECT 1 FROM manifests m
          WHERE m.repository_id = :repositoryId AND m.digest = unhex(j.value ->> 'bytes') AND m.deleted_at IS NULL))`,
  rows: true,
}
const INSERT_REFS: Statement = {
  name: 'insert-references',
  sql: `INSERT INTO manifest_refs (repository_id, manifest, position, kind, digest, media_type, size, platform, role,
          held_manifest, held_blob)
        SELECT :repositoryId, :digest, j.position, j.value ->> 'kind', j.digest, j.value ->> 'mediaType', j.value ->> 'size',
          j.value ->> 'platform', j.value ->> 'role', m.digest, CASE WHEN m.digest IS NULL THEN l.digest END
        FROM (SELECT key AS position, value, unhex(value ->> 'bytes') AS digest FROM json_each(:refs)) j
        LEFT JOIN manifests m ON j.value ->> 'kind' = 'child'
          AND m.repository_id = :repositoryId AND m.digest = j.digest AND m.deleted_at IS NULL
        LEFT JOIN blob_links l ON l.repository_id = :repositoryId AND l.digest = j.digest AND l.unlinked_at IS NULL
        WHERE true
        ON CONFLICT (repository_id, manifest, position) DO NOTHING`,
}
const FILL_WAITING: Statement = {
  name: 'fill-waiting-child-refs',
  sql: `UPDATE manifest_refs SET held_manifest = digest
        WHERE repository_id = :repositoryId AND digest = :digest AND kind = 'child'
        AND held_manifest IS NULL AND held_blob IS NULL`,
}
/** The blob that a child was held as is held no longer when {@link PREFER_MANIFEST} is done. */
const RELEASED_BLOB: Statement = {
  name: 'candidate-for-blob-of-child',
  sql: `INSERT INTO candidates (kind, repository_id, digest, due_at)
        SELECT 'link', l.repository_id, l.digest, max(l.lease_until, :now) FROM blob_links l
        WHERE l.digest = :digest AND l.repository_id = :repositoryId AND EXISTS (SELECT 1 FROM manifest_refs r
          WHERE r.held_blob = :digest AND r.repository_id = :repositoryId AND r.kind = 'child')`,
}
/** A child that was only there as a blob is now a manifest: that one must not be collected. */
const PREFER_MANIFEST: Statement = {
  name: 'prefer-manifest-child',
  sql: `UPDATE manifest_refs SET held_manifest = digest, held_blob = NULL
        WHERE held_blob = :digest AND repository_id = :repositoryId AND kind = 'child'`,
}

export type ManifestDetails = {
  /** From the config blob, where it was readable. */
  platform?: string | undefined
  created?: number | undefined
}

export type PutOutcome =
  | { kind: 'stored' }
  | { kind: 'missing'; digests: readonly Digest[] }
  | { kind: 'other-type'; mediaType: string; isDeleted: boolean }
  /** These tags point to something else, and are to stay there. */
  | { kind: 'tags-taken'; tags: readonly Tag[] }
  /** The repository was deleted meanwhile: decide anew. */
  | { kind: 'repository-gone' }

/** The tags that a manifest gets; with `keepsTags` only where none of them points to something else. */
export type TagsOfPut = { tags: readonly Tag[]; keepsTags?: boolean }

/** T4: the manifest, what it names, who waited for it, and its tags, or nothing of it. */
export async function putManifestRows(
  db: Db,
  repository: RepositoryRow,
  digest: Digest,
  bytes: Uint8Array,
  manifest: ParsedManifest & ManifestDetails,
  isRequired: (reference: ManifestReference) => boolean,
  { tags, keepsTags = false }: TagsOfPut,
  actor: Actor,
): Promise<PutOutcome> {
  const steps: Step[] = [
    LOCK_REPOSITORY,
    ...(keepsTags ? [NONE_POINTS_ELSEWHERE] : []),
    { statement: OTHER_TYPE, expect: 0 },
    { statement: MISSING, expect: 0 },
    { statement: KEEP_FOLLOWERS },
    { statement: UPSERT, expect: 1 },
    { statement: INSERT_REFS },
    { statement: FILL_WAITING },
    { statement: RELEASED_BLOB },
    { statement: PREFER_MANIFEST },
    ...(repository.published ? [] : [PUBLISH_REPOSITORY]),
    ...(tags.length > 0 ? MOVE_TAGS : []),
  ]
  const outcome = await db.write({
    steps,
    params: {
      ...actorParams(actor),
      ...manifestColumns(manifest),
      bytes,
      repositoryId: repository.id,
      digest: digestToBytes(digest),
      refs: refsJson(manifest.references, isRequired),
      tags: tagList(tags),
      deletionId: null,
    },
    touches: [repository.name],
    journal: [journalEntry(repository.name, digest, bytes, manifest, tags, actor)],
  })
  if (outcome.done) return { kind: 'stored' }
  const missed = steps[outcome.missed]
  if (missed === LOCK_REPOSITORY) return { kind: 'repository-gone' }
  if (missed === NONE_POINTS_ELSEWHERE) {
    return { kind: 'tags-taken', tags: outcome.rows.map((row) => row['name'] as Tag) }
  }
  if (missed?.statement === OTHER_TYPE) {
    const [other] = outcome.rows
    return {
      kind: 'other-type',
      mediaType: other?.['media_type'] as string,
      isDeleted: other?.['deleted_at'] !== null,
    }
  }
  return { kind: 'missing', digests: outcome.rows.map((row) => row['digest'] as Digest) }
}

/** What its columns hold, but for what differs from push to push. */
export function manifestColumns(manifest: ParsedManifest & ManifestDetails) {
  let contentSize = 0
  for (const { descriptor } of manifest.references) contentSize += descriptor.size
  return {
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType ?? null,
    subject: manifest.subject === undefined ? null : digestToBytes(manifest.subject.digest),
    configDigest: manifest.config === undefined ? null : digestToBytes(manifest.config.digest),
    configType: manifest.config?.mediaType ?? null,
    platform: manifest.platform ?? null,
    created: manifest.created ?? null,
    annotations: manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
    contentSize: Math.min(contentSize, Number.MAX_SAFE_INTEGER),
  }
}

function refsJson(
  references: readonly ManifestReference[],
  isRequired: (reference: ManifestReference) => boolean,
): string {
  return JSON.stringify(
    references.map((reference) => ({
      kind: reference.kind,
      digest: reference.descriptor.digest,
      bytes: digestToStoredHex(reference.descriptor.digest),
      mediaType: reference.descriptor.mediaType,
      size: reference.descriptor.size,
      platform: reference.descriptor.platform,
      role: reference.descriptor.role,
      required: isRequired(reference) ? 1 : 0,
    })),
  )
}

function journalEntry(
  repository: string,
  digest: Digest,
  bytes: Uint8Array,
  manifest: ParsedManifest & ManifestDetails,
  tags: readonly Tag[],
  actor: Actor,
): JournalEntry {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return {
    do: 'manifest',
    repository,
    digest,
    mediaType: manifest.mediaType,
    bytes: body,
    tags,
    // From the config blob, which a rebuild does not read.
    ...(manifest.platform !== undefined && { platform: manifest.platform }),
    ...(manifest.created !== undefined && { created: manifest.created }),
    ...actorEntry(actor),
  }
}

const RENEW: Statement = {
  name: 'renew-manifest',
  sql: `UPDATE manifests SET expires_at = max(expires_at, :until), lease_until = :until
        WHERE repository_id = :repositoryId AND digest = :digest AND deleted_at IS NULL AND expires_at IS NOT NULL`,
}

/**
 * T3 for a manifest that would expire: whoever reads it by digest has time to name it.
 * @returns false: it is not as it was (collected, or pushed again): look again
 */
export async function renewManifest(
  db: Db,
  repository: string,
  manifest: StoredManifest,
  now: number,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: RENEW, expect: 1 }],
    params: {
      repositoryId: manifest.repositoryId,
      digest: digestToBytes(manifest.digest),
      until: now + LEASE_MS,
    },
    touches: [repository],
  })
  return outcome.done
}

const EXISTING: Statement = {
  name: 'existing-manifests',
  sql: `SELECT m.digest FROM repositories r CROSS JOIN json_each(:digests) j -- CROSS: in this order
        CROSS JOIN manifests m ON m.repository_id = r.id AND m.digest = unhex(j.value) AND m.deleted_at IS NULL
        WHERE r.name = :repository AND r.deleted_at IS NULL`,
  rows: true,
}

/** Which of these manifests can be read in this repository. */
export async function existingManifests(
  db: Db,
  repository: string,
  digests: readonly Digest[],
): Promise<Set<Digest>> {
  const list = JSON.stringify(digests.map(digestToStoredHex))
  const rows = await db.read(EXISTING, { digests: list, repository })
  return new Set(rows.map((row) => digestFromBytes(row['digest'] as Uint8Array)))
}
