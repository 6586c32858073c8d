/**
 * Pushes, mounts, deletes, retags and uploads in every order of their steps: nothing acknowledged is lost, nothing is
 * torn, and what is answered is one of the answers that the protocol has for it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlobStore } from '../blobs/blob-store.ts'
import { createMemoryBlobStore } from '../blobs/memory.ts'
import { collectGarbage } from '../jobs/collect-garbage.ts'
import { removeGarbage } from '../jobs/remove-garbage.ts'
import { type Logger, silentLogger } from '../lib/logger.ts'
import { HOUR_MS } from '../metadata/blob-links.ts'
import type { Db } from '../metadata/database.ts'
import { createPullRecorder } from '../metadata/pulls.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { RegistryError } from '../oci/error.ts'
import { createHostedRegistry } from './hosted.ts'
import {
  chunkOf,
  createCall,
  createFixture,
  defaultRules,
  type Fixture,
  imageOf,
  pushBlob,
  pushImage,
  readBlob,
  repository,
  sha256,
  tag,
} from './hosted-fixtures.ts'
import { everyInterleaving, steppedDb, steppedStore, type Turnstile } from './interleave-fixtures.ts'
import type { Registry } from './registry.ts'

const A = repository('a')
const B = repository('b')
const BLOB = sha256('layer')
const FIRST = sha256(imageOf('{}', ['layer']))
const INDEX = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest: FIRST, size: 1 }],
  }),
)
const NEVER = new AbortController().signal
const SECOND = sha256(imageOf('{}', ['layer', 'more']))

/** What an operation brings about, and what it takes away. */
type Effect = 'blob' | 'first' | 'second' | 'tag-first' | 'tag-second' | 'index'
type Operation = {
  run(registry: Registry, given: Given, world: World): Promise<unknown>
  makes?: readonly Effect[]
  undoes?: readonly Effect[]
  /** Error codes that are an ordinary answer. */
  may?: readonly string[]
  /** Refused unless these are there. */
  needs?: readonly Effect[]
}
type Given = { upload: string }
/** What a background task sees of the same steps. */
type World = { db: Db; store: BlobStore; log: Logger; now: () => number }

const image = (layers: readonly string[]) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  bytes: imageOf('{}', layers),
})
const call = createCall()
const PREEMPTIONS = process.env['BERTH_SLOW'] ? 4 : 2

