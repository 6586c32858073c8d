/** A repository as a reader of Distribution's folder finds it, in literal batches, and what the rows then hold. */
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { Db, Row } from './database.ts'
import { encodeBatch, type ImportBatch, type ImportedBlob, type ImportedManifest } from './import-batch.ts'
import { importBatch, type ImportEnd, type ImportTarget } from './import-rows.ts'
import { findImported } from './imported.ts'
import { NOW, rowsOf } from './metadata-fixtures.ts'
import { findOrCreateRepository } from './repositories.ts'

export const A = 'team/app' as RepositoryName
export const sha256 = (content: string): Digest => digestOf('sha256', Buffer.from(content))
export const sha512 = (content: string): Digest => digestOf('sha512', Buffer.from(content))

export function blobAt(content: string, linkedAt: number, digest = sha256(content)): ImportedBlob {
  const stored = sha256(content)
  const hex = stored.slice(7)
  const path = `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  return { digest, stored, path, size: content.length, stamp: 1_700_000_000_000_123, linkedAt }
}

export const descriptor = (content: string, mediaType: string) => ({
  mediaType,
  digest: sha256(content),
  size: content.length,
})

export const IMAGE = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociManifest,
  config: descriptor('{}', 'application/json'),
  layers: [descriptor('layer', 'application/octet-stream'), descriptor('lost', 'application/octet-stream')],
})
export const OLD = IMAGE.replace('"layer', ' "layer')
/** Begins with a byte order mark, which some clients send. */
export const INDEX = `\uFEFF${JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: [
    { ...descriptor(IMAGE, MEDIA_TYPE.ociManifest), platform: { os: 'linux', architecture: 'arm64' } },
  ],
  subject: descriptor(OLD, MEDIA_TYPE.ociManifest),
})}`

export function manifestOf(content: string, pushedAt: number): ImportedManifest {
  const bytes = Buffer.from(content)
  return { digest: digestOf('sha256', bytes), bytes, parsed: parseManifest(undefined, bytes, 100), pushedAt }
}

export const digestOfText = (content: string): Digest => digestOf('sha256', Buffer.from(content))

const NOTHING: ImportBatch = { blobs: [], manifests: [], tags: [] }
const T = 1_600_000_000_000

/** The index comes a batch before its child. */
export const BATCHES: readonly ImportBatch[] = [
  { ...NOTHING, blobs: [blobAt('{}', T), blobAt('layer', T + 1), blobAt('long', T + 2, sha512('long'))] },
  { ...NOTHING, blobs: [blobAt('long', T + 2)], manifests: [manifestOf(INDEX, T + 20)] },
  { ...NOTHING, manifests: [manifestOf(OLD, T + 10), manifestOf(IMAGE, T + 15)] },
  {
    ...NOTHING,
    tags: [
      {
        name: 'v1.10' as Tag,
        digest: digestOfText(IMAGE),
        movedAt: T + 16.7,
        history: [
          { digest: sha256('gone'), at: T + 5 },
          { digest: digestOfText(OLD), at: T + 11 },
        ],
      },
      { name: 'multi' as Tag, digest: digestOfText(INDEX), movedAt: T + 21, history: [] },
    ],
  },
]
export const END: ImportEnd = {
  published: true,
  oldest: T,
  asOf: NOW - 5,
  findings: [{ kind: 'layer-without-data', detail: 'lost' }],
}

let ids = 0
const newId = (): string => (ids++).toString(16).padStart(32, 'f')

/** The transactions of an import, one function each. */
export function stepsOf(
  db: Db,
  target: ImportTarget,
  batches = BATCHES,
  end = END,
): (() => Promise<boolean>)[] {
  return batches.map((batch, index) => () => {
    const encoded = encodeBatch(batch, newId)
    return importBatch(db, target, encoded, index === batches.length - 1 ? end : undefined, NOW)
  })
}

export async function targetOf(db: Db, name = A): Promise<ImportTarget> {
  const before = await findImported(db, name)
  const { id } = await findOrCreateRepository(db, name, 'import', NOW)
  return { id, name, importedAt: before?.importedAt }
}

const DUMP: Record<string, string> = {
  repositories: 'SELECT name, created_at, published_at, imported_at, imported_as_of FROM repositories',
  counts: 'SELECT tags, manifests, bytes FROM repository_counts',
  blobs: `SELECT hex(b.digest) AS digest, b.size, o.path, o.state, o.stamp, hex(o.digest) AS stored, b.verified_at, b.damaged_at
    FROM blobs b JOIN objects o ON o.id = b.object_id ORDER BY 1`,
  objects: 'SELECT count(*) AS n FROM objects',
  links: `SELECT hex(digest) AS digest, lease_until, linked_at, unlinked_at FROM blob_links ORDER BY 1`,
  manifests: `SELECT hex(digest) AS digest, media_type, artifact_type, hex(subject) AS subject, hex(bytes) AS bytes,
    hex(config_digest) AS config, config_type, platform, created, annotations, content_size, pushed_at, pushed_by,
    pushed_by_name, client, cause, expires_at, deleted_at FROM manifests ORDER BY 1`,
  refs: `SELECT hex(manifest) AS manifest, position, kind, hex(digest) AS digest, media_type, size, platform, role,
    hex(held_manifest) AS held_manifest, hex(held_blob) AS held_blob FROM manifest_refs ORDER BY 1, 2`,
  tags: 'SELECT name, hex(digest) AS digest, sort_key, moved_at, moved_by FROM tags ORDER BY 1',
  moves: `SELECT name, seq, at, hex(from_digest) AS "from", hex(to_digest) AS "to", media_type, size, cause FROM tag_moves ORDER BY 1, 2`,
  findings: 'SELECT repository, kind, detail FROM takeover_findings ORDER BY id',
  candidates: 'SELECT count(*) AS n FROM candidates',
}

/** All that an import makes, but for ids that are random. */
export async function dump(db: Db): Promise<Record<string, Row[]>> {
  const tables: Record<string, Row[]> = {}
  for (const [name, sql] of Object.entries(DUMP)) tables[name] = await rowsOf(db, sql)
  return tables
}
