/** What is done at the same time: each as a process of its own, unless told otherwise. */
import assert from 'node:assert/strict'
import { removeUnknown } from '../../jobs/check/remove-unknown.ts'
import { noFiles, unknownObjects } from '../../jobs/check/unknown-files.ts'
import { collectGarbage } from '../../jobs/collect-garbage.ts'
import { expireUploads } from '../../jobs/expire-uploads.ts'
import { removeGarbage } from '../../jobs/remove-garbage.ts'
import { silentLogger } from '../../lib/logger.ts'
import { HOUR_MS, objectFromBytes } from '../../metadata/blob-links.ts'
import type { Statement } from '../../metadata/database.ts'
import { emptyTrash } from '../../metadata/empty-trash.ts'
import { createPullRecorder } from '../../metadata/pulls.ts'
import { releaseHold, takeHold } from '../../metadata/removal-holds.ts'
import { restoreDeletion } from '../../metadata/restore-deletion.ts'
import { restoreTag } from '../../metadata/tag-history.ts'
import { RegistryError } from '../../oci/error.ts'
import { actorOf } from '../actor.ts'
import { chunkOf, defaultRules, sha256, tag } from '../hosted-fixtures.ts'
import type { HostedRules } from '../hosted-parts.ts'
import { createHostedRegistry } from '../hosted.ts'
import type { Registry } from '../registry.ts'
import { A, B, call, FIRST, type Given, IMAGE, INDEX, LAYER, put, SECOND_IMAGE } from './befores.fixture.ts'
import { KEEP_MS } from './checks.fixture.ts'
import type { ProcessParts, Script } from './process.fixture.ts'
import type { Event } from './promises.fixture.ts'
import { asking, nothing, witnessed } from './witness.fixture.ts'

type Parts = ProcessParts<Event> & { registry: Registry; given: Given }
type Actor = {
  run(parts: Parts): Promise<unknown>
  /** Error codes that are an ordinary answer here, beside that something is not there. */
  may?: readonly string[]
}

