/** What must hold in every state, what clients were promised, and what must be left when time has gone by. */
import assert from 'node:assert/strict'
import { collectGarbage } from '../../jobs/collect-garbage.ts'
import { expireUploads } from '../../jobs/expire-uploads.ts'
import { removeGarbage } from '../../jobs/remove-garbage.ts'
import { silentLogger } from '../../lib/logger.ts'
import { HOUR_MS } from '../../metadata/blob-links.ts'
import { digestFromBytes } from '../../oci/digest.ts'
import type { Promises } from './promises.fixture.ts'
import { namedIn } from './witness.fixture.ts'
import type { World } from './world.fixture.ts'

export const KEEP_MS = 24 * HOUR_MS
const WEEK_MS = 7 * 24 * HOUR_MS
const NEVER = new AbortController().signal

/** Rows and objects belong together, whatever has been done and whoever was killed. */
const TORN = `
  SELECT 'a blob names an object that is ' || o.state AS what FROM blobs b JOIN objects o ON o.id = b.object_id WHERE o.state <> 'live'
  UNION ALL SELECT 'a blob without its object' FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.id = b.object_id)
  UNION ALL SELECT 'a live object that no blob names' FROM objects o WHERE o.state = 'live'
    AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = o.id)
  UNION ALL SELECT 'an object is written without an upload' FROM objects o WHERE o.state = 'uploading'
    AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.object_id = o.id OR u.next_object_id = o.id)
  UNION ALL SELECT 'counted tags' FROM repository_counts c
    WHERE tags <> (SELECT count(*) FROM tags t WHERE t.repository_id = c.repository_id)
  UNION ALL SELECT 'counted manifests' FROM repository_counts c
    WHERE manifests <> (SELECT count(*) FROM manifests m WHERE m.repository_id = c.repository_id AND m.deleted_at IS NULL)
  UNION ALL SELECT 'counted bytes' FROM repository_counts c WHERE bytes <> (SELECT coalesce(sum(b.size), 0)
    FROM blob_links l JOIN blobs b ON b.digest = l.digest WHERE l.repository_id = c.repository_id AND l.unlinked_at IS NULL)
  UNION ALL SELECT 'a tag of a manifest that is deleted' FROM tags t
    JOIN manifests m ON m.repository_id = t.repository_id AND m.digest = t.digest WHERE m.deleted_at IS NOT NULL
  UNION ALL SELECT 'a row that waits for no candidate: link' FROM blob_links l WHERE NOT EXISTS (SELECT 1 FROM manifest_refs r
      WHERE r.held_blob = l.digest AND r.repository_id = l.repository_id)
    AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.kind = 'link' AND c.digest = l.digest AND c.repository_id = l.repository_id)
  UNION ALL SELECT 'a row that waits for no candidate: blob' FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = b.digest)
    AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.kind = 'blob' AND c.digest = b.digest)
  UNION ALL SELECT 'foreign key of ' || "table" FROM pragma_foreign_key_check`

export function assertSound(world: World): void {
  assert.deepEqual(
    world.rows(TORN).map((row) => row['what']),
    [],
  )
  for (const row of world.rows(
    `SELECT lower(hex(id)) AS id, digest, size FROM objects WHERE state = 'live'`,
  )) {
    const digest = digestFromBytes(row['digest'] as Uint8Array)
    assert.deepEqual(
      world.bytesOf(row['id'] as string),
      { digest, size: row['size'] },
      'a live object has its bytes',
    )
  }
}

type Content = {
  tags: ReadonlyMap<string, string>
  manifests: ReadonlyMap<string, Uint8Array>
  blobs: ReadonlySet<string>
}

/** What can be read, straight from the rows. */
function readable(world: World): Content {
  const digest = (value: unknown): string => digestFromBytes(value as Uint8Array)
  const tags = world.rows(
    'SELECT r.name AS repository, t.name, t.digest FROM tags t JOIN repositories r ON r.id = t.repository_id',
  )
  const manifests = world.rows(
    'SELECT r.name, m.digest, m.bytes FROM manifests m JOIN repositories r ON r.id = m.repository_id WHERE m.deleted_at IS NULL',
  )
  const blobs = world.rows(
    `SELECT r.name, l.digest, lower(hex(b.object_id)) AS object FROM blob_links l JOIN repositories r ON r.id = l.repository_id
     JOIN blobs b ON b.digest = l.digest WHERE l.unlinked_at IS NULL AND b.damaged_at IS NULL`,
  )
  return {
    tags: new Map(
      tags.map((row) => [`${row['repository'] as string} ${row['name'] as string}`, digest(row['digest'])]),
    ),
    manifests: new Map(
      manifests.map((row) => [
        `${row['name'] as string} ${digest(row['digest'])}`,
        row['bytes'] as Uint8Array,
      ]),
    ),
    blobs: new Set(
      blobs
        .filter((row) => world.bytesOf(row['object'] as string)?.digest === digest(row['digest']))
        .map((row) => `${row['name'] as string} ${digest(row['digest'])}`),
    ),
  }
}

