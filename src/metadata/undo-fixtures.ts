/** A registry in memory that deletes, collects and restores, with a clock that the test moves. */
import { silentLogger } from '../lib/logger.ts'
import { collectGarbage } from '../jobs/collect-garbage.ts'
import { removeGarbage } from '../jobs/remove-garbage.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { Reference } from '../oci/reference.ts'
import {
  createFixture,
  type Fixture,
  pushBlob,
  readBlob,
  repository,
  tag,
} from '../registry/hosted-fixtures.ts'
import type { Actor } from './actor.ts'
import { HOUR_MS } from './blob-links.ts'
import { emptyTrash } from './empty-trash.ts'
import { restoreDeletion, type Restored } from './restore-deletion.ts'
import { restoreTag } from './tag-history.ts'

export const HOUR = HOUR_MS
export const DAY = 24 * HOUR
export const A = repository('a')

export async function withUndo(work: (fixture: Fixture) => Promise<void>, rules = {}): Promise<void> {
  const fixture = createFixture(rules)
  try {
    await work(fixture)
  } finally {
    await fixture.close()
  }
}

export const restorer = (f: Fixture): Actor => ({
  principalId: 'cli',
  principalName: 'root (command line)',
  client: 'berth trash restore',
  requestId: '',
  cause: 'restore',
  now: f.clock.now(),
})

export const restore = (f: Fixture, id: number): Promise<Restored> =>
  restoreDeletion(f.metadata.db, id, restorer(f))

export const retag = (f: Fixture, name: string, digest?: Digest) =>
  restoreTag(f.metadata.db, A, tag(name), digest, restorer(f))

export const empty = (f: Fixture, options: { repository?: string; deletion?: number } = {}) =>
  emptyTrash(f.metadata.db, { ...options, actor: restorer(f), now: f.clock.now() })

/** The collector's rounds for some hours to come. */
export async function pass(f: Fixture, hours: number, keepMs = DAY): Promise<void> {
  const parts = { db: f.metadata.db, store: f.store, log: silentLogger, now: f.clock.now }
  const never = new AbortController().signal
  for (let hour = 0; hour < hours; hour++) {
    f.clock.advance(HOUR)
    await collectGarbage(parts, { keepMs }, never)
    await removeGarbage(parts, never)
  }
}

/** The collector, without that time goes on. */
export async function collect(f: Fixture, keepMs = DAY): Promise<void> {
  const parts = { db: f.metadata.db, store: f.store, log: silentLogger, now: f.clock.now }
  const never = new AbortController().signal
  await collectGarbage(parts, { keepMs }, never)
  await removeGarbage(parts, never)
}

type Named = { mediaType: string; digest: Digest; size: number }

async function put(f: Fixture, mediaType: string, body: object, tags: readonly string[]): Promise<Digest> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...body }))
  return (await f.registry.putManifest(f.call, A, { mediaType, bytes, tags: tags.map(tag) })).digest
}

/** @param layers contents; each is pushed */
export async function image(
  f: Fixture,
  tags: readonly string[],
  layers: readonly string[],
  subject?: Digest,
): Promise<Digest> {
  const blobs: Named[] = []
  for (const content of ['{}', ...layers]) {
    const digest = await pushBlob(f, 'a', content)
    blobs.push({ mediaType: 'application/octet-stream', digest, size: content.length })
  }
  const [config, ...rest] = blobs
  return put(f, MEDIA_TYPE.ociManifest, { config, layers: rest, ...aboutOf(subject) }, tags)
}

export function index(
  f: Fixture,
  tags: readonly string[],
  children: readonly Digest[],
  subject?: Digest,
): Promise<Digest> {
  const manifests = children.map((digest) => ({ mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 }))
  return put(f, MEDIA_TYPE.ociIndex, { manifests, ...aboutOf(subject) }, tags)
}

const aboutOf = (subject: Digest | undefined) =>
  subject === undefined ? {} : { subject: { mediaType: MEDIA_TYPE.ociManifest, digest: subject, size: 1 } }

/**
 * All that a client gets by following everything from a reference: digests of manifests and blobs, and referrers.
 * @throws Error what is not there
 */
export async function pullWhole(f: Fixture, reference: Reference): Promise<Set<Digest>> {
  const seen = new Set<Digest>()
  const follow = async (at: Reference): Promise<void> => {
    const { digest, bytes } = await f.registry.getManifest(f.call, A, at)
    if (seen.has(digest)) return
    seen.add(digest)
    const body = JSON.parse(Buffer.from(bytes).toString()) as {
      config?: Named
      layers?: Named[]
      manifests?: Named[]
    }
    for (const child of body.manifests ?? []) await follow({ kind: 'digest', digest: child.digest })
    for (const blob of [...(body.config ? [body.config] : []), ...(body.layers ?? [])]) {
      seen.add(blob.digest)
      await readBlob(f, 'a', blob.digest)
    }
    const page = await f.registry.listReferrers(f.call, A, digest, undefined, { limit: 1000 })
    for (const referrer of page.descriptors) await follow({ kind: 'digest', digest: referrer.digest })
  }
  await follow(reference)
  return seen
}

export const at = (name: string): Reference => ({ kind: 'tag', tag: tag(name) })
export const by = (digest: Digest): Reference => ({ kind: 'digest', digest })

export const drop = (f: Fixture, digest: Digest): Promise<void> =>
  f.registry.deleteManifest(f.call, A, digest)
export const untag = (f: Fixture, name: string): Promise<void> => f.registry.deleteTag(f.call, A, tag(name))

export async function isThere(f: Fixture, reference: Reference): Promise<boolean> {
  try {
    await f.registry.statManifest(f.call, A, reference)
    return true
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return false
    throw error
  }
}

export async function query(f: Fixture, sql: string): Promise<Record<string, unknown>[]> {
  return (await f.metadata.db.read({ name: sql, sql, rows: true }, {})).map((row) => ({ ...row }))
}

export async function rowsLeft(f: Fixture): Promise<Record<string, unknown>> {
  const [row] = await query(
    f,
    `SELECT (SELECT count(*) FROM manifests) AS manifests, (SELECT count(*) FROM blob_links) AS links,
      (SELECT count(*) FROM blobs) AS blobs, (SELECT count(*) FROM objects) AS objects,
      (SELECT count(*) FROM candidates) AS candidates`,
  )
  return row as Record<string, unknown>
}

export const NOTHING_LEFT = { manifests: 0, links: 0, blobs: 0, objects: 0, candidates: 0 }
