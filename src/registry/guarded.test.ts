/** Each verb behind its guard, over a hosted registry. What requests get of it is tried in test/access. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Guard, RepositoryAction } from '../auth/permission.ts'
import { anonymousPrincipal, type Principal } from '../auth/principal.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { createGuardedRegistry } from './guarded.ts'
import {
  chunkOf,
  type Fixture,
  imageOf,
  pushBlob,
  pushImage,
  repository,
  sha256,
  tag,
  withFixture,
} from './hosted-fixtures.ts'
import type { Call, Registry } from './registry.ts'

const A = repository('team/app')
const B = repository('other/app')
const alice: Principal = { ...anonymousPrincipal, id: 'user:1', name: 'alice', kind: 'user' }
const bob: Principal = { ...anonymousPrincipal, id: 'user:2', name: 'bob', kind: 'user' }

const as = (f: Fixture, principal: Principal): Call => ({ ...f.call, principal })
const guardOf = (may: Guard['may'], mayMoveTags: Guard['mayMoveTags'] = () => true): Guard => ({
  may,
  mayMoveTags,
  mayList: (principal, name) => may(principal, 'pull', name),
})

function rejects(answer: unknown, code: string): Promise<void> {
  return assert.rejects(Promise.resolve(answer), (error: { code?: string; message: string }) => {
    assert.equal(error.code, code, error.message)
    return true
  })
}

type Case = { action: RepositoryAction; ask(registry: Registry, call: Call): unknown }
const reference = { kind: 'tag', tag: tag('v1') } as const
const D = sha256('nowhere')

/** A verb that is not here does not compile. Lists of repositories are filtered, and refused to nobody. */
const VERBS: Record<Exclude<keyof Registry, 'listRepositories' | 'searchRepositories'>, Case> = {
  getManifest: { action: 'pull', ask: (r, call) => r.getManifest(call, A, reference) },
  statManifest: { action: 'pull', ask: (r, call) => r.statManifest(call, A, reference) },
  putManifest: {
    action: 'push',
    ask: (r, call) => r.putManifest(call, A, { mediaType: undefined, bytes: Buffer.from('{'), tags: [] }),
  },
  deleteManifest: { action: 'delete', ask: (r, call) => r.deleteManifest(call, A, D) },
  deleteTag: { action: 'delete', ask: (r, call) => r.deleteTag(call, A, tag('v1')) },
  statBlob: { action: 'pull', ask: (r, call) => r.statBlob(call, A, D) },
  openBlob: { action: 'pull', ask: (r, call) => r.openBlob(call, A, D, undefined) },
  deleteBlob: { action: 'delete', ask: (r, call) => r.deleteBlob(call, A, D) },
  putBlob: { action: 'push', ask: (r, call) => r.putBlob(call, A, D, chunkOf('x')) },
  mountBlob: { action: 'push', ask: (r, call) => r.mountBlob(call, A, D, undefined) },
  startUpload: { action: 'push', ask: (r, call) => r.startUpload(call, A, undefined) },
  getUpload: { action: 'push', ask: (r, call) => r.getUpload(call, A, 'x') },
  appendUpload: { action: 'push', ask: (r, call) => r.appendUpload(call, A, 'x', chunkOf('x')) },
  finishUpload: { action: 'push', ask: (r, call) => r.finishUpload(call, A, 'x', D, undefined) },
  cancelUpload: { action: 'push', ask: (r, call) => r.cancelUpload(call, A, 'x') },
  listTags: { action: 'pull', ask: (r, call) => r.listTags(call, A, { limit: 1 }) },
  listReferrers: { action: 'pull', ask: (r, call) => r.listReferrers(call, A, D, undefined, { limit: 1 }) },
}

test('each verb is refused without its permission, and reached with nothing but that', () =>
  withFixture(async (f) => {
    for (const isAsync of [false, true]) {
      const answer = (yes: boolean) => (isAsync ? Promise.resolve(yes) : yes)
      for (const [verb, { action, ask }] of Object.entries(VERBS)) {
        const seen: string[] = []
        const closed = createGuardedRegistry(
          f.registry,
          guardOf((_, asked, name) => answer(seen.push(`${asked} ${name}`) === 0)),
        )
        await rejects(ask(closed, as(f, alice)), 'DENIED')
        assert.deepEqual(seen, [`${action} ${A}`], verb)
        await rejects(ask(closed, as(f, anonymousPrincipal)), 'UNAUTHORIZED')

        const open = createGuardedRegistry(
          f.registry,
          guardOf((_, asked, name) => answer(asked === action && name === A)),
        )
        const outcome = await Promise.resolve(ask(open, as(f, alice))).then(
          () => 'answered',
          (error: { code?: string; message: string }) => error.code ?? error.message,
        )
        assert.match(outcome, /^(answered|\w+_UNKNOWN|\w+_INVALID)$/, verb)
      }
      assert.equal((await f.registry.listRepositories(f.call, { limit: 1 })).names.length, 0)
    }
  }))