/** Nothing that was acknowledged is lost, and nothing that was deleted can be read. */
export function assertPromises(world: World, { held, gone, excused }: Promises): void {
  const content = readable(world)
  const broken: string[] = []
  for (const [fact, until] of held) {
    if (until <= world.now()) continue
    const [kind, repository, name, digest] = fact.split(' ') as [string, string, string, string | undefined]
    if (kind === 'trash') continue
    if (kind !== 'tag') missing(content, excused, repository, name, broken)
    else if (content.tags.get(`${repository} ${name}`) === digest)
      missing(content, excused, repository, digest as string, broken)
    else broken.push(`${fact} is lost`)
  }
  for (const fact of gone) {
    const [kind, repository, name] = fact.split(' ') as [string, string, string]
    const rows = { tag: content.tags, manifest: content.manifests, blob: content.blobs }[kind as 'tag']
    if (rows.has(`${repository} ${name}`)) broken.push(`${fact} was deleted and is there`)
  }
  assert.deepEqual(broken, [])
}

/** What cannot be read of a blob, or of a manifest with all that it names, but for what was itself deleted. */
function missing(
  content: Content,
  excused: ReadonlySet<string>,
  repository: string,
  digest: string,
  broken: string[],
): void {
  const name = `${repository} ${digest}`
  const bytes = content.manifests.get(name)
  if (bytes !== undefined) {
    for (const named of namedIn(bytes)) missing(content, excused, repository, named, broken)
  } else if (!content.blobs.has(name) && !excused.has(`blob ${name}`) && !excused.has(`manifest ${name}`)) {
    broken.push(`${name} is lost`)
  }
}

const NEXT = `SELECT min(at) AS at FROM (SELECT min(due_at) AS at FROM candidates
  UNION ALL SELECT min(max(delete_after, coalesce(claimed_until, 0), (SELECT coalesce(max(until), 0) FROM removal_holds)))
    FROM objects WHERE state = 'garbage')`

/**
 * Days go by in which nobody asks for anything: the collector runs whenever something is due.
 * @param orphans objects that no row knows may be left: a push in one request was killed
 */
export async function assertAllCollected(world: World, promises: Promises, orphans: boolean): Promise<void> {
  await collectAll(world, promises)
  world.advance(WEEK_MS + HOUR_MS)
  const parts = { db: world.db, store: world.store, log: silentLogger, now: world.now }
  await expireUploads(parts, { ageMs: WEEK_MS, dryRun: false }, NEVER)
  await collectAll(world, promises)
  assert.deepEqual(
    world.rows(LEFT).map((row) => row['what']),
    [],
  )
  for (const row of world.rows(UNTAGGED)) {
    const name = `${row['name'] as string} ${digestFromBytes(row['digest'] as Uint8Array)}`
    assert.ok(promises.untagged.has(name), `${name} lost its last tag by deletion, and stays`)
  }
  const known = new Set(world.rows('SELECT lower(hex(id)) AS id FROM objects').map((row) => row['id']))
  if (!orphans)
    for (const object of world.objects()) assert.ok(known.has(object), `no row knows the object ${object}`)
}

async function collectAll(world: World, promises: Promises): Promise<void> {
  const parts = { db: world.db, store: world.store, log: silentLogger, now: world.now }
  for (let rounds = 0; ; rounds++) {
    const next = world.rows(NEXT)[0]?.['at'] as number | null
    if (next === null) return
    assert.ok(rounds < 40, 'the collector comes to no end')
    world.advance(Math.max(0, next - world.now()) + 1)
    await collectGarbage(parts, { keepMs: KEEP_MS }, NEVER)
    await removeGarbage(parts, NEVER)
    assertSound(world)
    assertPromises(world, promises)
  }
}

/** What nothing needs any more, and is still there. */
const LEFT = `
  SELECT 'a candidate' AS what FROM candidates
  UNION ALL SELECT 'an object ' || state FROM objects WHERE state <> 'live'
  UNION ALL SELECT 'an upload' FROM uploads
  UNION ALL SELECT iif(deleted_at IS NULL, 'a manifest that was to expire', 'a manifest that was deleted') FROM manifests m
    WHERE (expires_at IS NOT NULL OR deleted_at IS NOT NULL)
    -- What a manifest names stays as long as that, whatever was deleted; and what was to go with it.
    AND NOT EXISTS (SELECT 1 FROM manifest_refs r WHERE r.repository_id = m.repository_id AND r.held_manifest IN (m.digest, m.subject))
  UNION ALL SELECT 'a link that nothing holds' FROM blob_links l WHERE NOT EXISTS
    (SELECT 1 FROM manifest_refs r WHERE r.held_blob = l.digest AND r.repository_id = l.repository_id)
  UNION ALL SELECT 'a blob without links' FROM blobs b WHERE NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.digest = b.digest)
  UNION ALL SELECT 'a repository that nobody filled' FROM repositories r WHERE published_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.repository_id = r.id)
    AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.repository_id = r.id) -- which remember who did it`

/** Its every tag was deleted, none moved away, and nothing names it. */
const UNTAGGED = `SELECT r.name, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id
  WHERE EXISTS (SELECT 1 FROM tag_moves v WHERE v.repository_id = m.repository_id AND v.from_digest = m.digest)
  AND NOT EXISTS (SELECT 1 FROM tag_moves v
    WHERE v.repository_id = m.repository_id AND v.from_digest = m.digest AND v.to_digest IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
  AND NOT EXISTS (SELECT 1 FROM manifest_refs p WHERE p.repository_id = m.repository_id AND p.held_manifest IN (m.digest, m.subject))`
