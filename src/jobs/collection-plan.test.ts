/** What a dry run says is what the run removes: over registries in memory that random use has filled, and by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/logger.ts'
import { HOUR_MS } from '../metadata/blob-links.ts'
import { type CollectionPlan, PLAN_BEGIN, planPage } from '../metadata/collection-plans.ts'
import { emptyTrash } from '../metadata/empty-trash.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestFromBytes } from '../oci/digest.ts'
import {
  type Fixture,
  pushBlob,
  pushImage,
  repository,
  sha256,
  tag,
  withFixture,
} from '../registry/hosted-fixtures.ts'
import { collectGarbage } from './collect-garbage.ts'
import { makePlan, type PlanOptions, type PlanRun, runPlan } from './collection-plan.ts'
import { removeGarbage } from './remove-garbage.ts'

const DAY = 24 * HOUR_MS
const KEEP = { keepMs: DAY }
const never = new AbortController().signal

const partsOf = (f: Fixture) => ({ db: f.metadata.db, store: f.store, log: silentLogger, now: f.clock.now })

async function plan(f: Fixture, options: Partial<PlanOptions> = {}): Promise<CollectionPlan> {
  const made = await makePlan(partsOf(f), { ...KEEP, ...options }, never)
  assert.ok(made)
  return made
}

const run = (f: Fixture, made: CollectionPlan): Promise<PlanRun> => runPlan(partsOf(f), made, KEEP, never)

/** Everything that a collection can remove, a line each. */
async function contents(f: Fixture): Promise<Set<string>> {
  const sql = `SELECT 'manifest ' || r.name AS what, m.digest FROM manifests m JOIN repositories r ON r.id = m.repository_id
    UNION ALL SELECT 'link ' || r.name, l.digest FROM blob_links l JOIN repositories r ON r.id = l.repository_id
    UNION ALL SELECT 'blob', digest FROM blobs`
  const rows = await f.metadata.db.read({ name: 'contents', sql, rows: true }, {})
  return new Set(
    rows.map((row) => `${row['what'] as string} ${digestFromBytes(row['digest'] as Uint8Array)}`),
  )
}

async function planned(f: Fixture, { id }: CollectionPlan): Promise<Set<string>> {
  const lines = new Set<string>()
  for (const kind of ['manifest', 'link', 'blob'] as const) {
    let cursor = PLAN_BEGIN
    // Small pages: none may be lost between two of them.
    for (;;) {
      const page = await planPage(f.metadata.db, id, kind, undefined, cursor, 3)
      for (const item of page)
        lines.add([kind, ...(kind === 'blob' ? [] : [item.repository]), item.digest].join(' '))
      const last = page.at(-1)
      if (last === undefined) break
      cursor = { repositoryId: last.repositoryId ?? 0, key: last.key }
    }
  }
  return lines
}

async function bytesStored(f: Fixture): Promise<number> {
  let bytes = 0
  for await (const { size } of f.store.list()) bytes += size
  return bytes
}

const without = (all: Set<string>, removed: Set<string>): string[] =>
  [...all].filter((line) => !removed.has(line)).sort()