const OPERATIONS: Readonly<Record<string, Operation>> = {
  push: { run: (r) => r.putBlob(call, A, BLOB, chunkOf('layer')), makes: ['blob'] },
  upload: {
    run: async (r) => {
      const { id } = await r.startUpload(call, A, undefined)
      await r.appendUpload(call, A, id, chunkOf('lay'))
      await r.finishUpload(call, A, id, BLOB, chunkOf('er'))
    },
    makes: ['blob'],
  },
  mount: {
    run: async (r) => assert.equal(await r.mountBlob(call, A, BLOB, B), 'mounted'),
    makes: ['blob'],
  },
  deleteBlob: { run: (r) => r.deleteBlob(call, A, BLOB), undoes: ['blob'], may: ['BLOB_UNKNOWN'] },
  headBlob: { run: (r) => r.statBlob(call, A, BLOB), may: ['BLOB_UNKNOWN'] },
  putFirst: {
    run: (r) => r.putManifest(call, A, { ...image(['layer']), tags: [tag('v')] }),
    makes: ['first', 'tag-first'],
    undoes: ['tag-second'],
    may: ['MANIFEST_BLOB_UNKNOWN'],
  },
  putSecond: {
    run: (r) => r.putManifest(call, A, { ...image(['layer', 'more']), tags: [tag('v')] }),
    makes: ['second', 'tag-second'],
    undoes: ['tag-first'],
    may: ['MANIFEST_BLOB_UNKNOWN'],
  },
  deleteTag: {
    run: (r) => r.deleteTag(call, A, tag('v')),
    undoes: ['tag-first', 'tag-second'],
    may: ['MANIFEST_UNKNOWN'],
  },
  deleteFirst: {
    run: (r) => r.deleteManifest(call, A, FIRST),
    undoes: ['first', 'tag-first'],
    may: ['MANIFEST_UNKNOWN'],
  },
  getFirst: {
    run: (r) => r.getManifest(call, A, { kind: 'digest', digest: FIRST }),
    may: ['MANIFEST_UNKNOWN'],
  },
  // What a client does that trusts a 200: it must never hear that something is missing.
  headPush: {
    run: async (r) => {
      for (const content of ['{}', 'layer']) await pushUnlessThere(r, content)
      await r.putManifest(call, A, { ...image(['layer']), tags: [tag('v')] })
    },
    makes: ['blob', 'first', 'tag-first'],
    undoes: ['tag-second'],
  },
  mountPush: {
    run: async (r) => {
      await pushUnlessThere(r, '{}')
      const mounted = await r.mountBlob(call, A, BLOB, B)
      if (mounted === 'unavailable') await r.putBlob(call, A, BLOB, chunkOf('layer'))
      await r.putManifest(call, A, { ...image(['layer']), tags: [tag('v')] })
    },
    makes: ['blob', 'first', 'tag-first'],
    undoes: ['tag-second'],
  },
  headChild: {
    run: async (r) => {
      try {
        await r.statManifest(call, A, { kind: 'digest', digest: FIRST })
      } catch (error) {
        assert.equal((error as RegistryError).code, 'MANIFEST_UNKNOWN')
        for (const content of ['{}', 'layer']) await pushUnlessThere(r, content)
        await r.putManifest(call, A, { ...image(['layer']), tags: [] })
      }
      await r.putManifest(call, A, { mediaType: MEDIA_TYPE.ociIndex, bytes: INDEX, tags: [tag('index')] })
    },
    makes: ['first', 'index'],
  },
  collect: {
    run: async (_r, _g, world) => {
      await collectGarbage(world, { keepMs: defaultRules.keepMs }, NEVER)
      await removeGarbage(world, NEVER)
    },
  },
  // The same upload, by two clients.
  append: {
    run: (r, g) => r.appendUpload(call, A, g.upload, chunkOf('yer', 2)),
    may: ['RANGE_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID'],
  },
  appendBlindly: {
    run: (r, g) => r.appendUpload(call, A, g.upload, chunkOf('XX')),
    may: ['RANGE_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID'],
  },
  finish: {
    run: (r, g) => r.finishUpload(call, A, g.upload, BLOB, chunkOf('yer', 2)),
    makes: ['blob'],
    may: ['RANGE_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'DIGEST_INVALID', 'BLOB_UPLOAD_INVALID'],
  },
  cancel: { run: (r, g) => r.cancelUpload(call, A, g.upload), may: ['BLOB_UPLOAD_UNKNOWN'] },
}

async function pushUnlessThere(r: Registry, content: string): Promise<void> {
  const digest = sha256(content)
  try {
    await r.statBlob(call, A, digest)
  } catch (error) {
    assert.equal((error as RegistryError).code, 'BLOB_UNKNOWN')
    await r.putBlob(call, A, digest, chunkOf(content))
  }
}

/** Pairs that are tried, after what was there before. */
const BLOB_PAIRS = pairs(['push', 'upload', 'mount', 'deleteBlob', 'headBlob', 'putFirst'])
const MANIFEST_PAIRS = pairs(['putFirst', 'putSecond', 'deleteTag', 'deleteFirst', 'deleteBlob', 'getFirst'])
const COLLECT_PAIRS = [
  'push',
  'upload',
  'headBlob',
  'headPush',
  'mountPush',
  'headChild',
  'deleteBlob',
  'putFirst',
  'deleteTag',
  'deleteFirst',
  'getFirst',
  'collect',
].map((name): [string, string] => ['collect', name])
const UPLOAD_PAIRS = pairs(['append', 'appendBlindly', 'finish', 'cancel'])

function pairs(names: readonly string[]): [string, string][] {
  return names.flatMap((one, index) => names.slice(index).map((other): [string, string] => [one, other]))
}

type Before = 'nothing' | 'blob' | 'tagged' | 'upload' | 'leases over' | 'keep over' | 'index gone'

async function prepare(before: Before): Promise<{ fixture: Fixture; given: Given }> {
  const fixture = createFixture({}, { store: createMemoryBlobStore() })
  await pushBlob(fixture, B, 'layer')
  for (const content of ['{}', 'more']) await pushBlob(fixture, A, content)
  if (before === 'blob') await pushBlob(fixture, A, 'layer')
  if (before === 'tagged') await pushImage(fixture, A, ['v'], ['layer'])
  if (before === 'leases over') await pushBlob(fixture, A, 'layer')
  if (before === 'keep over') {
    await pushImage(fixture, A, ['v'], ['layer'])
    await fixture.registry.deleteTag(fixture.call, A, tag('v'))
  }
  if (before === 'index gone') {
    await pushImage(fixture, A, [], ['layer'])
    await fixture.registry.putManifest(fixture.call, A, {
      mediaType: MEDIA_TYPE.ociIndex,
      bytes: Buffer.from(INDEX.toString().replace('}]', ',"annotations":{"a":"b"}}]')),
      tags: [tag('other')],
    })
    await fixture.registry.deleteTag(fixture.call, A, tag('other'))
  }
  if (['leases over', 'keep over', 'index gone'].includes(before)) fixture.clock.advance(40 * HOUR_MS)
  const { id } = await fixture.registry.startUpload(fixture.call, A, undefined)
  if (before === 'upload') await fixture.registry.appendUpload(fixture.call, A, id, chunkOf('la'))
  return { fixture, given: { upload: id } }
}

/** Each operation as a process of its own sees the one database and store, or both in one process. */
function registryOf(fixture: Fixture, actor: string, turnstile: Turnstile, processId: string): Registry {
  const db = steppedDb(fixture.metadata.db, actor, turnstile)
  return createHostedRegistry({
    db,
    store: steppedStore(fixture.store, actor, turnstile),
    clock: fixture.clock,
    log: silentLogger,
    pulls: createPullRecorder(db, fixture.clock.now),
    processId,
    boot: 'boot',
    rules: defaultRules,
  })
}

async function tryPair(before: Before, names: readonly [string, string]): Promise<number> {
  return everyInterleaving(
    async (turnstile) => {
      const { fixture, given } = await prepare(before)
      const results = new Map<string, unknown>()
      const actors = Object.fromEntries(
        names.map((name, index) => {
          const actor = `${index}${name}`
          const registry = registryOf(fixture, actor, turnstile, actor)
          const world: World = {
            db: steppedDb(fixture.metadata.db, actor, turnstile),
            store: steppedStore(fixture.store, actor, turnstile),
            log: silentLogger,
            now: fixture.clock.now,
          }
          const done = (OPERATIONS[name] as Operation).run(registry, given, world).then(
            () => results.set(actor, undefined),
            (error: unknown) => results.set(actor, error),
          )
          return [actor, done]
        }),
      )
      return {
        actors,
        check: async () => {
          try {
            await checkAnswers(fixture, names, results)
            await checkStorage(fixture)
          } finally {
            await fixture.close()
          }
        },
      }
    },
    { preemptions: PREEMPTIONS },
  )
}

async function checkAnswers(
  fixture: Fixture,
  names: readonly string[],
  results: Map<string, unknown>,
): Promise<void> {
  const done: Operation[] = []
  for (const [index, name] of names.entries()) {
    const operation = OPERATIONS[name] as Operation
    const error = results.get(`${index}${name}`)
    if (error === undefined) done.push(operation)
    else if (!(error instanceof RegistryError) || !operation.may?.includes(error.code)) throw error as Error
  }
  const seen = await effectsSeen(fixture)
  for (const [index, operation] of done.entries()) {
    const others = done.filter((_, other) => other !== index)
    for (const effect of operation.makes ?? []) {
      const mayBeUndone = others.some(({ undoes }) => undoes?.includes(effect))
      if (!mayBeUndone) assert.ok(seen.has(effect), `${effect} was acknowledged and is not there`)
    }
    for (const effect of operation.undoes ?? []) {
      const mayBeMade =
        others.some(({ makes }) => makes?.includes(effect)) || operation.makes?.includes(effect)
      if (!mayBeMade) assert.ok(!seen.has(effect), `${effect} was deleted and is still there`)
    }
  }
}

async function effectsSeen(fixture: Fixture): Promise<Set<Effect>> {
  const { registry } = fixture
  const seen = new Set<Effect>()
  const note = async (effect: Effect, look: Promise<unknown>): Promise<void> => {
    await look.then(
      () => seen.add(effect),
      (error: { code?: string }) => assert.match(error.code ?? 'no code', /_UNKNOWN$/),
    )
  }
  await note(
    'blob',
    readBlob(fixture, A, BLOB).then((content) => assert.equal(content, 'layer')),
  )
  await note('first', registry.getManifest(fixture.call, A, { kind: 'digest', digest: FIRST }))
  await note('second', registry.getManifest(fixture.call, A, { kind: 'digest', digest: SECOND }))
  const tagged = await registry
    .statManifest(fixture.call, A, { kind: 'tag', tag: tag('v') })
    .catch(() => undefined)
  const listed = await registry.listTags(fixture.call, A, { limit: 9 }).catch(() => ({ names: [] }))
  const names: readonly string[] = listed.names
  if (names.includes('index')) seen.add('index')
  assert.equal(names.includes('v'), tagged !== undefined, 'listing and look-up agree')
  if (tagged?.digest === FIRST) seen.add('tag-first')
  if (tagged?.digest === SECOND) seen.add('tag-second')
  return seen
}

/** Rows and objects belong together, whatever happened. */
async function checkStorage({ metadata, store }: Fixture): Promise<void> {
  const rows = (name: string, sql: string) => metadata.db.read({ name, sql, rows: true }, {})
  const torn = await rows(
    'torn',
    `SELECT 'named garbage' AS what FROM blobs b JOIN objects o ON o.id = b.object_id WHERE o.state <> 'live'
     UNION ALL SELECT 'live but unnamed' FROM objects o WHERE o.state = 'live' AND NOT EXISTS (SELECT 1 FROM blobs b WHERE b.object_id = o.id)
     UNION ALL SELECT 'uploading without upload' FROM objects o WHERE o.state = 'uploading' AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.object_id = o.id)
     UNION ALL SELECT 'counts' FROM repository_counts c WHERE tags <> (SELECT count(*) FROM tags t WHERE t.repository_id = c.repository_id)
       OR bytes <> (SELECT coalesce(sum(b.size), 0) FROM blob_links l JOIN blobs b ON b.digest = l.digest WHERE l.repository_id = c.repository_id AND l.unlinked_at IS NULL)
     UNION ALL SELECT 'foreign key' FROM pragma_foreign_key_check`,
  )
  assert.deepEqual(torn, [])
  const known = new Set(
    (await rows('objects', 'SELECT lower(hex(id)) AS id FROM objects')).map((row) => row['id']),
  )
  for await (const { object } of store.list())
    assert.ok(known.has(object.id), `an object that no row knows: ${object.id}`)
}

for (const [before, list] of [
  ['nothing', BLOB_PAIRS],
  ['blob', BLOB_PAIRS],
  ['blob', MANIFEST_PAIRS],
  ['tagged', MANIFEST_PAIRS],
  ['upload', UPLOAD_PAIRS],
  ['leases over', COLLECT_PAIRS],
  ['keep over', COLLECT_PAIRS],
  ['index gone', COLLECT_PAIRS],
] as const) {
  for (const pair of list) {
    test(`${pair.join(' against ')}, after ${before}`, async (t) => {
      const runs = await tryPair(before, pair)
      assert.ok(runs >= 2)
      t.diagnostic(`${runs} orders`)
    })
  }
}