const NEVER = new AbortController().signal
const WEEK_MS = 7 * 24 * HOUR_MS
const ABSENT = ['BLOB_UNKNOWN', 'MANIFEST_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN', 'NAME_UNKNOWN']
const UPLOAD_CODES = ['RANGE_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'DIGEST_INVALID']

const jobs = ({ db, store, now }: Parts) => ({ db, store, now, log: silentLogger })

export const ACTORS = {
  push: { run: ({ registry }) => registry.putBlob(call, A, LAYER, chunkOf('layer')) },
  upload: {
    async run({ registry }) {
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.appendUpload(call, A, id, chunkOf('lay'))
      await registry.finishUpload(call, A, id, LAYER, chunkOf('er'))
    },
  },
  'upload and cancel': {
    async run({ registry }) {
      const { id } = await registry.startUpload(call, A, undefined)
      await registry.appendUpload(call, A, id, chunkOf('layer'))
      await registry.cancelUpload(call, A, id)
    },
  },
  mount: { run: ({ registry }) => registry.mountBlob(call, A, LAYER, B) },
  'mount from anywhere': { run: ({ registry }) => registry.mountBlob(call, A, LAYER, undefined) },
  'head blob': { run: async ({ registry }) => registry.statBlob(call, A, LAYER) },
  'delete blob': { run: ({ registry }) => registry.deleteBlob(call, A, LAYER) },
  'delete source': { run: ({ registry }) => registry.deleteBlob(call, B, LAYER) },
  'put first': { run: ({ registry }) => registry.putManifest(call, A, put(IMAGE, 'v')) },
  'put second': { run: ({ registry }) => registry.putManifest(call, A, put(SECOND_IMAGE, 'v')) },
  'put untagged': { run: ({ registry }) => registry.putManifest(call, A, put(SECOND_IMAGE)) },
  'get first': {
    run: async ({ registry }) => registry.getManifest(call, A, { kind: 'digest', digest: FIRST }),
  },
  'delete tag': { run: ({ registry }) => registry.deleteTag(call, A, tag('v')) },
  'delete other tag': { run: ({ registry }) => registry.deleteTag(call, A, tag('w')) },
  'delete index': { run: ({ registry }) => registry.deleteTag(call, A, tag('index')) },
  'delete first': { run: ({ registry }) => registry.deleteManifest(call, A, FIRST) },
  'put first untagged': { run: ({ registry }) => registry.putManifest(call, A, put(IMAGE)) },
  // What a client does that trusts a 200: it must never hear that something is missing.
  'head and push': {
    async run({ registry }) {
      for (const content of ['{}', 'layer']) await pushUnlessThere(registry, content)
      await registry.putManifest(call, A, put(IMAGE, 'v'))
    },
  },
  'mount and push': {
    async run({ registry }) {
      await pushUnlessThere(registry, '{}')
      const mounted = await registry.mountBlob(call, A, LAYER, B)
      if (mounted === 'unavailable') await registry.putBlob(call, A, LAYER, chunkOf('layer'))
      await registry.putManifest(call, A, put(IMAGE, 'v'))
    },
  },
  'head child and push index': {
    async run({ registry }) {
      try {
        await registry.statManifest(call, A, { kind: 'digest', digest: FIRST })
      } catch (error) {
        assert.equal((error as RegistryError).code, 'MANIFEST_UNKNOWN')
        for (const content of ['{}', 'layer']) await pushUnlessThere(registry, content)
        await registry.putManifest(call, A, put(IMAGE))
      }
      await registry.putManifest(call, A, put(INDEX, 'index'))
    },
  },
  collect: { run: (parts) => collectGarbage(jobs(parts), { keepMs: KEEP_MS }, NEVER) },
  remove: { run: (parts) => removeGarbage(jobs(parts), NEVER) },
  'expire uploads': { run: (parts) => expireUploads(jobs(parts), { ageMs: WEEK_MS, dryRun: false }, NEVER) },
  // The same upload, by two clients.
  append: {
    run: ({ registry, given }) => registry.appendUpload(call, A, given.upload, chunkOf('yer', 2)),
    may: UPLOAD_CODES,
  },
  'append blindly': {
    run: ({ registry, given }) => registry.appendUpload(call, A, given.upload, chunkOf('XX')),
    may: UPLOAD_CODES,
  },
  finish: {
    run: ({ registry, given }) => registry.finishUpload(call, A, given.upload, LAYER, chunkOf('yer', 2)),
    may: UPLOAD_CODES,
  },
  cancel: { run: ({ registry, given }) => registry.cancelUpload(call, A, given.upload), may: UPLOAD_CODES },
  restore: { run: (parts) => restore(parts) },
  'restore tag': { run: (parts) => restoreTagged(parts) },
  'empty trash': { run: (parts) => empty(parts) },
  // What was there when it began is read whole, as long as its hold is in force.
  'back up': {
    async run({ db, store, now }) {
      const hold = await takeHold(db, 'backup', now(), 100 * HOUR_MS)
      const rows = await db.read(LIVE, {})
      for (const row of rows) {
        const id = objectFromBytes(row['id'] as Uint8Array)
        const source = await store.open({ id }, row['size'] as number, undefined, undefined)
        assert.ok(source, 'a file went that a backup was to read')
      }
      await releaseHold(db, hold)
    },
  },
  // What the weekly look for files that no row knows does with what it may remove.
  'remove unknown files': {
    async run(parts) {
      const files = []
      for await (const problem of unknownObjects(jobs(parts), noFiles(), NEVER))
        if ('file' in problem) files.push(problem.file)
      await removeUnknown({ ...jobs(parts), linkCount: async () => 1 }, files, NEVER)
    },
  },
  // Time goes by, and every process that is not at a step pauses as long.
  '23 hours': { run: ({ pause }) => pause(23 * HOUR_MS) },
  '200 hours': { run: ({ pause }) => pause(200 * HOUR_MS) },
  '37 hours': { run: ({ pause }) => pause(37 * HOUR_MS) },
} satisfies Record<string, Actor>

export type ActorName = keyof typeof ACTORS

const LIVE: Statement = {
  name: 'blobs-to-back-up',
  sql: 'SELECT o.id, b.size FROM blobs b JOIN objects o ON o.id = b.object_id WHERE b.digest = b.digest ORDER BY b.digest',
  rows: true,
}

const who = (now: number, cause = 'restore') => ({ ...actorOf(call, now), cause })
const trashOf = ({ given }: Parts): string => `trash ${given.trash?.deletion}`
const MANIFEST = `manifest ${A} ${FIRST}`
/** Its blobs are held by the manifest, and have no lease of their own. */
const BACK = [{ fact: MANIFEST }, { fact: `tag ${A} v ${FIRST}` }]
const isBack = (gone: string): boolean => [`tag ${A} v`, MANIFEST, `blob ${A} ${LAYER}`].includes(gone)

function restore(parts: Parts): Promise<unknown> {
  const question = {
    ...nothing,
    verb: 'restore',
    gives: BACK,
    untagged: [`${A} ${FIRST}`],
    makes: isBack,
    takes: (fact: string) => fact === trashOf(parts),
    relies: [trashOf(parts)],
  }
  return asking(
    question,
    `${parts.processId} restore`,
    parts.tell,
    () => restoreDeletion(parts.db, parts.given.trash?.deletion ?? 0, who(parts.now())),
    (result) => {
      if (result.kind !== 'restored') return { refused: result.kind }
      return { without: result.tags.length === 0 ? [`tag ${A} v ${FIRST}`] : [] }
    },
  )
}

function restoreTagged(parts: Parts): Promise<unknown> {
  const question = {
    ...nothing,
    verb: 'restore of a tag',
    gives: BACK,
    makes: isBack,
    takes: (fact: string) =>
      fact === trashOf(parts) || (fact.startsWith(`tag ${A} v `) && !fact.endsWith(FIRST)),
    relies: [trashOf(parts)],
  }
  return asking(
    question,
    `${parts.processId} restore`,
    parts.tell,
    () => restoreTag(parts.db, A, tag('v'), FIRST, who(parts.now())),
    (result) => {
      if (result.kind === 'unchanged') return { without: [MANIFEST] }
      return result.kind === 'restored' ? {} : { refused: result.kind }
    },
  )
}

function empty(parts: Parts): Promise<unknown> {
  const question = {
    ...nothing,
    verb: 'emptying of the trash',
    // What nobody was told to be there goes at once; and what was read before it was deleted has no lease.
    takes: (fact: string) =>
      ['trash ', 'manifest ', ...(parts.given.trash === undefined ? ['read '] : [])].some((kind) =>
        fact.startsWith(kind),
      ),
    trashes: A,
  }
  const now = parts.now()
  return asking(question, `${parts.processId} empty`, parts.tell, () =>
    emptyTrash(parts.db, { actor: who(now, 'api'), now }),
  )
}

async function pushUnlessThere(registry: Registry, content: string): Promise<void> {
  const digest = sha256(content)
  try {
    await registry.statBlob(call, A, digest)
  } catch (error) {
    assert.equal((error as RegistryError).code, 'BLOB_UNKNOWN')
    await registry.putBlob(call, A, digest, chunkOf(content))
  }
}

/** @param names one actor, or several that are in one process */
export function scriptOf(
  names: readonly ActorName[],
  given: Given,
  rules: Partial<HostedRules> = {},
): Script<Event> {
  return {
    name: names.join(' & '),
    begin(process) {
      const { db, store, now, processId, tell } = process
      const parts = { db, store, clock: { now }, processId, boot: 'boot', log: silentLogger }
      const pulls = createPullRecorder(db, now)
      const hosted = createHostedRegistry({ ...parts, pulls, rules: { ...defaultRules, ...rules } })
      const registry = witnessed(hosted, processId, tell, rules)
      return Object.fromEntries(
        names.map((name, index) => [
          `${index} ${name}`,
          () => (ACTORS[name] as Actor).run({ ...process, registry, given }),
        ]),
      )
    },
  }
}

/** An answer that the protocol has no room for. */
export function assertOrdinary(operation: string, error: unknown, isPaused: boolean): void {
  if (error === undefined) return
  const name = operation.replace(/^.*\.\d+ /, '') as ActorName
  const may = [
    ...ABSENT,
    ...(isPaused ? ['BLOB_UPLOAD_INVALID', 'BLOB_UPLOAD_UNKNOWN'] : []),
    ...((ACTORS[name] as Actor).may ?? []),
  ]
  if (!(error instanceof RegistryError) || !may.includes(error.code)) throw error as Error
}
