/**
 * Writes rows as so many pushes would have left them, straight into the database: a million pushes would take hours.
 * The rows' form is the schema's; a foreign key that does not hold, or a column that is missing, is an error here.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Blob, Manifest } from '../../test/lib/content.ts'
import { digestToBytes, parseDigest } from '../../src/oci/digest.ts'
import { OWN_FOLDER } from '../../src/metadata/data-folder.ts'
import { openDatabase } from '../../src/metadata/sqlite/open.ts'
import { naturalSortKey } from '../../src/metadata/tags.ts'
import { CONFIG, LATEST, manifestNamed, ONE, repositoryName, spareTag, tagName } from './content.ts'

const BY = "'open', 'anonymous', 'bench', 'bench', 'push'"
const SQL = {
  repository: 'INSERT INTO repositories (name, created_at, created_by, published_at) VALUES (?, ?, ?, ?)',
  object: "INSERT INTO objects (id, state, digest, size, created_at) VALUES (?, 'live', ?, ?, ?)",
  blob: 'INSERT INTO blobs (digest, size, object_id, verified_at) VALUES (?, ?, ?, ?)',
  link: 'INSERT INTO blob_links (digest, repository_id, lease_until, linked_at) VALUES (?, ?, ?, ?)',
  manifest: `INSERT INTO manifests (repository_id, digest, media_type, bytes, config_digest, config_type, content_size,
    pushed_at, pushed_by, pushed_by_name, client, request_id, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ${BY})`,
  reference: `INSERT INTO manifest_refs (repository_id, manifest, position, kind, digest, media_type, size, held_blob)
    VALUES (?, ?, ?, ?, ?, 'application/vnd.oci.image.layer.v1.tar', ?, ?)`,
  tag: "INSERT INTO tags (repository_id, name, digest, sort_key, moved_at, moved_by) VALUES (?, ?, ?, ?, ?, 'anonymous')",
  move: `INSERT INTO tag_moves (repository_id, name, seq, at, to_digest, media_type, size, principal_id, principal_name,
    client, request_id, cause) VALUES (?, ?, 1, ?, ?, ?, ?, ${BY})`,
} as const

type Statements = Record<keyof typeof SQL, StatementSync>

/** Rows of one transaction. */
const BATCH = 20_000

/** The database of a data folder. */
export const databaseFile = (root: string): string => join(root, OWN_FOLDER, 'metadata.db')

/**
 * @param root the data folder, not there yet
 * @param size manifests and tags in one repository, and repositories
 * @param spares manifests beside them
 */
export function fill(root: string, size: number, spares: number): void {
  const db = openDatabase(databaseFile(root))
  try {
    // Nothing here outlives a crash, and nothing here needs to.
    db.exec('PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -524288')
    const statements = prepare(db)
    const now = Date.now()
    const shared = manifestNamed('shared')
    const one = addFirst(statements, shared.layer, now)
    inBatches(db, size, (index) => {
      const { manifest, layer } = manifestNamed(tagName(index))
      addManifest(statements, one, manifest, layer, tagName(index), now)
      const repository = Number(
        statements.repository.run(repositoryName(index), now, 'anonymous', now).lastInsertRowid,
      )
      for (const blob of [CONFIG, shared.layer]) link(statements, repository, blob, now)
      addManifestRows(statements, repository, shared.manifest, shared.layer, LATEST, now)
    })
    inBatches(db, spares, (index) => {
      const tag = spareTag(index)
      const { manifest, layer } = manifestNamed(tag)
      addManifest(statements, one, manifest, layer, tag, now)
    })
    refuseBroken(db, size)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}

function prepare(db: DatabaseSync): Statements {
  const entries = Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)])
  return Object.fromEntries(entries) as Statements
}

function inBatches(db: DatabaseSync, count: number, add: (index: number) => void): void {
  for (let index = 0; index < count; index++) {
    if (index % BATCH === 0) db.exec(index === 0 ? 'BEGIN' : 'COMMIT; BEGIN')
    add(index)
  }
  if (db.isTransaction) db.exec('COMMIT')
}

/** What all share: the one large repository, and the blobs that every manifest names. */
function addFirst(statements: Statements, layer: Blob, now: number): number {
  const one = Number(statements.repository.run(ONE, now, 'anonymous', now).lastInsertRowid)
  for (const blob of [CONFIG, layer]) addBlob(statements, blob, now)
  link(statements, one, CONFIG, now)
  return one
}

const bytesOf = (digest: string): Uint8Array => digestToBytes(parseDigest(digest))

function addBlob(statements: Statements, { digest, bytes }: Blob, now: number): void {
  const object = randomBytes(16)
  statements.object.run(object, bytesOf(digest), bytes.length, now)
  statements.blob.run(bytesOf(digest), bytes.length, object, now)
}

function link(statements: Statements, repository: number, { digest }: Blob, now: number): void {
  statements.link.run(bytesOf(digest), repository, now, now)
}

function addManifest(
  statements: Statements,
  repository: number,
  manifest: Manifest,
  layer: Blob,
  tag: string,
  now: number,
): void {
  addBlob(statements, layer, now)
  link(statements, repository, layer, now)
  addManifestRows(statements, repository, manifest, layer, tag, now)
}

function addManifestRows(
  statements: Statements,
  repository: number,
  { digest, bytes, mediaType }: Manifest,
  layer: Blob,
  tag: string,
  now: number,
): void {
  const [own, config, held] = [bytesOf(digest), bytesOf(CONFIG.digest), bytesOf(layer.digest)]
  const size = CONFIG.bytes.length + layer.bytes.length
  const configType = 'application/vnd.oci.image.config.v1+json'
  statements.manifest.run(repository, own, mediaType, bytes, config, configType, size, now)
  statements.reference.run(repository, own, 0, 'config', config, CONFIG.bytes.length, config)
  statements.reference.run(repository, own, 1, 'layer', held, layer.bytes.length, held)
  statements.tag.run(repository, tag, own, naturalSortKey(tag), now)
  statements.move.run(repository, tag, now, own, mediaType, bytes.length)
}

/** Checked where it is quick; larger sizes are filled by the same statements. */
function refuseBroken(db: DatabaseSync, size: number): void {
  if (size > 20_000) return
  const broken = db.prepare('PRAGMA foreign_key_check').all()
  if (broken.length > 0) throw new Error(`the fill does not fit the schema: ${JSON.stringify(broken[0])}`)
}
