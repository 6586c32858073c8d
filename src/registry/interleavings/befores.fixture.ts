/** What was there before: the states from which orders of steps are tried. */
import { MEDIA_TYPE } from '../../oci/descriptor.ts'
import { HOUR_MS } from '../../metadata/blob-links.ts'
import type { Digest } from '../../oci/digest.ts'
import { collectGarbage } from '../../jobs/collect-garbage.ts'
import { silentLogger } from '../../lib/logger.ts'
import { chunkOf, createCall, defaultRules, imageOf, repository, sha256, tag } from '../hosted-fixtures.ts'
import type { HostedRules } from '../hosted-parts.ts'
import type { Registry } from '../registry.ts'
import type { World } from './world.fixture.ts'

export const A = repository('a')
export const B = repository('b')
export const call = createCall()
export const LAYER = sha256('layer')
export const IMAGE = imageOf('{}', ['layer'])
export const FIRST = sha256(IMAGE)
export const SECOND_IMAGE = imageOf('{}', ['layer', 'more'])
export const SECOND = sha256(SECOND_IMAGE)
export const INDEX = indexOf([FIRST])
const SIGNATURE = imageOf('{}', ['signature'], {
  subject: { mediaType: MEDIA_TYPE.ociManifest, digest: FIRST, size: 1 },
})

export function indexOf(children: readonly Digest[], extra: object = {}): Buffer {
  const manifests = children.map((digest) => ({ mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 }))
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests, ...extra }),
  )
}
export const put = (bytes: Uint8Array, ...tags: string[]) => ({
  mediaType: (JSON.parse(Buffer.from(bytes).toString()) as { mediaType: string }).mediaType,
  bytes,
  tags: tags.map(tag),
})

/** `trash`: what can be restored, and until when. */
export type Given = { upload: string; trash?: { deletion: number; until: number } }
export type Before = {
  rules?: Partial<HostedRules>
  make(registry: Registry, world: World): Promise<Partial<Given> | void>
}

async function push(registry: Registry, name: string, ...contents: string[]): Promise<void> {
  for (const content of contents)
    await registry.putBlob(call, repository(name), sha256(content), chunkOf(content))
}
/** A has the layer and what every image needs; B has the layer to mount. */
async function pushBlobs(registry: Registry): Promise<void> {
  await push(registry, 'b', 'layer')
  await push(registry, 'a', '{}', 'more', 'layer')
}

/** These stay for another day and a half, and the collector knows. */
async function renew(
  registry: Registry,
  world: World,
  ...blobs: readonly (readonly [repository: typeof A, Digest])[]
): Promise<void> {
  for (const [repository, digest] of blobs) await registry.statBlob(call, repository, digest)
  await collectGarbage({ ...world, log: silentLogger }, { keepMs: defaultRules.keepMs }, call.signal)
}

/** What `work` leaves is due, and nothing else: the orders of what does not meet would only be many. */
async function amongOthers(registry: Registry, world: World, work: () => Promise<void>): Promise<void> {
  await push(registry, 'b', 'layer')
  await push(registry, 'a', '{}', 'more')
  world.advance(20 * HOUR_MS)
  await work()
  world.advance(17 * HOUR_MS)
  await renew(registry, world, [B, LAYER], [A, sha256('{}')], [A, sha256('more')])
  world.advance(30 * HOUR_MS)
}