test('a guard that answers at once costs no promise', () =>
  withFixture(async (f) => {
    const answer = new Promise<never>(() => undefined)
    const inner: Registry = { ...f.registry, getManifest: () => answer, openBlob: () => answer }
    const guarded = createGuardedRegistry(
      inner,
      guardOf(() => true),
    )
    assert.equal(guarded.getManifest(f.call, A, reference), answer)
    assert.equal(guarded.openBlob(f.call, A, D, undefined), answer)
  }))

/** From end to end, as the protocol searches. */
async function search(registry: Registry, call: Call, text: string): Promise<{ names: string[] }> {
  const names: string[] = []
  let after: string | undefined
  do {
    const found = await registry.searchRepositories(call, text, { limit: 25, after })
    names.push(...found.names)
    after = found.next
  } while (after !== undefined)
  return { names }
}

/** Rows as pushes leave them, so many at once. */
async function addRepositories(f: Fixture, count: number): Promise<void> {
  const statement = {
    name: 'add-repositories',
    sql: `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
          INSERT INTO repositories (name, created_at, created_by, published_at)
          SELECT printf('many/r%06d', i), 0, 'test', 1 FROM n`,
  }
  await f.metadata.db.write({ steps: [{ statement }], params: { count }, touches: ['*'] })
}

test('lists show what may be pulled, in full pages, and tell of nothing else', () =>
  withFixture(async (f) => {
    await addRepositories(f, 30)
    const odd = createGuardedRegistry(
      f.registry,
      guardOf((_, action, name) => action === 'pull' && /[13579]$/.test(name)),
    )
    const call = as(f, alice)
    const all: string[] = []
    let after: string | undefined
    for (;;) {
      const { names, more } = await odd.listRepositories(call, { limit: 4, after })
      all.push(...names)
      if (!more) break
      assert.equal(names.length, 4)
      after = names.at(-1)
    }
    assert.equal(all.length, 15)
    assert.deepEqual((await search(odd, call, 'many')).names, all)
    assert.ok(all.every((name) => /[13579]$/.test(name)))
    // Of the last fifteen only r29 and what stands before it may be seen: no page promises another one.
    const last = await odd.listRepositories(call, { limit: 1, after: 'many/r000028' })
    assert.deepEqual(last, { names: ['many/r000029'], more: false })
    const none = createGuardedRegistry(
      f.registry,
      guardOf(() => false),
    )
    assert.deepEqual(await none.listRepositories(call, { limit: 5 }), { names: [], more: false })
    assert.deepEqual(await none.searchRepositories(call, 'many', { limit: 5 }), { names: [] })
  }))

test('one repository that may be seen among 100,000: found, while others are answered in between', () =>
  withFixture(async (f) => {
    await addRepositories(f, 100_000)
    const one = createGuardedRegistry(
      f.registry,
      guardOf((_, __, name) => name === 'many/r099000'),
    )
    const call = as(f, alice)
    for (const [ask, turns] of [
      [() => one.listRepositories(call, { limit: 100 }), 99],
      [() => search(one, call, 'MANY/r'), 99],
      [() => search(one, call, '99000'), 99],
    ] as const) {
      let answered = 0
      let isDone = false
      const others = (): void => {
        answered += 1
        if (!isDone) setImmediate(others)
      }
      setImmediate(others)
      const { names } = await ask()
      isDone = true
      assert.deepEqual(names, ['many/r099000'])
      assert.ok(answered >= turns, `${answered} turns of the event loop`)
    }
  }))

test('nobody waits for a list whose client has left', () =>
  withFixture(async (f) => {
    await addRepositories(f, 5000)
    let asked = 0
    const guarded = createGuardedRegistry(
      f.registry,
      guardOf(() => (asked += 1) === 0),
    )
    const call = { ...as(f, alice), signal: AbortSignal.abort() }
    await guarded.listRepositories(call, { limit: 10 })
    await guarded.searchRepositories(call, '', { limit: 10 })
    assert.ok(asked < 100, `${asked}`)
  }))

test('a search compares names, whatever its characters mean elsewhere', () =>
  withFixture(async (f) => {
    for (const name of ['team/app', 'team/web-app', 'other/app_x', 'library/nginx']) {
      await pushImage(f, name, ['v1'])
    }
    const find = async (text: string, limit = 25) =>
      (await f.registry.searchRepositories(f.call, text, { limit })).names
    assert.deepEqual(await find('app'), ['other/app_x', 'team/app', 'team/web-app'])
    assert.deepEqual(await find('App'), ['other/app_x', 'team/app', 'team/web-app'])
    assert.deepEqual(await find('app', 2), ['other/app_x', 'team/app'])
    assert.deepEqual(await find('_x'), ['other/app_x'])
    for (const text of [
      '%',
      'te_m',
      '*',
      '.',
      "'",
      '"',
      '\\',
      '[a-z]',
      ';--',
      '\n',
      '\u0000',
      'é'.repeat(1000),
    ])
      assert.deepEqual(await find(text), [], text)
    assert.equal((await find('')).length, 4)
  }))