/** The same numbers from the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 12345
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A registry that was used at random: pushes, indexes, referrers, mounts, deletes, reads, and time that goes by. */
async function use(f: Fixture, random: (below: number) => number, steps: number): Promise<void> {
  const names = ['a', 'b', 'c/d']
  const pushed: { name: string; digest: Digest }[] = []
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T
  const tags = (): string[] => ['1', '2', 'latest'].filter(() => random(3) === 0)
  const putIndex = async (name: string, children: Digest[], extra: object): Promise<void> => {
    const manifests = children.map((digest) => ({ mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 }))
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests, ...extra }),
    )
    const put = { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: tags().map(tag) }
    pushed.push({ name, digest: (await f.registry.putManifest(f.call, repository(name), put)).digest })
  }
  const actions: ((name: string) => Promise<unknown>)[] = [
    async (name) =>
      pushed.push({ name, digest: await pushImage(f, name, tags(), [`l${random(6)}`, `l${random(6)}`]) }),
    async (name) => {
      const subject = pushed.filter((one) => one.name === name)
      if (subject.length === 0) return
      const { digest } = pick(subject)
      const extra = { subject: { mediaType: MEDIA_TYPE.ociManifest, digest, size: 1 } }
      pushed.push({ name, digest: await pushImage(f, name, tags(), [`sig${random(3)}`], extra) })
    },
    async (name) => {
      const own = pushed.filter((one) => one.name === name).map(({ digest }) => digest)
      if (own.length === 0) return
      const subject =
        random(4) === 0 ? { subject: { mediaType: MEDIA_TYPE.ociManifest, digest: pick(own), size: 1 } } : {}
      await putIndex(name, [pick(own), pick(own)], subject)
    },
    (name) => pushBlob(f, name, `l${random(8)}`),
    (name) => f.registry.mountBlob(f.call, repository(name), sha256(`l${random(6)}`), undefined),
    async (name) => f.registry.statBlob(f.call, repository(name), sha256(`l${random(6)}`)),
    (name) => f.registry.deleteTag(f.call, repository(name), tag(pick(['1', '2', 'latest']))),
    (name) => f.registry.deleteBlob(f.call, repository(name), sha256(`l${random(6)}`)),
    async () => {
      if (pushed.length === 0) return
      const { name, digest } = pick(pushed)
      await f.registry.deleteManifest(f.call, repository(name), digest)
    },
    async () => {
      if (pushed.length === 0) return
      const { name, digest } = pick(pushed)
      await f.registry.statManifest(f.call, repository(name), { kind: 'digest', digest })
    },
    async () => f.clock.advance(random(30) * HOUR_MS),
    async () => {
      if (random(3) === 0) await collectGarbage(partsOf(f), KEEP, never)
    },
  ]
  for (let step = 0; step < steps; step++) {
    const name = pick(names)
    // Refusals (not there, a child that is missing) are part of the use.
    await pick(actions)(name).catch((error: Error & { code?: string }) =>
      assert.ok(error.code, error.message),
    )
  }
}

const SEEDS = process.env['BERTH_SLOW'] === undefined ? 40 : 500

for (const emptiesTrash of [false, true]) {
  test(`${SEEDS} registries: the plan names exactly what a collection removes${emptiesTrash ? ' when the trash is emptied' : ''}`, async () => {
    let removed = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      await withFixture((f) =>
        withFixture(async (twin) => {
          for (const one of [f, twin]) {
            await use(one, randomOf(seed), 60)
            one.clock.advance(20 * HOUR_MS)
          }
          const why = `seed ${seed}`
          const before = await contents(f)
          assert.deepEqual([...before].sort(), [...(await contents(twin))].sort(), why)
          const made = await plan(f, { emptiesTrash })
          assert.deepEqual(await contents(f), before, `${why}: a dry run removes nothing`)
          const names = await planned(f, made)
          assert.equal(names.size, made.manifests + made.links + made.blobs)

          const now = twin.clock.now()
          const actor = {
            principalId: 't',
            principalName: 't',
            client: 't',
            requestId: 't',
            cause: 'api',
            now,
          }
          if (emptiesTrash) await emptyTrash(twin.metadata.db, { now, actor })
          const collected = await collectGarbage(partsOf(twin), KEEP, never)
          assert.deepEqual(
            [...(await contents(twin))].sort(),
            without(before, names),
            `${why}: planned, collected`,
          )
          assert.equal(made.bytes, collected.bytes, `${why}: bytes`)

          await removeGarbage(partsOf(f), never)
          const stored = await bytesStored(f)
          const result = await run(f, made)
          assert.deepEqual([...(await contents(f))].sort(), without(before, names), `${why}: planned, run`)
          assert.deepEqual(
            { ...result, firstSkipped: result.firstSkipped.map(({ reason }) => reason) },
            {
              ...{ manifests: made.manifests, links: made.links, blobs: made.blobs, bytes: made.bytes },
              ...{
                items: names.size,
                looked: names.size,
                gone: 0,
                skipped: 0,
                firstSkipped: [],
                isTakingOver: false,
              },
            },
            why,
          )
          await removeGarbage(partsOf(f), never)
          assert.equal(stored - (await bytesStored(f)), made.bytes, `${why}: bytes on the disk`)
          removed += names.size
        }),
      )
    }
    assert.ok(removed > SEEDS, `${removed} things removed in all`)
  })
}

const A = repository('a')

/** A statement by hand. */
const change = (f: Fixture, sql: string, params = {}) =>
  f.metadata.db.write({ steps: [{ statement: { name: sql, sql } }], params, touches: ['*'] })