export const BEFORES = {
  'nothing but a source': {
    async make(registry) {
      await push(registry, 'b', 'layer')
      await push(registry, 'a', '{}', 'more')
    },
  },
  'the blob': { make: pushBlobs },
  'an image whose leases a HEAD renews': {
    async make(registry, world) {
      await push(registry, 'a', '{}', 'layer')
      world.advance(13 * HOUR_MS)
    },
  },
  'an image with a tag': {
    async make(registry) {
      await pushBlobs(registry)
      await registry.putManifest(call, A, put(IMAGE, 'v'))
    },
  },
  'an image with two tags': {
    async make(registry) {
      await pushBlobs(registry)
      await registry.putManifest(call, A, put(IMAGE, 'v', 'w'))
    },
  },
  'an index with a child and a signature': {
    async make(registry) {
      await pushBlobs(registry)
      await push(registry, 'a', 'signature')
      await registry.putManifest(call, A, put(IMAGE))
      await registry.putManifest(call, A, put(INDEX, 'index'))
      await registry.putManifest(call, A, put(SIGNATURE))
    },
  },
  'an upload under way': {
    async make(registry) {
      await push(registry, 'a', '{}', 'more')
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.appendUpload(call, A, id, chunkOf('la'))
      return { upload: id }
    },
  },
  'an upload that nobody went on with': {
    async make(registry, world) {
      await push(registry, 'a', '{}', 'more')
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.appendUpload(call, A, id, chunkOf('la'))
      world.advance(8 * 24 * HOUR_MS)
      await renew(registry, world, [A, sha256('{}')], [A, sha256('more')])
      return { upload: id }
    },
  },
  'a lease that is over': {
    make: (registry, world) => amongOthers(registry, world, () => push(registry, 'a', 'layer')),
  },
  'a last lease that is over': {
    async make(registry, world) {
      await push(registry, 'a', 'layer')
      world.advance(40 * HOUR_MS)
    },
  },
  'an image past its keep': {
    make: (registry, world) =>
      amongOthers(registry, world, async () => {
        await push(registry, 'a', 'layer')
        await registry.putManifest(call, A, put(IMAGE, 'v'))
        await registry.deleteTag(call, A, tag('v'))
      }),
  },
  'an image deleted by digest': {
    async make(registry, world) {
      await pushBlobs(registry)
      await registry.putManifest(call, A, put(IMAGE, 'v'))
      await registry.deleteManifest(call, A, FIRST)
      world.advance(23 * HOUR_MS)
      return inTrash(world)
    },
  },
  'an image deleted by tag': {
    async make(registry, world) {
      await push(registry, 'a', '{}', 'layer')
      await registry.putManifest(call, A, put(IMAGE, 'v'))
      await registry.deleteTag(call, A, tag('v'))
      world.advance(23 * HOUR_MS)
      return inTrash(world)
    },
  },
  'an index past its keep': {
    make: (registry, world) =>
      amongOthers(registry, world, async () => {
        await push(registry, 'a', 'layer')
        await registry.putManifest(call, A, put(IMAGE))
        await registry.putManifest(call, A, put(indexOf([FIRST], { annotations: { a: 'b' } }), 'other'))
        await registry.deleteTag(call, A, tag('other'))
      }),
  },
  'an unlinked blob past its keep': {
    make: (registry, world) =>
      amongOthers(registry, world, async () => {
        await push(registry, 'a', 'layer')
        await registry.deleteBlob(call, A, LAYER)
      }),
  },
  'a damaged blob': {
    async make(registry, world) {
      await pushBlobs(registry)
      await registry.putManifest(call, A, put(IMAGE, 'v'))
      await damage(world)
    },
  },
  'an image that waits for its layer': {
    rules: { sparse: 'all' },
    async make(registry) {
      await push(registry, 'b', 'layer')
      await push(registry, 'a', '{}', 'more')
      await registry.putManifest(call, A, put(IMAGE, 'v'))
      await registry.putManifest(call, A, put(indexOf([SECOND]), 'index'))
    },
  },
  'a repository that only an upload made': {
    async make(registry, world) {
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.cancelUpload(call, A, id)
      await push(registry, 'b', 'layer')
      world.advance(8 * 24 * HOUR_MS)
      await renew(registry, world, [B, LAYER])
    },
  },
  // As BuildKit's cache does: what an index names may be a blob.
  'an index that names a blob': {
    async make(registry, world) {
      await pushBlobs(registry)
      await registry.putManifest(call, A, put(SECOND_IMAGE, 'v'))
      await push(registry, 'a', IMAGE.toString())
      await registry.putManifest(call, A, put(INDEX, 'index'))
      world.advance(40 * HOUR_MS)
      await renew(registry, world, [B, LAYER], [A, sha256('{}')], [A, LAYER])
    },
  },
  garbage: {
    async make(registry, world) {
      await pushBlobs(registry)
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.appendUpload(call, A, id, chunkOf('layer'))
      await registry.cancelUpload(call, A, id)
      world.advance(1)
    },
  },
} satisfies Record<string, Before>

export type BeforeName = keyof typeof BEFORES

function inTrash(world: World): Pick<Given, 'trash'> {
  const [row] = world.rows('SELECT id, until FROM deletions ORDER BY id DESC LIMIT 1')
  return { trash: { deletion: row?.['id'] as number, until: row?.['until'] as number } }
}

/** As the scrub or a reader marks it. */
export async function damage({ db, now }: World): Promise<void> {
  const sql =
    'UPDATE blobs SET damaged_at = :now WHERE digest = (SELECT digest FROM objects WHERE digest = unhex(:digest))'
  const digest = `00${LAYER.slice(7)}`
  await db.write({
    steps: [{ statement: { name: 'damage', sql } }],
    params: { now: now(), digest },
    touches: ['*'],
  })
}