test('a blob is mounted from where its asker may read, and from nowhere else', () =>
  withFixture(async (f) => {
    const call = as(f, alice)
    const readable = new Set<string>([A])
    const guarded = createGuardedRegistry(
      f.registry,
      guardOf((_, action, name) => action === 'push' || readable.has(name)),
    )
    const hidden = await pushBlob(f, B, 'only there')
    const there: RepositoryName[] = []
    for (let i = 0; i < 5; i += 1) {
      there.push(repository(`hidden/r${i}`))
      await f.registry.mountBlob(f.call, there[i] as RepositoryName, hidden, B)
    }
    assert.equal(await guarded.mountBlob(call, A, hidden, B), 'unavailable')
    assert.equal(await guarded.mountBlob(call, A, hidden, undefined), 'unavailable')
    await rejects(guarded.statBlob(call, A, hidden), 'BLOB_UNKNOWN')
    await rejects(guarded.openBlob(call, A, hidden, undefined), 'BLOB_UNKNOWN')
    readable.add('hidden/r3')
    assert.equal(await guarded.mountBlob(call, A, hidden, B), 'unavailable')
    assert.equal(await guarded.mountBlob(call, A, hidden, undefined), 'mounted')
    assert.deepEqual(await guarded.statBlob(call, A, hidden), { size: 10 })
  }))

test('an upload is there for who began it, in its repository', () =>
  withFixture(async (f) => {
    const guarded = createGuardedRegistry(
      f.registry,
      guardOf(() => true),
    )
    const { id } = await guarded.startUpload(as(f, alice), A, undefined)
    await guarded.appendUpload(as(f, alice), A, id, chunkOf('hers'))
    const digest = sha256('hers')
    for (const [principal, name] of [
      [bob, A],
      [bob, B],
      [alice, B],
      [anonymousPrincipal, A],
    ] as const) {
      const call = as(f, principal)
      await rejects(guarded.getUpload(call, name, id), 'BLOB_UPLOAD_UNKNOWN')
      await rejects(guarded.appendUpload(call, name, id, chunkOf('x')), 'BLOB_UPLOAD_UNKNOWN')
      await rejects(guarded.finishUpload(call, name, id, digest, undefined), 'BLOB_UPLOAD_UNKNOWN')
      await rejects(guarded.cancelUpload(call, name, id), 'BLOB_UPLOAD_UNKNOWN')
    }
    assert.deepEqual(await guarded.getUpload(as(f, alice), A, id), { id, received: 4 })
    await guarded.finishUpload(as(f, alice), A, id, digest, undefined)
  }))

function manifest(f: Fixture, registry: Registry, call: Call, layer: string, tags: readonly Tag[]) {
  const bytes = imageOf('{}', [layer])
  const put = { mediaType: MEDIA_TYPE.ociManifest, bytes, tags }
  return pushBlob(f, A, layer).then(() => registry.putManifest(call, A, put))
}
const tagged = async (f: Fixture, name: string) =>
  (await f.registry.statManifest(f.call, A, { kind: 'tag', tag: tag(name) })).digest

test('who may only create moves no tag that is there, by none of a push', () =>
  withFixture(async (f) => {
    const creator = createGuardedRegistry(
      f.registry,
      guardOf(
        () => true,
        (principal) => principal.id !== alice.id,
      ),
    )
    const call = as(f, alice)
    const first = await pushImage(f, A, ['latest'], ['one'])
    await manifest(f, creator, call, 'one', [tag('latest'), tag('v1')])
    assert.equal(await tagged(f, 'v1'), first)

    for (const tags of [['latest'], ['v2', 'latest'], ['latest', 'v1']]) {
      const pushed = manifest(f, creator, call, 'two', tags.map(tag))
      await assert.rejects(pushed, (error: { code?: string; message: string; detail?: unknown }) => {
        assert.equal(error.code, 'DENIED')
        assert.match(error.message, /"latest".*you may create tags here, not move them/s)
        assert.deepEqual(error.detail, { tags: tags.filter((name) => name !== 'v2').sort() })
        return true
      })
      assert.equal(await tagged(f, 'latest'), first)
      assert.deepEqual((await f.registry.listTags(f.call, A, { limit: 9 })).names, ['latest', 'v1'])
    }
    const { digest } = await manifest(f, creator, call, 'two', [tag('v2')])
    assert.equal(await tagged(f, 'v2'), digest)
    await manifest(f, creator, as(f, bob), 'two', [tag('latest')])
    assert.equal(await tagged(f, 'latest'), digest)
  }))

test('of 20 creators that push different manifests to one tag at once, one wins', () =>
  withFixture(async (f) => {
    await pushBlob(f, A, '{}')
    const creator = createGuardedRegistry(
      f.registry,
      guardOf(
        () => true,
        () => false,
      ),
    )
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => manifest(f, creator, as(f, alice), `layer ${i}`, [tag('new')])),
    )
    const stored = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    assert.equal(stored.length, 1)
    assert.equal(await tagged(f, 'new'), stored[0]?.value.digest)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal((outcome.reason as { code: string }).code, 'DENIED')
    }
  }))