test('links that nobody made candidates are planned only where they are asked for', () =>
  withFixture(async (f) => {
    await pushImage(f, A, ['v1'], ['held'])
    const unused = await pushBlob(f, A, 'came with a takeover')
    await change(f, 'DELETE FROM candidates')
    const early = await plan(f, { takesUnused: true })
    assert.equal(early.links, 0, 'promised yet')
    f.clock.advance(3 * DAY)
    assert.equal((await plan(f)).links, 0)
    const made = await plan(f, { takesUnused: true })
    assert.deepEqual([...(await planned(f, made))].sort(), [`blob ${unused}`, `link a ${unused}`])
    assert.equal((await run(f, made)).bytes, 'came with a takeover'.length)
  }))

test('what a manifest may name that could not be taken over is not unused', () =>
  withFixture(async (f) => {
    const kept = await pushBlob(f, A, 'a layer of schema 1')
    const unused = await pushBlob(f, 'b', 'came with a takeover')
    await change(f, 'DELETE FROM candidates')
    await change(f, 'UPDATE repositories SET imported_at = 1, imported_as_of = 1')
    const finding =
      'INSERT INTO takeover_findings (repository, kind, detail, at) VALUES (:repository, :kind, :kind, 0)'
    await change(f, finding, { repository: 'a', kind: 'schema1' })
    await change(f, finding, { repository: 'b', kind: 'layer-without-data' })
    f.clock.advance(3 * DAY)
    assert.deepEqual([...(await planned(f, await plan(f, { takesUnused: true })))].sort(), [
      `blob ${unused}`,
      `link b ${unused}`,
    ])
    // More was found than is kept: nobody knows what of the rest could not be taken over.
    await change(f, `INSERT INTO takeover_findings SELECT 20000, 'z', 'schema1', '', 0`)
    assert.deepEqual([...(await planned(f, await plan(f, { takesUnused: true })))], [])
    await f.registry.statBlob(f.call, A, kept)
  }))

test('a file that two digests share is counted with the last of them, and once', () =>
  withFixture(async (f) => {
    const [one, other] = [await pushBlob(f, A, 'first'), await pushBlob(f, A, 'other')]
    const hex = (digest: Digest): string => `unhex('01${digest.slice(7)}')`
    await change(
      f,
      `UPDATE blobs SET size = 5, object_id = (SELECT object_id FROM blobs WHERE digest = ${hex(one)}) WHERE digest = ${hex(other)}`,
    )
    f.clock.advance(3 * DAY)
    const made = await plan(f)
    assert.deepEqual([made.blobs, made.bytes], [2, 5])
    const result = await run(f, made)
    assert.deepEqual([result.blobs, result.bytes], [2, 5])
  }))

test('referrers of referrers are planned after what they are about', () =>
  withFixture(async (f) => {
    const digests: Digest[] = []
    // A chain of referrers, each on the one before.
    for (let depth = 0; depth < 12; depth++) {
      const subject = digests.at(-1)
      const extra =
        subject === undefined
          ? {}
          : { subject: { mediaType: MEDIA_TYPE.ociManifest, digest: subject, size: 1 } }
      digests.push(await pushImage(f, A, depth === 0 ? ['v1'] : [], [`layer ${depth}`], extra))
    }
    await f.registry.deleteTag(f.call, A, tag('v1'))
    f.clock.advance(3 * DAY)
    const made = await plan(f)
    assert.equal(made.manifests, 12)
    const result = await run(f, made)
    assert.deepEqual([result.manifests, result.skipped], [12, 0])
    assert.equal((await contents(f)).size, 0)
  }))

test('a plan that is broken off leaves nothing; old ones are forgotten when the next is made', () =>
  withFixture(async (f) => {
    await pushBlob(f, A, 'x')
    f.clock.advance(3 * DAY)
    const controller = new AbortController()
    const onProgress = () => controller.abort()
    assert.equal(await makePlan(partsOf(f), { ...KEEP, onProgress }, controller.signal), undefined)
    const rows = async (): Promise<unknown> => {
      const sql =
        'SELECT (SELECT count(*) FROM collection_plans) AS plans, (SELECT count(*) FROM collection_plan_items) AS items'
      return { ...(await f.metadata.db.read({ name: 'plans', sql, rows: true }, {}))[0] }
    }
    assert.deepEqual(await rows(), { plans: 0, items: 0 })
    for (let count = 0; count < 30; count++) await plan(f)
    assert.deepEqual(await rows(), { plans: 21, items: 42 })
    f.clock.advance(8 * DAY)
    await plan(f)
    assert.deepEqual(await rows(), { plans: 1, items: 2 })
  }))
